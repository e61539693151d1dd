"""The records of one node as the commons exported them: an on-disk table sorted by id.

Makes order, merging and comparison independent of the number of records: memory stays flat, SQLite sorts on disk. The
last published copy of each mirror stays in the state folder, so that a refresh can say what changed, and so that a few
changed records can be put in place of a whole export. It is a cache: it is never needed to be right about the folder,
and one that cannot be read is thrown away and exported again.

What a record is in here (`canonical`, `Record`) and the changes between two are `change`'s.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from types import TracebackType
from typing import Protocol

from gen3sync.inbox.change import Change, Difference, Kind, Record, canonical, change

Merge = Callable[[Sequence[Record]], Record]

_BATCH = 500
_CACHE_KB = 8192
_FORMAT = 3
_PARENT = re.compile(r'\{"node_id":"((?:[^"\\]|\\.)*)","submitter_id":("(?:[^"\\]|\\.)*")\}')

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS record(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fact(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS parent(id TEXT, name TEXT, PRIMARY KEY(id, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS view(name TEXT PRIMARY KEY, sha256 TEXT, version TEXT, columns TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS block(
    view TEXT, first TEXT, size INTEGER, told_size INTEGER, told INTEGER, PRIMARY KEY(view, first)) WITHOUT ROWID;
PRAGMA user_version={_FORMAT};
"""


class Contradiction(Exception):  # noqa: N818 - it is data for a guard, not an error of ours
    """Records of one id that cannot be parts of one."""


class Met(Protocol):
    """Who makes texts of the records while a copy is filled: see `making`."""

    def came(self, record: Record, body: str) -> None: ...

    def line(self, record: Record, body: str) -> str | None: ...

    def settled(self, id: str, body: str, line: str | None) -> None: ...


