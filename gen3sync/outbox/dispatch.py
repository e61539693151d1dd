"""Makes requests of rows that are ready: which rows, which bytes, written down before they are sent.

Owns what goes into one request. Sending is `send.py`'s, what follows from the answer `answers.py`'s.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial

from gen3sync.config import Blanks, OnInvalid
from gen3sync.ledger.rows import NewRequest
from gen3sync.names import Project
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import ChunkRecord, SentRow
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.lost import ledger_name
from gen3sync.outbox.meanings import Meanings
from gen3sync.outbox.model import IndexedRow, Json, RowState, line_of
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.send import Parcel, Put
from gen3sync.outbox.side import side_by_side
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.sizes import Sizes
from gen3sync.outbox.work import Brake, Work
from gen3sync.records.codec import Desired, desired
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.rows import Row
from gen3sync.records.wire import JSON_TYPE, TSV_TYPE, tsv_can_say, wire_json, wire_tsv

ELSEWHERE = "elsewhere"
"""In the detail of a row that waits: the id that it names, and a request of another project."""


@dataclass
class Dispatcher:
    """Makes the requests of one lane."""

    rooms: Rooms
    index: RowIndex
    project: Project
    sizes: Sizes
    meanings: Meanings = field(default_factory=Meanings)
    elsewhere: set[str] = field(default_factory=set)
    """Ids that rows wait for, since a request of another project names them."""
    newest_transaction: int | None = None
    """The newest transaction known; where the search for a lost answer starts."""
    _asked: Future[object] | None = None

    def ask_newest(self, lookup: Lookup) -> None:
        """Asks for the newest transaction, beside other questions, and once: later ones are learnt from answers."""
        if self.newest_transaction is None:
            self.newest_transaction = lookup.newest
        if self._asked is None and self.newest_transaction is None and lookup.sight() is Sight.FULL:
            self._asked = self.rooms.readers.submit(lookup.newest_transaction)

    def _log_mark(self) -> int | None:
        if self.newest_transaction is None and self._asked is not None:
            newest = self._asked.result()
            self.newest_transaction = newest if isinstance(newest, int) else None
        return self.newest_transaction

    def ready(self, work: Work) -> bool:
        """Whether there is something of the drop to be sent."""
        # The first request decides whether there is a second.
        return work.brake is not Brake.ON_TRIAL and bool(self.index.sendable(work.id, 1))

    def next_put(self, work: Work, others: Sequence[Work], dictionary: Dictionary, slots: int) -> Put | None:
        """The drop's next request, its rows marked as in flight; None when nothing of it is ready. `slots` requests may
        be sent now. What is left of it is filled with rows of `others` that can go along."""
        if not self.ready(work):
            return None
        dry_run = self._tries_first(work)
        while first := self.index.sendable(work.id, 1):
            node_type = dictionary.nodes[first[0].node]
            if not (dry_run and node_type.is_file):
                break
            self.index.move(self.index.sendable(work.id, self.sizes.most), RowState.TRIED)
        else:
            return None
        # One submitter_id twice in a request fails it, whatever the node types (GEN3.md, "It refuses"). Rows of a drop
        # and node cannot share one, since `records` refuses twins, and of two drops the later one's would be BEHIND.
        # Nor do they share an id that they name, for the same reasons.
        ready = sum(self.index.counts(one.id)[RowState.READY] for one in (work, *others))
        room = self.sizes.share(node_type.name, ready, slots)
        parts = [Part(work, self.index.sendable(work.id, room))]
        if not dry_run and may_share(parts[0], node_type):
            for other in others:
                if self._tries_first(other):
                    continue
                room -= len(parts[-1].rows)
                if room < 1:
                    break
                rows = self.index.sendable(other.id, room + 1)
                part = Part(other, rows)
                if len(rows) <= room and may_share(part, node_type) and parts[0].goes_with(part):
                    parts.append(part)
                    continue
                room += len(parts[-1].rows)
        while parts := parts if dry_run else self._apart(parts):
            parts, wants, body, content_type = self._body(parts, node_type)
            if dry_run or self.rooms.ids.take(self.project, _named(parts)):
                try:
                    return self._written(parts, wants, body, content_type, node_type, dry_run=dry_run)
                except BaseException:  # a full disk, say: it is not sent
                    locks = (lock for part in parts for row in part.rows for lock in row.locks)
                    self.rooms.ids.free(self.project, () if dry_run else locks)
                    raise
        return None

    def _apart(self, parts: list[Part]) -> list[Part]:
        """Without rows whose id a request of another project names: they wait until it is answered."""
        held = self.rooms.ids.others(self.project, _named(parts))
        if not held:
            return parts
        self.elsewhere |= held
        for row in (row for part in parts for row in part.rows if row.named in held):
            self.index.move([row], RowState.BEHIND, detail={ELSEWHERE: row.named})
        left = [Part(part.work, [row for row in part.rows if row.named not in held]) for part in parts]
        return [part for part in left if part.rows]

    def _body(self, parts: list[Part], node_type: NodeType) -> tuple[list[Part], list[list[Desired]], bytes, str]:
        """The bytes of a request, with as many of the rows as fit."""
        limit = self.rooms.settings.outbox.chunk_bytes
        keep = self._keeps_blanks(parts[0].work)
        while True:
            meant = [[self._meaning(part.work, row, node_type, keep=keep) for row in part.rows] for part in parts]
            wants = [[want for _, want in some] for some in meant]
            flat = [row for some in meant for row, _ in some]
            if keep or not all(tsv_can_say(row) for row in flat):
                keys = {link.name: link.key for link in node_type.links}
                body = wire_json((want for some in wants for want in some), keep=keep, link_keys=keys)
                content_type = JSON_TYPE
            else:
                body = wire_tsv(flat[0].columns, flat)
                content_type = TSV_TYPE
            if len(body) <= limit or len(flat) == 1:
                return parts, wants, body, content_type
            if len(parts) > 1:
                parts = parts[: max(1, len(parts) // 2)]
            else:
                rows = parts[0].rows
                few = max(1, min(len(rows) - 1, int(len(rows) * limit / len(body))))
                parts = [Part(parts[0].work, rows[:few])]

    def _meaning(self, work: Work, row: IndexedRow, node_type: NodeType, *, keep: bool) -> tuple[Row, Desired]:
        known, want = self.meanings.of(work, row, node_type)
        filled = _filled(known, row.detail.get("before"), node_type) if keep else known
        return (known, want) if filled is known else (filled, desired(filled, node_type))

    def _written(
        self,
        parts: list[Part],
        wants: list[list[Desired]],
        body: bytes,
        content_type: str,
        node_type: NodeType,
        *,
        dry_run: bool,
    ) -> Put:
        """Writes down what is about to be sent, and marks it as in flight."""
        name = self._document_name(parts[0])
        chunks = [self._chunk(part, node_type, name) for part in parts]
        requests = [0] * len(parts) if dry_run else self._write_down(parts, chunks)
        parcels = []
        for part, chunk, want, request_id in zip(parts, chunks, wants, requests, strict=True):
            work = part.work
            self.index.move(part.rows, RowState.FLIGHT, chunk=chunk.number)
            work.in_flight += 1
            if work.brake is Brake.FIRST:
                work.brake = Brake.ON_TRIAL
            keeps = self._keeps_blanks(work)
            rows = tuple(part.rows)
            parcels.append(
                Parcel(work.id, request_id, chunk, self.project, node_type, rows, tuple(want), keeps, dry_run)
            )
        return Put(tuple(parcels), body, content_type)

    def _chunk(self, part: Part, node_type: NodeType, name: str) -> ChunkRecord:
        part.work.requests += 1
        lines = (min(line_of(row.line) for row in part.rows), max(row.end_line for row in part.rows))
        now = self.rooms.clock.now().isoformat()
        attempt = part.rows[0].tries + 1
        chunk = ChunkRecord(part.work.requests, attempt, node_type.name, len(part.rows), lines, name, now)
        return replace(chunk, submitter=self.rooms.submitter)

    def _write_down(self, parts: list[Part], chunks: list[ChunkRecord]) -> list[int]:
        sent = [[SentRow(row.line, row.sent_as, row.detail.get("before")) for row in part.rows] for part in parts]
        side_by_side(
            partial(part.work.journal.sending, chunk, some)
            for part, chunk, some in zip(parts, chunks, sent, strict=True)
        )
        self.rooms.failpoint("send: written in the journal")
        self.index.mark_sent(
            (row, one.action, one.before)
            for part, some in zip(parts, sent, strict=True)
            for row, one in zip(part.rows, some, strict=True)
        )
        mark = self._log_mark()
        with self.rooms.ledger.together():
            requests = [
                self.rooms.ledger.requests.begin(
                    NewRequest(
                        part.work.id,
                        ledger_name(chunk.document_name, part.work.id if number else None),
                        self.project.program,
                        self.project.code,
                        chunk.node,
                        chunk.number,
                        len(part.rows),
                        tuple(lock for row in part.rows for lock in row.locks),
                        mark,
                    )
                ).id
                for number, (part, chunk) in enumerate(zip(parts, chunks, strict=True))
            ]
        self.rooms.failpoint("send: written in the ledger")
        return requests

    def _tries_first(self, work: Work) -> bool:
        """Everything is tried first where nothing may be sent unless all of it passes; but file nodes never, since even
        a dry run writes to the file index: their rows wait until the others passed."""
        return self.rooms.settings.outbox.on_invalid is OnInvalid.REJECT and not work.tried

    def _keeps_blanks(self, work: Work) -> bool:
        return self.rooms.settings.outbox.blanks is Blanks.KEEP and not work.drop.allow_erase

    def _document_name(self, part: Part) -> str:
        work, attempt = part.work, part.rows[0].tries + 1
        return f"gen3sync/{self.rooms.host}/{work.id}/{work.requests + 1}/{attempt}-{secrets.token_hex(6)}"


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one drop that go in one request."""

    work: Work
    rows: list[IndexedRow]

    def goes_with(self, other: Part) -> bool:
        """Whether one table can hold both. What a row leaves out must not become a blank, which erases."""
        one, two = self.rows[0], other.rows[0]
        return (
            one.node == two.node
            and self.work.columns(one.shape) == other.work.columns(two.shape)
            and self.work.table is not None
            and other.work.table is not None
            and self.work.table.form is other.work.table.form
            and self.work.drop.allow_erase == other.work.drop.allow_erase
        )


def _named(parts: Sequence[Part]) -> set[str]:
    return {row.named for part in parts for row in part.rows if row.named is not None}


def _filled(row: Row, before: Json, node_type: NodeType) -> Row:
    """The row with stored values in blank cells of required columns: neither null nor leaving them out is accepted."""
    if row.record is not None or not isinstance(before, dict):
        return row
    kept = {name: before[name] for name in node_type.required if row.cells.get(name) == "" and before.get(name)}
    return replace(row, cells={**row.cells, **kept}) if kept else row


def may_share(part: Part, node_type: NodeType) -> bool:
    """Whether rows may travel with those of other drops: not when they were in doubt before (so that what is wrong with
    them stays their own drop's), and no file nodes: each try of theirs writes to the file index."""
    fresh = part.work.brake is not Brake.ON_TRIAL and bool(part.rows)
    return fresh and not node_type.is_file and not any(row.tries or row.group for row in part.rows)
