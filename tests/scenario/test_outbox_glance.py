"""An edited file in a large project: a glance tells what is as the file says, and nothing that differs is missed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Verdict
from gen3sync.names import Project
from gen3sync.outbox import listing
from gen3sync.outbox.glance import FEW_ROWS
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.outbox_bench import Bench, table

ROWS = FEW_ROWS + 10
OTHERS = ROWS * 13
COLUMNS = "type submitter_id studies.submitter_id sex species height_cm is_control year_of_birth"


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Bench]:
    """A project in which the records of a file are few among many. Studies S1 and S2."""
    with Sandbox() as sandbox:
        yield filled(Bench(tmp_path, sandbox))


def filled(bench: Bench) -> Bench:
    sandbox = bench.sandbox
    study = {"type": "study", "projects": {"code": "test"}}
    sandbox.write("DEV-test", [{**study, "submitter_id": f"S{i}"} for i in (1, 2)])
    sandbox.write("DEV-test", [record(f"other-{i}") for i in range(OTHERS)])
    sandbox.write("DEV-test", [record(f"P-{i:03d}") for i in range(ROWS)])
    return bench


def record(name: str, **more: Any) -> dict[str, Any]:
    return {
        "type": "subject",
        "submitter_id": name,
        "studies": {"submitter_id": "S1"},
        "sex": "male",
        "species": "human",
        "height_cm": 170.5,
        "is_control": True,
        "year_of_birth": 1980,
        **more,
    }


def rows(changed: dict[int, str] | None = None) -> str:
    lines = [f"subject P-{i:03d} S1 male human 170.5 true 1980" for i in range(ROWS)]
    for number, line in (changed or {}).items():
        lines[number] = line
    return table(COLUMNS, *lines)


def sends(bench: Bench, text: str) -> tuple[dict[str, int], int]:
    """What came of the file, and how many records were read by exports until its first request (or its end)."""
    before = len(bench.sandbox.requests)
    bench.drop("subject.tsv", text)
    [drop] = bench.once().ended
    asked = bench.sandbox.requests[before:]
    first = next((n for n, request in enumerate(asked) if request.method == "PUT"), len(asked))
    exports = [request for request in asked[:first] if "/export" in request.path]
    return {word: n for word, n in drop.counts.items() if n and word != "read"}, len(exports)


def stored(bench: Bench, name: str) -> dict[str, Any]:
    found = bench.sandbox.record("DEV-test", "subject", name)
    assert found is not None
    return found


def test_what_is_as_the_file_says_is_read_by_no_export(large: Bench) -> None:
    assert sends(large, rows()) == ({"unchanged": ROWS}, 0)


def test_a_changed_cell_is_found_and_can_be_undone(large: Bench) -> None:
    counts, exports = sends(large, rows({7: "subject P-007 S1 female human 170.5 true 1981"}))
    assert (counts, exports) == ({"unchanged": ROWS - 1, "updated": 1}, 0)
    assert stored(large, "P-007")["sex"] == "female"
    assert large.receipt("subject.tsv")["verification"]["method"] == "transaction and values"
    undo = (large.folder / "sent/DEV/test/subject.tsv.undo.tsv").read_text()
    assert undo.splitlines()[1].split("\t")[3:5] == ["male", "human"]


@pytest.mark.parametrize(
    "cells",
    [
        "female human 170.5 true 1980",
        "male dog 170.5 true 1980",
        "male human 170.25 true 1980",
        "male human 170.5 false 1980",
        "male human 170.5 true 1979",
    ],
)
def test_no_kind_of_change_is_missed(large: Bench, cells: str) -> None:
    assert sends(large, rows({9: f"subject P-009 S1 {cells}"})) == ({"unchanged": ROWS - 1, "updated": 1}, 0)


def test_a_blank_cell_is_compared_too(large: Bench) -> None:
    """Where nothing is stored it changes nothing; where something is, it would erase it."""
    large.sandbox.write("DEV-test", [record("P-003", species=None)])
    assert sends(large, rows({3: "subject P-003 S1 male . 170.5 true 1980"})) == ({"unchanged": ROWS}, 0)
    large.drop("again.tsv", rows({4: "subject P-004 S1 male . 170.5 true 1980"}))
    [waiting] = large.once().waiting
    assert "species (1)" in waiting.reason


def test_a_new_value_where_none_was_is_found(large: Bench) -> None:
    large.sandbox.write("DEV-test", [record("P-003", species=None)])
    assert sends(large, rows())[0] == {"unchanged": ROWS - 1, "updated": 1}
    assert stored(large, "P-003")["species"] == "human"


def test_a_file_that_changes_only_links_is_caught(large: Bench) -> None:
    """A parent to one cannot be changed by a PUT: that is said, as it is when the record was read by an export."""
    counts, exports = sends(large, rows({5: "subject P-005 S2 male human 170.5 true 1980"}))
    assert (counts, exports) == ({"unchanged": ROWS - 1, "rejected": 1}, 1)
    [why] = large.receipt("subject.tsv")["rejects"]
    assert why["type"] == "OTHER_PARENT"


def test_a_parent_in_another_letter_case_is_the_same_parent(large: Bench) -> None:
    assert sends(large, rows({5: "subject P-005 s1 male human 170.5 true 1980"})) == ({"unchanged": ROWS}, 1)


def test_a_name_in_another_letter_case_renames(large: Bench) -> None:
    counts, _ = sends(large, rows({5: "subject p-005 S1 male human 170.5 true 1980"}))
    assert counts == {"unchanged": ROWS - 1, "updated": 1}
    assert large.receipt("subject.tsv")["renamed"] == [{"from": "P-005", "to": "p-005"}]
    assert stored(large, "p-005")["submitter_id"] == "p-005"


def test_many_parents_are_not_asked_for_their_children(large: Bench) -> None:
    study = {"type": "study", "projects": {"code": "test"}}
    large.sandbox.write("DEV-test", [{**study, "submitter_id": f"S{i}"} for i in range(3, 9)])
    changed = {i: f"subject N-{i:03d} S{i} male human 170.5 true 1980" for i in range(3, 9)}
    large.sandbox.write("DEV-test", [record(f"N-{i:03d}", studies={"submitter_id": f"S{i}"}) for i in range(3, 9)])
    assert sends(large, rows(changed)) == ({"unchanged": ROWS}, 1)


def test_graphql_that_does_not_know_a_property_is_done_without(large: Bench) -> None:
    """A dictionary that is newer than the GraphQL service: its answer is a refusal, and exports tell."""
    large.sandbox.faults.answer(400, times=1, path="graphql", body='{"data":null,"errors":["Cannot query field"]}')
    counts, _ = sends(large, rows({7: "subject P-007 S1 female human 170.5 true 1980"}))
    assert counts == {"unchanged": ROWS - 1, "updated": 1}


NEW = 2000


def many(names: list[str]) -> str:
    return table("type submitter_id studies.submitter_id sex", *(f"subject {name} S1 male" for name in names))


@pytest.fixture
def crowded(tmp_path: Path) -> Iterator[Bench]:
    """A node so large that it is not exported for two thousand new rows, nor searched through."""
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        sandbox.write("DEV-test", [{"type": "study", "projects": {"code": "test"}, "submitter_id": "S1"}])
        sandbox.synthetic("DEV-test", "subject", NEW * 13)
        odd = [f"nEw-{i:05d}" for i in range(0, NEW, 100)]
        sandbox.write("DEV-test", [record(name, species=None) for name in odd])
        yield bench


def test_many_new_rows_among_which_some_are_stored_in_odd_letter_case(crowded: Bench) -> None:
    """Found at plan time, so the receipt tells what was renamed and the values before can be restored."""
    counts, _ = sends(crowded, many([f"New-{i:05d}" for i in range(NEW)]))
    assert counts == {"created": NEW - 20, "updated": 20}
    said = crowded.receipt("subject.tsv")
    assert (len(said["renamed"]), said["existed_before"], said["letter_case_not_searched"]) == (20, 0, 0)
    assert crowded.sandbox.record("DEV-test", "subject", "New-00100")["submitter_id"] == "New-00100"  # type: ignore[index]


def test_many_new_rows_that_have_nothing_in_common(crowded: Bench) -> None:
    """All names of the node are listed, once."""
    crowded.sandbox.write("DEV-test", [record("00007-nEw")])
    counts, exports = sends(crowded, many([f"{i:05d}-new" for i in range(NEW)]))
    assert counts == {"created": NEW - 1, "updated": 1}
    said = crowded.receipt("subject.tsv")
    assert (len(said["renamed"]), said["existed_before"], said["letter_case_not_searched"]) == (1, 0, 0)
    assert exports >= 2, "the list, and the record that is there"


def test_many_new_rows_that_have_nothing_in_common_in_an_enormous_node(
    crowded: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is searched for, the receipt says so, and what the commons found all the same is counted."""
    monkeypatch.setattr(listing, "MOST", NEW * 13)
    names = [f"{i:05d}-new" for i in range(NEW)]
    crowded.sandbox.write("DEV-test", [record("00007-nEw")])
    counts, _ = sends(crowded, many(names))
    assert counts == {"created": NEW - 1, "updated": 1}
    said = crowded.receipt("subject.tsv")
    assert (said["existed_before"], said["letter_case_not_searched"]) == (1, NEW)


