"""Makes requests of rows that are ready: which rows, which bytes, written down before they are sent.

Owns what goes into one request. Sending is `send.py`'s, what follows from the answer `answers.py`'s.
"""

from __future__ import annotations

import secrets
from concurrent.futures import Future
from dataclasses import dataclass

from gen3sync.config import Blanks, OnInvalid
from gen3sync.ledger.rows import NewRequest
from gen3sync.names import Project
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import ChunkRecord, SentRow
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.model import Action, IndexedRow, RowState
from gen3sync.outbox.planning import row_again
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.send import Parcel
from gen3sync.outbox.sizes import START_ROWS, Sizes
from gen3sync.outbox.work import Brake, Work
from gen3sync.records.codec import Desired, desired
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.wire import JSON_TYPE, TSV_TYPE, tsv_can_say, wire_json, wire_tsv


@dataclass
class Dispatcher:
    """Makes the requests of one lane."""

    rooms: Rooms
    index: RowIndex
    project: Project
    sizes: Sizes
    newest_transaction: int | None = None
    """The newest transaction known; where the search for a lost answer starts."""
    _asked: Future[object] | None = None

    def ask_newest(self, lookup: Lookup) -> None:
        """Asks for the newest transaction, beside other questions, and once: later ones are learnt from answers."""
        if self._asked is None:
            self._asked = self.rooms.readers.submit(lookup.newest_transaction)

    def _log_mark(self) -> int | None:
        if self.newest_transaction is None and self._asked is not None:
            newest = self._asked.result()
            self.newest_transaction = newest if isinstance(newest, int) else None
        return self.newest_transaction

    def next_parcel(self, work: Work, dictionary: Dictionary, slots: int) -> Parcel | None:
        """The drop's next request, its rows marked as in flight; None when nothing of it is ready. `slots` requests may
        be sent now."""
        if work.brake is Brake.ON_TRIAL:
            return None  # the first request decides whether there is a second
        rows = self._rows(work, slots)
        if not rows:
            return None
        node_type = dictionary.nodes[rows[0].node]
        dry_run = self._dry_run(work, node_type)
        rows, wants, body, content_type = self._body(work, rows, node_type)
        work.requests += 1
        chunk = ChunkRecord(
            work.requests,
            rows[0].tries + 1,
            node_type.name,
            len(rows),
            (min(row.line for row in rows), max(row.end_line for row in rows)),
            self._document_name(work, rows[0].tries + 1),
            self.rooms.clock.now().isoformat(),
        )
        request_id = 0
        if not dry_run:
            request_id = self._write_down(work, chunk, rows)
        self.index.move(rows, RowState.FLIGHT, chunk=chunk.number)
        work.in_flight += 1
        if work.brake is Brake.FIRST:
            work.brake = Brake.ON_TRIAL
        keeps = self._keeps_blanks(work)
        return Parcel(
            work.id,
            request_id,
            chunk,
            self.project,
            node_type,
            body,
            content_type,
            tuple(rows),
            tuple(wants),
            keeps,
            dry_run,
        )

    def _rows(self, work: Work, slots: int) -> list[IndexedRow]:
        first = self.index.sendable(work.id, 1)
        if not first:
            return []
        # One submitter_id twice in a request fails it, whatever the node types (GEN3.md, "It refuses"). Rows of a drop
        # and node cannot share one, since `records` refuses twins, so nothing is left to check here.
        size = self.sizes.rows(first[0].node)
        # The last rows are shared out evenly: the drop is through when its last request is.
        share = -(-self.index.counts(work.id)[RowState.READY] // slots)
        return self.index.sendable(work.id, min(size, max(share, START_ROWS)))

    def _body(
        self, work: Work, rows: list[IndexedRow], node_type: NodeType
    ) -> tuple[list[IndexedRow], list[Desired], bytes, str]:
        """The bytes of a request, with as many of `rows` as fit."""
        limit = self.rooms.settings.outbox.chunk_bytes
        while True:
            read = [row_again(work, row) for row in rows]
            wants = [desired(row, node_type) for row in read]
            if self._keeps_blanks(work) or not all(tsv_can_say(row) for row in read):
                keys = {link.name: link.key for link in node_type.links}
                body = wire_json(wants, keep=self._keeps_blanks(work), link_keys=keys)
                content_type = JSON_TYPE
            else:
                body = wire_tsv(read[0].columns, read)
                content_type = TSV_TYPE
            if len(body) <= limit or len(rows) == 1:
                return rows, wants, body, content_type
            rows = rows[: max(1, min(len(rows) - 1, int(len(rows) * limit / len(body))))]

    def _write_down(self, work: Work, chunk: ChunkRecord, rows: list[IndexedRow]) -> int:
        sent = [SentRow(row.line, row.action or Action.UPDATE, row.detail.get("before")) for row in rows]
        work.journal.sending(chunk, sent)
        self.rooms.failpoint("send: written in the journal")
        self.index.mark_sent((row, one.action, one.before) for row, one in zip(rows, sent, strict=True))
        request = self.rooms.ledger.requests.begin(
            NewRequest(
                work.id,
                chunk.document_name,
                self.project.program,
                self.project.code,
                chunk.node,
                chunk.number,
                len(rows),
                tuple(f"{row.node} {row.key}" for row in rows),
                self._log_mark(),
            )
        )
        self.rooms.failpoint("send: written in the ledger")
        return request.id

    def _dry_run(self, work: Work, node_type: NodeType) -> bool:
        """Everything is tried first where nothing may be sent unless all of it passes; but file nodes never: even a
        dry run writes to the file index."""
        return self.rooms.settings.outbox.on_invalid is OnInvalid.REJECT and not work.tried and not node_type.is_file

    def _keeps_blanks(self, work: Work) -> bool:
        return self.rooms.settings.outbox.blanks is Blanks.KEEP and not work.drop.allow_erase

    def _document_name(self, work: Work, attempt: int) -> str:
        return f"gen3sync/{self.rooms.host}/{work.id}/{work.requests}/{attempt}-{secrets.token_hex(6)}"
