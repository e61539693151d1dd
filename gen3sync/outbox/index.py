"""The rows of everything a lane has open, on disk: planning a million of them takes little memory.

One SQLite file a lane, not one a drop: questions cross drops (is this parent on its way? does an earlier drop hold
this record?), and ten thousand small files must not be ten thousand databases. It is scratch: a restart makes it anew
from the snapshots, so nothing in it is flushed. What must survive is in the ledger and in each drop's journal.

Owned by one thread at a time (the lane's).
"""

# ruff: noqa: S608 - queries are put together from constants and question marks only

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from gen3sync.outbox.model import OPEN_STATES, Action, IndexedRow, Json, RowState

_SCHEMA = """
CREATE TABLE rows(
  id INTEGER PRIMARY KEY, drop_id INTEGER NOT NULL, line INTEGER NOT NULL, end_line INTEGER NOT NULL,
  rank INTEGER NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL, sid TEXT NOT NULL, shape INTEGER NOT NULL,
  cells TEXT, raw TEXT NOT NULL, state INTEGER NOT NULL, action TEXT, record_id TEXT,
  grp INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, sent TEXT, before TEXT, detail TEXT, chunk INTEGER
);
CREATE INDEX by_state ON rows(drop_id, state, grp, rank, id);
CREATE INDEX by_key ON rows(node, key);
CREATE TABLE waits(row_id INTEGER NOT NULL, drop_id INTEGER NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL);
CREATE INDEX waits_by_key ON waits(node, key);
CREATE INDEX waits_by_row ON waits(row_id);
CREATE TABLE was(drop_id INTEGER, line INTEGER, action TEXT, before TEXT, PRIMARY KEY(drop_id, line)) WITHOUT ROWID;
"""
_COLUMNS = (
    "id, drop_id, line, end_line, node, key, sid, shape, cells, state, action, record_id, grp, tries, sent, detail"
)
_OPEN = ",".join(str(int(state)) for state in OPEN_STATES)
_Key = TypeVar("_Key", str, int)
_VARIABLES = 500
"""Values in one IN (…): SQLite allows 999 in its oldest builds."""


