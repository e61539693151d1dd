"""What scenarios of the outbox share: a sandbox commons, folders, an outbox on them, and words to tell stories with."""

from __future__ import annotations

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock, SystemClock
from gen3sync.commons.connect import open_commons
from gen3sync.config import load_settings
from gen3sync.ledger import Drop, DropState, Ledger, open_ledger
from gen3sync.outbox import OnceSummary, Outbox
from gen3sync.outbox.failpoint import STEPS, FailPoint, no_failpoint
from gen3sync.sandbox import Sandbox

PATIENCE = 120.0
TARGET = 'target = "10m"'
"""How long requests should take: however slow the machine, or fast the story's clock, it makes none smaller."""
TO_THE_END = STEPS[STEPS.index("read: done") :]
"""Where a crash may stand once a file is read."""
BEFORE_THE_END = TO_THE_END[: TO_THE_END.index("archive: original aside")]
"""The same, while the drop still ends in the next life."""


class PowerCutError(BaseException):
    """Ends a thread where it stands."""


class Bench:
    """A folder and a commons. `options` are lines of the [outbox] section."""

    def __init__(self, folder: Path, sandbox: Sandbox, options: str = "", commons: str = "") -> None:
        self.folder, self.sandbox = folder, sandbox
        options = options if "target" in options else f"{TARGET}\n{options}"
        key = folder / "key.json"
        if not key.exists():
            sandbox.write_api_key(key)
        config = folder / "gen3sync.toml"
        config.write_text(
            f'[commons]\nurl = "{sandbox.url}"\ncredentials = "key.json"\n{commons}\n'
            f'[outbox]\npath = "outbox"\nsettle = "0.05s"\n{options}\n'
            '[inbox]\npath = "inbox"\n[state]\npath = "state"\n'
        )
        self.settings = load_settings(config, {})
        self.clock: Clock = SystemClock()
        self.landed: list[tuple[str, frozenset[str]]] = []
        self.settings.outbox.path.mkdir(exist_ok=True)
        self.settings.state.path.mkdir(exist_ok=True)

    @property
    def outbox(self) -> Path:
        return self.settings.outbox.path

    def drop(self, name: str, text: str | bytes, project: str = "DEV/test") -> Path:
        """A file arrives, whole at once: a story's clock may run while it is written, and an empty file grows old."""
        path = self.outbox / project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{len(name)}.part")
        aside.write_bytes(text if isinstance(text, bytes) else text.encode())
        return aside.replace(path)

    @contextmanager
    def opened(self, failpoint: FailPoint = no_failpoint) -> Iterator[tuple[Outbox, Ledger]]:
        client = open_commons(self.settings.commons, {}, self.clock)
        ledger = open_ledger(self.settings.state.ledger, self.clock)
        try:
            yield (
                Outbox(
                    self.settings,
                    client,
                    Catalog(client, self.clock, self.settings.state.path),
                    ledger,
                    self.clock,
                    rng=random.Random(1),
                    on_landed=lambda project, nodes: self.landed.append((str(project), frozenset(nodes))),
                    failpoint=failpoint,
                ),
                ledger,
            )
        finally:
            client.close()
            ledger.close()

    def once(self, failpoint: FailPoint = no_failpoint) -> OnceSummary:
        with self.opened(failpoint) as (outbox, _):
            return outbox.run_once()

    def crash(self, step: str, nth: int = 1, also: FailPoint = no_failpoint) -> bool:
        """Runs until `step` is passed for the nth time, then stands still as if the power were cut: whatever thread
        comes by any step after that moves no further. False when all came to its end before. `also` hears of each
        step."""
        dead, left = threading.Event(), [nth]
        lock = threading.Lock()

        def failpoint(name: str) -> None:
            also(name)
            with lock:
                if name == step and not dead.is_set():
                    left[0] -= 1
                    if left[0] == 0:
                        dead.set()
            if dead.is_set():
                raise PowerCutError

        with self.opened(failpoint) as (outbox, ledger):
            outbox.start()
            deadline = time.monotonic() + PATIENCE
            while not dead.wait(0.01) and time.monotonic() < deadline:
                files = [path for path in self.outbox.rglob("*") if path.is_file()]
                if not files and not ledger.drops.open():
                    break
            outbox.stop(30)
        if not any(fault.waiting for fault in self.sandbox.faults.active()):  # the commons, too, is done with it
            self.sandbox.wait_for(lambda box: all(request.ended is not None for request in box.requests))
        return dead.is_set()

    @contextmanager
    def running(self, failpoint: FailPoint = no_failpoint) -> Iterator[Running]:
        with self.opened(failpoint) as (outbox, ledger):
            outbox.start()
            try:
                yield Running(outbox, ledger)
            finally:
                outbox.stop(60)

    def receipt(self, name: str, folder: str = "sent", project: str = "DEV/test") -> dict[str, Any]:
        path = self.folder / folder / project / f"{name}.receipt.json"
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    def writes(self) -> list[Any]:
        """PUTs so far, dry runs left out."""
        return [r for r in self.sandbox.requests if r.method == "PUT" and "_dry_run" not in r.path]


class Running:
    """An outbox at work."""

    def __init__(self, outbox: Outbox, ledger: Ledger) -> None:
        self.outbox, self.ledger = outbox, ledger

    def until(self, condition: Callable[[], object], what: str = "the condition") -> None:
        deadline = time.monotonic() + PATIENCE
        tick = threading.Event()
        while not condition():
            if time.monotonic() > deadline:
                events = [event.text for event in self.ledger.events.recent(20)]
                drops = [(d.id, d.path, d.state.value, d.reason) for d in self.ledger.drops.recent(20)]
                raise AssertionError(f"{what} did not come about; drops {drops}; events {events}")
            tick.wait(0.01)

    def ended(self, number: int = 1) -> list[Drop]:
        """Waits until so many drops have ended; oldest first."""

        def found() -> list[Drop]:
            return [d for d in self.ledger.drops.recent(1000) if d.state is DropState.ENDED]

        self.until(lambda: len(found()) >= number, f"the end of {number} drops")
        return sorted(found(), key=lambda d: d.id)

    def parked(self) -> Drop:
        """Waits until a drop is parked."""
        found: list[Drop] = []

        def look() -> bool:
            found[:] = [d for d in self.ledger.drops.open() if d.state is DropState.PARKED]
            return bool(found)

        self.until(look, "a parked drop")
        return found[0]


def table(columns: str, *rows: str) -> str:
    """A TSV from words: columns and cells separated by spaces, `.` for a blank cell."""

    def line(words: str) -> str:
        return "\t".join("" if word == "." else word for word in words.split(" "))

    return "\n".join([line(columns), *(line(row) for row in rows)]) + "\n"
