"""The on-disk table that sorts, merges and compares."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.inbox.change import Difference, Record, canonical
from gen3sync.inbox.copy import Contradiction, Copy


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"{number:04d}", "submitter_id": f"C-{number}", **more}


def join(records: Sequence[Record]) -> Record:
    whole: dict[str, Any] = {}
    for each in records:
        for key, value in each.items():
            if whole.setdefault(key, value) != value:
                raise Contradiction
    return whole


def filled(path: Path, *records: Record) -> Copy:
    copy = Copy(path)
    copy.fill(iter(records), join)
    return copy


def test_records_come_out_by_id_and_merged_whatever_the_order(tmp_path: Path) -> None:
    parts = [record(3, a=[{"node_id": "x"}]), record(1), record(2, n=1.5), record(3, b=[{"node_id": "y"}])]
    with filled(tmp_path / "copy", *parts) as copy:
        assert [each["id"] for each in copy.records()] == ["0001", "0002", "0003"]
        assert len(copy) == 3
        assert [*copy.records()][2] == record(3, a=[{"node_id": "x"}], b=[{"node_id": "y"}])


@given(numbers=st.permutations(range(12)))
def test_the_same_records_in_any_order_make_the_same_copy(numbers: list[int]) -> None:
    with filled(Path(":memory:"), *(record(n, v=n) for n in numbers)) as copy:
        assert [*copy.bodies()] == [canonical(record(n, v=n)) for n in range(12)]


def test_contradicting_records_are_told(tmp_path: Path) -> None:
    with filled(tmp_path / "copy", record(1, v=1), record(1, v=2), record(2)) as copy:
        assert copy.doubled == ["0001"]


def test_what_changed_is_counted(tmp_path: Path) -> None:
    filled(tmp_path / "old", record(1), record(2), record(3)).close()
    with filled(tmp_path / "new", record(2), record(3, v=1), record(4), record(5)) as new:
        assert new.since(tmp_path / "old") == Difference(added=2, changed=1, removed=1)
        (tmp_path / "broken").write_bytes(b"no database, just words" * 100)
        assert new.since(tmp_path / "broken") is None
        assert new.since(tmp_path / "old") == Difference(2, 1, 1)


def test_a_damaged_copy_does_not_open(tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no database, just words" * 100)
    with pytest.raises(sqlite3.Error):
        Copy(tmp_path / "broken")


def test_one_text_for_one_record() -> None:
    ab = [{"node_id": "1", "submitter_id": "A"}, {"node_id": "2", "submitter_id": "B"}]
    one = {"id": "x", "n": 12.5, "cases": ab, "list": ["b", "a"]}
    other = {"list": ["b", "a"], "cases": [*reversed(ab), ab[0]], "n": 12.5, "id": "x"}
    assert canonical(one) == canonical(other)
    assert canonical(one) != canonical({**one, "list": ["a", "b"]})
    assert canonical({"n": 123456789012345678901234567890}) == '{"n":123456789012345678901234567890}'
