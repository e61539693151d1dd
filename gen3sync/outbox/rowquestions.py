"""Questions to the rows of a lane: how many are how far, which are next, who else holds a record.

The tables, and everything that changes them, are `index.py`'s.
"""

# ruff: noqa: S608 - queries are put together from constants and question marks only

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from gen3sync.outbox.model import OPEN_STATES, Action, IndexedRow, Json, RowState, line_of
from gen3sync.outbox.scratch import portions

_COLUMNS = (
    "id, drop_id, line, end_line, node, key, sid, shape, cells, state, action, record_id, grp, tries, sent, detail,"
    " named"
)
_OPEN = ",".join(str(int(state)) for state in OPEN_STATES)
_ON_ITS_WAY = (RowState.READY, RowState.FLIGHT, RowState.LOST, RowState.TRIED, RowState.LANDED)
_SENT = ",".join(str(int(state)) for state in _ON_ITS_WAY)
_IN_ORDER = "FROM rows NOT INDEXED WHERE id BETWEEN ? AND ? AND drop_id=?"
"""A drop's rows were added together: its range of ids gives them in the order of the file without sorting."""


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
    named: str | None = None


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
    values: int | None = None
    """How many values of it were found stored as it says; known of rows that need not be sent (any more)."""
    links_kept: tuple[str, ...] = ()
    """Columns of links in which it no longer names a stored parent."""


