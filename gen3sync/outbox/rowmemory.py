"""What the index is told of rows that an earlier life of the daemon was done with, when their drop was read again."""

# ruff: noqa: S608 - queries are put together from constants only

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from gen3sync.outbox.model import IndexedRow, RowState
from gen3sync.outbox.rowquestions import RowQuestions, dump, load
from gen3sync.outbox.scratch import portions

DONE_TABLE = """
CREATE TABLE done(
  drop_id INTEGER, line INTEGER, state INTEGER, vals INTEGER, kept TEXT, PRIMARY KEY(drop_id, line)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class EndedRow:
    """A row that is done with. `values` and `links_kept` as in `Noted`."""

    line: int
    state: RowState
    values: int | None
    links_kept: tuple[str, ...]


class RowMemory(RowQuestions):
    """See the module. What the journal of a drop knows is `earlier.py`'s; how the index changes, `index.py`'s."""

    def as_ended(self, rows: Sequence[IndexedRow]) -> Iterator[EndedRow]:
        """How rows have ended, as far as they have; none that were refused."""
        for ids in portions([row.id for row in rows]):
            marks = ",".join("?" * len(ids))
            for line, state, values, kept in self._db.execute(
                f"SELECT line, state, vals, kept FROM rows WHERE id IN ({marks})", ids
            ).fetchall():
                if RowState(state) in (RowState.DONE, RowState.ACCEPTED, RowState.UNCHANGED):
                    yield EndedRow(line, RowState(state), values, tuple(load(kept) or ()))

    def remember_done(self, drop_id: int, rows: Iterable[EndedRow]) -> None:
        """Rows that an earlier life was done with. They are not looked at again."""
        same = "done.drop_id=rows.drop_id AND done.line=rows.line"
        with self._together():
            self._db.executemany(
                "INSERT OR REPLACE INTO done VALUES (?,?,?,?,?)",
                ((drop_id, one.line, int(one.state), one.values, dump(list(one.links_kept) or None)) for one in rows),
            )
            counted = f"SELECT rows.state, done.state, count(*) FROM rows JOIN done ON {same} WHERE rows.drop_id=?"
            for old, new, number in self._db.execute(f"{counted} GROUP BY 1, 2", (drop_id,)).fetchall():
                self._count(drop_id, RowState(old), RowState(new), number)
            self._db.execute(
                f"UPDATE rows SET state=done.state, vals=done.vals, kept=done.kept FROM done"
                f" WHERE rows.drop_id=? AND {same}",
                (drop_id,),
            )
            self._db.execute("DELETE FROM done WHERE drop_id=?", (drop_id,))

    def _together(self) -> AbstractContextManager[None]:
        raise NotImplementedError

    def _count(self, drop_id: int, old: RowState, new: RowState, number: int) -> None:
        raise NotImplementedError
