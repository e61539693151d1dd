"""What a shared request means for each of its parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gen3sync.commons.replies import Entity, EntityError, Landed, RefusalKind, Refused
from gen3sync.outbox.index import NewRow, RowIndex
from gen3sync.outbox.lost import ledger_name, sent_name
from gen3sync.outbox.model import Action, IndexedRow, RowState
from gen3sync.outbox.outcome import Step, judge, part_of
from gen3sync.outbox.side import each, side_by_side


def row(number: int, sid: str, drop: int) -> IndexedRow:
    return IndexedRow(number, drop, 2, 2, "case", sid.lower(), sid, 0, None, RowState.FLIGHT, Action.CREATE)


ROWS = [row(1, "A", 1), row(2, "B", 2)]


def test_a_refusal_is_each_parts_own() -> None:
    wrong = Entity(False, None, "case", None, "B", errors=(EntityError("INVALID_VALUE", "no", ("sex",)),))
    right = Entity(True, "create", "case", "1", "A")
    whole = judge(ROWS, Refused(400, RefusalKind.ROWS, "aborted", 7, (right, wrong), ()), is_file=False)
    first, second = part_of(whole, ROWS[:1]), part_of(whole, ROWS[1:])
    assert (first.step, first.rejects) == (Step.SORT, {})
    assert set(second.rejects) == {2}


def test_what_the_commons_did_counts_not_what_was_planned() -> None:
    said = (Entity(True, "update", "case", "1", "A"), Entity(True, "create", "case", "2", "B"))
    whole = judge(ROWS, Landed(7, 1, 1, said), is_file=False)
    assert whole.acted == {1: Action.UPDATE}
    assert part_of(whole, ROWS[1:]).acted == {}
    assert part_of(whole, ROWS[1:]).ids == {2: "2"}


def test_names_in_the_ledger_lead_to_the_name_that_was_sent() -> None:
    assert ledger_name("gen3sync/h/1/1/1-ab", None) == "gen3sync/h/1/1/1-ab"
    assert sent_name(ledger_name("gen3sync/h/1/1/1-ab", 7)) == "gen3sync/h/1/1/1-ab"


def test_a_later_drop_that_was_quicker_holds_its_records(tmp_path: Path) -> None:
    with RowIndex(tmp_path / "lane.sqlite") as index:
        index.add(2, [NewRow(2, 2, 1, "case", "a", "A", 0, ["x"], "raw")])
        index.add(1, [NewRow(2, 2, 1, "case", "a", "A", 0, ["x"], "raw")])
        assert index.holders(1, "case", ["a"]) == {}
        index.move(index.batch(2, RowState.NEW, 10), RowState.FLIGHT)
        assert index.holders(1, "case", ["a"]) == {"a": 2}


@pytest.mark.parametrize("number", [1, 3, 40])
def test_side_by_side_keeps_the_order_and_tells_errors(number: int) -> None:
    def call(value: int) -> Callable[[], int]:
        return lambda: 100 // value

    assert side_by_side(call(i + 1) for i in range(number)) == [100 // (i + 1) for i in range(number)]
    found = each(call(i) for i in range(number))
    assert isinstance(found[0], ZeroDivisionError)
    assert found[1:] == [100 // i for i in range(1, number)]
    with pytest.raises(ZeroDivisionError):
        side_by_side(call(i) for i in range(number))