class RowQuestions:
    """What `RowIndex` can be asked."""

    _db: sqlite3.Connection
    _counts: dict[int, Counter[RowState]]
    _ranges: dict[int, tuple[int, int]]

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

    def holders(self, before_drop: int, node: str, keys: Collection[str]) -> dict[str, int]:
        """Which of `keys` an earlier drop holds open, and which drop; or a later one that was quicker to be sent (an
        earlier drop may come to a lane late, when its project was not known)."""
        return self._holders("key", before_drop, keys, "node=? AND ", (node,))

    def id_holders(self, before_drop: int, ids: Collection[str]) -> dict[str, int]:
        """The same for the ids that rows name, whatever their node types."""
        return self._holders("named", before_drop, ids)

    def _holders(
        self, column: str, before_drop: int, values: Collection[str], where: str = "", first: tuple[str, ...] = ()
    ) -> dict[str, int]:
        out: dict[str, int] = {}
        for part in portions(values):
            marks = ",".join("?" * len(part))
            out.update(
                self._db.execute(
                    f"SELECT {column}, min(drop_id) FROM rows WHERE {where}{column} IN ({marks}) AND drop_id<>?"
                    f" AND state IN ({_OPEN}) AND (drop_id<? OR state IN ({_SENT})) GROUP BY {column}",
                    (*first, *part, before_drop, before_drop),
                ).fetchall()
            )
        return out

    def of_key(self, drop_id: int, node: str, key: str) -> list[IndexedRow]:
        """The drop's row for this record, if it is still open."""
        return self._select(f"node=? AND key=? AND drop_id=? AND state IN ({_OPEN})", (node, key, drop_id))

    def of_record(self, node: str, key: str) -> list[IndexedRow]:
        """All open rows of the lane for this record."""
        return self._select(f"node=? AND key=? AND state IN ({_OPEN})", (node, key))

    def coming(self, node: str, keys: Collection[str]) -> dict[str, RowState]:
        """Which records of `node` are on their way in this lane, and how far the nearest one is."""
        out: dict[str, RowState] = {}
        for part in portions(keys):
            marks = ",".join("?" * len(part))
            for key, state in self._db.execute(
                f"SELECT key, max(state) FROM rows WHERE node=? AND key IN ({marks})"
                f" AND state IN ({_OPEN}) GROUP BY key",
                (node, *part),
            ):
                out[key] = RowState(state)
        return out

    def awaits_others(self, drop_id: int) -> bool:
        """Whether a row of the drop waits for a parent that is not a row of the drop itself, held back until all passed
        a dry run or waiting in its turn: no dry run passes without the parent (GEN3.md, "It refuses")."""
        found = self._db.execute(
            "SELECT 1 FROM waits JOIN rows ON rows.id=row_id WHERE waits.drop_id=? AND rows.state=? AND NOT EXISTS"
            " (SELECT 1 FROM rows AS own WHERE own.node=waits.node AND own.key=waits.key AND own.drop_id=waits.drop_id"
            " AND own.state IN (?,?)) LIMIT 1",
            (drop_id, int(RowState.WAITING), int(RowState.TRIED), int(RowState.WAITING)),
        )
        return found.fetchone() is not None

    def orphans(self, drop_id: int) -> list[IndexedRow]:
        """Rows of a drop that wait for a parent which is a row of the drop, too, and was refused; not all at once."""
        return self._select(
            "state=? AND id IN (SELECT row_id FROM waits JOIN rows AS own ON own.node=waits.node AND own.key=waits.key"
            " WHERE waits.drop_id=? AND own.drop_id=waits.drop_id AND own.state=?) ORDER BY id LIMIT 2000",
            (int(RowState.WAITING), drop_id, int(RowState.REJECTED)),
        )

    def rejected_in(self, node: str, key: str) -> tuple[int, int] | None:
        """The drop and line that had this record and was refused, if it is still open here."""
        found = self._db.execute(
            "SELECT drop_id, line FROM rows WHERE node=? AND key=? AND state=? ORDER BY id DESC LIMIT 1",
            (node, key, int(RowState.REJECTED)),
        ).fetchone()
        return (found[0], line_of(found[1])) if found else None

    def rows(self, drop_id: int, *states: RowState, after: int = 0) -> Iterator[IndexedRow]:
        """All rows of a drop in any of `states`, with ids above `after`, in the order of the file, a page at a time."""
        wanted = ",".join(str(int(state)) for state in states)
        first, last = self._ranges.get(drop_id, (1, 0))
        first = max(first, after + 1)
        while page := [
            _row(values)
            for values in self._db.execute(
                f"SELECT {_COLUMNS} {_IN_ORDER} AND state IN ({wanted}) ORDER BY id LIMIT 2000", (first, last, drop_id)
            )
        ]:
            yield from page
            first = page[-1].id + 1

    def rejected(self, drop_id: int) -> Iterator[RejectedRow]:
        """The refused rows in the order of the file."""
        query = f"SELECT line, raw, detail, node, sid {_IN_ORDER} AND state=? ORDER BY id"
        for line, raw, detail, node, sid in self._stream(query, drop_id, int(RowState.REJECTED)):
            yield RejectedRow(line_of(line), raw, load(detail) or {}, node, sid)

    def newly_rejected(self, drop_id: int) -> Iterator[int]:
        """Lines of refused rows that no earlier life refused."""
        query = f"SELECT line {_IN_ORDER} AND state=? AND line NOT IN (SELECT line FROM refused WHERE drop_id=?)"
        return (line for (line,) in self._stream(query, drop_id, int(RowState.REJECTED), drop_id))

    def sent_before(self, drop_id: int) -> Iterator[tuple[IndexedRow, Json]]:
        """Rows that were sent, with the values before, for the undo file."""
        query = f"SELECT {_COLUMNS}, before {_IN_ORDER} AND sent IS NOT NULL ORDER BY id"
        for values in self._stream(query, drop_id):
            yield _row(values[:-1]), load(values[-1])

    def values(self, drop_id: int) -> dict[RowState, int]:
        """How many values of a drop's rows were found stored as the rows say, by state: of those that were sent and
        are DONE, and of those that were UNCHANGED."""
        states = (RowState.DONE, RowState.UNCHANGED)
        sums = ", ".join(f"sum(CASE state WHEN {int(state)} THEN vals END)" for state in states)
        [found] = self._stream(f"SELECT {sums} {_IN_ORDER}", drop_id)
        return {state: number or 0 for state, number in zip(states, found, strict=True)}

    def links_kept(self, drop_id: int) -> Counter[str]:
        """In how many rows, of those that landed, a link's column no longer names a stored parent."""
        held = ",".join(str(int(state)) for state in (RowState.DONE, RowState.ACCEPTED, RowState.UNCHANGED))
        query = f"SELECT kept {_IN_ORDER} AND kept IS NOT NULL AND state IN ({held})"
        return Counter(column for (kept,) in self._stream(query, drop_id) for column in load(kept))

    def tally(self, drop_id: int) -> list[tuple[str, RowState, Action | None, Action | None, int]]:
        """(node, state, action, sent, number), parents first, for the receipt."""
        found: Counter[tuple[int, str, int, str | None, str | None]] = Counter(
            self._stream(f"SELECT rank, node, state, action, sent {_IN_ORDER} ORDER BY id", drop_id)
        )
        return [
            (node, RowState(state), Action(action) if action else None, Action(sent) if sent else None, number)
            for (_rank, node, state, action, sent), number in sorted(found.items(), key=lambda item: item[0][:3])
        ]

    def _stream(self, query: str, drop_id: int, *values: object) -> Iterator[tuple[Json, ...]]:
        first, last = self._ranges.get(drop_id, (1, 0))
        yield from self._db.execute(query, (first, last, drop_id, *values))

    def _select(self, where: str, values: tuple[object, ...]) -> list[IndexedRow]:
        return [_row(v) for v in self._db.execute(f"SELECT {_COLUMNS} FROM rows WHERE {where}", values)]


def _row(values: tuple[Json, ...]) -> IndexedRow:
    """Of `_COLUMNS`, which are in the order of its fields."""
    *known, cells, state, action, record_id, group, tries, sent, detail, named = values
    planned = RowState(state), Action(action) if action else None, record_id, group, tries
    fields = (*known, load(cells), *planned, Action(sent) if sent else None, load(detail) or {}, named)
    return IndexedRow(*fields)


def dump(value: Json) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def load(text: str | None) -> Json:
    return None if text is None else json.loads(text)