FRESH = FEW_ROWS * 6


def fresh() -> str:
    return table(COLUMNS, *(f"subject New-{i:03d} S1 male human 170.5 true 1980" for i in range(FRESH)))


def by_ids(bench: Bench) -> list[int]:
    """How many records each export by ids was asked for."""
    exports = (one for one in bench.sandbox.requests if one.method == "POST" and "/export" in one.path)
    return [len(json.loads(one.body or b"")["ids"]) for one in exports]


def test_new_records_are_proven_at_a_glance_where_they_are_few_among_many(crowded: Bench) -> None:
    crowded.drop("new.tsv", fresh())
    [drop] = crowded.once().ended
    assert drop.counts["created"] == FRESH
    proven = crowded.receipt("new.tsv")["verification"]
    assert (proven["method"], proven["verified"], proven["rows_proven"]) == ("transaction and values", True, FRESH)
    assert by_ids(crowded) == []


def test_what_a_glance_does_not_show_as_it_was_sent_is_read_by_an_export_first(crowded: Bench) -> None:
    """One record vanishes right after the commit, another gets another value."""
    with crowded.sandbox.faults.hold(Point.AFTER_LOG, method="PUT") as hold, crowded.running() as days:
        crowded.drop("new.tsv", fresh())
        days.until(lambda: hold.fault.waiting, "an upload held after its commit")
        crowded.sandbox.sql_delete("DEV-test", "subject", "New-003")
        crowded.sandbox.sql("DEV-test", "subject", "New-004", sex="female")
        hold.release()
        [drop] = days.ended()
        told = [event.text for event in days.ledger.events.recent(20)]
    assert by_ids(crowded)[0] == 2, "only these"
    assert any("said success, but 2 rows are not stored as sent" in text for text in told)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, FRESH)
    assert [stored(crowded, f"New-00{i}")["sex"] for i in (3, 4)] == ["male", "male"]
    assert crowded.receipt("new.tsv")["verification"]["overwritten_since"] == 0


