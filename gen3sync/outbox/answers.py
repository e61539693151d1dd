"""What follows from an answer: rows move on, the request is settled, projects are parked.

Owns the consequences of answers. What an answer means was decided by `outcome.py`; rows that landed go on to
`proofs.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from gen3sync.commons.replies import Broken, Landed, Refused
from gen3sync.commons.rights import WRITE, lacks
from gen3sync.ledger.rows import EventLevel, RequestState
from gen3sync.names import printable
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.journal import Refusal
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.missing import keys_of, missed, waiting_detail
from gen3sync.outbox.model import Action, Reason, RowState, rows_said
from gen3sync.outbox.outcome import FILES_REFUSED, Step
from gen3sync.outbox.proofs import existed, halve, passed
from gen3sync.outbox.reading import detail_of
from gen3sync.outbox.send import Answer
from gen3sync.outbox.side import side_by_side
from gen3sync.outbox.wording import told
from gen3sync.outbox.work import Brake, LostAlone, Work

_FAILED = 500
_TAKEN = (Step.PROVE, Step.SORT, Step.AGAIN, Step.HALVE)
"""The commons has looked at the rows: the project is open, and the key may write to it."""
_Why = Mapping[int, tuple[Reason, ...]]
"""Why rows were refused, in words for people, by row id."""


@dataclass
class Consequences:
    """Of the answers in one lane."""

    lane: LaneState
    _lost_in_a_row: Counter[str] = field(default_factory=Counter)
    """By node."""

    def follow(self, answers: Sequence[Answer]) -> bool:
        """Everything that the answer to a request asks for, for each drop's part of it; may be asked for again when
        something of it cannot be written down. True when the rows landed and are to be proven."""
        first = answers[0]
        self._learn(first, sum(len(answer.parcel.rows) for answer in answers))
        self.lane.rooms.failpoint("send: answered")
        if first.outcome.step in _TAKEN:
            self.lane.project_open()
        works = [self.lane.works[answer.parcel.drop_id] for answer in answers]
        why = [_why(work, answer) for work, answer in zip(works, answers, strict=True)]
        if first.parcel.dry_run:
            self._after_dry_run(works[0], first, why[0])
            return False
        self._write_down(works, answers, why)
        for work, answer, reasons in zip(works, answers, why, strict=True):
            rows = answer.parcel.rows
            match answer.outcome.step:
                case Step.LOST:
                    self._lost(work, answer)
                case Step.PROVE:
                    if work.brake is not Brake.PULLED:
                        work.brake = Brake.PASSED
                    self._landed(work, answer)
                case Step.SORT:
                    self._sort(work, answer, reasons)
                case Step.AGAIN:
                    self.lane.index.unsent(rows)
                    work.groups += 1
                    self.lane.retrial(work)
                    self.lane.index.move(rows, RowState.NEW, tries=rows[0].tries + 1, grp=work.groups)
                case Step.HALVE:
                    self.lane.index.unsent(rows)
                    work.failures += 1
                    halve(self.lane, work, rows, answer.outcome.message)
                case _:
                    self.lane.index.unsent(rows)
                    self._back(work, answer)
        self.lane.rooms.failpoint("send: answer written")
        return first.outcome.step is Step.PROVE

    def _learn(self, answer: Answer, rows: int) -> None:
        """From a request with so many rows in all."""
        parcel, sizes = answer.parcel, self.lane.dispatcher.sizes
        tid = _transaction(answer)
        if tid is not None:
            self.lane.dispatcher.newest_transaction = max(tid, self.lane.dispatcher.newest_transaction or 0)
        lost = answer.outcome.step is Step.LOST
        self._lost_in_a_row[parcel.chunk.node] = self._lost_in_a_row[parcel.chunk.node] + 1 if lost else 0
        # A worker that dies once may be chance; of the same rows again, it may be their number.
        if answer.outcome.slow or self._lost_in_a_row[parcel.chunk.node] > 1:
            sizes.halve(parcel.chunk.node, rows)
        elif answer.outcome.step in (Step.PROVE, Step.SORT, Step.AGAIN, Step.HALVE):
            sizes.took(parcel.chunk.node, rows, answer.seconds)

    def _write_down(self, works: Sequence[Work], answers: Sequence[Answer], why: Sequence[_Why]) -> None:
        """What became of the request and its rows: in each drop's journal, then in the ledger."""
        states = {Step.PROVE: RequestState.LANDED, Step.LATER: RequestState.SETTLED, Step.LOST: RequestState.LOST}
        state = states.get(answers[0].outcome.step, RequestState.REFUSED)
        now = self.lane.rooms.clock.now().isoformat()
        said = {RequestState.SETTLED: "not sent", RequestState.LOST: "lost"}.get(state, state.value)
        side_by_side(
            partial(
                work.journal.answered,
                replace(
                    answer.parcel.chunk,
                    ended_at=None if state is RequestState.LOST else now,
                    transaction_id=_transaction(answer),
                    state=said,
                    message="" if state is RequestState.LANDED else printable(answer.outcome.message),
                    sent_as=answer.sent_as,
                ),
                _for_good(answer, reasons),
                _acted(answer),
            )
            for work, answer, reasons in zip(works, answers, why, strict=True)
        )
        requests = self.lane.rooms.ledger.requests
        with self.lane.rooms.ledger.together():
            for answer in answers:
                requests.finish(answer.parcel.request_id, state, _transaction(answer))
        if state is not RequestState.LOST:
            locks = (lock for answer in answers for row in answer.parcel.rows for lock in row.locks)
            self.lane.rooms.ids.free(self.lane.project, locks)

    def _lost(self, work: Work, answer: Answer) -> None:
        parcel, lane = answer.parcel, self.lane
        lane.index.move(parcel.rows, RowState.LOST)
        lane.retrial(work)
        lane.lost.add(lane.rooms.ledger.requests.get(parcel.request_id))
        lane.planner.locked = lane.lost.keys()
        text = f"not known whether a request with {rows_said(len(parcel.rows))} landed: {answer.outcome.message}"
        lane.tell(work, EventLevel.WARNING, "lost", text)
        if len(parcel.rows) == 1:  # counted when all of it is written down
            proven = lane.planner.proven[parcel.chunk.node]
            alone = work.lost_alone.setdefault(parcel.rows[0].line, LostAlone(0, proven))
            alone.times += 1
            alone.failed += isinstance(answer.reply, Broken) and answer.reply.status == _FAILED

    def _back(self, work: Work, answer: Answer) -> None:
        """Nothing was stored and no row is at fault: the rows go again, smaller, later, or when somebody has acted."""
        lane, rows, outcome = self.lane, answer.parcel.rows, answer.outcome
        lane.retrial(work)
        lane.index.move(rows, RowState.READY)
        match outcome.step:
            case Step.SMALLER:
                lane.dispatcher.sizes.halve(answer.parcel.chunk.node, len(rows))
            case Step.PARK_PROJECT:
                message = outcome.message
                if outcome.error_class == "forbidden":
                    message = lacks(lane.rooms.client, lane.project, WRITE, message)
                lane.park_project(message, outcome.error_class)
            case Step.PARK_DROP:
                look_again = None if outcome.error_class == FILES_REFUSED else LOOK_AGAIN
                lane.park(work, outcome.message, outcome.error_class, look_again)
            case _:
                pass

    def _landed(self, work: Work, answer: Answer) -> None:
        acted = answer.outcome.acted
        for wanted in (None, Action.CREATE, Action.UPDATE):
            if some := [row for row in answer.parcel.rows if acted.get(row.id) is wanted]:
                changes = {} if wanted is None else {"sent": wanted.value}
                self.lane.index.move(some, RowState.LANDED, **changes)
        work.existed += len(existed(answer))  # counted when all of it is written down

    def _sort(self, work: Work, answer: Answer, why: _Why) -> None:
        rows = answer.parcel.rows
        if work.brake is Brake.ON_TRIAL:
            # Where nothing is left to be held back, the good rows of the request are all that it would stop.
            counts = self.lane.index.counts(work.id)
            more = counts[RowState.NEW] + counts[RowState.READY] > 0
            bad = len(_for_good(answer, why))
            work.brake = Brake.PULLED if more and bad * 2 > len(rows) > 1 else Brake.PASSED
        self._refuse(work, answer, why)

    def _refuse(self, work: Work, answer: Answer, why: _Why) -> None:
        bad, rows = answer.outcome.rejects, answer.parcel.rows
        self.lane.index.unsent(rows)
        for row in rows:
            if row.id not in bad:
                continue
            node_type = answer.parcel.node_type
            if parents := missed(row, bad[row.id], node_type):
                self.lane.index.wait(row, keys_of(parents), waiting_detail(row, parents, why[row.id], node_type))
                continue
            work.heard(why[row.id])
            self.lane.index.move([row], RowState.REJECTED, detail=detail_of(why[row.id]))
        self.lane.index.move([row for row in rows if row.id not in bad], RowState.READY)

    def _after_dry_run(self, work: Work, answer: Answer, why: _Why) -> None:
        """Rows that pass wait until all of the file have."""
        rows, outcome = answer.parcel.rows, answer.outcome
        match outcome.step:
            case Step.PROVE:
                work.brake = Brake.PASSED
                passed(work)
                self.lane.index.move(rows, RowState.TRIED)
            case Step.SORT:
                work.brake = Brake.PASSED
                work.journal.refused(_for_good(answer, why))
                self._refuse(work, answer, why)
            case Step.AGAIN | Step.HALVE:
                work.failures += 1
                halve(self.lane, work, rows, outcome.message)
            case _:
                self._back(work, answer)


def _transaction(answer: Answer) -> int | None:
    return answer.reply.transaction_id if isinstance(answer.reply, Landed | Refused) else None


def _why(work: Work, answer: Answer) -> _Why:
    found: dict[int, tuple[Reason, ...]] = {}
    for row in answer.parcel.rows:
        if (bad := answer.outcome.rejects.get(row.id)) is not None:
            columns = row.cells.keys() if isinstance(row.cells, dict) else work.columns(row.shape)
            found[row.id] = tuple(told(reason, answer.parcel.node_type, columns) for reason in bad)
    return found


def _acted(answer: Answer) -> dict[Action, list[int]]:
    """Lines of rows with which the commons did something else than was planned."""
    found: dict[Action, list[int]] = {}
    for row in answer.parcel.rows:
        if (action := answer.outcome.acted.get(row.id)) is not None:
            found.setdefault(action, []).append(row.line)
    return found


def _for_good(answer: Answer, why: _Why) -> list[Refusal]:
    """Without the rows that only wait, since they lack a parent."""
    bad, node_type = answer.outcome.rejects, answer.parcel.node_type
    rows = answer.parcel.rows
    return [(row.line, why[row.id]) for row in rows if row.id in bad and not missed(row, bad[row.id], node_type)]
