"""The rows of a lane on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gen3sync.outbox.index import NewRow, Noted, RowIndex
from gen3sync.outbox.model import Action, RowState


def new(line: int, sid: str, node: str = "case", rank: int = 1, state: RowState = RowState.NEW) -> NewRow:
    return NewRow(line, line, rank, node, sid.lower(), sid, 0, ["x"], f"raw {sid}", state)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[RowIndex]:
    with RowIndex(tmp_path / "lane.sqlite") as made:
        yield made


def test_what_an_answer_corrected_is_remembered_after_the_first_sending(index: RowIndex) -> None:
    index.add(1, (new(i, f"A{i}") for i in range(2, 5)))
    sendings = [(2, "create", None), (3, "update", '{"sex":"male"}'), (2, "update", '{"sex":"male"}')]
    index.remember_sent(1, [*sendings, (2, "update", ""), (3, "create", "")])
    assert [(row.line, row.sent, before) for row, before in index.sent_before(1)] == [
        (2, Action.UPDATE, None), (3, Action.CREATE, {"sex": "male"})
    ]  # fmt: skip


def test_values_are_summed_by_state(index: RowIndex) -> None:
    index.add(1, (new(i, f"A{i}") for i in range(2, 12)))
    index.add(2, [new(2, "B")])
    rows = index.batch(1, RowState.NEW, 100)
    same = [Noted(row, RowState.UNCHANGED, Action.UNCHANGED, {}, values=3, links_kept=("a", "b")) for row in rows[:2]]
    done = [Noted(row, RowState.DONE, Action.UPDATE, {}, values=5) for row in rows[2:4]]
    waits = [Noted(row, RowState.WAITING, Action.WAIT, {}, links_kept=("a",)) for row in rows[4:6]]
    index.note([*same, *done, *waits])
    index.move(rows[6:8], RowState.DONE, vals=7)
    index.move(rows[8:9], RowState.ACCEPTED)
    index.note([Noted(index.batch(2, RowState.NEW, 1)[0], RowState.DONE, Action.CREATE, {}, values=100)])
    assert index.values(1) == {RowState.DONE: 24, RowState.UNCHANGED: 6}
    assert index.values(9) == {RowState.DONE: 0, RowState.UNCHANGED: 0}
    assert index.links_kept(1) == {"a": 2, "b": 2}


def test_counts_follow_every_move(index: RowIndex) -> None:
    index.add(1, (new(i, f"A{i}") for i in range(2, 12)))
    rows = index.batch(1, RowState.NEW, 100)
    index.note([Noted(row, RowState.READY, Action.CREATE, {}) for row in rows[:6]])
    index.note([Noted(row, RowState.WAITING, Action.WAIT, {}, None, (("study", "s1"),)) for row in rows[6:]])
    index.move(rows[:2], RowState.FLIGHT)
    index.move(rows[:2], RowState.DONE)
    assert {k: v for k, v in index.counts(1).items() if v} == {
        RowState.READY: 4, RowState.WAITING: 4, RowState.DONE: 2
    }  # fmt: skip
    assert index.open_count(1) == 8
    assert index.progress() == {1: (10, 2)}
    assert index.release("study", {"s1"}) == 4
    assert index.counts(1)[RowState.NEW] == 4
    assert index.end_all(1, [RowState.NEW, RowState.READY], RowState.SUPERSEDED) == 8
    assert index.open_count(1) == 0


def test_an_earlier_drop_holds_its_records_until_it_is_through(index: RowIndex) -> None:
    index.add(1, [new(2, "A"), new(3, "B")])
    index.add(2, [new(2, "a"), new(3, "C")])
    assert index.holders(2, "case", ["a", "b", "c"]) == {"a": 1, "b": 1}
    assert index.holders(1, "case", ["a"]) == {}
    index.move(index.batch(1, RowState.NEW, 10), RowState.DONE)
    assert index.holders(2, "case", ["a", "b"]) == {}


def test_an_earlier_drop_holds_the_ids_that_its_rows_name(index: RowIndex) -> None:
    index.add(1, [replace(new(2, "A"), named="X"), new(3, "B")])
    index.add(2, [replace(new(2, "C", "study"), named="X"), replace(new(3, "D"), named="Y")])
    assert index.id_holders(2, ["X", "Y"]) == {"X": 1}
    assert index.id_holders(1, ["X"]) == {}
    [row, other] = index.batch(1, RowState.NEW, 10)
    assert (row.locks, other.locks) == (("case a", "id X"), ("case b",))
    index.move([one for one in index.rows(2, RowState.NEW) if one.named == "X"], RowState.FLIGHT)
    assert index.id_holders(1, ["X"]) == {"X": 2}
    index.move([row], RowState.DONE)
    assert index.id_holders(2, ["X"]) == {}


def test_parents_go_first_and_halved_groups_before_others(index: RowIndex) -> None:
    index.add(1, [new(2, "C1", rank=5), new(3, "P1", "study", rank=1), new(4, "C2", rank=5)])
    assert [row.node for row in index.batch(1, RowState.NEW, 10)] == ["study"]
    rows = [*index.batch(1, RowState.NEW, 10), *index.batch(1, RowState.NEW, 10, after=0)]
    index.move(rows, RowState.READY)
    children = index.batch(1, RowState.NEW, 10)
    index.move(children, RowState.READY)
    assert [row.submitter_id for row in index.sendable(1, 10)] == ["P1"]
    index.move(children[1:], RowState.READY, grp=3, tries=1)
    [found] = index.sendable(1, 10)
    assert (found.submitter_id, found.tries) == ("C2", 1)


def test_what_an_earlier_life_sent_is_remembered_by_line(index: RowIndex) -> None:
    index.add(1, [new(2, "A"), new(3, "B")])
    index.remember_sent(1, [(3, "update", '{"sex": "male"}')])
    rows = index.batch(1, RowState.NEW, 10)
    assert [row.sent for row in rows] == [None, Action.UPDATE]
    index.move(rows, RowState.DONE)
    [(row, before)] = index.sent_before(1)
    assert (row.line, before) == (3, {"sex": "male"})


def test_more_rows_than_one_statement_takes(index: RowIndex) -> None:
    index.add(1, (new(i, f"A{i}") for i in range(2, 2002)))
    rows = index.batch(1, RowState.NEW, 5000)
    index.move(rows, RowState.READY)
    assert index.counts(1)[RowState.READY] == 2000
    assert len(index.coming("case", [row.key for row in rows])) == 2000
    index.forget(1)
    assert not index.counts(1)


def test_room_on_the_disk_is_given_back_when_nothing_is_left(tmp_path: Path) -> None:
    path = tmp_path / "large.sqlite"
    with RowIndex(path) as index:
        for drop in (1, 2):
            index.add(
                drop, (NewRow(i, i, 1, "case", f"c{i}", f"C{i}", 0, ["x" * 3000], "y" * 3000) for i in range(3000))
            )
        full = path.stat().st_size
        index.forget(1)
        assert index.open_count(2) == 3000
        index.forget(2)
        assert path.stat().st_size < full / 20
        index.add(3, [new(2, "A")])
        assert index.open_count(3) == 1
