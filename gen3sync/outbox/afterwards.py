"""What the commons' log says of requests that an earlier life of the daemon sent, asked before the receipt.

Values are compared when the drop is planned again; the state of transactions is not asked for then.
"""

from __future__ import annotations

from dataclasses import replace

from gen3sync.outbox.journal import DISPROVED, ChunkRecord
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.model import RowState
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.work import Work

_LANDED = ("landed", "answer lost, landed", "answer lost, expired")


def ask_states(lane: LaneState, work: Work) -> None:
    """Fills in states of transactions that are not known. What cannot be had stays unknown, and the receipt says so."""
    if not work.compared and len(work.states) >= work.requests:
        return  # each was asked for when its rows were read back
    names = {
        chunk.transaction_id: chunk.document_name
        for chunk in work.journal.chunks()
        if chunk.transaction_id is not None and chunk.state == "landed" and state_of(work, chunk) is None
    }
    if not names or lane.rooms.gate.down is not None or lane.lookup.sight() is not Sight.FULL:
        return
    found = lane.lookup.transactions(names)
    if isinstance(found, dict):
        work.states.update({names[id]: entry.state.value for id, entry in found.items() if id in names})
        _tell_disproved(lane, work, set(names.values()))


def _tell_disproved(lane: LaneState, work: Work, asked: set[str]) -> None:
    """Requests that said success to an earlier life and did not SUCCEED: this one found nothing of them stored, unless
    a row that none carried later has landed."""
    chunks = {chunk.document_name: chunk for chunk in work.journal.chunks() if chunk.document_name in asked}
    doubtful = {name for name, chunk in chunks.items() if state_of(work, chunk) not in (None, "SUCCEEDED")}
    if not doubtful:
        return
    newest = {line: chunk.document_name for line, chunk in work.journal.newest_sendings().items()}
    landed = lane.index.rows(work.id, RowState.DONE, RowState.ACCEPTED)
    for name in sorted(doubtful - {newest[row.line] for row in landed if row.line in newest}):
        work.journal.answered(replace(chunks[name], state=DISPROVED, transaction_state=work.states[name]))


def state_of(work: Work, chunk: ChunkRecord) -> str | None:
    """The state of a request's transaction, as far as it was told."""
    return work.states.get(chunk.document_name, chunk.transaction_state)


def only_compared(work: Work) -> bool:
    """Whether rows are proven by their values alone: some were found stored by comparing, and the log does not say
    that all transactions which may have written them SUCCEEDED."""
    chunks = (chunk for chunk in work.journal.chunks() if chunk.state in _LANDED)
    return work.compared > 0 and any(state_of(work, chunk) != "SUCCEEDED" for chunk in chunks)
