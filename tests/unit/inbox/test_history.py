"""What changed, written down for people and for scripts, whatever a crash left."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gen3sync.inbox.change import Change, Kind, canonical, change
from gen3sync.inbox.history import changes_at, net, runs, write_down
from gen3sync.inbox.plan import CHANGES
from gen3sync.names import Project

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
PROJECT = Project("DEV", "a")


def edit(id: str, **columns: tuple[Any, Any]) -> Change:
    return Change(Kind.CHANGED, id, f"S-{id}", columns)


def tell(folder: Path, hours: int, *changes: Change, whole: bool = False) -> datetime:
    at = AT + timedelta(hours=hours)
    write_down(folder / "case.history", [folder, folder], PROJECT, "case", at, 7, None if whole else changes)
    return at


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / CHANGES).read_text().splitlines()]


def test_each_refresh_is_told_line_by_line_and_kept_with_its_values(tmp_path: Path) -> None:
    first = tell(tmp_path, 0, whole=True)
    second = tell(tmp_path, 1, edit("1", age=(3, 4)), Change(Kind.REMOVED, "2", "S-2"))
    assert lines(tmp_path) == [
        {"at": first.isoformat(), "program": "DEV", "project": "a", "node": "case", "change": "all", "records": 7},
        {
            "at": second.isoformat(),
            "program": "DEV",
            "project": "a",
            "node": "case",
            "change": "changed",
            "id": "1",
            "submitter_id": "S-1",
            "columns": ["age"],
        },
        {
            "at": second.isoformat(),
            "program": "DEV",
            "project": "a",
            "node": "case",
            "change": "removed",
            "id": "2",
            "submitter_id": "S-2",
        },
    ]
    history = tmp_path / "case.history"
    assert [(run.at, run.rows, run.whole) for run in runs(history)] == [(first, 7, True), (second, 7, False)]
    assert changes_at(history, second) == (edit("1", age=(3, 4)), Change(Kind.REMOVED, "2", "S-2"))


def test_what_was_changed_back_is_no_change(tmp_path: Path) -> None:
    tell(tmp_path, 0, edit("1", age=(1, 2)), edit("2", age=(1, 2)), Change(Kind.ADDED, "3", "S-3"))
    later = tell(tmp_path, 1, edit("1", age=(2, 1)), edit("2", age=(2, 3), sex=(None, "x")))
    tell(tmp_path, 2, Change(Kind.REMOVED, "3", "S-3"), Change(Kind.ADDED, "4", "S-4"), edit("2", age=(3, 5)))
    history = tmp_path / "case.history"
    assert list(net(history, AT)) == [edit("2", age=(1, 5), sex=(None, "x")), Change(Kind.ADDED, "4", "S-4")]
    assert [one.id for one in net(history, later)] == ["1", "2", "3", "4"]
    assert list(net(tmp_path / "none.history", AT)) == []


def test_half_a_line_left_by_a_crash_is_cut_off(tmp_path: Path) -> None:
    tell(tmp_path, 0, whole=True)
    with (tmp_path / CHANGES).open("a") as out:
        out.write('{"at": "2026')
    tell(tmp_path, 1, whole=True)
    assert [line["change"] for line in lines(tmp_path)] == ["all", "all"]


def test_a_history_that_cannot_be_read_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "case.history").write_bytes(b"no database, just words" * 100)
    tell(tmp_path, 1, edit("1", age=(1, 2)))
    assert len(runs(tmp_path / "case.history")) == 1
    assert (tmp_path / "case.history.broken").exists()


def test_old_runs_are_forgotten(tmp_path: Path) -> None:
    tell(tmp_path, 0, edit("1", age=(1, 2)))
    tell(tmp_path, 24 * 401, edit("1", age=(2, 3)))
    assert len(runs(tmp_path / "case.history")) == 1


def test_a_change_names_the_columns_and_parents_by_their_names() -> None:
    common = {"id": "1", "submitter_id": "A", "n": 1}
    old = canonical({**common, "cases": [{"node_id": "x", "submitter_id": "C-1"}]})
    new = canonical({**common, "t": True, "cases": [{"node_id": "y", "submitter_id": "C-2"}]})
    assert change(old, new) == Change(Kind.CHANGED, "1", "A", {"cases": (["C-1"], ["C-2"]), "t": (None, True)})
    assert change(None, new).kind is Kind.ADDED
    assert change(old, None) == Change(Kind.REMOVED, "1", "A")