class Copy:
    """A table of records on disk. Made by one thread, used by that thread, closed as a context."""

    def __init__(self, path: Path, *, lasting: bool = False) -> None:
        """Opens or makes the table at `path`. Raises sqlite3.Error, also for a file that is no copy of this format.

        `lasting`: for changing a copy that is in use; what is not committed is undone, also after a kill.
        """
        self.path = path
        self.doubled: list[str] = []
        self._db = sqlite3.connect(path, isolation_level=None)
        self.db = self._db
        try:
            # A fresh copy: speed over durability. One cut short by a power cut fails to open or is never referred to.
            journal, flush = ("DELETE", "NORMAL") if lasting else ("OFF", "OFF")
            self._db.executescript(
                f"PRAGMA journal_mode={journal}; PRAGMA synchronous={flush}; PRAGMA temp_store=FILE;"
                f"PRAGMA cache_size=-{_CACHE_KB};"
            )
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _FORMAT):
                raise sqlite3.DatabaseError(f"copy format {version}")
            if not version:
                self._db.executescript(_SCHEMA)
        except sqlite3.Error:
            self._db.close()
            raise

    def fill(self, records: Iterator[Record], merge: Merge, met: Met | None = None) -> bool:
        """Takes the records of an export in any order. Several of one id are merged by `merge`.

        `met` hears of each record while they come by id, one each, and of all once more by id when they do not. Returns
        whether all of them did.

        Ids whose records contradict each other (`merge` raises Contradiction) go to `doubled`, with one of them kept.
        """
        db = self._db
        db.execute("BEGIN")
        in_order: list[tuple[str, str]] = []
        others: list[tuple[str, str, str | None]] = []
        last, scattered, rows = "", False, 0
        for record in records:
            row = (str(record["id"]), canonical(record))
            if row[0] > last and not scattered:
                # The usual case: the commons exports by id, and a sorted table takes it as it comes.
                last = row[0]
                in_order.append(row)
                if met is not None:
                    met.came(record, row[1])
                if len(in_order) >= _BATCH:
                    db.executemany("INSERT INTO record VALUES (?, ?)", in_order)
                    rows += len(in_order)
                    in_order.clear()
                continue
            if not scattered:
                db.execute("CREATE TEMP TABLE other(id TEXT NOT NULL, body TEXT NOT NULL, line TEXT)")
                scattered = True
            others.append((*row, None if met is None else met.line(record, row[1])))
            if len(others) >= _BATCH:
                db.executemany("INSERT INTO other VALUES (?, ?, ?)", others)
                others.clear()
        db.executemany("INSERT INTO record VALUES (?, ?)", in_order)
        rows += len(in_order)
        if scattered:
            db.executemany("INSERT INTO other VALUES (?, ?, ?)", others)
            self._sort_in(merge, met)
            rows = db.execute("SELECT count(*) FROM record").fetchone()[0]
        self._set("rows", str(rows))
        db.execute("COMMIT")
        return not scattered

    def _sort_in(self, merge: Merge, met: Met | None) -> None:
        db = self._db
        db.execute("CREATE TABLE sorted(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
        every = "SELECT id, body, NULL FROM record UNION ALL SELECT id, body, line FROM other ORDER BY 1, 2"
        db.executemany("INSERT INTO sorted VALUES (?, ?)", self._merged(db.execute(every), merge, met))
        db.execute("DROP TABLE record")
        db.execute("DROP TABLE other")
        db.execute("ALTER TABLE sorted RENAME TO record")

    def _merged(
        self, rows: Iterator[tuple[str, str, str | None]], merge: Merge, met: Met | None
    ) -> Iterator[tuple[str, str]]:
        for id, group in groupby(rows, key=itemgetter(0)):
            pieces = [*group]
            body, line = pieces[0][1:]
            if len(pieces) > 1:
                line = None
                try:
                    body = canonical(merge([json.loads(piece[1]) for piece in pieces]))
                except Contradiction:
                    self.doubled.append(id)
            if met is not None:
                met.settled(id, body, line)
            yield id, body

    def __len__(self) -> int:
        return int(self._fact("rows") or 0)

    def records(self) -> Iterator[Record]:
        """Every record, by id. Raises sqlite3.Error, ValueError when the copy is damaged."""
        for body in self.bodies():
            yield json.loads(body)

    def bodies(self) -> Iterator[str]:
        """Every record as canonical JSON, by id."""
        for (body,) in self._db.execute("SELECT body FROM record ORDER BY id"):
            yield body

    def between(self, first: str, end: str | None) -> Iterator[tuple[str, str]]:
        """Ids and bodies from `first` up to but without `end`."""
        if end is None:
            return self._db.execute("SELECT id, body FROM record WHERE id >= ? ORDER BY id", (first,))
        return self._db.execute("SELECT id, body FROM record WHERE id >= ? AND id < ? ORDER BY id", (first, end))

    def since(self, older: Path) -> Difference | None:
        """What changed since the copy at `older`, counted; None where that cannot be read."""
        with self._beside(older) as readable:
            if not readable:
                return None
            try:
                one = "SELECT count(*) FROM record AS n LEFT JOIN older.record AS o USING (id) WHERE "
                added = self._db.execute(one + "o.id IS NULL").fetchone()[0]
                changed = self._db.execute(one + "o.body <> n.body").fetchone()[0]
                before = self._db.execute("SELECT count(*) FROM older.record").fetchone()[0]
                return Difference(added, changed, before - (len(self) - added))
            except sqlite3.Error:
                return None

    def every(self) -> Iterator[Change]:
        """Every record as one that was added."""
        for body in self.bodies():
            yield change(None, body)

    def changes(self, older: Path) -> Iterator[Change]:
        """Every change since the copy at `older`, by id within added, changed and removed. Raises sqlite3.Error."""
        with self._beside(older) as readable:
            if not readable:
                return
            both = "SELECT {} FROM {} AS a LEFT JOIN {} AS b USING (id) WHERE {} ORDER BY id"
            ask = self._db.execute
            for (body,) in ask(both.format("a.body", "record", "older.record", "b.id IS NULL")):
                yield change(None, body)
            for body, old in ask(both.format("a.body, b.body", "record", "older.record", "b.body <> a.body")):
                yield change(old, body)
            for (old,) in ask(both.format("a.body", "older.record", "record", "b.id IS NULL")):
                yield change(old, None)

    @contextlib.contextmanager
    def _beside(self, older: Path) -> Iterator[bool]:
        try:
            self._db.execute("ATTACH ? AS older", (str(older),))
        except sqlite3.Error:
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("DETACH older")

    # -- a few records put in place of a whole export; between `begin` and `commit` ------------------------------------

    def begin(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def put(self, records: Iterable[Record]) -> tuple[Change, ...]:
        """Puts records in place of those of the same ids; returns what that changed."""
        made: list[Change] = []
        for record in records:
            id, body = str(record["id"]), canonical(record)
            found = self._db.execute("SELECT body FROM record WHERE id = ?", (id,)).fetchone()
            if found is not None and found[0] == body:
                continue
            made.append(change(found[0] if found else None, body))
            self._db.execute("INSERT OR REPLACE INTO record VALUES (?, ?)", (id, body))
            if self._fact("parents"):
                self._db.executemany("INSERT OR IGNORE INTO parent VALUES (?, ?)", _parents(body))
        added = sum(one.kind is Kind.ADDED for one in made)
        self._set("rows", str(len(self) + added))
        return tuple(made)

    def parent_names(self, ids: Iterable[str]) -> dict[str, frozenset[str]]:
        """What the records call these parents, or called them; those that none of them links to are left out.

        There are several names when a child was fetched just after its parent was renamed. Reads every record once in a
        copy's life.
        """
        if not self._fact("parents"):
            rows = (pair for body in self.bodies() for pair in _parents(body))
            self._db.executemany("INSERT OR IGNORE INTO parent VALUES (?, ?)", rows)
            self._set("parents", "1")
        asked = "SELECT name FROM parent WHERE id = ?"
        found = {id: frozenset(name for (name,) in self._db.execute(asked, (id,))) for id in ids}
        return {id: names for id, names in found.items() if names}

    def _fact(self, key: str) -> str | None:
        found = self._db.execute("SELECT value FROM fact WHERE key = ?", (key,)).fetchone()
        return None if found is None else str(found[0])

    def _set(self, key: str, value: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (key, value))

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Copy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _parents(body: str) -> Iterator[tuple[str, str]]:
    """Ids and names of the parents in a canonical body."""
    for found in _PARENT.finditer(body):
        yield found[1], json.loads(found[2])
