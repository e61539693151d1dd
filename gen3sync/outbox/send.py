"""Sends one request. Runs on a worker thread and touches nothing but the commons.

Owns the short retries within a request. What an answer means is `outcome.py`'s, what follows is `answers.py`'s,
the proof `proofs.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    SubmitReply,
)
from gen3sync.names import Project
from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.model import IndexedRow
from gen3sync.outbox.outcome import Outcome, judge
from gen3sync.outbox.rooms import Rooms
from gen3sync.records.codec import Desired
from gen3sync.records.dictionary import NodeType

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


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a parcel."""

    parcel: Parcel
    reply: SubmitReply
    outcome: Outcome
    seconds: float


def send(rooms: Rooms, parcel: Parcel) -> Answer:
    """Sends, and retries at once what certainly did nothing."""
    started = rooms.clock.monotonic()
    reply = _submit(rooms, parcel)
    seconds = rooms.clock.monotonic() - started
    return Answer(parcel, reply, judge(parcel.rows, reply, is_file=parcel.node_type.is_file), seconds)


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
