"""Reads back what the commons says it stored, several requests at a time, and acts on what it finds.

Apart from sending, so that the next request need not wait for the proof of the last. Whether something is proven is
decided in `proof.py`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace

from gen3sync.commons.replies import Broken, BrokenCause, Failure, Landed, Refused, TransactionState
from gen3sync.ledger.rows import EventLevel
from gen3sync.names import printable
from gen3sync.outbox.earlier import note_done
from gen3sync.outbox.journal import DISPROVED, Refusal
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.lookup import Lookup, may_pass
from gen3sync.outbox.model import Action, IndexedRow, Json, Reason, RowState, rows_said
from gen3sync.outbox.overwritten import own
from gen3sync.outbox.proof import Proof, Proven, Readback, Seen, disproved, prove
from gen3sync.outbox.readback import read_back
from gen3sync.outbox.reading import detail_of
from gen3sync.outbox.send import Answer, Parcel
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.work import Work
from gen3sync.pglower import pg_lower
from gen3sync.records.compare import compare

_log = logging.getLogger("gen3sync.outbox")
_URLS = "urls"
MOST_ROWS = 2000
"""Rows whose proof is asked for at once."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was read back for one request."""

    answer: Answer
    back: Readback
    proven: Proven
    values: Mapping[int, int] = field(default_factory=dict)
    """By row id: how many values that were read back are as the row says."""


def gather(lookup: Lookup, answers: Sequence[Answer], readers: Executor) -> list[Evidence]:
    """Reads back for requests of one node. Runs on a thread of its own."""
    asked = readers.submit(_states, lookup, answers)
    ids = {answer: _ids(answer) for answer in answers}
    blind = lookup.sight() is Sight.BLIND
    records = {} if blind else read_back(lookup, answers, ids)
    states, problem, retry = asked.result()
    out = []
    for answer in answers:
        tid = _tid(answer)
        state = states.get(tid) if tid is not None else None
        if blind:
            back = Readback(None, None, problem=lookup.why)
        elif isinstance(records, Refused | Failure):
            failure = None if isinstance(records, Refused) else records
            back = Readback(state, None, problem=records.message, retry=may_pass(records), failure=failure)
        else:
            said = problem or _not_green(state)
            back = Readback(state, records, problem=said, retry=retry)
        differs, values = _compared(answer.parcel, ids[answer], back)
        proven = prove(answer.parcel.rows, back, differs)
        if state is TransactionState.SUCCEEDED and tid is not None and _suspects(answer, proven):
            back = _who_wrote(
                lookup, answer, back, tid, {row.key: ids[answer][row.id] for row in _suspects(answer, proven)}
            )
            proven = prove(answer.parcel.rows, back, differs)
        out.append(Evidence(answer, back, proven, values))
    return out


def unproven(answer: Answer, error: BaseException) -> Evidence:
    """Reading back went wrong in a way that nobody thought of."""
    said = f"something unforeseen went wrong while reading back ({type(error).__name__})"
    back = Readback(None, None, problem=said, retry=True, failure=Broken(said, BrokenCause.RESET))
    return Evidence(answer, back, prove(answer.parcel.rows, back, {}))


