"""What the commons' log says of requests whose rows an earlier life of the daemon sent, asked before the receipt.

Their values were compared when the drop was planned again; the state of their transactions was not asked for then.
"""

from __future__ import annotations

from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.work import Work

_LANDED = ("landed", "answer lost, landed", "answer lost, expired")


def ask_states(lane: LaneState, work: Work) -> None:
    """Fills in states of transactions that are not known. What cannot be had stays unknown, and the receipt says so."""
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


def state_of(work: Work, chunk: ChunkRecord) -> str | None:
    """The state of a request's transaction, as far as it was told."""
    return work.states.get(chunk.document_name, chunk.transaction_state)


def only_compared(work: Work) -> bool:
    """Whether rows are proven by their values alone: some were found stored by comparing, and the log does not say
    that all transactions which may have written them SUCCEEDED."""
    chunks = (chunk for chunk in work.journal.chunks() if chunk.state in _LANDED)
    return work.compared > 0 and any(state_of(work, chunk) != "SUCCEEDED" for chunk in chunks)
