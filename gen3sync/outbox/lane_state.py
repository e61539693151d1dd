"""What the steps of one lane share, and the few things they all may have to do: park, tell, call the commons down.

Touched by the lane's thread alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from gen3sync.commons.replies import Broken, Busy, Failure, Forbidden, Missing, Refused, Unauthorised
from gen3sync.commons.rights import READ, lacks
from gen3sync.ledger.rows import DropState, EventLevel
from gen3sync.names import Project, printable
from gen3sync.outbox import pause
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.dispatch import Dispatcher
from gen3sync.outbox.graphql import GraphqlDown
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.lost import LostRequests
from gen3sync.outbox.model import RowState
from gen3sync.outbox.planning import Planner
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.work import Brake, Work

_log = logging.getLogger("gen3sync.outbox")
_TELL_AGAIN = 3600.0


class _Fields(TypedDict, total=False):
    reason: str
    error_class: str
    attempts: int
    next_attempt_at: datetime | None


@dataclass
class LaneState:
    """See the module. `works` are the drops at hand, oldest first."""

    rooms: Rooms
    project: Project
    index: RowIndex
    lookup: Lookup
    planner: Planner
    dispatcher: Dispatcher
    lost: LostRequests
    works: dict[int, Work] = field(default_factory=dict)
    closed_until: datetime | None = None
    """The project is parked until then."""
    plan_after: float = 0.0
    """Monotonic: GraphQL does not answer, and nothing is planned before then. All else goes on."""
    at: int | None = None
    """The drop that is worked on, for log and history of what goes wrong."""
    _told: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for lost in self.lost.requests:  # an earlier life's
            self.rooms.ids.hold(self.project, lost.request.keys)

    @property
    def place(self) -> dict[str, object]:
        """Where something goes wrong, for the log."""
        return {"project": str(self.project)} if self.at is None else {"drop": self.at, "project": str(self.project)}

    # --- drops

    def put(self, work: Work, stands: DropState, **fields: Unpack[_Fields]) -> None:
        """Writes down how far a drop is; nothing where that is known already."""
        if work.drop.state is not stands or fields:
            if stands in (DropState.PLANNING, DropState.SENDING) and work.drop.reason:
                fields = {"reason": "", "error_class": "", "next_attempt_at": None, **fields}
            work.drop = self.rooms.ledger.drops.update(work.id, state=stands, **fields)

    def park(self, work: Work, reason: str, error_class: str, look_again: float | None) -> None:
        """The drop waits for a person, or for `look_again` seconds."""
        next_look = None if look_again is None else self.rooms.clock.now() + timedelta(seconds=look_again)
        attempts = work.drop.attempts + 1
        self.put(
            work,
            DropState.PARKED,
            reason=reason,
            error_class=error_class,
            next_attempt_at=next_look,
            attempts=attempts,
        )
        self.tell(work, EventLevel.WARNING, "parked", f"parked: {reason}")
        self.rooms.observer.parked("drop", error_class)

    def unpark(self, work: Work) -> None:
        """Somebody asked, or it is time to look again."""
        self.put(work, DropState.PLANNING, reason="", error_class="", next_attempt_at=None)

    def tell(self, work: Work, level: EventLevel, kind: str, text: str) -> None:
        """A line of the drop's history."""
        self.rooms.ledger.events.add(
            level, kind, f"{printable(work.drop.path)}: {printable(text, 2000)}", drop_id=work.id
        )
        loud = logging.INFO if level is EventLevel.INFO else logging.WARNING
        _log.log(loud, "%s: %s", kind, printable(text), extra={"drop": work.id, "project": str(self.project)})

    def retrial(self, work: Work) -> None:
        """The first request said nothing about the file; the next one does."""
        if work.brake is Brake.ON_TRIAL:
            work.brake = Brake.FIRST

    def release_followers(self) -> None:
        """Rows that stood behind others may be free now."""
        for work in self.works.values():
            if self.index.counts(work.id)[RowState.BEHIND] and not work.parked:
                self.index.again(work.id, RowState.BEHIND)

    # --- project and commons

    def park_project(self, reason: str, error_class: str) -> None:
        """Nothing more goes to this project until it was looked at again."""
        first = self.closed_until is None
        self.closed_until = self.rooms.clock.now() + timedelta(seconds=LOOK_AGAIN)
        self.rooms.ledger.projects.park(self.project, reason, error_class, self.closed_until)
        if first:
            self.rooms.ledger.events.add(EventLevel.WARNING, "parked", f"{self.project} is parked: {printable(reason)}")
            _log.warning("project parked: %s", printable(reason), extra={"project": str(self.project)})
            self.rooms.observer.parked("project", error_class)

    def release_project(self) -> None:
        """Look at it again."""
        self.closed_until = None
        self.rooms.ledger.projects.release(self.project)
        self.planner.forget_parents()
        self.lookup.forget()

    def down(self, message: str, retry_after: float | None = None) -> None:
        """The commons did not answer."""
        down = self.rooms.gate.failed(message, retry_after)
        if retry_after is not None:
            pause.remember(self.rooms.ledger, self.rooms.clock, retry_after, printable(message, 500), down.attempts)
        if down.attempts == 1:
            _log.warning("the commons does not answer: %s", printable(message), extra={"project": str(self.project)})

    def stumbled(self, problem: str) -> None:
        """A step failed for a reason outside (a full disk, say) and is tried again: told now and then."""
        now = self.rooms.clock.monotonic()
        if now >= self._told.get(problem, now):
            self._told[problem] = now + _TELL_AGAIN
            text = printable(f"{self.project}: {problem}", 2000)
            self.rooms.ledger.events.add(EventLevel.ERROR, "stumbled", text, drop_id=self.at)

    def answered(self) -> None:
        """The commons answered."""
        if self.rooms.gate.ok():
            pause.forget(self.rooms.ledger)
            _log.info("the commons answers again")

    def not_had(self, work: Work, failure: Refused | Failure) -> None:
        """A question for a drop was not answered: later, or somebody has to do something."""
        match failure:
            case GraphqlDown(wait=wait):
                self.answered()
                self.plan_after = self.rooms.clock.monotonic() + wait
                self.put(work, DropState.PLANNING, reason=f"{printable(failure.message)} Waiting for it.")
            case Busy(message, _, retry_after):
                self.down(message, retry_after)
            case Broken() | Unauthorised():
                self.down(failure.message)
            case Forbidden(message):
                self.answered()
                said = f"Nothing can be compared or proven: {lacks(self.rooms.client, self.project, READ, message)}"
                self.park_project(said, "forbidden")
            case Missing(message):
                self.answered()
                self.park(work, message, "missing", LOOK_AGAIN)
            case _:
                self.answered()
                self.park(work, failure.message, "question refused", LOOK_AGAIN)
