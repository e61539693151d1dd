"""Sends one request and finds out what came of it. Runs on a worker thread and touches nothing but the commons.

Owns the short retries within a request. What an answer means is `outcome.py`'s, what follows is `answers.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Failure,
    Landed,
    Refused,
    SubmitReply,
    Transaction,
    TransactionState,
    Unauthorised,
)
from gen3sync.names import Project
from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.lookup import Lookup, Sight
from gen3sync.outbox.model import IndexedRow, Json
from gen3sync.outbox.outcome import Outcome, Step, judge
from gen3sync.outbox.proof import Proven, Readback, prove
from gen3sync.outbox.rooms import Rooms
from gen3sync.records.codec import Desired
from gen3sync.records.compare import Change, compare
from gen3sync.records.dictionary import NodeType
from gen3sync.records.pglower import pg_lower

_SHORT_TRIES = 2
_SHORT_WAIT = 5.0
"""Seconds of Retry-After that are waited out within a request."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A request ready to go. `wants` are the rows' meanings, in the order of `rows`."""

    drop_id: int
    request_id: int
    chunk: ChunkRecord
    project: Project
    node_type: NodeType
    body: bytes
    content_type: str
    rows: tuple[IndexedRow, ...]
    wants: tuple[Desired, ...]
    keeps_blanks: bool = False
    """Blank cells were left out of the request, so what they leave stored is right."""
    dry_run: bool = False

    def erasing(self, erased: Sequence[Change]) -> Sequence[Change]:
        return () if self.keeps_blanks else erased


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a parcel. `back` and `proven` only where the commons says it landed."""

    parcel: Parcel
    reply: SubmitReply
    outcome: Outcome
    seconds: float
    back: Readback | None = None
    proven: Proven | None = None


def send(rooms: Rooms, lookup: Lookup, parcel: Parcel) -> Answer:
    """Sends, retries what certainly did nothing, and proves what landed."""
    started = rooms.clock.monotonic()
    reply = _submit(rooms, parcel)
    seconds = rooms.clock.monotonic() - started
    outcome = judge(parcel.rows, reply, is_file=parcel.node_type.is_file)
    if outcome.step is not Step.PROVE or parcel.dry_run:
        return Answer(parcel, reply, outcome, seconds)
    ids = {row.id: outcome.ids.get(row.id) or row.record_id or "" for row in parcel.rows}
    tid = reply.transaction_id if isinstance(reply, Landed) else None
    back = read_back(lookup, tid, [one for one in ids.values() if one])
    proven = prove(parcel.rows, back, differences(parcel, ids, back))
    if any(proven.differences) and tid is not None:
        newest = lookup.newest_transaction()
        if isinstance(newest, int) and newest > tid:
            back = Readback(back.transaction, back.records, True, back.problem, back.retry)
            proven = prove(parcel.rows, back, differences(parcel, ids, back))
    return Answer(parcel, reply, outcome, seconds, back, proven)


def read_back(lookup: Lookup, transaction_id: int | None, ids: Sequence[str]) -> Readback:
    """The transaction's state and the records as they are now."""
    sight = lookup.sight()
    if sight is Sight.BLIND:
        return Readback(None, None, problem=lookup.why)
    state: TransactionState | None = None
    problem, retry = "", False
    if sight is Sight.FULL and transaction_id is not None:
        entry = lookup.transaction(transaction_id)
        if isinstance(entry, Transaction):
            state = entry.state
        elif entry is not None:
            problem, retry = words_of(entry), may_pass(entry)
    elif sight is not Sight.EXPORTS and not isinstance(sight, Sight):
        problem, retry = words_of(sight), may_pass(sight)
    else:
        problem = lookup.why
    records = lookup.by_id(ids)
    if isinstance(records, Refused | Failure):
        return Readback(state, None, problem=words_of(records), retry=may_pass(records))
    return Readback(state, records, problem=problem, retry=retry)


def differences(parcel: Parcel, ids: Mapping[int, str], back: Readback) -> dict[int, str | None]:
    """For each row that was read back: what differs from the file, in words, or None."""
    if back.records is None:
        return {}
    by_id: dict[str, Mapping[str, Json]] = {str(record.get("id")): record for record in back.records.values()}
    out: dict[int, str | None] = {}
    for row, want in zip(parcel.rows, parcel.wants, strict=True):
        record = by_id.get(ids.get(row.id, "")) or back.records.get(row.key)
        if record is None or pg_lower(str(record.get("submitter_id"))) != row.key:
            continue
        found = compare(want, record, parcel.node_type)
        wrong = [*found.changes, *parcel.erasing(found.erased), *([found.renamed] if found.renamed else [])]
        out[row.id] = "; ".join(f"{c.column} is {c.old!r}, sent {c.new!r}" for c in wrong[:5]) or None
    return out


def words_of(failure: Refused | Failure) -> str:
    return failure.message


def may_pass(failure: Refused | Failure) -> bool:
    """Whether asking again later may help."""
    return isinstance(failure, Broken | Busy | Unauthorised)


def _submit(rooms: Rooms, parcel: Parcel) -> SubmitReply:
    tries = 0
    while True:
        reply = rooms.client.submit(
            parcel.project,
            parcel.body,
            content_type=parcel.content_type,
            document_name=parcel.chunk.document_name,
            dry_run=parcel.dry_run,
        )
        wait: float | None = None
        match reply:
            case Busy(retry_after=float() | int() as seconds) if seconds <= _SHORT_WAIT:
                wait = float(seconds)
            case Broken(cause=BrokenCause.CONNECT | BrokenCause.RESET, may_have_landed=False):
                wait = rooms.rng.uniform(0.05, 0.5)
            case _:
                pass
        tries += 1
        if wait is None or tries > _SHORT_TRIES or rooms.clock.wait(rooms.stop, wait):
            return reply
