"""The world of this machine: one folder, a commons with two projects whose records have the same names, lives of an
engine, people. On top of the world of the crash tests.

Owns what happens; `oracle.py` holds it against what gen3sync says.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gen3sync.sandbox import Sandbox
from tests.crash.nursery import Nursery
from tests.crash.world import GRACE, HORIZON, World
from tests.scenario.outbox_machine.drawing import Draft
from tests.scenario.outbox_machine.witness import Witness

PROJECTS = ("DEV-test", "LAB-twin")
SUBMIT = "/submission/(DEV/test|LAB/twin)$"
_MARGIN = 1.0


def code_of(project: str) -> str:
    return project.partition("-")[2]


@dataclass
class Known:
    """A drop as it was seen from outside. Times are the world's, whatever the engine's clock says: it arrived after
    `since`, was open at `open_at` and had ended by `until`."""

    since: float
    open_at: float
    until: float | None = None


@dataclass(frozen=True)
class Put:
    """A file that somebody put into the outbox. `owed`: it lay there undisturbed."""

    path: str
    sha256: str
    data: bytes


@dataclass
class Town(World):
    """See the module."""

    blanks: str = "guard"
    known: dict[int, Known] = field(default_factory=dict)
    puts: list[Put] = field(default_factory=list)
    lying: dict[str, Put] = field(default_factory=dict)
    """By path: the last file put there that nobody took away."""
    erasable: set[int] = field(default_factory=set)
    """Drops whose blanks may erase stored values, since somebody said so."""
    struck: dict[str, float] = field(default_factory=dict)
    """Kinds of trouble that can refuse a row, and when each was made last."""
    _looked: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.witness = Witness(self.sandbox, self.clock.seconds)
        self._looked = self.clock.seconds()

    def configure(self, blanks: str, send: str, on_invalid: str) -> None:
        """Before the first life."""
        self.blanks = blanks
        path = self.folder / "gen3sync.toml"
        lines = f'blanks = "{blanks}"\nsend = "{send}"\non_invalid = "{on_invalid}"\n[inbox]'
        path.write_text(path.read_text().replace("[inbox]", lines))

    # --- people

    def put(self, project: str, place: str, draft: Draft) -> None:
        """A file arrives whole, as by `mv`."""

        def find(node: str, name: str) -> str | None:
            found = self.sandbox.record(project, node, name)
            return str(found["id"]) if found else None

        self.lay(project, draft.at(place), draft.written(find, code_of(project)))

    def lay(self, project: str, name: str, data: bytes) -> None:
        path = f"{project.replace('-', '/')}/{name}"
        target = self.outbox / path
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.part")
        aside.write_bytes(data)
        aside.replace(target)
        self.lying[path] = Put(path, hashlib.sha256(data).hexdigest(), data)
        self.puts.append(self.lying[path])

    def take_away(self, path: str) -> None:
        """Somebody deletes a file from the outbox."""
        (self.outbox / path).unlink(missing_ok=True)
        self.lying.pop(path, None)

    def papers(self) -> list[Path]:
        """Undo and rejects files that lie beside receipts."""
        found = [*self.folder.glob("sent/**/*"), *self.folder.glob("rejected/**/*")]
        papers = (path for path in found if ".undo" in path.name or ".rejects." in path.name)
        return sorted(path for path in papers if not path.name.endswith(".receipt.json") and path.name[0] != ".")

    def strike(self, what: str) -> None:
        self.struck[what] = self.clock.seconds()

    # --- looking on

    def rows(self) -> list[tuple[int, str, str, str, str | None, str | None, str | None, str | None, str]]:
        """The ledger's drops as SQLite has them."""
        path = self.folder / "state/ledger.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as ledger:
            words = "id, path, sha256, state, verdict, receipt, program, project, snapshot"
            try:
                return ledger.execute(f"SELECT {words} FROM drops ORDER BY id").fetchall()
            except sqlite3.OperationalError:  # it is only being made
                return []

    def look(self) -> None:
        """Notes which drops there are, and which have ended."""
        now = self.clock.seconds()
        for number, _, _, state, *_ in self.rows():
            one = self.known.setdefault(number, Known(self._looked - _MARGIN, self._looked))
            if state != "ended":
                one.open_at = now
            elif one.until is None:
                one.until = self.clock.seconds() + _MARGIN
        self._looked = now

    def nothing_lost(self) -> None:
        """Every content that was taken, or lies there undisturbed, is on the disk. Only while nobody is at work."""
        roots = (self.outbox, self.folder / "sent", self.folder / "rejected", self.folder / "state/drops")
        there = {
            hashlib.sha256(path.read_bytes()).hexdigest()
            for root in roots
            for path in root.rglob("*")
            if path.is_file()
        }
        for number, path, sha256, *_ in self.rows():
            assert sha256 in there, f"drop {number} ({path}) is nowhere"
        for put in self.lying.values():
            assert put.sha256 in there, f"{put.path} is nowhere"

    # --- the end

    def finish(self) -> None:
        """Everything is well again and time passes until every drop has ended."""
        self.sandbox.faults.clear()
        self.sandbox.allow()
        for project in PROJECTS:
            self.sandbox.set_project(project, state="open")
        self.sandbox.write_api_key(self.folder / "key.json")
        if self.life is None:
            self.begin()
        self.ask("recover")
        waiting: list[dict[str, Any]] = []
        for seconds in (0.0, 200.0, HORIZON, 200.0, 400.0, GRACE, 200.0, HORIZON, GRACE, 400.0):
            if seconds:
                self.advance(seconds)
            waiting = self.settled()
            if not waiting:
                break
        assert not waiting, f"drops do not end: {waiting}"
        self.look()
        self.end()

    def settled(self) -> list[dict[str, Any]]:
        """Waits until nothing moves, and lets guarded drops erase; the drops that are open then."""
        waiting = self.ask("quiet")["drops"]
        if any(drop["class"] == "guard" for drop in waiting):
            self.retry(erase=True)
            waiting = self.ask("quiet")["drops"]
        self.look()
        return list(waiting)

    def retry(self, *, erase: bool, target: str | int | None = None) -> None:
        """`gen3sync retry`. With the policy "keep" nobody asks to erase."""
        erase = erase and self.blanks != "keep"
        if erase:
            self.erasable.update(number for number, _, _, state, *_ in self.rows() if state != "ended")
        told = self.ask("retry", erase=erase, target=target)
        if erase:
            self.erasable.update(told["ids"])


@contextmanager
def town_in(folder: Path, nursery: Nursery, options: str) -> Iterator[Town]:
    """A new one; nothing of it runs afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox(projects=PROJECTS) as sandbox:
        town = Town(folder, sandbox, nursery, options)
        try:
            yield town
        finally:
            sandbox.faults.clear()
            town.close()
