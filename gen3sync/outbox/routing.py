"""Finds the way of arrivals, and keeps those that have none until there is one.

Owns drops without a project. The rule itself is `route.py`'s (pure).
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path, PurePosixPath

from gen3sync.commons.asking import portions
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error, move, safe_name, write_atomic
from gen3sync.ledger.rows import Drop, DropState, EventLevel, NewDrop, Verdict
from gen3sync.names import Project, printable
from gen3sync.outbox import snapshot
from gen3sync.outbox.archive import free_name, leads_nowhere_else, receipt_of, write_paper
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.frame import about, frame
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.rooms import Rooms, tell_ended
from gen3sync.outbox.route import Routed, Unrouted, route
from gen3sync.outbox.side import beside

_log = logging.getLogger("gen3sync.outbox")
_LATE = "late"
_AT_ONCE = 100
"""Drops that are written down in one transaction."""
_NOT_GONE = (Verdict.REJECTED, Verdict.SUPERSEDED, Verdict.WITHDRAWN)
"""How drops end that have put nothing into a project which an earlier file could put an older value over."""
PROMPT = 5.0
"""Seconds within which a commons that is well says what projects it has."""
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
    _released_for: object = field(default_factory=object)
    """The projects that were known when all that had a way was sent on last; at first none were."""
    _routed: deque[Drop] = field(default_factory=deque)
    """On their way by the ledger, and not delivered yet: where that fails (no descriptors left, say) they wait on."""
    _asking: Future[object] | None = None
    """A question for projects that was not answered at once."""

    def way(self, path: str) -> Routed | Unrouted:
        """Where the file at `path` goes; asks the commons anew before it says that a project is unknown."""
        found = self._route(path)
        now = self.rooms.clock.monotonic()
        if isinstance(found, Unrouted) and len(PurePosixPath(path).parts) > 2 and now >= self._next_question:
            self._next_question = now + _ASK_AGAIN
            if self._asked_anew():
                found = self._route(path)
        if isinstance(found, Routed):
            self._release(told=False)  # those that came before go before
        return found

    def look_again(self) -> None:
        """Somebody asks to try at once."""
        self._next_look = self._next_question = 0.0

    def turn(self) -> None:
        """Looks again, now and then, at what has no way."""
        self._hand_over()
        now = self.rooms.clock.monotonic()
        if not self.unrouted or (now < self._next_look and (self._asking is None or not self._asking.done())):
            return
        self._next_look = now + LOOK_AGAIN
        if self._asked_anew():
            self._release(told=True)

    def _asked_anew(self) -> bool:
        """Whether the commons was asked for its projects. On a thread of its own: where the answer takes longer than
        `PROMPT`, other arrivals are not held up by it, and `turn` finds it later."""
        prompt = PROMPT if self._asking is None else 0.0
        self._asking = self._asking or beside(self.rooms.catalog.refresh, lambda: None)
        if wait((self._asking,), prompt).not_done:
            return False
        self._asking = None
        return True

    def _release(self, *, told: bool) -> None:
        """Delivers what has a way now, oldest first; `told`: writes down anew why others have none."""
        self._hand_over()
        projects = self._projects()
        if not told and projects == self._released_for:
            return  # ten thousand files in a misspelt folder must not be looked through for each file that arrives
        ready: list[tuple[Drop, Routed]] = []
        others: list[tuple[Drop, Unrouted]] = []
        for drop in sorted(self.unrouted.values(), key=lambda one: one.id):
            found = self._route(drop.path)
            ready += [(drop, found)] if isinstance(found, Routed) else []
            others += [(drop, found)] if isinstance(found, Unrouted) else []
        # A file that came later may be on its way already, or have been, to the same project.
        newest = self.rooms.ledger.drops.newest_of_projects(ready[0][0].id, but=_NOT_GONE) if ready else {}
        going: list[tuple[Drop, Routed]] = []
        late: list[tuple[Drop, Routed]] = []
        for drop, way in ready:
            (late if newest.get(way.project, 0) > drop.id else going).append((drop, way))
        for some in portions(going, _AT_ONCE):
            self._go(some)
        self._released_for = projects
        if told:
            for drop, way in late:
                self._late(drop, way)
            for rest in portions(others, _AT_ONCE):
                self._tell(rest)

    def _go(self, some: Sequence[tuple[Drop, Routed]]) -> None:
        """Sends drops on their way."""
        for drop, found in some:
            self._note_way(drop, found)
        with self.rooms.ledger.together():
            routed = [
                self.rooms.ledger.drops.update(
                    drop.id,
                    program=found.project.program,
                    project=found.project.code,
                    state=DropState.WAITING,
                    reason="",
                    error_class="",
                    next_attempt_at=None,
                )
                for drop, found in some
            ]
        for drop in routed:
            del self.unrouted[drop.id]
        self._routed += routed
        self._hand_over()

    def _hand_over(self) -> None:
        while self._routed:
            self.deliver(self._routed[0])
            self._routed.popleft()

    def _tell(self, some: Sequence[tuple[Drop, Unrouted]]) -> None:
        """Writes down why drops have no way, as of now."""
        drops, later = self.rooms.ledger.drops, self.rooms.clock.now() + timedelta(seconds=LOOK_AGAIN)
        with self.rooms.ledger.together():
            for drop, found in some:
                reason, looks = f"{found.what} {found.remedy}", drops.get(drop.id).attempts + 1
                drops.update(drop.id, next_attempt_at=later, reason=reason, attempts=looks)

    def _note_way(self, drop: Drop, found: Routed) -> None:
        with contextlib.suppress(OSError):  # only a word of the receipt would be lost
            Journal((self.rooms.state / drop.snapshot).parent).note("route", flush=False, by=found.by)

    def _late(self, drop: Drop, found: Routed) -> None:
        """A later drop never overtakes an earlier one on the same record, so the earlier one does not go any more as
        if nothing had come after it: only when a person says so, and then as an arrival of that moment."""
        drops, now = self.rooms.ledger.drops, self.rooms.clock.now()
        said = drops.get(drop.id)
        if said.error_class == _LATE and said.next_attempt_at is None:
            self._note_way(drop, found)
            with self.rooms.ledger.together():
                new = NewDrop(path=drop.path, sha256=drop.sha256, size=drop.size, snapshot=drop.snapshot)
                new = replace(new, program=found.project.program, project=found.project.code, source=drop.source)
                again = drops.add(replace(new, allow_erase=said.allow_erase))
                reason = f"It came before other files and was sent after them, as drop {again.id}."
                old = drops.update(
                    drop.id, state=DropState.ENDED, verdict=Verdict.SUPERSEDED, reason=reason, error_class=""
                )
            tell_ended(self.rooms, old)
            del self.unrouted[drop.id]
            self._routed.append(again)
            self._hand_over()
            return
        name = printable(drop.path)
        reason = (
            f"Files that came later have gone to {found.project} before its way was known: sent now, it could put "
            f"older values over newer ones. `gen3sync retry {name}` sends it all the same; delete it to withdraw it."
        )
        if said.error_class != _LATE:
            self.rooms.ledger.events.add(EventLevel.WARNING, "parked", f"{name}: parked: {reason}", drop_id=drop.id)
        later = now + timedelta(seconds=LOOK_AGAIN)
        drops.update(drop.id, reason=reason, error_class=_LATE, next_attempt_at=later, attempts=said.attempts + 1)

    def end(self, drop: Drop, why: str, verdict: Verdict = Verdict.SUPERSEDED) -> bool:
        """Ends a drop without a way. Nothing of it was ever sent; its content is kept all the same."""
        parts = PurePosixPath(drop.path).parts[:-1]
        folder = self.rooms.settings.outbox.rejected / Path(*(safe_name(part) for part in parts))
        try:
            leads_nowhere_else(self.rooms.settings.outbox.rejected, folder).mkdir(parents=True, exist_ok=True)
            kept = free_name(folder, safe_name(PurePosixPath(drop.path).name), ())
            reason = f"{why} Nothing of it was sent. Its content is kept as {printable(kept)}."
            paper = frame(drop, verdict, reason, about(self.rooms), self.rooms.clock.now()) | {"archived": kept.name}
            write_atomic(receipt_of(kept), partial(write_paper, paper))
            try:
                move(self.rooms.state / drop.snapshot, kept)
            except OSError:
                receipt_of(kept).unlink(missing_ok=True)
                raise
        except OSError as error:
            problem = folder_error(f"{printable(drop.path)} cannot be put aside", error)
            _log.warning("%s", problem, extra={"drop": drop.id})
            return False
        text = f"{printable(drop.path)} was {verdict.value}: {reason}"
        with self.rooms.ledger.together():
            self.rooms.ledger.drops.update(
                drop.id,
                state=DropState.ENDED,
                verdict=verdict,
                reason=reason,
                error_class="",
                next_attempt_at=None,
                counts=paper["rows"],
                receipt=str(receipt_of(kept)),
            )
            self.rooms.ledger.events.add(EventLevel.INFO, verdict.value, text, drop_id=drop.id)
        tell_ended(self.rooms, self.rooms.ledger.drops.get(drop.id))
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
