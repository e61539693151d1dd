"""A node as exported whole, kept on disk while a drop is compared with it: for large drops one export is much cheaper
than asking for their records by name (GEN3.md: 18,000 records a second against 1,000).

Scratch; one thread.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from gen3sync.outbox.model import Json
from gen3sync.outbox.scratch import all_or_nothing, discard, open_scratch, portions
from gen3sync.pglower import pg_lower
from gen3sync.records.merge import merge_group

Record = Mapping[str, Json]
_TABLE = "CREATE TABLE piece(node TEXT, key TEXT, body TEXT); CREATE INDEX piece_key ON piece(node, key);"


class Stock:
    """Pieces of records by node and key. In memory until something has to be kept on disk at `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: sqlite3.Connection | None = None
        self._nodes: set[str] = set()

    def beside(self, suffix: str) -> Path:
        """A place for other scratch."""
        return self._path.with_suffix(suffix)

    def has(self, node: str) -> bool:
        return node in self._nodes

    def fill(self, node: str, pieces: Iterable[Record]) -> None:
        """Keeps all pieces of a node's export. What `pieces` raises passes through, and nothing is kept."""
        db = self._open()
        db.execute("DELETE FROM piece WHERE node=?", (node,))
        with all_or_nothing(db):
            db.executemany("INSERT INTO piece VALUES (?,?,?)", ((node, key_of(one), json.dumps(one)) for one in pieces))
        self._nodes.add(node)

    def records(self, node: str, wanted: Mapping[str, str]) -> dict[str, Record]:
        """Records by key; `wanted` are submitter_ids by key."""
        return together(self._pieces(node, wanted), wanted)

    def clear(self) -> None:
        """Forgets everything: what it holds is getting old."""
        if self._db is not None:
            self._db.close()
            self._db = None
            discard(self._path)
        self._nodes.clear()

    def _pieces(self, node: str, keys: Collection[str]) -> Iterator[Record]:
        db = self._open()
        for part in portions(keys):
            marks = ",".join("?" * len(part))
            query = f"SELECT body FROM piece WHERE node=? AND key IN ({marks})"  # noqa: S608 - question marks only
            for (body,) in db.execute(query, (node, *part)):
                yield json.loads(body)

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = open_scratch(self._path, _TABLE)
        return self._db


def key_of(record: Record) -> str:
    """The key the commons finds a record by."""
    return pg_lower(str(record.get("submitter_id")))


def together(pieces: Iterable[Record], wanted: Mapping[str, str]) -> dict[str, Record]:
    """Whole records by key: pieces of one id put together, and of records whose ids differ by letter case alone (some
    databases keep them apart) the one spelled as wanted."""
    by_id: dict[str, list[Record]] = {}
    for piece in pieces:
        by_id.setdefault(str(piece.get("id")), []).append(piece)
    found: dict[str, Record] = {}
    for group in by_id.values():
        record = merge_group(group) if len(group) > 1 else group[0]
        key = key_of(record)
        if key in wanted and (key not in found or record.get("submitter_id") == wanted[key]):
            found[key] = record
    return found


def of_ids(ids: Collection[str], pieces: Iterable[Record]) -> dict[str, Record]:
    """Whole records by key: those of `ids`."""
    found = [piece for piece in pieces if piece.get("id") in ids]
    return together(found, {key_of(piece): str(piece.get("submitter_id")) for piece in found})
