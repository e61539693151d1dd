"""A million rows: no question that is asked for each batch or request may sort all of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gen3sync.outbox.index import NewRow, RowIndex
from gen3sync.outbox.model import RowState


@pytest.mark.parametrize(
    "ask",
    [lambda index: index.batch(1, RowState.NEW, 5), lambda index: index.sendable(1, 5)],
    ids=["batch", "sendable"],
)
def test_no_question_sorts_all_rows(tmp_path: Path, ask: Callable[[RowIndex], object]) -> None:
    with RowIndex(tmp_path / "index.sqlite") as index:
        states = (RowState.NEW, RowState.READY)
        rows = [NewRow(n, n, 0, "case", f"c{n}", f"C{n}", 0, ["case"], "", states[n % 2]) for n in range(40)]
        index.add(1, rows)
        asked: list[str] = []
        index._db.set_trace_callback(asked.append)
        assert ask(index)
        index._db.set_trace_callback(None)
        plans = [step[3] for query in asked for step in index._db.execute(f"EXPLAIN QUERY PLAN {query}")]
        assert plans
        assert not [step for step in plans if "TEMP B-TREE" in step]