def plans(bench: Bench, text: str) -> tuple[dict[str, int], list[str]]:
    """What a plan counts, and the exports that it took."""
    path = bench.folder / "planned.tsv"
    path.write_text(text)
    before = len(bench.sandbox.requests)
    with bench.opened() as (outbox, _):
        counts = outbox.plan_file(path, Project("DEV", "test"), limit=5).counts
    asked = bench.sandbox.requests[before:]
    return {str(action): number for action, number in counts.items()}, [r.method for r in asked if "/export" in r.path]


def test_a_plan_looks_as_the_sending_does(large: Bench) -> None:
    """At a glance, but for what differs; and nothing of it stays behind."""
    changed = rows({7: "subject P-007 S1 female human 170.5 true 1980"})
    kept = sorted(large.settings.state.path.rglob("*"))
    assert plans(large, rows()) == ({"unchanged": ROWS}, [])
    assert plans(large, changed)[0] == {"unchanged": ROWS - 1, "update": 1}
    assert [
        path for path in sorted(large.settings.state.path.rglob("*")) if path not in kept and "plan" in path.name
    ] == []


def test_a_plan_of_a_large_file_exports_its_node_once(crowded: Bench) -> None:
    counts, exports = plans(crowded, many([f"{i:05d}-new" for i in range(NEW + 300)]))
    assert (counts, exports) == ({"create": NEW + 300}, ["GET"])
