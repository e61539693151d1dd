"""The kit of these scenarios: a folder, a commons, and a clock that the story moves, so that nobody waits.

`Story` is the bench of the outbox's own scenarios with time in our hands: `running` gives `Days`, whose `until` moves
the clock on while it looks. Every story ends with `whole`: nothing lost, nothing doubled.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.ledger import Drop, DropState, Ledger
from gen3sync.outbox import Outbox
from gen3sync.outbox.failpoint import FailPoint, no_failpoint
from gen3sync.sandbox import LoggedRequest, Sandbox
from tests.scenario.outbox_bench import Bench, table

PATIENCE = 120.0
TICK = 0.005
"""Seconds of real time between two looks."""
HORIZON = 120
"""Seconds (of the story's clock) after which a request without an answer can no longer be at work."""
PACE = 2.0
"""Seconds that the story's clock goes on between two looks."""
BUSY = 2.0
"""Seconds of real time for which the story's clock waits for somebody who does not come to rest."""


class Struck(TypedDict):
    """Which requests a fault strikes."""

    method: str
    path: str


PUT: Struck = {"method": "PUT", "path": "/submission/DEV/test$"}
"""Strikes uploads to DEV/test."""


class StoryClock(ManualClock):
    """Stands still until the story moves it; whoever waits for an event hears of it at once."""

    def __init__(self, start: datetime) -> None:
        super().__init__(start)
        self._waiting: dict[threading.Thread, tuple[threading.Event, float]] = {}
        self.waits: list[tuple[str, float | None]] = []
        """Who has waited, and for how long."""

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        deadline = math.inf if seconds is None else self.monotonic() + seconds
        me = threading.current_thread()
        self._waiting[me] = event, deadline
        self.waits.append((me.name, seconds))
        try:
            while not event.wait(TICK / 2):
                if self.monotonic() >= deadline:
                    return False
            return True
        finally:
            del self._waiting[me]

    def rests(self, thread: threading.Thread) -> bool:
        """Whether a thread waits for this clock, and its time has not come yet."""
        event, deadline = self._waiting.get(thread, (None, 0.0))
        return event is not None and not event.is_set() and self.monotonic() < deadline


class Story(Bench):
    """One folder, one commons, one story. A study S1 is there already, so that subjects have a parent."""

    def __init__(self, folder: Path, sandbox: Sandbox, options: str = "", commons: str = "") -> None:
        folder.mkdir(exist_ok=True)
        super().__init__(folder, sandbox, options, f'horizon = "{HORIZON}s"\n{commons}')
        self.clock = self.time = StoryClock(SystemClock().now())
        self.dropped: set[str] = set()
        """SHA-256 of every content that was meant to arrive."""
        if not sandbox.record("DEV-test", "study", "S1"):
            sandbox.write(
                "DEV-test", [{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}, "title": "One"}]
            )

    def drop(self, name: str, text: str | bytes, project: str = "DEV/test", *, whole: bool = True) -> Path:
        """Puts a file into the outbox. `whole` False: it is not meant to arrive like this."""
        data = text if isinstance(text, bytes) else text.encode()
        if whole:
            self.dropped.add(hashlib.sha256(data).hexdigest())
        return super().drop(name, data, project)

    @contextmanager
    def running(self, failpoint: FailPoint = no_failpoint) -> Iterator[Days]:  # type: ignore[override]
        with self.opened(failpoint) as (outbox, ledger):
            outbox.start()
            try:
                yield Days(self, outbox, ledger)
            finally:
                outbox.stop(60)

    def goes(self, number: int = 1, *, stored: int = 0) -> list[Drop]:
        """Runs until so many drops have ended in all (`stored`: first until so many subjects are); the drops, oldest
        first."""
        with self.running() as days:
            if stored:
                days.stored(stored)
            return days.ended(number)

    # --- what the user reads

    def says(self, name: str, folder: str = "sent") -> dict[str, Any]:
        """The receipt of a file."""
        return self.receipt(name, folder)

    def rejects(self, name: str, folder: str = "sent") -> list[dict[str, str]]:
        """The rows of a rejects file, by column."""
        path = self.folder / folder / "DEV/test" / f"{name}.rejects.tsv"
        header, *lines = (line.split("\t") for line in path.read_text(encoding="utf-8").splitlines())
        return [dict(zip(header, line, strict=False)) for line in lines]

    def events(self) -> list[str]:
        """What the log of the ledger says, oldest first."""
        with self.opened() as (_, ledger):
            return [event.text for event in reversed(ledger.events.recent(1000))]

    # --- what the commons has

    def subjects(self) -> list[str]:
        """submitter_ids of the stored subjects, sorted; a record that is there twice stands here twice."""
        return sorted(record["submitter_id"] for record in self.sandbox.records("DEV-test", "subject"))

    def subject(self, name: str) -> dict[str, Any]:
        found = self.sandbox.record("DEV-test", "subject", name)
        assert found is not None, f"{name} is not stored"
        return found

    def puts(self) -> list[LoggedRequest]:
        """Uploads to DEV/test, dry runs left out."""
        return [request for request in self.writes() if request.path.endswith("/DEV/test")]

    def whole(self, *stored: str, left: int = 0, writes: int = 1, overlaps: bool = False) -> None:
        """Nothing lost, nothing doubled: these subjects are stored, each once and written at most `writes` times, never
        by two requests at once (unless the story tells of `overlaps`); every content that was dropped is in the archive
        (or, if `left`, still in the outbox).
        """
        assert self.subjects() == sorted(stored)
        assert overlaps or self.sandbox.colliding() == []
        written = Counter(key for request in self.sandbox.requests for key in set(request.written))
        assert {key: n for key, n in written.items() if n > writes} == {}
        files = [path for path in self.outbox.rglob("*") if path.is_file() and not path.is_symlink()]
        assert len(files) == left, files
        settings = self.settings.outbox
        folders = (settings.sent, settings.rejected, *([self.outbox, self.settings.state.path] if left else []))
        kept = {_digest(path) for folder in folders for path in folder.rglob("*") if path.is_file()}
        assert self.dropped <= kept, "a dropped file is nowhere"


