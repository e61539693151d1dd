"""What follows from an answer: rows move on, requests are settled, projects are parked.

Owns the consequences. What an answer means was decided by `outcome.py` and `proof.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from gen3sync.ledger.rows import EventLevel, RequestState
from gen3sync.names import Project, printable
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.dispatch import Dispatcher
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.lost import LostRequests
from gen3sync.outbox.model import IndexedRow, Reason, RowState
from gen3sync.outbox.outcome import Step
from gen3sync.outbox.planning import Planner
from gen3sync.outbox.proof import Proof, Seen
from gen3sync.outbox.reading import detail_of
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.send import Answer
from gen3sync.outbox.work import Brake, Work

_log = logging.getLogger("gen3sync.outbox")
MOST_FAILURES = 64
"""Requests of one drop that fail without naming a row, before halving on is given up."""
MOST_TRIES = 4


@dataclass
class Consequences:
    """Of the answers in one lane."""

    rooms: Rooms
    project: Project
    index: RowIndex
    planner: Planner
    dispatcher: Dispatcher
    lost: LostRequests
    park_drop: Callable[[Work, str, str, float | None], None]

    def follow(self, work: Work, answer: Answer) -> None:
        """Everything that an answer asks for."""
        work.in_flight -= 1
        parcel, outcome = answer.parcel, answer.outcome
        rows = [replace(row, state=RowState.FLIGHT) for row in parcel.rows]
        self._learn(answer)
        self.rooms.failpoint("send: answered")
        if parcel.dry_run:
            self._after_dry_run(work, answer, rows)
            return
        match outcome.step:
            case Step.PROVE:
                self._settle(work, answer, RequestState.LANDED)
                self._landed(work, answer, rows)
            case Step.SORT:
                self._settle(work, answer, RequestState.REFUSED)
                self._sort(work, answer, rows)
            case Step.AGAIN:
                self._settle(work, answer, RequestState.REFUSED)
                work.failures += 1
                self._again(work, rows, tries=rows[0].tries + 1)
            case Step.HALVE:
                self._settle(work, answer, RequestState.REFUSED)
                work.failures += 1
                self._halve(work, rows, outcome.message)
            case Step.SMALLER:
                self._settle(work, answer, RequestState.REFUSED)
                self.dispatcher.sizes.halve(parcel.chunk.node, len(rows))
                self._retrial(work)
                self.index.move(rows, RowState.READY)
            case Step.LOST:
                self.rooms.ledger.requests.finish(parcel.request_id, RequestState.LOST)
                work.journal.answered(replace(parcel.chunk, state="lost", message=outcome.message))
                self.index.move(rows, RowState.LOST)
                work.lost += 1
                self._retrial(work)
                self.lost.add(self.rooms.ledger.requests.get(parcel.request_id))
                self._tell(
                    work, EventLevel.WARNING, "lost", f"no answer to a request with {len(rows)} rows: {outcome.message}"
                )
            case Step.LATER:
                self._settle(work, answer, RequestState.SETTLED)
                self._retrial(work)
                self.index.move(rows, RowState.READY)
            case Step.PARK_PROJECT:
                self._settle(work, answer, RequestState.REFUSED)
                self._retrial(work)
                self.index.move(rows, RowState.NEW)
                self.park_project(outcome.message, outcome.error_class)
            case Step.PARK_DROP:
                self._settle(work, answer, RequestState.REFUSED)
                self._retrial(work)
                self.index.move(rows, RowState.NEW)
                self.park_drop(work, outcome.message, outcome.error_class, LOOK_AGAIN)
        self.rooms.failpoint("send: answer written")

    def park_project(self, reason: str, error_class: str) -> None:
        """Nothing more goes to this project until it was looked at again."""
        next_look = self.rooms.clock.now() + timedelta(seconds=LOOK_AGAIN)
        known = any(
            (p.program, p.project) == (self.project.program, self.project.code)
            for p in self.rooms.ledger.projects.all()
        )
        self.rooms.ledger.projects.park(self.project, reason, error_class, next_look)
        if not known:
            self.rooms.ledger.events.add(EventLevel.WARNING, "parked", f"{self.project} is parked: {printable(reason)}")
            _log.warning("project parked: %s", printable(reason), extra={"project": str(self.project)})

    def _learn(self, answer: Answer) -> None:
        parcel, sizes = answer.parcel, self.dispatcher.sizes
        tid = getattr(answer.reply, "transaction_id", None)
        if isinstance(tid, int):
            self.dispatcher.newest_transaction = max(tid, self.dispatcher.newest_transaction or 0)
        if answer.outcome.slow:
            sizes.halve(parcel.chunk.node, len(parcel.rows))
        elif answer.outcome.step in (Step.PROVE, Step.SORT, Step.AGAIN, Step.HALVE):
            sizes.took(parcel.chunk.node, len(parcel.rows), answer.seconds)

    def _settle(self, work: Work, answer: Answer, state: RequestState) -> None:
        parcel = answer.parcel
        tid = getattr(answer.reply, "transaction_id", None)
        known = answer.back.transaction if answer.back else None
        work.journal.answered(
            replace(
                parcel.chunk,
                ended_at=self.rooms.clock.now().isoformat(),
                transaction_id=tid,
                transaction_state=known.value if known else None,
                state=state.value if answer.outcome.step is not Step.LATER else "not sent",
                message="" if answer.outcome.step is Step.PROVE else printable(answer.outcome.message),
            )
        )
        self.rooms.ledger.requests.finish(parcel.request_id, state, tid)

    def _landed(self, work: Work, answer: Answer, rows: list[IndexedRow]) -> None:
        work.brake = Brake.PASSED
        proven, back, outcome = answer.proven, answer.back, answer.outcome
        assert proven is not None  # noqa: S101 - PROVE always proves
        assert back is not None  # noqa: S101
        if back.retry and back.records is None:
            # The commons went down between storing and reading: planning again compares, and that is the proof.
            self.index.move(rows, RowState.NEW)
            return
        work.proofs[proven.proof] += len(rows)
        work.proof_problem = work.proof_problem or ("" if proven.proof is Proof.FULL else back.problem)
        arrived: set[str] = set()
        suspects: list[IndexedRow] = []
        for row in rows:
            seen = proven.rows[row.id]
            record_id = outcome.ids.get(row.id) or row.record_id
            match seen:
                case Seen.EQUAL:
                    work.values_compared += 1
                    self.index.move([row], RowState.DONE, record_id=record_id)
                    arrived.add(row.key)
                case Seen.OVERWRITTEN:
                    work.overwritten += 1
                    detail = {"overwritten": printable(proven.differences[row.id])}
                    self.index.move([row], RowState.DONE, record_id=record_id, detail=detail)
                    arrived.add(row.key)
                case Seen.UNREAD:
                    self.index.move([row], RowState.ACCEPTED, record_id=record_id)
                    arrived.add(row.key)
                case Seen.DIFFERENT | Seen.ABSENT:
                    suspects.append(row)
        for column in (name for row in rows if row not in suspects for name in row.detail.get("erased", ())):
            work.erased[column] += 1
        if suspects:
            self._false_success(work, suspects, answer)
        self.planner.landed(answer.parcel.chunk.node, arrived)
        if arrived:
            self.rooms.on_landed(self.project, {answer.parcel.chunk.node})
        self.rooms.failpoint("verify: done")

    def _false_success(self, work: Work, rows: list[IndexedRow], answer: Answer) -> None:
        """200 and success, and yet the commons does not hold the values (GEN3.md, "It can say 200 and be wrong")."""
        proven = answer.proven
        assert proven is not None  # noqa: S101
        work.failures += 1
        self._tell(
            work,
            EventLevel.WARNING,
            "false success",
            f"the commons said success, but {len(rows)} rows are not stored as sent",
        )
        if rows[0].tries == 0:
            self._again(work, rows, tries=1)
        elif len(rows) > 1 and not answer.parcel.node_type.is_file:
            self._halve(work, rows, "the commons says success but does not hold these values")
        else:
            for row in rows:
                words = proven.differences.get(row.id)
                said = (
                    f"The commons says success but holds other values ({words})."
                    if words
                    else "The commons says success but did not store the record."
                )
                reason = Reason(
                    "NOT_STORED", printable(said), None, "Tell the commons' operators; drop the row again later."
                )
                self.index.move([row], RowState.REJECTED, detail=detail_of((reason,)))

    def _sort(self, work: Work, answer: Answer, rows: list[IndexedRow]) -> None:
        bad = answer.outcome.rejects
        if work.brake is Brake.ON_TRIAL and len(bad) * 2 > len(rows) > 1:
            work.brake = Brake.PULLED
        elif work.brake is Brake.ON_TRIAL:
            work.brake = Brake.PASSED
        for row in rows:
            if row.id in bad:
                self.index.move([row], RowState.REJECTED, detail=detail_of(bad[row.id]))
            else:
                self.index.move([row], RowState.READY)

    def _again(self, work: Work, rows: list[IndexedRow], *, tries: int) -> None:
        work.groups += 1
        self._retrial(work)
        self.index.move(rows, RowState.NEW, tries=tries, grp=work.groups)

    def _halve(self, work: Work, rows: list[IndexedRow], message: str) -> None:
        self._retrial(work)
        if work.failures > MOST_FAILURES:
            reason = Reason(
                "REFUSED",
                f"Too many requests failed without naming a row; the last said: {message}",
                None,
                "Drop these rows again later, in smaller files.",
            )
            self.index.move(rows, RowState.REJECTED, detail=detail_of((reason,)))
            return
        middle = max(1, len(rows) // 2)
        for half in (rows[:middle], rows[middle:]):
            if half:
                work.groups += 1
                self.index.move(half, RowState.READY, tries=half[0].tries + 1, grp=work.groups)

    def _after_dry_run(self, work: Work, answer: Answer, rows: list[IndexedRow]) -> None:
        """TRIED rows wait for the others; see `lane.py`."""
        outcome = answer.outcome
        match outcome.step:
            case Step.PROVE:
                work.brake = Brake.PASSED
                self.index.move(rows, RowState.TRIED)
            case Step.SORT:
                work.brake = Brake.PASSED
                for row in rows:
                    bad = outcome.rejects.get(row.id)
                    if bad:
                        self.index.move([row], RowState.REJECTED, detail=detail_of(bad))
                    else:
                        self.index.move([row], RowState.READY)
            case Step.AGAIN | Step.HALVE:
                work.failures += 1
                self._halve(work, rows, outcome.message)
            case Step.SMALLER:
                self.dispatcher.sizes.halve(answer.parcel.chunk.node, len(rows))
                self._retrial(work)
                self.index.move(rows, RowState.READY)
            case Step.LOST | Step.LATER:
                self._retrial(work)
                self.index.move(rows, RowState.READY)
            case Step.PARK_PROJECT:
                self._retrial(work)
                self.index.move(rows, RowState.READY)
                self.park_project(outcome.message, outcome.error_class)
            case Step.PARK_DROP:
                self._retrial(work)
                self.index.move(rows, RowState.READY)
                self.park_drop(work, outcome.message, outcome.error_class, LOOK_AGAIN)

    def _retrial(self, work: Work) -> None:
        """The first request said nothing about the file; the next one does."""
        if work.brake is Brake.ON_TRIAL:
            work.brake = Brake.FIRST

    def _tell(self, work: Work, level: EventLevel, kind: str, text: str) -> None:
        self.rooms.ledger.events.add(level, kind, f"{printable(work.drop.path)}: {printable(text)}", drop_id=work.id)
        _log.log(
            logging.WARNING if level is EventLevel.WARNING else logging.INFO,
            "%s: %s",
            kind,
            printable(text),
            extra={"drop": work.id, "project": str(self.project)},
        )
