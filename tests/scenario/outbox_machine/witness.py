"""Stands inside the commons and sees every write: whose it was, what stood there before, what stands there now.

Owns the history that receipts are held against. It believes nothing that gen3sync says but a document's name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.store import Record, pg_lower
from gen3sync.sandbox.transactions import Transaction
from tests.scenario.outbox_machine.sheets import NODES

Key = tuple[str, str, str]
"""Project id, node type, submitter_id in small letters."""


@dataclass(frozen=True)
class Stored:
    """A record at one moment, in the words of files."""

    id: str
    submitter_id: str
    props: dict[str, Any]
    parents: frozenset[str]
    """Their submitter_ids, in small letters."""


@dataclass(frozen=True)
class Write:
    """One record as one transaction left it; `now` None: deleted. `named` are the properties a foreigner named."""

    at: float
    document: str | None
    transaction: int
    project: str
    before: Stored | None
    now: Stored | None
    named: frozenset[str] | None = None

    @property
    def foreign(self) -> bool:
        return self.named is not None


@dataclass
class Witness:
    """See the module. `seconds` tells the time of the world."""

    sandbox: Sandbox
    seconds: Callable[[], float]
    history: dict[Key, list[Write]] = field(default_factory=lambda: defaultdict(list))
    _foreign: frozenset[str] | None = None

    def __post_init__(self) -> None:
        log, store = self.sandbox.commons.log, self.sandbox.commons.store
        add, remove = log.add_snapshot, store.remove

        def added(entry: Transaction, entity_id: str, action: str, old: dict[str, Any], new: Any) -> None:
            # Called in the moment of the commit, after the record was put.
            add(entry, entity_id, action, old, new)
            record = store.by_id(entity_id)
            if record is not None and record.node in NODES and action != "delete":
                self._saw(entry, record, self._stored(record))

        def removed(record_id: str) -> None:
            record = store.by_id(record_id)
            remove(record_id)
            if record is not None and record.node in NODES:
                self._saw(None, record, None)

        log.add_snapshot = added  # type: ignore[method-assign]
        store.remove = removed  # type: ignore[method-assign]

    def _saw(self, entry: Transaction | None, record: Record, now: Stored | None) -> None:
        key = record.project_id, record.node, pg_lower(record.submitter_id or "")
        before = self.history[key][-1].now if self.history[key] else None
        document = entry.documents[0].name if entry and entry.documents else None
        write = Write(self.seconds(), document, entry.id if entry else 0, record.project_id, before, now, self._foreign)
        self.history[key].append(write)

    def _stored(self, record: Record) -> Stored:
        parents = (self.sandbox.commons.store.by_id(one) for one in record.links.get(NODES[record.node].link, ()))
        names = frozenset(pg_lower(one.submitter_id or "") for one in parents if one is not None)
        return Stored(record.id, record.submitter_id or "", dict(record.props), names)

    # --- other people

    def write(self, project: str, record: dict[str, Any]) -> None:
        """Somebody else's upload of a record."""
        self._as_foreigner(frozenset(record), lambda: self.sandbox.write(project, [record]))

    def delete(self, project: str, record_id: str) -> None:
        """Somebody else's deletion."""
        self._as_foreigner(frozenset(), lambda: self.sandbox.delete(project, [record_id]))

    def _as_foreigner(self, named: frozenset[str], act: Callable[[], object]) -> None:
        with self.sandbox.commons.changed:
            self._foreign = named
            try:
                act()
            finally:
                self._foreign = None

    # --- what was there

    def stored(self, key: Key) -> Stored | None:
        return self.history[key][-1].now if self.history.get(key) else None

    def between(self, key: Key, since: float, until: float) -> list[Stored | None]:
        """All that the record was from one moment to another; None while it was not there."""
        found: list[Stored | None] = []
        last: Stored | None = None
        for write in self.history.get(key, ()):
            if write.at > until:
                break
            if write.at >= since and not found:
                found.append(last)
            last = write.now
            if write.at >= since:
                found.append(last)
        return found or [last]

    def own(self, documents: Collection[str]) -> Iterator[tuple[Key, Write]]:
        """What requests of these names wrote, in order."""
        for key, writes in self.history.items():
            for write in writes:
                if write.document in documents and not write.foreign:
                    yield key, write

    def foreign(self, key: Key, since: float, until: float = float("inf")) -> list[Write]:
        """What others wrote to a record in a time."""
        return [write for write in self.history.get(key, ()) if write.foreign and since <= write.at <= until]

    def holder(self, record_id: str) -> set[Key]:
        """All records that ever had this id."""
        return {key for key, writes in self.history.items() for one in writes if one.now and one.now.id == record_id}
