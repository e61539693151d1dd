"""The rows of everything a lane has open, on disk: planning a million of them takes little memory.

One SQLite file a lane, not one a drop: questions cross drops (is this parent on its way? does an earlier drop hold
this record?), and ten thousand small files must not be ten thousand databases. It is scratch: a restart makes it anew
from the snapshots, so nothing in it is flushed. What must survive is in the ledger and in each drop's journal.

Owned by one thread at a time (the lane's).
"""

# ruff: noqa: S608 - queries are put together from constants and question marks only

from __future__ import annotations

import errno
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from gen3sync.outbox.model import Action, IndexedRow, Json, RowState
from gen3sync.outbox.rowmemory import DONE_TABLE, EndedRow, RowMemory
from gen3sync.outbox.rowquestions import NewRow, Noted, RejectedRow, dump
from gen3sync.outbox.scratch import all_or_nothing, discard, give_back, open_scratch, portions

_SCHEMA = """
CREATE TABLE rows(
  id INTEGER PRIMARY KEY, drop_id INTEGER NOT NULL, line INTEGER NOT NULL, end_line INTEGER NOT NULL,
  rank INTEGER NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL, sid TEXT NOT NULL, shape INTEGER NOT NULL,
  cells TEXT, raw TEXT NOT NULL, state INTEGER NOT NULL, action TEXT, record_id TEXT,
  grp INTEGER NOT NULL DEFAULT 0, tries INTEGER NOT NULL DEFAULT 0, sent TEXT, before TEXT, detail TEXT, chunk INTEGER,
  named TEXT, vals INTEGER, kept TEXT
);
CREATE INDEX by_state ON rows(drop_id, state, grp, rank, id);
CREATE INDEX by_key ON rows(node, key);
CREATE INDEX by_named ON rows(named) WHERE named IS NOT NULL;
CREATE TABLE waits(row_id INTEGER NOT NULL, drop_id INTEGER NOT NULL, node TEXT NOT NULL, key TEXT NOT NULL);
CREATE INDEX waits_by_key ON waits(node, key);
CREATE INDEX waits_by_row ON waits(row_id);
CREATE TABLE refused(drop_id INTEGER, line INTEGER, detail TEXT, PRIMARY KEY(drop_id, line)) WITHOUT ROWID;
CREATE TABLE was(drop_id INTEGER, line INTEGER, action TEXT, before TEXT, PRIMARY KEY(drop_id, line)) WITHOUT ROWID;
"""

__all__ = ["EndedRow", "NewRow", "Noted", "RejectedRow", "RowIndex"]