def act(lane: LaneState, work: Work, evidence: Evidence) -> None:
    """Rows that are proven are done; others are planned again, or refused at last. It is done once more when something
    of it could not be written down (a full disk), so it counts at its end."""
    answer, back, proven = evidence.answer, evidence.back, evidence.proven
    rows = answer.parcel.rows
    if back.transaction is not None:
        work.states[answer.parcel.chunk.document_name] = back.transaction.value
    if back.retry and back.records is None and work.unread < MOST_UNREAD:
        # The commons went down between storing and reading: planning again compares, and that is the proof. Not for
        # ever: what it never lets be read is accepted, unverified.
        lane.index.move(rows, RowState.NEW)
        work.unread += 1
        return
    if nothing := disproved(back, proven):
        _nothing_stored(lane, work, answer)
    suspects = _suspects(answer, proven)
    good = [row for row in rows if proven.rows[row.id] in (Seen.EQUAL, Seen.OVERWRITTEN)]
    unread = [row for row in rows if proven.rows[row.id] is Seen.UNREAD]
    for number, some in _by_values(good, evidence).items():
        lane.index.move(some, RowState.DONE, vals=number)
    lane.index.move(unread, RowState.ACCEPTED)
    overwritten = sum(proven.rows[row.id] is Seen.OVERWRITTEN for row in good)
    facts = {"proof": proven.proof.value, "why_not": back.problem, "overwritten": overwritten}
    note_done(lane.index, work, [*good, *unread], **facts)
    if suspects:
        _false_success(lane, work, suspects, evidence)
    else:
        passed(work)
    arrived = {row.key for row in (*good, *unread)}
    if arrived:
        if (tid := _tid(answer)) is not None:
            lane.lookup.landed(tid)
        lane.planner.landed(answer.parcel.chunk.node, arrived)
        lane.rooms.on_landed(lane.project, {answer.parcel.chunk.node})
    if good or unread:  # what is not stored as sent is sent again, and proven then
        work.proofs[proven.proof] += len(good) + len(unread)
        if proven.proof is not Proof.FULL:
            work.proof_problem = work.proof_problem or back.problem
    work.existed -= len(existed(answer)) if nothing else 0
    work.overwritten += overwritten
    landed = {row.id for row in (*good, *unread)}
    pairs = zip(rows, answer.parcel.wants, strict=True)
    work.urls += sum(_URLS in want.unseen for row, want in pairs if row.id in landed)
    lane.rooms.failpoint("verify: done")


def _nothing_stored(lane: LaneState, work: Work, answer: Answer) -> None:
    """A request that said success is told as what it was, and its rows are as if they had not been sent by it."""
    name = answer.parcel.chunk.document_name
    for chunk in work.journal.chunks():
        if chunk.document_name == name:
            work.journal.answered(replace(chunk, state=DISPROVED, transaction_state=work.states.get(name)))
    lane.index.unsent(answer.parcel.rows)


def _false_success(lane: LaneState, work: Work, rows: list[IndexedRow], evidence: Evidence) -> None:
    """200 and success, and yet the commons does not hold the values (GEN3.md, "It can say 200 and be wrong")."""
    work.failures += 1
    are = "is" if len(rows) == 1 else "are"
    text = f"the commons said success, but {rows_said(len(rows))} {are} not stored as sent"
    lane.tell(work, EventLevel.WARNING, "false success", text)
    if rows[0].tries == 0:
        work.groups += 1
        lane.index.move(rows, RowState.NEW, tries=1, grp=work.groups)
    elif len(rows) > 1 and not evidence.answer.parcel.node_type.is_file:
        halve(lane, work, rows, "the commons says success but does not hold these values")
    else:
        refused: list[Refusal] = []
        for row in rows:
            words = evidence.proven.differences.get(row.id)
            said = "The commons says success but " + (
                f"holds other values ({words})." if words else "did not store the record."
            )
            remedy = "Tell the commons' operators; drop the row again later."
            reason = Reason("NOT_STORED", printable(said, 2000), None, remedy)
            lane.index.move([row], RowState.REJECTED, detail=detail_of((reason,)))
            refused.append((row.line, (reason,)))
        work.journal.refused(refused)


def existed(answer: Answer) -> list[IndexedRow]:
    """Rows of a request that were planned as new, and of which the commons says that they updated a record."""
    acted = answer.outcome.acted
    rows = answer.parcel.rows
    return [row for row in rows if row.action is Action.CREATE and acted.get(row.id) is Action.UPDATE]


MOST_UNREAD = 5
"""Proofs of one drop that may fail to be read before it is accepted without."""
MOST_FAILURES = 64
"""Requests of one drop that may fail without naming a row, beyond those that pass, before halving on is given up:
single rows are found in a file of any length, and where nothing passes it ends soon."""


def passed(work: Work) -> None:
    """A request of the drop did not fail."""
    work.failures = max(0, work.failures - 1)


