"""JSON drops: records, lists, exports, JSON lines; values as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.records.codec import LinkRef
from gen3sync.records.problems import MendKind, ProblemKind
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.wire import wire_json
from tests.unit.records.support import bad_rows, opened, rows_of, understood

CASE: dict[str, Any] = {"type": "case", "submitter_id": "C-1", "experiments": {"submitter_id": "E-1"}}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (json.dumps(CASE), "d.json"),
        (json.dumps([CASE]), "d.json"),
        (json.dumps([CASE], indent=2), "d.json"),
        (json.dumps({"data": [CASE]}), "d.json"),
        ('{ "data": [' + json.dumps(CASE) + "]}", "d.json"),
        (json.dumps(CASE) + "\n", "d.jsonl"),
        ("\ufeff" + json.dumps(CASE), "d.json"),
        (json.dumps({"*type": "case", "*submitter_id": "C-1", "*experiments": {"submitter_id": "E-1"}}), "d.json"),
    ],
)
def test_forms(content: str, name: str) -> None:
    (wanted,) = understood(content, name)
    assert wanted.key == ("case", "c-1")
    assert wanted.links == {"experiments": (LinkRef("E-1"),)}


def test_values_are_taken_as_they_are() -> None:
    record = CASE | {"disease_type": " null ", "consent_codes": ["a,b", " c"], "primary_site": None}
    (wanted,) = understood(json.dumps(record), "d.json")
    assert wanted.properties == {"disease_type": " null ", "consent_codes": ["a,b", " c"]}
    assert wanted.blanks == {"primary_site"}


def test_exported_links_go_by_their_submitter_id() -> None:
    exported = CASE | {"experiments": [{"node_id": "id-1", "submitter_id": "E-1"}]}
    (wanted,) = understood(json.dumps(exported), "d.json")
    assert wanted.links["experiments"] == (LinkRef("E-1"),)
    (wanted,) = understood(json.dumps(CASE | {"experiments": [{"node_id": "id-1"}]}), "d.json")
    assert wanted.links["experiments"] == (LinkRef(id="id-1"),)


def test_a_parent_named_by_id_and_submitter_id_is_sent_by_both() -> None:
    # By one alone, a record whose two names contradict each other would be linked to either without a word.
    both = CASE | {"experiments": [{"submitter_id": "E-1", "id": "id-2"}]}
    (wanted,) = understood(json.dumps(both), "d.json")
    assert wanted.links["experiments"] == (LinkRef("E-1", "id-2"),)
    assert json.loads(wire_json([wanted]))[0]["experiments"] == [{"submitter_id": "E-1", "id": "id-2"}]


def test_a_parent_of_another_project_is_no_parent_of_this_one() -> None:
    # The commons looks for it there; without the project_id, which exports do not have, it would be another parent.
    elsewhere = CASE | {"experiments": [{"submitter_id": "E-1", "project_id": "DEV-other"}]}
    (bad,) = bad_rows(json.dumps(elsewhere), "d.json")
    (problem,) = bad.problems
    assert (problem.kind, problem.column) == (ProblemKind.BAD_LINK, "experiments")
    assert "'DEV-other'" in problem.message
    here = CASE | {"experiments": [{"submitter_id": "E-1", "project_id": "DEV-test"}]}
    (wanted,) = understood(json.dumps(here), "d.json")
    assert wanted.links["experiments"] == (LinkRef("E-1"),)


def test_links_written_as_columns_are_no_keys_of_json() -> None:
    flat = {"type": "case", "submitter_id": "C-1", "experiments.submitter_id": "E-1"}
    (bad,) = bad_rows(json.dumps(flat), "d.json")
    (problem,) = bad.problems
    assert (problem.kind, problem.column) == (ProblemKind.BAD_LINK, "experiments.submitter_id")
    assert '"experiments": {"submitter_id": "…"}' in problem.remedy


def test_a_key_with_and_without_its_star_is_one_key_twice() -> None:
    (bad,) = bad_rows(json.dumps(CASE | {"primary_site": "Lung", "*primary_site": "Brain"}), "d.json")
    assert [(one.kind, one.column) for one in bad.problems] == [(ProblemKind.DUPLICATE_KEY, "primary_site")]


def test_null_links_unlink() -> None:
    (wanted,) = understood(json.dumps(CASE | {"experiments": None}), "d.json")
    assert wanted.unlinked == {"experiments"}
    assert not wanted.links


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        ("7", ProblemKind.NOT_A_RECORD),
        ("null", ProblemKind.NOT_A_RECORD),
        ('["a"]', ProblemKind.NOT_A_RECORD),
        ('{"submitter_id": "X"}', ProblemKind.BLANK_TYPE),
        ('{"type": 3, "submitter_id": "X"}', ProblemKind.BLANK_TYPE),
        ('{"type": "cse", "submitter_id": "X"}', ProblemKind.UNKNOWN_TYPE),
        ('{"type": "case"}', ProblemKind.MISSING_SUBMITTER_ID),
        ('{"type": "case", "submitter_id": 7}', ProblemKind.MISSING_SUBMITTER_ID),
        ('{"type": "case", "submitter_id": "X", "submitter_id": "Y"}', ProblemKind.DUPLICATE_KEY),
        ('{"type": "case", "submitter_id": "X", "colour": "red"}', ProblemKind.UNKNOWN_COLUMN),
        ('{"type": "case", "submitter_id": "X", "disease_type": "a\\u0000"}', ProblemKind.NUL),
        ('{"type": "case", "submitter_id": "X", "disease_type": "a\\ud800"}', ProblemKind.BAD_CHARACTER),
        ('{"type": "case", "submitter_id": "X", "project_id": "O-p"}', ProblemKind.OTHER_PROJECT),
        ('{"type": "case", "submitter_id": "X", "experiments": "E-1"}', ProblemKind.BAD_LINK),
        ('{"type": "case", "submitter_id": "X", "experiments": [{}]}', ProblemKind.BAD_LINK),
    ],
)
def test_bad_records_are_refused_and_others_go_on(record: str, kind: ProblemKind) -> None:
    first, bad, last = opened(
        f"[{json.dumps(CASE)},\n\n{record},\n{json.dumps(CASE | {'submitter_id': 'C-2'})}]", "d.json"
    )
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert isinstance(bad, BadRow)
    assert (bad.line, last.line) == (3, 4)
    assert kind in [problem.kind for problem in bad.problems]
    assert bad.raw == record


@pytest.mark.parametrize(
    ("value", "called"), [(7, "a number"), (True, "true or false"), ([], "a list"), ({}, "an object")]
)
def test_what_is_no_text_is_not_called_blank(value: object, called: str) -> None:
    (bad,) = bad_rows(json.dumps([CASE | {"type": value, "submitter_id": value}]), "d.json")
    told = [(problem.message, problem.remedy, problem.column) for problem in bad.problems]
    assert told == [
        (f"The value of '{key}' is {called}, where a text is expected.", "Write it in double quotes.", key)
        for key in ("type", "submitter_id")
    ]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "[1, NaN]"])
def test_numbers_that_are_none(number: str) -> None:
    record = f'{{"type": "sample", "submitter_id": "S", "initial_weight": {number}}}'
    (wanted,) = understood(record, "d.json")
    assert [problem.kind for problem in wanted.problems] == [ProblemKind.NOT_FINITE]


def test_twins_and_repetitions() -> None:
    other = CASE | {"submitter_id": "c-1", "disease_type": "x"}
    assert len(bad_rows(json.dumps([CASE, other]), "d.json")) == 2
    table = opened(json.dumps([CASE, CASE]), "d.json")
    assert len(list(table)) == 1
    assert [mend.kind for mend in table.mends] == [MendKind.REPEATED_ROW]


def test_project_id_and_own_columns() -> None:
    record = CASE | {"project_id": None, "_line": 3, "_errors": "x", "state": "validated", "colour": None}
    (row,) = rows_of(json.dumps(record), "d.json")
    assert row.record == {
        "type": "case",
        "submitter_id": "C-1",
        "experiments": [{"submitter_id": "E-1"}],
        "project_id": "DEV-test",
    }


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(VALUES, min_size=1, max_size=8),
    st.sampled_from([None, 1, 4]),
    st.sampled_from(["[{}]", '{{"data": [{}]}}']),
    st.booleans(),
)
def test_any_list_of_records_is_read_back(values: list[Any], indent: int | None, around: str, ascii_: bool) -> None:
    records = [{"type": "case", "submitter_id": f"C-{n}", "disease_type": value} for n, value in enumerate(values)]
    parts = [json.dumps(record, indent=indent, ensure_ascii=ascii_) for record in records]
    try:
        content = around.format(",\n".join(parts)).encode()
    except UnicodeEncodeError:
        return
    good = [row.record for row in opened(content, "d.json") if isinstance(row, Row)]
    storable = [
        record for record in records if "\\u0000" not in json.dumps(record) and "\\ud" not in json.dumps(record)
    ]
    assert [record for record in good if record in storable] == storable


def test_lines_of_a_long_file() -> None:
    content = ",\r\n".join(json.dumps(CASE | {"submitter_id": f"C-{n}", "disease_type": "é" * 50}) for n in range(9000))
    lines = [row.line for row in opened(f"[{content}]", "d.json")]
    assert lines == list(range(1, 9001))
