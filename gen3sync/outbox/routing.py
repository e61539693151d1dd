"""Finds the way of arrivals, and keeps those that have none until there is one.

Owns drops without a project. The rule itself is `route.py`'s (pure).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path, PurePosixPath

from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error, move, safe_name, unique_path
from gen3sync.ledger.rows import Drop, DropState, EventLevel, Verdict
from gen3sync.names import Project, printable
from gen3sync.outbox import snapshot
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.route import Routed, Unrouted, route

_log = logging.getLogger("gen3sync.outbox")
_ASK_AGAIN = 60.0
"""Seconds between questions for projects that are newer than what is known."""


@dataclass
class Routing:
    """Used by the outbox's thread. `deliver` takes a drop that has a way now."""

    rooms: Rooms
    deliver: Callable[[Drop], None]
    unrouted: dict[int, Drop] = field(default_factory=dict)
    _next_look: float = 0.0
    _next_question: float = 0.0

    def way(self, path: str) -> Routed | Unrouted:
        """Where the file at `path` goes; asks the commons anew before it says that a project is unknown."""
        found = self._route(path)
        now = self.rooms.clock.monotonic()
        if isinstance(found, Unrouted) and len(PurePosixPath(path).parts) > 2 and now >= self._next_question:
            self._next_question = now + _ASK_AGAIN
            self.rooms.catalog.refresh()
            found = self._route(path)
        return found

    def look_again(self) -> None:
        """Somebody asks to try at once."""
        self._next_look = self._next_question = 0.0

    def turn(self) -> None:
        """Looks again, now and then, at what has no way."""
        now = self.rooms.clock.monotonic()
        if not self.unrouted or now < self._next_look:
            return
        self._next_look = now + LOOK_AGAIN
        self.rooms.catalog.refresh()
        for drop in list(self.unrouted.values()):
            found = self._route(drop.path)
            if isinstance(found, Unrouted):
                later = self.rooms.clock.now() + timedelta(seconds=LOOK_AGAIN)
                reason = f"{found.what} {found.remedy}"
                self.rooms.ledger.drops.update(drop.id, next_attempt_at=later, reason=reason)
                continue
            Journal((self.rooms.state / drop.snapshot).parent).note("route", by=found.by)
            del self.unrouted[drop.id]
            routed = self.rooms.ledger.drops.update(
                drop.id,
                program=found.project.program,
                project=found.project.code,
                state=DropState.WAITING,
                reason="",
                error_class="",
                next_attempt_at=None,
            )
            self.deliver(routed)

    def end(self, drop: Drop, why: str) -> bool:
        """Ends a drop without a way. Nothing of it was ever sent; its content is kept all the same."""
        parts = PurePosixPath(drop.path).parts[:-1]
        folder = self.rooms.settings.outbox.rejected / Path(*(safe_name(part) for part in parts))
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kept = unique_path(folder, safe_name(PurePosixPath(drop.path).name))
            move(self.rooms.state / drop.snapshot, kept)
        except OSError as error:
            _log.warning("%s", folder_error(f"{printable(drop.path)} cannot be put aside", error))
            return False
        reason = f"{why} Its content is kept as {printable(kept)}."
        text = f"{printable(drop.path)}: {reason}"
        self.rooms.ledger.drops.update(drop.id, state=DropState.ENDED, verdict=Verdict.SUPERSEDED, reason=reason)
        self.rooms.ledger.events.add(EventLevel.INFO, "superseded", text, drop_id=drop.id)
        self.unrouted.pop(drop.id, None)
        snapshot.discard(drop.snapshot, self.rooms.state)
        return True

    def _route(self, path: str) -> Routed | Unrouted:
        return route(PurePosixPath(path), self.rooms.settings.outbox.route, self._projects())

    def _projects(self) -> tuple[Project, ...] | None:
        try:
            return self.rooms.catalog.projects()
        except Gen3SyncError:
            return None