def halve(lane: LaneState, work: Work, rows: Sequence[IndexedRow], message: str) -> None:
    """The halves of a request that failed go separately, down to a lone row, within a bound."""
    lane.retrial(work)
    if work.failures > MOST_FAILURES:
        many = "" if len(rows) == 1 else f" which of {len(rows):,} rows"
        said = (
            f"The commons fails on it, or on a row that went with it, and too many requests failed to find out{many}. "
            f"The last said: {message}"
        )
        reason = Reason("UNDECIDED", said, None, "Drop these rows again, in smaller files or later.")
        lane.index.move(rows, RowState.REJECTED, detail=detail_of((reason,)))
        work.journal.refused([(row.line, (reason,)) for row in rows])
        return
    middle = max(1, len(rows) // 2)
    for half in (rows[:middle], rows[middle:]):
        if half:
            work.groups += 1
            lane.index.move(half, RowState.READY, tries=half[0].tries + 1, grp=work.groups)


def _ids(answer: Answer) -> dict[int, str]:
    return {row.id: answer.outcome.ids.get(row.id) or row.record_id or "" for row in answer.parcel.rows}


def _suspects(answer: Answer, proven: Proven) -> list[IndexedRow]:
    """Rows that are not stored as sent."""
    return [row for row in answer.parcel.rows if proven.rows[row.id] in (Seen.DIFFERENT, Seen.ABSENT)]


def _who_wrote(lookup: Lookup, answer: Answer, back: Readback, tid: int, wanted: Mapping[str, str | None]) -> Readback:
    """What was read back, with what is known of newer transactions that wrote `wanted`."""
    since = lookup.wrote_since(tid, answer.parcel.chunk.node, wanted, own(answer.parcel.chunk.document_name))
    if isinstance(since, dict):
        written = {row.id: since[row.key] for row in answer.parcel.rows if row.key in since}
        return replace(back, written_since=written)
    if not may_pass(since) or isinstance(since, Refused):
        return back
    return Readback(back.transaction, None, problem=since.message, retry=True, failure=since)


def _tid(answer: Answer) -> int | None:
    return answer.reply.transaction_id if isinstance(answer.reply, Landed) else None


def _states(lookup: Lookup, answers: Sequence[Answer]) -> tuple[dict[int, TransactionState], str, bool]:
    """What the log says of the transactions, why it says nothing, and whether it may later."""
    ids = {tid for answer in answers if (tid := _tid(answer)) is not None}
    sight = lookup.sight()
    if isinstance(sight, Refused | Failure):
        return {}, sight.message, may_pass(sight)
    if sight is not Sight.FULL or not ids:
        return {}, lookup.why, False
    entries = lookup.transactions(ids)
    if isinstance(entries, dict):
        return {id: entry.state for id, entry in entries.items()}, "", False
    return {}, entries.message, may_pass(entries)


def _not_green(state: TransactionState | None) -> str:
    """What the log lacks for a full proof, in words."""
    match state:
        case TransactionState.SUCCEEDED:
            return ""
        case None:
            return "the transaction is not in the commons' log"
        case _:
            return f"the commons' log says {state.value} of the transaction"


def _by_values(rows: Sequence[IndexedRow], evidence: Evidence) -> dict[int, list[IndexedRow]]:
    """Proven rows by how many values of theirs were found as they say: none where somebody overwrote them since."""
    found: dict[int, list[IndexedRow]] = {}
    for row in rows:
        equal = evidence.proven.rows[row.id] is Seen.EQUAL
        found.setdefault(evidence.values.get(row.id, 0) if equal else 0, []).append(row)
    return found


def _compared(parcel: Parcel, ids: Mapping[int, str], back: Readback) -> tuple[dict[int, str | None], dict[int, int]]:
    """For each row that was read back: what differs from the file, in words, or None; and how many values do not."""
    if back.records is None:
        return {}, {}
    by_id: dict[str, Mapping[str, Json]] = {str(record.get("id")): record for record in back.records.values()}
    out: dict[int, str | None] = {}
    values: dict[int, int] = {}
    for row, want in zip(parcel.rows, parcel.wants, strict=True):
        record = by_id.get(ids.get(row.id, "")) or back.records.get(row.key)
        if record is None or pg_lower(str(record.get("submitter_id"))) != row.key:
            continue
        found = compare(want, record, parcel.node_type)
        erased = () if parcel.keeps_blanks else found.erased
        wrong = [*found.changes, *erased, *([found.renamed] if found.renamed else [])]
        words = "; ".join(f"{c.column} is {c.old!r}, sent {c.new!r}" for c in wrong[:5])
        out[row.id] = printable(words, 1000) or None
        values[row.id] = found.equal
    return out, values
