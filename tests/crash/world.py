"""A folder and a commons that outlive engines: files are dropped, lives come and go.

Owns what happens; what must be true at the end is `truth.py`'s. Engines run in processes of their own (`handle.py`).
"""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.store import Record, pg_lower
from tests.crash.handle import Died, Life
from tests.crash.nursery import Nursery
from tests.crash.past import PROJECT, Dropped, Key, Version
from tests.crash.swift import SwiftClock
from tests.crash.truth import Truth

SPEED = 50.0
HORIZON = 600.0
GRACE = 3600.0


@dataclass
class World:
    """See the module."""

    folder: Path
    sandbox: Sandbox
    nursery: Nursery | None
    options: str = ""
    seed: int = 1
    speed: float = SPEED
    horizon: float = HORIZON
    history: dict[Key, list[Version]] = field(default_factory=lambda: defaultdict(list))
    dropped: list[Dropped] = field(default_factory=list)
    foreign: bool = False
    life: Life | None = None

    def __post_init__(self) -> None:
        self.clock = SwiftClock(time.time(), self.speed)
        self.outbox = self.folder / "outbox"
        self.truth = Truth(self.folder, self.sandbox, self.clock, self.history, self.dropped)
        self.sandbox.write_api_key(self.folder / "key.json")
        self.sandbox.set_token_lifetime(30 * 86_400)
        settle = f"{0.01 * self.speed:.2f}s"
        (self.folder / "gen3sync.toml").write_text(
            f'[commons]\nurl = "{self.sandbox.url}"\ncredentials = "key.json"\nhorizon = "{self.horizon:.0f}s"\n'
            f'\n[outbox]\npath = "outbox"\nsettle = "{settle}"\nlink_grace = "{GRACE:.0f}s"\n{self.options}\n'
            '[inbox]\npath = "inbox"\n[state]\npath = "state"\n'
        )
        for name in ("outbox", "inbox", "state"):
            (self.folder / name).mkdir()
        store = self.sandbox.commons.store
        put = store.put

        def watched(record: Record) -> None:
            put(record)
            if record.project_id == PROJECT and record.submitter_id is not None:
                key = record.node, pg_lower(record.submitter_id)
                self.history[key].append(Version(self.clock.seconds(), record, self.foreign))

        store.put = watched  # type: ignore[method-assign]

    # --- what people do

    def drop(self, name: str, text: str) -> None:
        """A file arrives at once and whole, as by `mv`."""
        path = self.outbox / "DEV/test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_text(text)
        aside.replace(path)
        self.dropped.append(Dropped(f"DEV/test/{name}", hashlib.sha256(text.encode()).hexdigest(), text))

    # --- lives

    def begin(self, point: str | None = None, nth: int = 1) -> None:
        """Starts an engine, which may be told where to die. Raises Died."""
        assert self.life is None
        assert self.nursery is not None
        birth = {
            "folder": str(self.folder),
            "origin": self.clock.origin,
            "speed": self.clock.speed,
            "ahead": self.clock.ahead,
            "seed": self.seed,
        }
        self.life = Life(self.nursery, birth)
        self.ask("open", point=point, nth=nth)

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Asks the living engine. Raises Died."""
        assert self.life is not None
        try:
            return self.life.ask(what, **arguments)
        except Died:
            self.life = None
            raise

    def kill(self) -> None:
        if self.life is not None:
            self.life.kill()
            self.life = None

    def end(self, timeout: float = 60.0) -> dict[str, Any]:
        """Ends the engine in order. Raises Died when it dies of that (it was armed)."""
        life, self.life = self.life, None
        assert life is not None
        # The engine measures it by its own clock: what is to end in order has as many real seconds.
        answer = life.close(timeout if timeout < 10 else timeout * self.speed)
        assert answer["clean"] or timeout < 10, "the engine does not stop"
        return answer

    def advance(self, seconds: float, *, idle: bool = True) -> None:
        """Time passes, for the commons too. No request outlives its horizon (the server's timeout sees to that), so
        unless `idle` is False all requests must end first."""
        if idle:
            self.sandbox.wait_for(lambda box: all(r.ended is not None for r in box.requests))
        self.clock.advance(seconds)
        self.sandbox.set_clock_offset(self.clock.seconds() - time.time())
        if self.life is not None:
            self.ask("advance", seconds=seconds)

    def in_flight(self) -> bool:
        return any(r.ended is None and r.method == "PUT" for r in self.sandbox.requests)

    def finish(self) -> None:
        """Everything is well again and time passes until every drop has ended."""
        self.sandbox.faults.clear()
        self.sandbox.allow()
        self.sandbox.set_project(PROJECT, state="open")
        if self.life is None:
            self.begin()
        self.ask("disarm")
        waiting: list[dict[str, Any]] = []
        for seconds in (0.0, 200.0, HORIZON, 200.0, 400.0, GRACE, 200.0, HORIZON, GRACE, 400.0):
            if seconds:
                self.advance(seconds)
            waiting = self.ask("quiet")["drops"]
            if any(drop["class"] == "guard" for drop in waiting):
                self.ask("retry", erase=True)
                waiting = self.ask("quiet")["drops"]
            if not waiting:
                break
        assert not waiting, f"drops do not end: {waiting}"
        self.end()

    def close(self) -> None:
        self.kill()


@contextmanager
def world_in(folder: Path, nursery: Nursery | None, options: str = "", **given: Any) -> Iterator[World]:
    """A new world; nothing of it runs afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox(projects=(PROJECT,)) as sandbox:
        world = World(folder, sandbox, nursery, options, **given)
        try:
            yield world
        finally:
            sandbox.faults.clear()
            world.close()
