"""Requests on their way: sent, answered, proven.

Owns what is in flight in one lane and what has yet to be followed. What goes into a request is `dispatch.py`'s, what
follows from its answer `answers.py`'s, from its proof `proofs.py`'s.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from gen3sync.errors import Gen3SyncError
from gen3sync.ledger.rows import DropState
from gen3sync.outbox.answers import Consequences
from gen3sync.outbox.gate import Ticket
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.model import RowState
from gen3sync.outbox.proofs import MOST_ROWS, Evidence, act, gather, unproven
from gen3sync.outbox.send import Answer, Put, send, unforeseen, unsent
from gen3sync.outbox.work import Brake, Stage, Work

_log = logging.getLogger("gen3sync.outbox")

_CRUMBS = 30
"""Rows whose proof can wait for that of the next requests of their drop."""


@dataclass
class Flow:
    """Of one lane. `call` runs something on the lane's thread."""

    lane: LaneState
    call: Callable[[Callable[[], None]], None]
    waiting: list[Answer] = field(default_factory=list)
    """Landed, and their proof was not asked for yet."""
    unfollowed: list[Callable[[], None]] = field(default_factory=list)
    """What follows from answers and proofs, and could not be written down (a full disk): to be tried again."""
    _flying: int = 0
    _asking: int = 0

    def __post_init__(self) -> None:
        self._consequences = Consequences(self.lane)

    @property
    def slots(self) -> int:
        """Requests that may be sent now."""
        return self.lane.rooms.settings.outbox.parallel - self._flying

    def follow_again(self) -> bool:
        """Tries once more what could not be written down. True if there was something."""
        if not self.unfollowed:
            return False
        self.unfollowed.pop(0)()
        return True

    # --- send

    def send(self, work: Work, others: Sequence[Work]) -> bool:
        """Sends the drop's next request, with what of the others can go along. False when nothing can be sent now."""
        lane = self.lane
        if lane.rooms.stop.is_set():
            return False  # it would only be told not to have been sent
        if self.slots < 1 or not lane.dispatcher.ready(work) or (ticket := lane.rooms.gate.enter()) is None:
            return False
        if ticket.probe:
            others = ()  # a probe is small
        going = [other for other in others if self._may_go(other)]
        try:
            put = lane.dispatcher.next_put(work, going, lane.rooms.catalog.dictionary(), self.slots)
        except BaseException:
            lane.rooms.gate.left(ticket)
            raise
        if held := lane.dispatcher.elsewhere:
            lane.dispatcher.elsewhere = set()
            lane.rooms.ids.when_free(lane.project, held, partial(self.call, lane.release_followers))
        if put is None:
            lane.rooms.gate.left(ticket)
            return False
        self._flying += 1
        future = lane.rooms.pool.submit(send, lane.rooms, put, ticket)
        future.add_done_callback(lambda done: self.call(partial(self._answered, put, ticket, done)))
        with lane.rooms.ledger.together():
            for parcel in put.parcels:
                lane.put(lane.works[parcel.drop_id], DropState.SENDING)
        return True

    def _may_go(self, work: Work) -> bool:
        return (
            work.stage is Stage.WORK
            and not work.parked
            and not work.cut_off
            and work.brake is not Brake.ON_TRIAL
            and self.lane.index.counts(work.id)[RowState.READY] > 0
            and not self.lane.index.counts(work.id)[RowState.GUARDED]
        )

    def _answered(self, put: Put, ticket: Ticket, done: Future[list[Answer]]) -> None:
        self._flying -= 1
        if done.cancelled():
            self._follow(unsent(put), ticket)
            return
        error = done.exception()
        if error is not None:
            for parcel in put.parcels:
                fields = {"drop": parcel.drop_id, "project": str(self.lane.project)}
                _log.error("a request went wrong in an unforeseen way", exc_info=error, extra=fields)
            self._follow(unforeseen(put, error), ticket)
        else:
            self._follow(done.result(), ticket)

    def _follow(self, answers: list[Answer], ticket: Ticket) -> None:
        self.lane.hears(ticket, answers[0].reply)
        try:
            landed = self._consequences.follow(answers)
        except (OSError, Gen3SyncError):
            self.unfollowed.append(partial(self._follow, answers, ticket))
            raise
        quiet = False
        for answer in answers:
            work = self.lane.works[answer.parcel.drop_id]
            work.in_flight -= 1
            quiet = quiet or not work.in_flight
        if landed:
            self.waiting.extend(answers)
        if quiet:
            self.lane.release_followers()

    # --- prove

    def prove(self) -> bool:
        """Asks for the proof of what landed: few questions at a time, as many requests in each as may go together."""
        lane = self.lane
        if not self.waiting or self._asking >= lane.rooms.settings.outbox.parallel or self._better_together():
            return False
        if (ticket := lane.rooms.gate.enter()) is None:
            return False
        node, rows = self.waiting[0].parcel.chunk.node, 0
        some: list[Answer] = []
        for answer in self.waiting:
            if answer.parcel.chunk.node != node or (some and rows + len(answer.parcel.rows) > MOST_ROWS):
                break
            some.append(answer)
            rows += len(answer.parcel.rows)
        del self.waiting[: len(some)]
        for answer in some:
            lane.works[answer.parcel.drop_id].proving += 1
        self._asking += 1
        future = lane.rooms.provers.submit(self._gather, some, ticket)
        future.add_done_callback(lambda done: self.call(partial(self._proven, some, ticket, done)))
        return True

    def _better_together(self) -> bool:
        """Few rows of drops that send more at once: a question of their own would cost a worker of the commons longer
        than it takes to read them beside the next ones."""
        if sum(len(answer.parcel.rows) for answer in self.waiting) > _CRUMBS:
            return False
        works = [self.lane.works[answer.parcel.drop_id] for answer in self.waiting]
        return all(
            work.in_flight or (self.lane.index.counts(work.id)[RowState.READY] and not work.parked) for work in works
        )

    def _gather(self, answers: list[Answer], ticket: Ticket) -> list[Evidence] | None:
        """None: the commons went down before it was asked."""
        rooms, first = self.lane.rooms, answers[0].parcel
        if not rooms.gate.holds(ticket):
            return None
        with rooms.watched(f"proof {first.project} {first.drop_id}/{first.chunk.number}"):
            return gather(self.lane.lookup, answers, rooms.readers)

    def _proven(self, answers: list[Answer], ticket: Ticket, done: Future[list[Evidence] | None]) -> None:
        self._asking -= 1
        error = done.exception()
        if error is not None:
            for drop in dict.fromkeys(answer.parcel.drop_id for answer in answers):
                fields = {"drop": drop, "project": str(self.lane.project)}
                _log.error("a proof went wrong in an unforeseen way", exc_info=error, extra=fields)
            evidence: list[Evidence] | None = [unproven(answer, error) for answer in answers]
        else:
            evidence = done.result()
        if evidence is None:
            self.lane.rooms.gate.left(ticket)
            self.waiting[:0] = answers
            for answer in answers:
                self.lane.works[answer.parcel.drop_id].proving -= 1
            return
        self.lane.hears(ticket, next((one.back.failure for one in evidence if one.back.failure is not None), None))
        self._act(evidence)

    def _act(self, evidence: list[Evidence]) -> None:
        for number, one in enumerate(evidence):
            work = self.lane.works[one.answer.parcel.drop_id]
            try:
                act(self.lane, work, one)
            except (OSError, Gen3SyncError):
                self.unfollowed.append(partial(self._act, evidence[number:]))
                raise
            work.proving -= 1
        self.lane.release_followers()
