"""The transaction log: one entry for each upload, deletion and change of state, with its document and answer.

An entry is made when a request starts to be worked on, in its own small database transaction; what happens to the
records later does not touch it. That is why an entry can say PENDING for ever.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class State(StrEnum):
    """What the log says. SUCCEEDED: stored. FAILED, ERRORED: not stored. PENDING: running, or nobody knows."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ERRORED = "ERRORED"


@dataclass
class Document:
    """The body of a request as the log keeps it; `response` stays None until the answer was written there."""

    id: int
    name: str | None
    doc_format: str
    size: int
    response: dict[str, Any] | None = None


@dataclass(frozen=True)
class Snapshot:
    """What a transaction did to one record."""

    id: int
    entity_id: str
    action: str
    old: dict[str, Any]
    new: dict[str, Any]


@dataclass
class Transaction:
    """One log entry. `documents_data` keeps the parsed documents of a dry run, which may be committed later."""

    id: int
    program: str
    project: str
    role: str
    is_dry_run: bool
    created: datetime
    state: State = State.PENDING
    submitter: str | None = None
    closed: bool = False
    committed_by: int | None = None
    documents: list[Document] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    documents_data: list[Any] | None = None

    @property
    def project_id(self) -> str:
        return f"{self.program}-{self.project}"


class TransactionLog:
    """All entries by id; ids rise in the order of starting. Changes are announced on `changed`."""

    def __init__(self, changed: threading.Condition) -> None:
        self.changed = changed
        self.entries: dict[int, Transaction] = {}
        self._documents = 0
        self._snapshots = 0

    def claim(self, program: str, project: str, role: str, created: datetime, *, dry_run: bool) -> Transaction:
        with self.changed:
            entry = Transaction(len(self.entries) + 1, program, project, role, dry_run, created)
            self.entries[entry.id] = entry
            self.changed.notify_all()
            return entry

    def add_document(self, entry: Transaction, name: str | None, doc_format: str, size: int) -> Document:
        with self.changed:
            self._documents += 1
            document = Document(self._documents, name, doc_format, size)
            entry.documents.append(document)
            return document

    def add_snapshot(self, entry: Transaction, entity_id: str, action: str, old: dict[str, Any], new: Any) -> None:
        with self.changed:
            self._snapshots += 1
            entry.snapshots.append(Snapshot(self._snapshots, entity_id, action, old, new))

    def set_state(self, entry: Transaction, state: State) -> None:
        with self.changed:
            entry.state = state
            self.changed.notify_all()

    def conclude_checks(self, entry: Transaction, response: dict[str, Any], *, success: bool) -> bool:
        """Keeps the answer and the outcome of what was checked. True when there is something to commit."""
        self.answer(entry, response)
        if not success:
            self.set_state(entry, State.FAILED)
            return False
        if entry.is_dry_run:
            self.set_state(entry, State.SUCCEEDED)
            return False
        return True

    def answer(self, entry: Transaction, response: dict[str, Any]) -> None:
        """Keeps the answer beside the document, as far as there is one."""
        with self.changed:
            if entry.documents:
                entry.documents[0].response = response

    def all(self) -> list[Transaction]:
        with self.changed:
            return list(self.entries.values())
