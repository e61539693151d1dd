"""Sends one request, of one drop or of several. Runs on a worker thread and touches nothing but the commons.

Owns the short retries within a request. What an answer means is `outcome.py`'s, what follows is `answers.py`'s,
the proof `proofs.py`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from gen3sync.commons.replies import Broken, BrokenCause, Busy, SubmitReply
from gen3sync.commons.transactions import again_name
from gen3sync.names import Project
from gen3sync.outbox.gate import Ticket
from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.model import IndexedRow
from gen3sync.outbox.outcome import Outcome, judge, part_of
from gen3sync.outbox.rooms import Rooms
from gen3sync.records.codec import Desired
from gen3sync.records.dictionary import NodeType

_SHORT_TRIES = 2
_SHORT_WAIT = 5.0
"""Seconds of Retry-After that are waited out within a request."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One drop's rows in a request. `wants` are the rows' meanings, in the order of `rows`."""

    drop_id: int
    request_id: int
    chunk: ChunkRecord
    project: Project
    node_type: NodeType
    rows: tuple[IndexedRow, ...]
    wants: tuple[Desired, ...]
    keeps_blanks: bool = False
    """Blank cells were left out of the request, so what they leave stored is right."""
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Put:
    """A request ready to go: rows of one drop, or of several small ones. Each drop's part has a parcel of its own, so
    journal, ledger and receipt tell of each drop as if it had gone alone."""

    parcels: tuple[Parcel, ...]
    body: bytes
    content_type: str

    @property
    def first(self) -> Parcel:
        return self.parcels[0]

    @property
    def rows(self) -> tuple[IndexedRow, ...]:
        return tuple(row for parcel in self.parcels for row in parcel.rows)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """What came of a parcel."""

    parcel: Parcel
    reply: SubmitReply
    outcome: Outcome
    seconds: float
    sent_as: str = ""
    """The document name it went by in the end, where not by its first one."""


def send(rooms: Rooms, put: Put, ticket: Ticket) -> list[Answer]:
    """Sends, and retries at once what certainly did nothing. An answer for each parcel."""
    if not rooms.gate.holds(ticket):  # while it stood in line the commons went down, or asked to be left alone
        return answers(put, Broken("Held back: the commons did not answer another request.", BrokenCause.CONNECT), 0.0)
    started = rooms.clock.monotonic()
    first = put.first
    with rooms.watched(f"request {first.project} {first.drop_id}/{first.chunk.number}"):
        reply, sent_as = _submit(rooms, put)
    answered = answers(put, reply, rooms.clock.monotonic() - started, sent_as)
    rooms.observer.chunk(answered[0].outcome.step.value, len(put.rows), len(put.body))
    return answered


def unforeseen(put: Put, error: BaseException) -> list[Answer]:
    """Something went wrong on the sending side that nobody thought of: the request may or may not have arrived."""
    said = f"something unforeseen went wrong while sending ({type(error).__name__}); the log has the details"
    return answers(put, Broken(said, BrokenCause.RESET, may_have_landed=True), 0.0)


def unsent(put: Put) -> list[Answer]:
    """Its turn did not come before gen3sync was stopped."""
    return answers(put, Broken("gen3sync was stopped before it was sent.", BrokenCause.CANCELLED), 0.0)


def answers(put: Put, reply: SubmitReply, seconds: float, sent_as: str = "") -> list[Answer]:
    """What `reply` means for each drop's part. It is judged as a whole: rows at fault in one part put the rows of the
    others into bad company."""
    outcome = judge(put.rows, reply, is_file=put.first.node_type.is_file)
    if len(put.parcels) == 1:
        return [Answer(put.first, reply, outcome, seconds, sent_as)]
    return [Answer(parcel, reply, part_of(outcome, parcel.rows), seconds, sent_as) for parcel in put.parcels]


def _submit(rooms: Rooms, put: Put) -> tuple[SubmitReply, str]:
    """The answer, and the name of the request that got it where it is not the first one's."""
    tries, name = 0, put.first.chunk.document_name
    while True:
        reply = rooms.client.submit(
            put.first.project,
            put.body,
            content_type=put.content_type,
            document_name=again_name(name, tries),
            dry_run=put.first.dry_run,
        )
        wait, why = None, ""
        match reply:
            case Busy(retry_after=float() | int() as seconds) if seconds <= _SHORT_WAIT:
                wait, why = float(seconds), "busy"
            case Broken(cause=BrokenCause.CONNECT | BrokenCause.RESET as cause, may_have_landed=False):
                wait, why = rooms.rng.uniform(0.05, 0.5), cause.value
            case _:
                pass
        tries += 1
        if wait is None or tries > _SHORT_TRIES or rooms.clock.wait(rooms.stop, wait):
            return reply, again_name(name, tries - 1) if tries > 1 else ""
        rooms.observer.retried(why)