class Days:
    """An outbox at work, on the story's clock."""

    def __init__(self, story: Story, outbox: Outbox, ledger: Ledger) -> None:
        self.story, self.outbox, self.ledger = story, outbox, ledger
        self._since: dict[object, float] = {}
        """When each who is at work was first seen at it."""

    def until(
        self,
        condition: Callable[[], object],
        what: str = "the condition",
        *,
        pace: float = PACE,
        patience: float = PATIENCE,
    ) -> None:
        """Moves the clock on until something holds, whenever outbox and commons have come to rest: so no bound passes
        because the machine is slow. `pace` 0: time stands still, the outbox works on."""
        deadline = time.monotonic() + patience
        tick = threading.Event()
        while not condition():
            if time.monotonic() > deadline:
                drops = [(d.id, d.path, d.state.value, d.reason) for d in self.ledger.drops.recent(5)]
                raise AssertionError(f"{what} did not come about; drops {drops}; events {self.told()[-10:]}")
            tick.wait(TICK)
            if pace and not self._busy():
                self.story.time.advance(pace)

    def _busy(self) -> bool:
        """Whether somebody is at work who comes to rest by himself: the outbox' thread, a lane, or the commons with a
        request that no fault holds. Who is at it for `BUSY` seconds waits for something that is held."""
        sandbox, clock, now = self.story.sandbox, self.story.time, time.monotonic()
        own = [thread for thread in threading.enumerate() if thread.name == "outbox" or thread.name.startswith("lane ")]
        asked = [request for request in sandbox.requests if request.ended is None]
        at_work: list[object] = [thread for thread in own if not clock.rests(thread)]
        at_work += [request.number for request in asked if request.fault != "hold"]
        if sum(fault.waiting for fault in sandbox.faults.active()) < sum(request.fault == "hold" for request in asked):
            at_work.append("released")
        self._since = {one: self._since.get(one, now) for one in at_work}
        return any(now - since < BUSY for since in self._since.values())

    def passes(self, seconds: float) -> None:
        """Lets time go by."""
        self.story.time.advance(seconds)

    def ended(self, number: int = 1, *, pace: float = PACE) -> list[Drop]:
        """Waits until so many drops have ended; oldest first."""

        def found() -> list[Drop]:
            return [drop for drop in self.ledger.drops.recent(30_000) if drop.state is DropState.ENDED]

        self.until(lambda: len(found()) >= number, f"the end of {number} drops", pace=pace)
        return sorted(found(), key=lambda drop: drop.id)

    def parked(self, *, pace: float = PACE) -> Drop:
        """Waits until a drop is parked."""
        found: list[Drop] = []

        def look() -> bool:
            found[:] = [drop for drop in self.ledger.drops.open() if drop.state is DropState.PARKED]
            return bool(found)

        self.until(look, "a parked drop", pace=pace)
        return found[0]

    def parked_project(self) -> str:
        """Waits until a project is parked; the reason."""
        found: list[str] = []

        def look() -> bool:
            found[:] = [project.reason for project in self.ledger.projects.all()]
            return bool(found)

        self.until(look, "a parked project")
        return found[0]

    def stored(self, number: int) -> None:
        """Waits until the commons holds so many subjects, hardly moving the clock: however slow the machine, the
        horizon is not passed meanwhile."""
        self.until(lambda: self.story.sandbox.count("DEV-test", "subject") == number, f"{number} records", pace=0.05)

    def arrived(self, number: int = 1, *, pace: float = PACE) -> None:
        """Waits until so many files were taken."""
        self.until(lambda: len(self.ledger.drops.recent(30_000)) >= number, f"{number} arrivals", pace=pace)

    def told(self) -> list[str]:
        """What a user can read of what happened, oldest first."""
        return [event.text for event in reversed(self.ledger.events.recent(1000))]

    def hears(self, words: str, *, pace: float = PACE) -> None:
        """Waits until an event says so."""
        self.until(lambda: any(words in text for text in self.told()), f"an event with {words!r}", pace=pace)


def subjects(*rows: str, columns: str = "sex species") -> str:
    """A TSV of subjects: submitter_id, study, then the columns; `.` is a blank cell."""
    return table(f"type submitter_id studies.submitter_id {columns}", *(f"subject {row}" for row in rows))


def persons(count: int, first: int = 0) -> tuple[str, ...]:
    """Rows for `subjects`: P0, P1, …"""
    return tuple(f"P{i} S1 {'female' if i % 2 else 'male'} human" for i in range(first, first + count))


def names(count: int, first: int = 0) -> tuple[str, ...]:
    return tuple(f"P{i}" for i in range(first, first + count))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
