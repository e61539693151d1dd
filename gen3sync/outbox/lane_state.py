"""What the steps of one lane share, and the few things they all may have to do: park, tell, call the commons down.

Touched by the lane's thread alone.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypedDict, Unpack

from gen3sync.commons.replies import Broken, BrokenCause, Busy, Failure, Forbidden, Missing, Refused, Unauthorised
from gen3sync.commons.rights import READ, lacks
from gen3sync.config import Send
from gen3sync.errors import LedgerError
from gen3sync.ledger.rows import DropState, EventLevel, ParkedProject
from gen3sync.names import Project, printable
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.dispatch import Dispatcher
from gen3sync.outbox.fresh import LAG, MOST
from gen3sync.outbox.gate import Ticket
from gen3sync.outbox.graphql import GraphqlDown
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.lost import LOST, LostRequests
from gen3sync.outbox.model import RowState
from gen3sync.outbox.pause import class_of
from gen3sync.outbox.planning import Planner
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.work import Brake, Work

_log = logging.getLogger("gen3sync.outbox")
_TELL_AGAIN = 3600.0
_TOLD_AFTER = 3
"""Questions in vain after which history says so: one or two are a proxy's hiccup."""
UNREADABLE = "unreadable"
"""Why a project is parked, in one word: the key may not read it."""


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
    parked: ParkedProject | None = None
    """The project is parked: until `next_look_at`, or it is being looked at again."""
    plan_after: float = 0.0
    """Monotonic: GraphQL does not answer, and nothing is planned before then. All else goes on."""
    at: int | None = None
    """The drop that is worked on, for log and history of what goes wrong."""
    _told: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, object]:
        """Where something goes wrong, for the log."""
        return {"project": str(self.project)} if self.at is None else {"drop": self.at, "project": str(self.project)}

    def take_over(self) -> None:
        """What an earlier life left: requests without an answer, and a parked project, at which is looked when it said.
        One that was just being looked at is looked at again. And what it stored so lately that GraphQL may lag behind.
        """
        ledger, now = self.rooms.ledger, self.rooms.clock.now()
        for transaction, at in ledger.requests.landed_since(self.project, now - timedelta(seconds=LAG), MOST):
            self.lookup.landed(transaction, (now - at).total_seconds())
        for request in ledger.requests.unsettled(self.project):
            drop = ledger.drops.get(request.drop_id)
            self.lost.take_over(request, drop.attempts if drop.error_class == LOST else 0)
            self.rooms.ids.hold(self.project, request.keys)
        self.planner.locked = self.lost.keys()
        for parked in ledger.projects.all():
            if Project(parked.program, parked.project) == self.project:
                self.parked = replace(parked, next_look_at=parked.next_look_at or now)

    # --- drops

    def put(self, work: Work, stands: DropState, **fields: Unpack[_Fields]) -> None:
        """Writes down how far a drop is; nothing where that is known already."""
        if work.drop.state is not stands or fields:
            if stands in (DropState.PLANNING, DropState.SENDING) and work.drop.reason:
                looks = 0 if work.drop.error_class == LOST else work.drop.attempts
                fields = {"reason": "", "error_class": "", "next_attempt_at": None, "attempts": looks, **fields}
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
        if reason != work.parked_for:  # else it was told, and is so still
            self.tell(work, EventLevel.WARNING, "parked", f"parked: {reason}")
            self.rooms.observer.parked("drop", error_class)

    def unpark(self, work: Work, *, asked: bool = True) -> None:
        """Somebody asked, or it is time to look again."""
        work.parked_for = "" if asked else work.drop.reason
        self.put(work, DropState.PLANNING, reason="", error_class="", next_attempt_at=None)

    def cut_off(self, work: Work) -> None:
        """Nothing more of a drop is to be sent. Where all rows are, whatever is stored, some that wait to be sent once
        more may have landed before: it is looked whether they did."""
        if self.rooms.settings.outbox.send is Send.ALL:
            self.index.again_sent(work.id, RowState.READY, RowState.TRIED)
        if work.parked:
            self.unpark(work)

    def tell(self, work: Work, level: EventLevel, kind: str, text: str) -> None:
        """A line of the drop's history."""
        self.rooms.ledger.events.add(
            level, kind, f"{printable(work.drop.path)}: {printable(text, 2000)}", drop_id=work.id
        )
        loud = logging.INFO if level is EventLevel.INFO else logging.WARNING
        said = printable(text.removeprefix(f"{kind}: "))
        _log.log(loud, "%s: %s", kind, said, extra={"drop": work.id, "project": str(self.project)})

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
        before, again = self.parked, self.rooms.clock.now() + timedelta(seconds=LOOK_AGAIN)
        self.parked = self.rooms.ledger.projects.park(self.project, reason, error_class, again)
        if before is None or before.reason != reason:
            self.rooms.ledger.events.add(EventLevel.WARNING, "parked", f"{self.project} is parked: {printable(reason)}")
            _log.warning("project parked: %s", printable(reason), extra={"project": str(self.project)})
            self.rooms.observer.parked("project", error_class)

    def look_at_project(self) -> None:
        """Look at it again: it stays parked in the eyes of others until that has found it open."""
        if self.parked is not None:
            self.rooms.ledger.projects.look(self.project)
            self.parked = replace(self.parked, next_look_at=None)
        self.planner.parents.forget()
        self.lookup.forget()

    def project_open(self, error_class: str = "") -> None:
        """It takes what it is given. Where `error_class` is given: if it was parked for that."""
        if self.parked is not None and error_class in ("", self.parked.error_class):
            self.release_project()
            self.rooms.ledger.events.add(EventLevel.INFO, "released", f"{self.project} takes files again")

    def release_project(self) -> None:
        """It is parked no longer; or nothing waits for it any more."""
        if self.parked is not None:
            self.rooms.ledger.projects.release(self.project)
            self.parked = None

    def hears(self, ticket: Ticket, reply: object) -> None:
        """Whether the commons answers at all, from whatever came of a question or a request."""
        match reply:
            case GraphqlDown():
                self.answered(ticket)  # the submission service did
            case Broken(cause=BrokenCause.CANCELLED):
                self.rooms.gate.left(ticket)  # gen3sync is stopping
            case Busy() | Broken() | Unauthorised():
                self.down(ticket, reply)
            case _:
                self.answered(ticket)

    def down(self, ticket: Ticket, failure: Busy | Broken | Unauthorised) -> None:
        """The commons did not answer, or asked to be left alone."""
        asked = failure.retry_after if isinstance(failure, Busy) else None
        message = printable(failure.message, 500)
        pause = self.rooms.gate.failed(ticket, message, class_of(failure), asked)
        if pause is None:
            return
        if pause.attempts == 1:
            _log.warning("the commons does not answer: %s", message, extra={"project": str(self.project)})
        if pause.attempts == _TOLD_AFTER:
            self._tell_all(EventLevel.WARNING, f"submissions wait, for {pause.told[:1].lower()}{pause.told[1:]}")

    def stumbled(self, problem: str) -> None:
        """A step failed for a reason outside (a full disk, say) and is tried again: told now and then."""
        now = self.rooms.clock.monotonic()
        if now >= self._told.get(problem, now):
            self._told = {one: until for one, until in self._told.items() if until > now} | {problem: now + _TELL_AGAIN}
            text = printable(f"{self.project}: {problem}", 2000)
            self.rooms.ledger.events.add(EventLevel.ERROR, "stumbled", text, drop_id=self.at)

    def answered(self, ticket: Ticket) -> None:
        """The commons answered."""
        if (ended := self.rooms.gate.ok(ticket)) is not None:
            _log.info("the commons answers again", extra={"attempts": ended.attempts})
            if ended.attempts >= _TOLD_AFTER:
                self._tell_all(
                    EventLevel.INFO, f"submissions go on: the commons answers, after {ended.attempts} attempts in vain"
                )

    def _tell_all(self, level: EventLevel, text: str) -> None:
        try:
            self.rooms.ledger.events.add(level, "pause", printable(text, 1000))
        except LedgerError as error:  # what follows from the answer matters more
            _log.warning("%s; not told in history: %s", error.what, printable(text, 1000))

    def not_had(self, work: Work, failure: Refused | Failure, ticket: Ticket) -> None:
        """A question for a drop was not answered: later, or somebody has to do something."""
        self.hears(ticket, failure)
        match failure:
            case GraphqlDown(wait=wait):
                self.plan_after = self.rooms.clock.monotonic() + wait
                self.put(work, DropState.PLANNING, reason=f"{printable(failure.message)} Waiting for it.")
            case Busy() | Broken() | Unauthorised():
                pass  # the gate is closed, and the drop waits before it
            case Forbidden(message):
                said = f"Nothing can be compared or proven: {lacks(self.rooms.client, self.project, READ, message)}"
                self.park_project(said, UNREADABLE)
            case _:
                # A node type that the commons does not have any more cannot be asked for.
                self.rooms.catalog.look_for_new_dictionary()
                kind = "missing" if isinstance(failure, Missing) else "question refused"
                self.park(work, failure.message, kind, LOOK_AGAIN)