class RowIndex(RowMemory):
    """See the module. Counts by state are kept beside, because counting a million rows at each step is slow."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = open_scratch(path, f"PRAGMA temp_store=FILE;{_SCHEMA}{DONE_TABLE}", cache=16000)
        self._counts: dict[int, Counter[RowState]] = {}
        self._ranges: dict[int, tuple[int, int]] = {}

    def close(self) -> None:
        """Forgets everything."""
        self._db.close()
        discard(self._path)

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
                    *(dump(row.cells), row.raw, int(row.state), dump(row.detail), row.named),
                )

        newest = self._newest()
        with self._together():
            self._db.executemany(
                "INSERT INTO rows(drop_id, line, end_line, rank, node, key, sid, shape, cells, raw, state, detail,"
                " named) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)",
                values(),
            )
        first = self._ranges.get(drop_id, (newest + 1, 0))[0]
        self._ranges[drop_id] = (first, self._newest())
        return sum(counts.values()) - before

    def remember_sent(self, drop_id: int, rows: Iterable[tuple[int, str, str | None]]) -> None:
        """(line, action, values before as JSON) of rows that an earlier life of the daemon sent; the first of a line
        wins. Of rows whose action was corrected by the commons' answer once more, with "" for the values."""
        with self._together():
            corrected = "ON CONFLICT DO UPDATE SET action=excluded.action WHERE excluded.before=''"
            values = ((drop_id, *row) for row in rows)
            self._db.executemany(f"INSERT INTO was VALUES (?,?,?,?) {corrected}", values)
            self._db.execute(
                "UPDATE rows SET sent=was.action, before=was.before FROM was"
                " WHERE rows.drop_id=? AND was.drop_id=rows.drop_id AND was.line=rows.line",
                (drop_id,),
            )
            self._db.execute("DELETE FROM was WHERE drop_id=?", (drop_id,))

    def remember_refused(self, drop_id: int, rows: Iterable[tuple[int, Json]]) -> None:
        """(line, detail) of rows that an earlier life refused (None: stored since all the same); see `end_refused`."""
        with self._together():
            for line, detail in rows:
                if detail is None:
                    self._db.execute("DELETE FROM refused WHERE drop_id=? AND line=?", (drop_id, line))
                else:
                    values = drop_id, line, dump(detail)
                    self._db.execute("INSERT OR REPLACE INTO refused VALUES (?,?,?)", values)

    # --- moving rows on

    def move(self, rows: Sequence[IndexedRow], state: RowState, **changes: Json) -> None:
        """Puts rows into `state`; `changes` are columns set alike for all (action, chunk, tries, grp, detail …)."""
        parts = "".join(f", {name}=?" for name in changes)
        values = [dump(value) if isinstance(value, dict | list) else value for value in changes.values()]
        with self._together():
            for ids in portions([row.id for row in rows]):
                marks = ",".join("?" * len(ids))
                # What the caller holds of a row may be older than what the index knows.
                for drop_id, old, number in self._db.execute(
                    f"SELECT drop_id, state, count(*) FROM rows WHERE id IN ({marks}) GROUP BY drop_id, state", ids
                ).fetchall():
                    self._count(drop_id, RowState(old), state, number)
                    if old == RowState.WAITING:
                        self._db.execute(f"DELETE FROM waits WHERE row_id IN ({marks})", ids)
                self._db.execute(f"UPDATE rows SET state=?{parts} WHERE id IN ({marks})", (int(state), *values, *ids))

    def wait(self, row: IndexedRow, parents: Sequence[tuple[str, str]], detail: Json) -> None:
        """The row waits for `parents` (node, key); `detail` takes the place of its own."""
        self.move([row], RowState.WAITING, detail=detail)
        with self._together():
            self._db.executemany(
                "INSERT INTO waits VALUES (?,?,?,?)", ((row.id, row.drop_id, node, key) for node, key in parents)
            )

    def note(self, planned: Sequence[Noted]) -> None:
        """What a plan says of rows that were NEW."""
        with self._together():
            self._db.executemany(
                "UPDATE rows SET state=?, action=?, detail=?, record_id=?, vals=?, kept=? WHERE id=?",
                map(_said_of, planned),
            )
            for (drop_id, state), number in Counter((one.row.drop_id, one.state) for one in planned).items():
                self._count(drop_id, RowState.NEW, state, number)
            self._db.executemany(
                "INSERT INTO waits VALUES (?,?,?,?)",
                ((one.row.id, one.row.drop_id, node, key) for one in planned for node, key in one.waits_for),
            )

    def mark_sent(self, rows: Iterable[tuple[IndexedRow, Action, Json]]) -> None:
        """Rows about to be sent: what for, and the values before. The first sending of a row wins."""
        with self._together():
            self._db.executemany(
                "UPDATE rows SET before=CASE WHEN sent IS NULL THEN ? ELSE before END, sent=coalesce(sent, ?)"
                " WHERE id=?",
                ((dump(before), action.value, row.id) for row, action, before in rows),
            )

    def unsent(self, rows: Iterable[IndexedRow]) -> None:
        """The request with these rows was refused, so nothing of it is stored: as if they had not been sent, but for
        those that were before."""
        with self._together():
            self._db.executemany(
                "UPDATE rows SET before=NULL, sent=NULL WHERE id=?", [(row.id,) for row in rows if row.sent is None]
            )

    def release(self, node: str, keys: Collection[str]) -> int:
        """Records landed: rows that waited for them are to be planned again. Returns how many."""
        ids: set[int] = set()
        for part in portions(keys):
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

    def again_sent(self, drop_id: int, *states: RowState) -> int:
        """The same, of rows that were sent before."""
        where = "drop_id=? AND state=? AND sent IS NOT NULL"
        return sum(self._again(where, [(drop_id, int(state))]) for state in states)

    def shift(self, drop_id: int, old: RowState, new: RowState) -> int:
        """All rows of a drop in state `old` move to `new`, as they are. Returns how many."""
        with self._together():
            cursor = self._db.execute(
                "UPDATE rows SET state=? WHERE drop_id=? AND state=?", (int(new), drop_id, int(old))
            )
            self._count(drop_id, old, new, cursor.rowcount)
        return cursor.rowcount

    def end_all(self, drop_id: int, states: Iterable[RowState], to: RowState, detail: Json = None) -> int:
        """All rows of a drop in these states end as `to`, but for those that were sent and have yet to be compared
        with what is stored: they may have landed. Returns how many."""
        total = 0
        with self._together():
            for state in states:
                cursor = self._db.execute(
                    f"UPDATE rows SET state=?, detail=coalesce(?, detail) WHERE drop_id=? AND state=?{_unsent(state)}",
                    (int(to), dump(detail), drop_id, int(state)),
                )
                self._count(drop_id, state, to, cursor.rowcount)
                total += cursor.rowcount
            self._db.execute("DELETE FROM waits WHERE drop_id=?", (drop_id,))
        return total

    def end_refused(self, drop_id: int, states: Iterable[RowState]) -> int:
        """Rows of a drop in these states that an earlier life refused are refused, with its reasons. Returns how many.
        Those that were sent besides have yet to be compared, as in `end_all`."""
        total, new = 0, int(RowState.REJECTED)
        with self._together():
            for state in states:
                cursor = self._db.execute(
                    "UPDATE rows SET state=?, detail=refused.detail FROM refused WHERE rows.drop_id=? AND state=?"
                    f" AND refused.drop_id=rows.drop_id AND refused.line=rows.line{_unsent(state)}",
                    (new, drop_id, int(state)),
                )
                self._count(drop_id, state, RowState.REJECTED, cursor.rowcount)
                total += cursor.rowcount
        return total

    def forget(self, drop_id: int) -> None:
        """The drop has ended."""
        with self._together():
            for name in ("rows", "waits", "refused"):
                self._db.execute(f"DELETE FROM {name} WHERE drop_id=?", (drop_id,))
        self._counts.pop(drop_id, None)
        self._ranges.pop(drop_id, None)
        if not self._counts:
            give_back(self._db)

    # --- within

    def _newest(self) -> int:
        found: int = self._db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
        return found

    @contextmanager
    def _together(self) -> Iterator[None]:
        """All of it or nothing. Raises OSError where the disk is full."""
        try:
            with all_or_nothing(self._db):
                yield
        except BaseException as error:
            self._counts = {}
            query = "SELECT drop_id, state, count(*) FROM rows GROUP BY drop_id, state"
            for drop_id, state, number in self._db.execute(query):
                self._counts.setdefault(drop_id, Counter())[RowState(state)] = number
            if isinstance(error, sqlite3.OperationalError):
                full = error.sqlite_errorcode == sqlite3.SQLITE_FULL
                raise OSError(errno.ENOSPC if full else errno.EIO, str(error)) from error
            raise

    def _again(self, where: str, values: Iterable[tuple[int, ...]]) -> int:
        total = 0
        with self._together():
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
        return total

    def _count(self, drop_id: int, old: RowState, new: RowState, number: int) -> None:
        counts = self._counts.setdefault(drop_id, Counter())
        counts[old] -= number
        counts[new] += number


def _said_of(one: Noted) -> tuple[object, ...]:
    planned = (int(one.state), one.action.value, dump(one.detail or None), one.record_id)
    return *planned, one.values, dump(one.links_kept or None), one.row.id


def _unsent(state: RowState) -> str:
    return " AND sent IS NULL" if state in (RowState.NEW, RowState.BEHIND) else ""
