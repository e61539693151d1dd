"""One step of one drop: read a slice, plan a batch, send a request, read back, archive.

Owns the order of these within a drop. Which drop has its turn is `lane.py`'s.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gen3sync.commons.replies import Broken, Busy, Failure, Refused, Unauthorised
from gen3sync.config import OnInvalid, Send
from gen3sync.errors import Gen3SyncError
from gen3sync.ledger.rows import Drop, DropState
from gen3sync.names import printable
from gen3sync.outbox.afterwards import ask_states
from gen3sync.outbox.archive import Archive
from gen3sync.outbox.flow import Flow
from gen3sync.outbox.gate import Ticket
from gen3sync.outbox.lane_state import UNREADABLE, LaneState
from gen3sync.outbox.model import Reason, RowState, rows_said
from gen3sync.outbox.plan import Rules
from gen3sync.outbox.reading import detail_of, never_sent, read_some
from gen3sync.outbox.rooms import tell_ended
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.standing import FOR_PARENTS, tell_wait
from gen3sync.outbox.work import Stage, Work
from gen3sync.records.dictionary import Dictionary

_AT_ONCE = 50
"""Drops that are archived side by side."""
_CORRECT = "Correct the refused rows and drop the file again."
_UNSENT = (*(RowState.NEW, RowState.READY, RowState.WAITING, RowState.BEHIND, RowState.GUARDED, RowState.TRIED),)


@dataclass
class Steps:
    """The steps of one lane's drops. `call` runs something on the lane's thread; `ended` hears of drops that ended."""

    lane: LaneState
    archive: Archive
    call: Callable[[Callable[[], None]], None]
    ended: Callable[[Drop], None]

    def __post_init__(self) -> None:
        self.flow = Flow(self.lane, self.call)

    def step(self, work: Work, others: Sequence[Work] = ()) -> bool:
        """Does the next thing for a drop, and with it for others where that takes no longer. False when nothing can be
        done now."""
        match work.stage:
            case Stage.READ:
                return self._read(work)
            case Stage.WORK:
                return self._advance(work, others)
            case Stage.ARCHIVE:
                self._finish(work)
                return True
            case Stage.GONE:
                return False

    def _read(self, work: Work) -> bool:
        lane, moved = self.lane, True
        if self.archive.composed(work) or (work.withdrawn and not _touched(work)):
            lane.index.forget(work.id)
            work.stage = Stage.ARCHIVE
        else:
            if (dictionary := self._dictionary()) is None:
                return False
            moved = read_some(lane.rooms, lane.index, work, lane.project, dictionary, partial(self.call, _nothing))
            if work.stage is Stage.WORK:
                self._own_lost(work)
                lane.planner.refused_parents.recall(work)
        if work.reader is not None and work.table is not None:
            lane.planner.unread[work.id] = work.table
        elif work.stage is not Stage.READ:
            if work.table is not None:
                work.table.forget_names()
            if lane.planner.unread.pop(work.id, None) is not None:
                lane.release_followers()
        return moved

    def _dictionary(self) -> Dictionary | None:
        """None: it was never had, and the commons does not answer. To ask for it is a question like any other."""
        lane, catalog = self.lane, self.lane.rooms.catalog
        if catalog.knows_dictionary():
            return catalog.dictionary()
        if (ticket := lane.rooms.gate.enter()) is None:
            return None
        with ticket:
            try:
                return catalog.dictionary(at_once=ticket.probe)
            except Gen3SyncError:
                failure = catalog.no_dictionary()
                if not isinstance(failure, Broken | Busy | Unauthorised):
                    raise
                return None
            finally:
                lane.hears(ticket, catalog.no_dictionary())

    def _own_lost(self, work: Work) -> None:
        """Rows that an earlier life sent and heard no answer to: they may have landed, so the drop waits for them."""
        index = self.lane.index
        for one in self.lane.lost.of_drop(work.id):
            for name in one.request.keys:
                node, _, key = name.partition(" ")
                rows = index.of_key(work.id, node, key)
                if rows and rows[0].state is RowState.NEW:
                    index.move(rows, RowState.LOST)

    def _advance(self, work: Work, others: Sequence[Work]) -> bool:
        counts = self.lane.index.counts(work.id)
        if work.cut_off:
            self._cut_off(work)
        if self.lane.planner.refuse_gone(work, self.lane.rooms.catalog.dictionary()):
            return True
        if counts[RowState.NEW]:
            return self._plan(work, others)
        if counts[RowState.GUARDED]:
            self._guard(work)
            return True
        on_invalid = self.lane.rooms.settings.outbox.on_invalid
        if on_invalid is OnInvalid.REJECT and not work.tried and self._all_tried(work):
            return True
        if counts[RowState.READY] and self.flow.slots > 0 and self.flow.send(work, others):
            return True
        if self._through(work):
            work.stage = Stage.ARCHIVE
            return True
        tell_wait(self.lane, work)
        return False

    def let_go(self, work: Work) -> bool:
        """Ends a drop that was taken back, as far as that needs nothing of the commons. True if something was done."""
        if not work.withdrawn or work.parked or work.stage is Stage.GONE:
            return False
        if work.stage is Stage.WORK:
            self._cut_off(work)
            if not self._through(work):
                return False
            work.stage = Stage.ARCHIVE
        return self.step(work)

    def _through(self, work: Work) -> bool:
        return not work.in_flight and not work.proving and self.lane.index.open_count(work.id) == 0

    # --- plan

    def _plan(self, work: Work, others: Sequence[Work]) -> bool:
        lane = self.lane
        if lane.rooms.clock.monotonic() < lane.plan_after or (ticket := lane.rooms.gate.enter()) is None:
            return False
        with ticket:
            return self._plan_some(work, others, ticket)

    def _plan_some(self, work: Work, others: Sequence[Work], ticket: Ticket) -> bool:
        lane = self.lane
        lane.put(work, DropState.PLANNING)
        sight = self._sight(work)
        if isinstance(sight, Refused | Failure):
            lane.not_had(work, sight, ticket)
            return False
        lane.dispatcher.ask_newest(lane.lookup)
        outbox = lane.rooms.settings.outbox

        def rules(of: Work) -> Rules:  # of one that is cut off, it is only looked at what had landed
            return Rules(outbox.blanks, Send.CHANGES if of.cut_off else outbox.send, of.drop.allow_erase)

        with_it = [
            other
            for other in others
            if other.stage is Stage.WORK and not other.cut_off and lane.index.counts(other.id)[RowState.NEW]
        ]
        done = lane.planner.plan_some([work, *with_it], lane.rooms.catalog.dictionary(), rules)
        if isinstance(done, Refused | Failure):
            lane.not_had(work, done, ticket)
            return False
        lane.answered(ticket)
        lane.project_open(UNREADABLE)
        if not lane.index.counts(work.id)[RowState.NEW]:
            lane.rooms.failpoint("plan: done")
        return True

    def _sight(self, work: Work) -> Sight | Refused | Failure:
        """How well the project can be seen; while that is asked, parents of the first rows are asked for."""
        lane = self.lane
        node = lane.planner.next_node(work)
        if lane.lookup.sure or lane.rooms.gate.down is not None or lane.rooms.graphql.doubted:
            return lane.lookup.sight(node)
        asked = lane.lookup.later(partial(lane.lookup.sight, node))
        parents = lane.planner.early(work, lane.rooms.catalog.dictionary())
        sight = asked.result()
        found = parents()
        if sight is Sight.FULL:
            lane.planner.parents.remember(found)
        return sight

    def _guard(self, work: Work) -> None:
        """Parks a drop that would erase stored values."""
        columns: Counter[str] = Counter()
        number = self.lane.index.counts(work.id)[RowState.GUARDED]
        for row in self.lane.index.rows(work.id, RowState.GUARDED):
            columns.update(row.detail.get("erased", ()))
        shown = ", ".join(f"{column} ({n})" for column, n in sorted(columns.items()))
        erases, shown = ("would", f": {shown}") if shown else ("may", ": this key cannot read what is stored")
        reason = (
            f"blank cells {erases} erase stored values in {rows_said(number)}{shown}. "
            f"`gen3sync retry --erase {printable(work.drop.path)}` erases them; "
            "or drop the file again with the values, or without these columns; or delete it to withdraw it."
        )
        self.lane.park(work, reason, "guard", None)

    def _all_tried(self, work: Work) -> bool:
        """Whether all rows passed a dry run (but those whose parents come with them), or nothing is sent."""
        index = self.lane.index
        if work.in_flight or (counts := index.counts(work.id))[RowState.READY]:
            return False
        work.tried = bool(counts[RowState.REJECTED]) or not (counts[RowState.BEHIND] or index.awaits_others(work.id))
        if work.tried and counts[RowState.REJECTED]:
            said = 'Not sent, because other rows of the file were refused ([outbox] on_invalid = "reject").'
            states, why = [*_UNSENT, RowState.UNCHANGED], detail_of((Reason("NOT_SENT", said, None, _CORRECT),))
            index.end_all(work.id, states, RowState.REJECTED, why)
        elif work.tried:
            index.shift(work.id, RowState.TRIED, RowState.READY)
        return work.tried

    def _cut_off(self, work: Work) -> None:
        """Nothing more of this drop is sent."""
        if work.withdrawn or work.superseded_by is not None:
            self.lane.index.end_refused(work.id, _UNSENT)
            self.lane.index.end_all(work.id, _UNSENT, RowState.WITHDRAWN if work.withdrawn else RowState.SUPERSEDED)
            return
        said = "Not sent: more than half of the first rows were refused, so the file seems to be a wrong one."
        why = detail_of((Reason("NOT_SENT", said, None, _CORRECT),))
        self.lane.index.end_all(work.id, _UNSENT, RowState.REJECTED, why)

    # --- end

    def _finish(self, work: Work) -> None:
        """Archives the drop, and with it others that are through: their writes to the disk go side by side."""
        lane = self.lane
        works = [work]
        for other in lane.works.values():
            if len(works) >= _AT_ONCE:
                break
            ready = other.stage is Stage.ARCHIVE or (other.stage is Stage.WORK and self._through(other))
            if other is not work and not other.parked and ready:
                works.append(other)
        for one in works:
            if not self.archive.composed(one):
                never_sent(lane.rooms, one)
                ask_states(lane, one)
        with lane.rooms.ledger.together():
            for one in works:
                one.stage = Stage.ARCHIVE
                lane.put(one, DropState.VERIFYING)
        problem: Exception | None = None
        gone: list[Work] = []
        for one, ended in zip(works, self.archive.archive_all(works), strict=True):
            if isinstance(ended, Exception):
                if problem is None:
                    problem, lane.at = ended, one.id
                if one.drop.reason != str(ended):
                    lane.put(one, DropState.VERIFYING, reason=str(ended), error_class="archive")
                continue
            one.stage = Stage.GONE
            lane.works.pop(one.id, None)
            gone.append(one)
            tell_ended(lane.rooms, ended)
            self.ended(ended)
        for one in gone:  # they have ended, all of them, whatever cannot be written down of what follows from it
            try:
                self._followed(one)
            except (OSError, Gen3SyncError) as error:
                problem = problem or error
        lane.release_followers()
        if problem is not None:
            raise problem

    def _followed(self, work: Work) -> None:
        """Drops that wait for records of one that has ended learn that these were refused; its rows are forgotten."""
        lane = self.lane
        try:
            for other in lane.planner.refused_parents.ended(work, lane.works.values()):
                if other.drop.error_class == FOR_PARENTS:
                    lane.put(other, DropState.WAITING, reason="", error_class="")  # told anew
        finally:
            lane.index.forget(work.id)


def _touched(work: Work) -> bool:
    """Whether an earlier life sent something of the drop, or told somebody what it found in it."""
    told = work.drop.state is not DropState.WAITING or bool(work.drop.error_class)
    return told or work.requests > 0 or next(work.journal.refusals(), None) is not None


def _nothing() -> None:
    """Only to wake the lane."""
