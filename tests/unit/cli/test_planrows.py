"""Planned rows are told in the order of their file without being held."""

from __future__ import annotations

import contextlib
import json
import tracemalloc
from pathlib import Path

from gen3sync.cli.invocation import Invocation
from gen3sync.cli.planrows import PlannedRows, emit_plans
from gen3sync.names import Project
from gen3sync.outbox.dry import Plan
from gen3sync.outbox.model import Action, RowPlan

PROJECT = Project("DEV", "test")


def row(line: int, name: str = "") -> RowPlan:
    return RowPlan(line, "case", f"c{line}", name or f"C{line}", Action.CREATE)


def test_rows_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    rows = PlannedRows(tmp_path / "rows")
    # Refused ones first, then node by node; records of a JSON file may share a line.
    for line, name in [(4, "bad"), (2, "a"), (3, "b"), (9, "c"), (1, "x"), (3, "y"), (3, "z")]:
        rows.add(row(line, name))
    told = [(one["line"], one["submitter_id"]) for one in rows]
    assert told == [(1, "x"), (2, "a"), (3, "b"), (3, "y"), (3, "z"), (4, "bad"), (9, "c")]
    assert told == [(one["line"], one["submitter_id"]) for one in rows]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_file_without_rows_leaves_nothing(tmp_path: Path) -> None:
    rows = PlannedRows(tmp_path / "rows")
    rows.close()
    assert list(rows) == []
    assert not list(tmp_path.iterdir())


def test_many_rows_take_no_memory(tmp_path: Path) -> None:
    """30,000 of them are 10 MB of text, and more as objects."""
    rows = PlannedRows(tmp_path / "rows")
    plan = Plan(tmp_path / "case.tsv", PROJECT, {Action.CREATE: 30_000}, ())
    printed = tmp_path / "printed.json"
    with printed.open("w") as out, contextlib.redirect_stdout(out):
        tracemalloc.start()
        try:
            for line in range(30_000):
                rows.add(row(line + 2))
            emit_plans(Invocation(), [(plan, rows)], {})
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 4_000_000
    (told,) = json.loads(printed.read_text())
    assert told["counts"] == {"create": 30_000}
    assert [one["line"] for one in told["rows"]] == list(range(2, 30_002))
    assert printed.stat().st_size > 5_000_000
