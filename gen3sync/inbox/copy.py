"""The records of one node as the commons exported them: an on-disk table sorted by id.

Makes order, merging and comparison independent of the number of records: memory stays flat, SQLite sorts on disk. The
last published copy of each mirror stays in the state folder, so that a refresh can say what changed. It is a cache: it
is never needed to be right about the folder, and one that cannot be read is thrown away and exported again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any

Record = Mapping[str, Any]
Merge = Callable[[Sequence[Record]], Record]

_BATCH = 2000
_CACHE_KB = 8192
_FORMAT = 1


class Contradiction(Exception):  # noqa: N818 - it is data for a guard, not an error of ours
    """Records of one id that cannot be parts of one."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Records of the newer copy against the older: how many came, changed and went."""

    added: int
    changed: int
    removed: int


class Copy:
    """A table of records on disk. Made by one thread, used by that thread, closed as a context."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the table at `path`. Raises sqlite3.Error, also for a file that is no copy of this format."""
        self.path = path
        self.doubled: list[str] = []
        self._db = sqlite3.connect(path, isolation_level=None)
        try:
            # Speed over durability: a copy cut short by a power cut fails to open or is never referred to.
            self._db.executescript(
                "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA temp_store=FILE;"
                f"PRAGMA cache_size=-{_CACHE_KB};"
            )
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version not in (0, _FORMAT):
                raise sqlite3.DatabaseError(f"copy format {version}")
            self._db.executescript(
                "CREATE TABLE IF NOT EXISTS record(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;"
                f"PRAGMA user_version={_FORMAT};"
            )
        except sqlite3.Error:
            self._db.close()
            raise

    def fill(self, records: Iterator[Record], merge: Merge, met: Callable[[Record], None] = lambda _: None) -> bool:
        """Takes the records of an export in any order. Several of one id are merged by `merge`.

        `met` is called with each record while they come by id, one each. Returns whether all of them did.

        Ids whose records contradict each other (`merge` raises Contradiction) go to `doubled`, with one of them kept.
        """
        db = self._db
        db.execute("BEGIN")
        in_order: list[tuple[str, str]] = []
        others: list[tuple[str, str]] = []
        last, scattered = "", False
        for record in records:
            row = (str(record["id"]), canonical(record))
            if row[0] > last and not scattered:
                # The usual case: the commons exports by id, and a sorted table takes it as it comes.
                last = row[0]
                in_order.append(row)
                met(record)
                if len(in_order) >= _BATCH:
                    db.executemany("INSERT INTO record VALUES (?, ?)", in_order)
                    in_order.clear()
                continue
            if not scattered:
                db.execute("CREATE TEMP TABLE other(id TEXT NOT NULL, body TEXT NOT NULL)")
                scattered = True
            others.append(row)
            if len(others) >= _BATCH:
                db.executemany("INSERT INTO other VALUES (?, ?)", others)
                others.clear()
        db.executemany("INSERT INTO record VALUES (?, ?)", in_order)
        if scattered:
            db.executemany("INSERT INTO other VALUES (?, ?)", others)
            self._sort_in(merge)
        db.execute("COMMIT")
        return not scattered

    def _sort_in(self, merge: Merge) -> None:
        db = self._db
        db.execute("CREATE TABLE sorted(id TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID")
        every = db.execute("SELECT id, body FROM record UNION ALL SELECT id, body FROM other ORDER BY id, body")
        db.executemany("INSERT INTO sorted VALUES (?, ?)", self._merged(every, merge))
        db.execute("DROP TABLE record")
        db.execute("DROP TABLE other")
        db.execute("ALTER TABLE sorted RENAME TO record")

    def _merged(self, rows: Iterator[tuple[str, str]], merge: Merge) -> Iterator[tuple[str, str]]:
        for id, group in groupby(rows, key=lambda row: row[0]):
            bodies = [body for _, body in group]
            if len(bodies) == 1:
                yield id, bodies[0]
                continue
            try:
                yield id, canonical(merge([json.loads(body) for body in bodies]))
            except Contradiction:
                self.doubled.append(id)
                yield id, bodies[0]

    def __len__(self) -> int:
        return int(self._db.execute("SELECT count(*) FROM record").fetchone()[0])

    def records(self) -> Iterator[Record]:
        """Every record, by id. Raises sqlite3.Error, ValueError when the copy is damaged."""
        for (body,) in self._db.execute("SELECT body FROM record ORDER BY id"):
            yield json.loads(body)

    def bodies(self) -> Iterator[str]:
        """Every record as canonical JSON, by id."""
        for (body,) in self._db.execute("SELECT body FROM record ORDER BY id"):
            yield body

    def since(self, older: Path) -> Difference | None:
        """What changed since the copy at `older`; None where that cannot be read."""
        try:
            self._db.execute("ATTACH ? AS older", (str(older),))
        except sqlite3.Error:
            return None
        try:
            one = "SELECT count(*) FROM record AS n LEFT JOIN older.record AS o USING (id) WHERE "
            added = self._db.execute(one + "o.id IS NULL").fetchone()[0]
            changed = self._db.execute(one + "o.body <> n.body").fetchone()[0]
            before = self._db.execute("SELECT count(*) FROM older.record").fetchone()[0]
            return Difference(added, changed, before - (len(self) - added))
        except sqlite3.Error:
            return None
        finally:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("DETACH older")

    def close(self) -> None:
        self._db.close()

    def __enter__(self) -> Copy:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def canonical(record: Record) -> str:
    """A record as one line of JSON that is the same whatever order the server wrote properties and parents in."""
    settled = {key: _parents_sorted(value) if isinstance(value, list) else value for key, value in record.items()}
    return json.dumps(settled, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def _parents_sorted(value: list[Any]) -> list[Any]:
    """Links are a set and get an order of ours; lists of values keep theirs, which is data."""
    if len(value) > 1 and all(isinstance(each, dict) and "node_id" in each for each in value):
        unique = {str(each["node_id"]): each for each in value}
        return sorted(unique.values(), key=lambda link: (str(link.get("submitter_id")), str(link["node_id"])))
    return value
