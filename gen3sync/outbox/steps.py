"""One step of one drop: read a slice, plan a batch, send a request, read back, archive.

Owns the order of these within a drop. Which drop has its turn is `lane.py`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial

from gen3sync.commons.replies import Failure, Refused
from gen3sync.config import OnInvalid
from gen3sync.errors import Gen3SyncError
from gen3sync.ledger.rows import Drop, DropState
from gen3sync.names import printable
from gen3sync.outbox.answers import Consequences
from gen3sync.outbox.archive import Archive
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.lookup import Sight
from gen3sync.outbox.model import Reason, RowState
from gen3sync.outbox.plan import Rules
from gen3sync.outbox.proofs import MOST_ROWS, Evidence, act, gather
from gen3sync.outbox.reading import detail_of, read_some
from gen3sync.outbox.send import Answer, send
from gen3sync.outbox.work import Brake, Stage, Work

_UNSENT = (*(RowState.NEW, RowState.READY, RowState.WAITING, RowState.BEHIND, RowState.GUARDED, RowState.TRIED),)


@dataclass
class Steps:
    """The steps of one lane's drops. `call` runs something on the lane's thread; `ended` hears of drops that ended."""

    lane: LaneState
    archive: Archive
    call: Callable[[Callable[[], None]], None]
    ended: Callable[[Drop], None]
    unproven: dict[int, list[Answer]] = field(default_factory=dict)
    """Landed requests whose proof was not asked for yet, by drop."""
    unfollowed: list[Callable[[], None]] = field(default_factory=list)
    """What follows from answers and proofs, and could not be written down (a full disk): to be tried again."""
    _asking: int = 0

    def __post_init__(self) -> None:
        self._consequences = Consequences(self.lane)

    def step(self, work: Work) -> bool:
        """Does the next thing for a drop. False when nothing can be done now."""
        match work.stage:
            case Stage.READ:
                self._read(work)
                return True
            case Stage.WORK:
                return self._advance(work)
            case Stage.ARCHIVE:
                self._finish(work)
                return True
            case Stage.GONE:
                return False

    def _read(self, work: Work) -> None:
        lane = self.lane
        if self.archive.composed(work):
            work.stage = Stage.ARCHIVE
        else:
            read_some(lane.rooms, lane.index, work, lane.project, lane.rooms.catalog.dictionary())

    def _advance(self, work: Work) -> bool:
        counts = self.lane.index.counts(work.id)
        if work.brake is Brake.PULLED or work.superseded_by is not None:
            self._cut_off(work)
        if self._prove(work):
            return True
        if counts[RowState.NEW]:
            return self._plan(work)
        if counts[RowState.GUARDED]:
            self._guard(work)
            return True
        outbox = self.lane.rooms.settings.outbox
        if outbox.on_invalid is OnInvalid.REJECT and not work.tried and self._all_tried(work):
            return True
        slots = outbox.parallel - self.lane.in_flight
        if counts[RowState.READY] and slots > 0:
            return self._send(work, slots)
        if not work.in_flight and not work.proving and self.lane.index.open_count(work.id) == 0:
            work.stage = Stage.ARCHIVE
            return True
        return False

    # --- plan

    def _plan(self, work: Work) -> bool:
        lane = self.lane
        if not lane.rooms.gate.enter():
            return False
        lane.put(work, DropState.PLANNING)
        lane.dispatcher.ask_newest(lane.lookup)
        sight = lane.lookup.sight(lane.planner.next_node(work))
        if isinstance(sight, Refused | Failure):
            lane.not_had(work, sight)
            return False
        outbox = lane.rooms.settings.outbox
        rules = Rules(outbox.blanks, outbox.send, work.drop.allow_erase, sight is Sight.BLIND)
        done = lane.planner.plan_some(work, lane.rooms.catalog.dictionary(), rules)
        if isinstance(done, Refused | Failure):
            lane.not_had(work, done)
            return False
        lane.answered()
        if not lane.index.counts(work.id)[RowState.NEW]:
            lane.rooms.failpoint("plan: done")
        return True

    def _guard(self, work: Work) -> None:
        """Parks a drop that would erase stored values."""
        columns: Counter[str] = Counter()
        number = 0
        for row in self.lane.index.rows(work.id, RowState.GUARDED):
            number += 1
            columns.update(row.detail.get("erased", ()))
        shown = ", ".join(f"{column} ({n})" for column, n in sorted(columns.items())) or "columns that cannot be read"
        reason = (
            f"blank cells would erase stored values in {number} rows: {shown}. "
            f"`gen3sync retry --erase {printable(work.drop.path)}` erases them; "
            "or drop the file again with the values, or without these columns."
        )
        self.lane.park(work, reason, "guard", None)

    # --- send

    def _send(self, work: Work, slots: int) -> bool:
        lane = self.lane
        if not lane.rooms.gate.enter():
            return False
        parcel = lane.dispatcher.next_parcel(work, lane.rooms.catalog.dictionary(), slots)
        if parcel is None:
            lane.rooms.gate.left()
            return False
        lane.put(work, DropState.SENDING)
        future = lane.rooms.pool.submit(send, lane.rooms, parcel)
        future.add_done_callback(lambda done: self.call(partial(self._answered, work, done)))
        return True

    def _answered(self, work: Work, done: Future[Answer]) -> None:
        self._follow(work, done.result())

    def follow_again(self) -> bool:
        """Tries once more what could not be written down. True if there was something."""
        if not self.unfollowed:
            return False
        self.unfollowed.pop(0)()
        return True

    def _follow(self, work: Work, answer: Answer) -> None:
        try:
            landed = self._consequences.follow(work, answer)
        except (OSError, Gen3SyncError):
            self.unfollowed.append(partial(self._follow, work, answer))
            raise
        work.in_flight -= 1
        if landed:
            self.unproven.setdefault(work.id, []).append(answer)
        if not work.in_flight:
            self.lane.release_followers()

    def _all_tried(self, work: Work) -> bool:
        """Whether all rows passed a dry run, or some were refused and nothing is sent."""
        counts = self.lane.index.counts(work.id)
        if work.in_flight or counts[RowState.READY]:
            return False
        work.tried = not (counts[RowState.WAITING] or counts[RowState.BEHIND]) or bool(counts[RowState.REJECTED])
        if work.tried and counts[RowState.REJECTED]:
            said = 'Not sent, because other rows of the file were refused ([outbox] on_invalid = "reject").'
            states = [*_UNSENT, RowState.UNCHANGED]
            self.lane.index.end_all(work.id, states, RowState.REJECTED, detail_of((Reason("NOT_SENT", said),)))
        elif work.tried:
            self.lane.index.shift(work.id, RowState.TRIED, RowState.READY)
        return work.tried

    def _cut_off(self, work: Work) -> None:
        """Nothing more of this drop is sent."""
        if work.superseded_by is not None:
            self.lane.index.end_all(work.id, _UNSENT, RowState.SUPERSEDED)
            return
        said = "Not sent: more than half of the first rows were refused, so the file seems to be a wrong one."
        reason = Reason("NOT_SENT", said, None, "Correct the refused rows and drop the file again.")
        self.lane.index.end_all(work.id, _UNSENT, RowState.REJECTED, detail_of((reason,)))

    # --- prove

    def _prove(self, work: Work) -> bool:
        """Asks for the proof of what landed: few questions at a time, as many requests in each as may go together."""
        waiting = self.unproven.get(work.id)
        if not waiting or self._asking >= self.lane.rooms.settings.outbox.parallel:
            return False
        node, rows = waiting[0].parcel.chunk.node, 0
        some: list[Answer] = []
        for answer in waiting:
            if answer.parcel.chunk.node != node or (some and rows + len(answer.parcel.rows) > MOST_ROWS):
                break
            some.append(answer)
            rows += len(answer.parcel.rows)
        del waiting[: len(some)]
        if not waiting:
            del self.unproven[work.id]
        work.proving += len(some)
        self._asking += 1
        lane = self.lane
        future = lane.rooms.provers.submit(gather, lane.lookup, some, lane.rooms.readers)
        future.add_done_callback(lambda done: self.call(partial(self._proven, work, len(some), done)))
        return True

    def _proven(self, work: Work, number: int, done: Future[list[Evidence]]) -> None:
        work.proving -= number
        self._asking -= 1
        self._act(work, done.result())

    def _act(self, work: Work, evidence: list[Evidence]) -> None:
        for number, one in enumerate(evidence):
            try:
                act(self.lane, work, one)
            except (OSError, Gen3SyncError):
                self.unfollowed.append(partial(self._act, work, evidence[number:]))
                raise
        self.lane.release_followers()

    # --- end

    def _finish(self, work: Work) -> None:
        lane = self.lane
        lane.put(work, DropState.VERIFYING)
        ended = self.archive.archive(work)
        work.stage = Stage.GONE
        lane.index.forget(work.id)
        lane.works.pop(work.id, None)
        lane.release_followers()
        self.ended(ended)