@dataclass(frozen=True, slots=True)
class NewRow:
    """A row as read. `rank` is its node's place in the dictionary's order, parents first."""

    line: int
    end_line: int
    rank: int
    node: str
    key: str
    submitter_id: str
    shape: int
    cells: Json
    raw: str
    state: RowState = RowState.NEW
    detail: dict[str, Json] | None = None


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A refused row, with its original text."""

    line: int
    raw: str
    detail: dict[str, Json]
    node: str
    submitter_id: str


@dataclass(frozen=True, slots=True)
class Noted:
    """What a plan says of one row. `waits_for` are records (node, key)."""

    row: IndexedRow
    state: RowState
    action: Action
    detail: dict[str, Json]
    record_id: str | None = None
    waits_for: tuple[tuple[str, str], ...] = ()


class RowIndex:
    """See the module. Counts by state are kept beside, because counting a million rows at each step is slow."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._path = path
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA cache_size=-16000; PRAGMA temp_store=FILE;"
            + _SCHEMA
        )
        self._counts: dict[int, Counter[RowState]] = {}

    def close(self) -> None:
        """Forgets everything."""
        self._db.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> RowIndex:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- filling

    def add(self, drop_id: int, rows: Iterable[NewRow]) -> int:
        """Adds rows; returns how many."""
        counts = self._counts.setdefault(drop_id, Counter())
        before = sum(counts.values())

        def values() -> Iterator[tuple[object, ...]]:
            for row in rows:
                counts[row.state] += 1
                yield (
                    *(drop_id, row.line, row.end_line, row.rank, row.node, row.key, row.submitter_id, row.shape),
                    *(_dump(row.cells), row.raw, int(row.state), _dump(row.detail)),
                )

        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT INTO rows(drop_id, line, end_line, rank, node, key, sid, shape, cells, raw, state, detail)"
            " VALUES (?,?,?,?,?,?,?,?,?,?,?,?)",
            values(),
        )
        self._db.execute("COMMIT")
        return sum(counts.values()) - before

    def remember_sent(self, drop_id: int, rows: Iterable[tuple[int, str, str | None]]) -> None:
        """(line, action, values before as JSON) of rows that an earlier life of the daemon sent."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR IGNORE INTO was VALUES (?,?,?,?)", ((drop_id, line, action, old) for line, action, old in rows)
        )
        self._db.execute(
            "UPDATE rows SET sent=was.action, before=was.before FROM was"
            " WHERE rows.drop_id=? AND was.drop_id=rows.drop_id AND was.line=rows.line",
            (drop_id,),
        )
        self._db.execute("DELETE FROM was WHERE drop_id=?", (drop_id,))
        self._db.execute("COMMIT")

    # --- asking

    def counts(self, drop_id: int) -> Counter[RowState]:
        return self._counts.get(drop_id, Counter())

    def progress(self) -> dict[int, tuple[int, int]]:
        """Rows in all and rows done with, by drop. May be asked by any thread."""
        found = {}
        for drop_id, counts in list(self._counts.items()):
            states = list(counts.items())
            found[drop_id] = (sum(n for _, n in states), sum(n for state, n in states if state.ended))
        return found

    def open_count(self, drop_id: int) -> int:
        return sum(n for state, n in self.counts(drop_id).items() if not state.ended)

    def batch(self, drop_id: int, state: RowState, limit: int, *, after: int = 0) -> list[IndexedRow]:
        """Up to `limit` rows in `state`, parents first, of one node type, with ids above `after`."""
        first = self._db.execute(
            "SELECT grp, rank, node FROM rows WHERE drop_id=? AND state=? AND id>? ORDER BY grp, rank, id LIMIT 1",
            (drop_id, int(state), after),
        ).fetchone()
        if first is None:
            return []
        return self._select(
            "drop_id=? AND state=? AND grp=? AND rank=? AND node=? AND id>? ORDER BY id LIMIT ?",
            (drop_id, int(state), *first, after, limit),
        )

    def sendable(self, drop_id: int, limit: int) -> list[IndexedRow]:
        """Rows for one request: READY, of one node, shape and group; parents first, halved groups before others."""
        # One ORDER BY of both directions would sort all rows that are ready, for every request.
        first = self._db.execute(
            "SELECT grp, rank, node, shape FROM rows WHERE drop_id=? AND state=?"
            " AND grp=(SELECT max(grp) FROM rows WHERE drop_id=? AND state=?) ORDER BY rank, id LIMIT 1",
            (drop_id, int(RowState.READY)) * 2,
        ).fetchone()
        if first is None:
            return []
        return self._select(
            "drop_id=? AND state=? AND grp=? AND rank=? AND node=? AND shape=? ORDER BY id LIMIT ?",
            (drop_id, int(RowState.READY), *first, limit),
        )

    def first_rank(self, drop_id: int) -> int:
        """The place of the first node that has work; orders drops of a lane, parents first."""
        row = self._db.execute("SELECT min(rank) FROM rows WHERE drop_id=? AND state IN (0,1)", (drop_id,)).fetchone()
        return row[0] if row[0] is not None else 1 << 30

    def holders(self, before_drop: int, node: str, keys: Collection[str]) -> dict[str, int]:
        """Which of `keys` an earlier drop holds open, and which drop."""
        out: dict[str, int] = {}
        for part in _parts(keys):
            marks = ",".join("?" * len(part))
            out.update(
                self._db.execute(
                    f"SELECT key, min(drop_id) FROM rows WHERE node=? AND key IN ({marks}) AND drop_id<?"
                    f" AND state IN ({_OPEN}) GROUP BY key",
                    (node, *part, before_drop),
                ).fetchall()
            )
        return out

    def coming(self, node: str, keys: Collection[str]) -> dict[str, RowState]:
        """Which records of `node` are on their way in this lane, and how far the nearest one is."""
        out: dict[str, RowState] = {}
        for part in _parts(keys):
            marks = ",".join("?" * len(part))
            for key, state in self._db.execute(
                f"SELECT key, max(state) FROM rows WHERE node=? AND key IN ({marks})"
                f" AND state IN ({_OPEN}) GROUP BY key",
                (node, *part),
            ):
                out[key] = RowState(state)
        return out

    def rejected_in(self, node: str, key: str) -> tuple[int, int] | None:
        """The drop and line that had this record and was refused, if it is still open here."""
        found = self._db.execute(
            "SELECT drop_id, line FROM rows WHERE node=? AND key=? AND state=? ORDER BY id DESC LIMIT 1",
            (node, key, int(RowState.REJECTED)),
        ).fetchone()
        return (found[0], found[1]) if found else None

    def rows(self, drop_id: int, *states: RowState) -> Iterator[IndexedRow]:
        """All rows of a drop in any of `states`, in the order of the file, a page at a time."""
        wanted = ",".join(str(int(state)) for state in states)
        last = 0
        while page := self._select(
            f"drop_id=? AND state IN ({wanted}) AND id>? ORDER BY id LIMIT 2000", (drop_id, last)
        ):
            yield from page
            last = page[-1].id

    def rejected(self, drop_id: int) -> Iterator[RejectedRow]:
        cursor = self._db.execute(
            "SELECT line, raw, detail, node, sid FROM rows WHERE drop_id=? AND state=? ORDER BY line, id",
            (drop_id, int(RowState.REJECTED)),
        )
        for line, raw, detail, node, sid in cursor:
            yield RejectedRow(line, raw, _load(detail) or {}, node, sid)

    def sent_before(self, drop_id: int) -> Iterator[tuple[IndexedRow, Json]]:
        """Updated rows with the values before, for the undo file."""
        cursor = self._db.execute(
            f"SELECT {_COLUMNS}, before FROM rows WHERE drop_id=? AND sent IS NOT NULL ORDER BY line, id",
            (drop_id,),
        )
        for values in cursor:
            yield _row(values[:-1]), _load(values[-1])

    def tally(self, drop_id: int) -> list[tuple[str, RowState, Action | None, Action | None, int]]:
        """(node, state, action, sent, number), for the receipt."""
        return [
            (node, RowState(state), Action(action) if action else None, Action(sent) if sent else None, number)
            for node, state, action, sent, number in self._db.execute(
                "SELECT node, state, action, sent, count(*) FROM rows WHERE drop_id=?"
                " GROUP BY node, state, action, sent ORDER BY min(rank)",
                (drop_id,),
            )
        ]

    # --- moving rows on

    def move(self, rows: Sequence[IndexedRow], state: RowState, **changes: Json) -> None:
        """Puts rows into `state`; `changes` are columns set alike for all (action, chunk, tries, grp, detail …)."""
        parts = "".join(f", {name}=?" for name in changes)
        values = [_dump(value) if isinstance(value, dict | list) else value for value in changes.values()]
        with self._together():
            for ids in _parts([row.id for row in rows]):
                marks = ",".join("?" * len(ids))
                # What the caller holds of a row may be older than what the index knows.
                for drop_id, old, number in self._db.execute(
                    f"SELECT drop_id, state, count(*) FROM rows WHERE id IN ({marks}) GROUP BY drop_id, state", ids
                ).fetchall():
                    self._count(drop_id, RowState(old), state, number)
                    if old == RowState.WAITING:
                        self._db.execute(f"DELETE FROM waits WHERE row_id IN ({marks})", ids)
                self._db.execute(f"UPDATE rows SET state=?{parts} WHERE id IN ({marks})", (int(state), *values, *ids))

    def note(self, planned: Sequence[Noted]) -> None:
        """What a plan says of rows that were NEW."""
        with self._together():
            self._db.executemany(
                "UPDATE rows SET state=?, action=?, detail=?, record_id=? WHERE id=?",
                (
                    (int(one.state), one.action.value, _dump(one.detail or None), one.record_id, one.row.id)
                    for one in planned
                ),
            )
            for (drop_id, state), number in Counter((one.row.drop_id, one.state) for one in planned).items():
                self._count(drop_id, RowState.NEW, state, number)
            self._db.executemany(
                "INSERT INTO waits VALUES (?,?,?,?)",
                ((one.row.id, one.row.drop_id, node, key) for one in planned for node, key in one.waits_for),
            )

    def mark_sent(self, rows: Iterable[tuple[IndexedRow, Action, Json]]) -> None:
        """Rows about to be sent: what for, and the values before. The first sending of a row wins."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "UPDATE rows SET before=CASE WHEN sent IS NULL THEN ? ELSE before END, sent=coalesce(sent, ?) WHERE id=?",
            ((_dump(before), action.value, row.id) for row, action, before in rows),
        )
        self._db.execute("COMMIT")

    def release(self, node: str, keys: Collection[str]) -> int:
        """Records landed: rows that waited for them are to be planned again. Returns how many."""
        ids: set[int] = set()
        for part in _parts(keys):
            marks = ",".join("?" * len(part))
            ids.update(
                row
                for (row,) in self._db.execute(
                    f"SELECT row_id FROM waits WHERE node=? AND key IN ({marks})",
                    (node, *part),
                )
            )
        return self._again("id=? AND state=2", ((i,) for i in sorted(ids)))

    def again(self, drop_id: int, *states: RowState) -> int:
        """All rows of a drop in these states are to be planned again. Returns how many."""
        return sum(self._again("drop_id=? AND state=?", [(drop_id, int(state))]) for state in states)

    def shift(self, drop_id: int, old: RowState, new: RowState) -> int:
        """All rows of a drop in state `old` move to `new`, as they are. Returns how many."""
        cursor = self._db.execute("UPDATE rows SET state=? WHERE drop_id=? AND state=?", (int(new), drop_id, int(old)))
        self._count(drop_id, old, new, cursor.rowcount)
        return cursor.rowcount

    def end_all(self, drop_id: int, states: Iterable[RowState], to: RowState, detail: Json = None) -> int:
        """All rows of a drop in these states end as `to`. Returns how many."""
        total = 0
        for state in states:
            cursor = self._db.execute(
                "UPDATE rows SET state=?, detail=coalesce(?, detail) WHERE drop_id=? AND state=?",
                (int(to), _dump(detail), drop_id, int(state)),
            )
            self._count(drop_id, state, to, cursor.rowcount)
            total += cursor.rowcount
        self._db.execute("DELETE FROM waits WHERE drop_id=?", (drop_id,))
        return total

    def forget(self, drop_id: int) -> None:
        """The drop has ended."""
        self._db.execute("DELETE FROM rows WHERE drop_id=?", (drop_id,))
        self._db.execute("DELETE FROM waits WHERE drop_id=?", (drop_id,))
        self._counts.pop(drop_id, None)

    # --- within

    @contextmanager
    def _together(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        yield
        self._db.execute("COMMIT")

    def _again(self, where: str, values: Iterable[tuple[int, ...]]) -> int:
        total = 0
        self._db.execute("BEGIN")
        for value in values:
            for drop_id, state, number in self._db.execute(
                f"SELECT drop_id, state, count(*) FROM rows WHERE {where} GROUP BY drop_id, state",
                value,
            ).fetchall():
                self._db.execute(
                    f"DELETE FROM waits WHERE row_id IN (SELECT id FROM rows WHERE {where})",
                    value,
                )
                self._db.execute(f"UPDATE rows SET state=0 WHERE {where}", value)
                self._count(drop_id, RowState(state), RowState.NEW, number)
                total += number
        self._db.execute("COMMIT")
        return total

    def _count(self, drop_id: int, old: RowState, new: RowState, number: int) -> None:
        counts = self._counts.setdefault(drop_id, Counter())
        counts[old] -= number
        counts[new] += number

    def _select(self, where: str, values: tuple[object, ...]) -> list[IndexedRow]:
        return [_row(v) for v in self._db.execute(f"SELECT {_COLUMNS} FROM rows WHERE {where}", values)]


def _row(values: tuple[Json, ...]) -> IndexedRow:
    (
        row_id,
        drop_id,
        line,
        end_line,
        node,
        key,
        sid,
        shape,
        cells,
        state,
        action,
        record_id,
        grp,
        tries,
        sent,
        detail,
    ) = values
    return IndexedRow(
        row_id,
        drop_id,
        line,
        end_line,
        node,
        key,
        sid,
        shape,
        _load(cells),
        RowState(state),
        Action(action) if action else None,
        record_id,
        grp,
        tries,
        Action(sent) if sent else None,
        _load(detail) or {},
    )


def _dump(value: Json) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _load(text: str | None) -> Json:
    return None if text is None else json.loads(text)


def _parts(keys: Collection[_Key]) -> Iterator[list[_Key]]:
    listed = list(keys)
    for start in range(0, len(listed), _VARIABLES):
        yield listed[start : start + _VARIABLES]
