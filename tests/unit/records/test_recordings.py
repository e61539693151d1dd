"""The recorded exchanges with a real commons: what gen3sync makes of each request, against what the commons did."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from gen3sync.names import Project
from gen3sync.records.codec import desired
from gen3sync.records.compare import compare
from gen3sync.records.mirror import mirror_columns, mirror_line, mirror_row, untellable
from gen3sync.records.problems import ProblemKind, TableError
from gen3sync.records.rows import BadRow, Row
from tests.unit.records.support import dictionary, exchanges, node, opened, request_body

NAMES = {"text/csv": "drop.csv", "application/json": "drop.json"}


def stored() -> dict[tuple[str, str], dict[str, Any]]:
    """Records of the recorded exports (one of which was recorded up to its 20,000th character)."""
    found = {}
    for name in ("export_case_json", "export_sample_json", "export_aliquot_json", "export_experiment_json"):
        for text in re.findall(r'\{"project_id"(?:[^{}]|\{[^{}]*\})*\}', exchanges()[name]["response"]):
            record = json.loads(text)
            found[record["type"], record["submitter_id"]] = record
    return found


STORED = stored()


def read(name: str) -> list[Row | BadRow]:
    kind = exchanges()[name]["content_type"]
    return list(opened(request_body(name), NAMES.get(kind, "drop.tsv"), Project("DEV", "test")))


@pytest.mark.parametrize(
    "name",
    [
        "put_create_experiment",
        "put_create_case_30",
        "put_create_sample_60",
        "put_create_aliquot_multilink",
        "put_crlf",
        "put_cr_only",
        "put_quoted_tab",
        "put_quoted_newline",
        "put_spaces_trimmed",
        "put_literal_null_words",
        "put_csv_ok",
        "put_csv_list_comma_quoted",
        "put_json_ok",
        "put_types_seed",
        "put_with_own_id",
        "put_project_id_right",
        "put_system_columns",
        "post_create_new",
        "put_parent_wrong_case",
        "put_unknown_column_empty_cells",
    ],
)
def test_the_export_shows_what_was_predicted(name: str) -> None:
    known = 0
    for row in read(name):
        assert isinstance(row, Row)
        wanted = desired(row, node(row.node))
        record = STORED.get((row.node, row.submitter_id))
        if record is not None:
            found = compare(wanted, record, node(row.node))
            assert found.unchanged, found
            told = {key: record.get(key) for key in wanted.properties}
            assert told == wanted.properties
            known += 1
    assert known


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("put_unknown_column", ProblemKind.UNKNOWN_COLUMN),
        ("put_unknown_node_type", ProblemKind.UNKNOWN_TYPE),
        ("put_missing_submitter_id_cell", ProblemKind.MISSING_SUBMITTER_ID),
        ("put_nel_char", ProblemKind.LINE_SEPARATOR),
        ("put_duplicate_submitter_id_in_file", ProblemKind.TWIN),
        ("put_project_id_wrong", ProblemKind.OTHER_PROJECT),
        ("false_success_whole_file", ProblemKind.TWIN),
    ],
)
def test_rows_that_the_commons_refused_or_lied_about(name: str, kind: ProblemKind) -> None:
    bad = [row for row in read(name) if isinstance(row, BadRow)]
    assert bad
    assert {problem.kind for row in bad for problem in row.problems} == {kind}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("put_no_type_column", ProblemKind.MISSING_COLUMN),
        ("column_name_spaces_case", ProblemKind.MISSING_COLUMN),
        ("put_header_only", ProblemKind.HEADER_ONLY),
        ("put_empty_body_tsv", ProblemKind.EMPTY),
        ("put_non_utf8", ProblemKind.ENCODING),
        ("put_unbalanced_quote", ProblemKind.UNCLOSED_QUOTE),
        ("put_tsv_sent_as_csv", ProblemKind.MISSING_COLUMN),
        ("duplicate_column", ProblemKind.DUPLICATE_COLUMN),
    ],
)
def test_files_that_the_commons_refused_or_misread(name: str, kind: ProblemKind) -> None:
    with pytest.raises(TableError) as caught:
        read(name)
    assert {problem.kind for problem in caught.value.problems} == {kind}


@pytest.mark.parametrize("name", ["put_bom", "put_asterisk_columns", "asterisk_template_project_id_blank"])
def test_what_the_commons_refuses_and_gen3sync_mends(name: str) -> None:
    assert exchanges()[name]["status"] == 400
    assert all(isinstance(row, Row) for row in read(name))


@pytest.mark.parametrize("name", ["blank_lines_between_rows", "asterisk_columns_ok", "both_link_id_and_submitter_id"])
def test_what_both_take(name: str) -> None:
    assert len(read(name)) == exchanges()[name]["response"].count('"valid":true')


def test_numbers_as_the_commons_refused_them() -> None:
    (row,) = read("number_nan")
    assert isinstance(row, Row)
    assert [problem.kind for problem in desired(row, node("sample")).problems] == [ProblemKind.NOT_FINITE]
    (row,) = read("integer_with_decimal")
    assert isinstance(row, Row)
    assert desired(row, node("sample")).properties["days_to_collection"] == "3.0"


def test_values_of_many_shapes() -> None:
    found = [desired(row, node("sample")).properties for row in read("string_values") if isinstance(row, Row)]
    assert [one["freezing_method"] for one in found] == ["007", "TRUE", "1.0", "None", "=1+1"]
    assert [one["days_to_collection"] for one in found] == [3, 12, 3, -1, 5]
    numbers = [100, 0.1, 0.30000000000000004, 123456789012345677877719597056, 0]
    assert [one["initial_weight"] for one in found] == numbers
    assert [one["is_ffpe"] for one in found] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "name", ["clear_blank_cells_3_rows", "clear_null_word_last_row", "clear_quoted_empty_last_row"]
)
def test_blanks_and_the_word_null_erase_in_every_row(name: str) -> None:
    for row in read(name):
        assert isinstance(row, Row)
        assert desired(row, node("case")).blanks == {"consent_codes", "disease_type", "primary_site"}


def test_a_parent_that_put_cannot_change() -> None:
    (row,) = read("put_relink_parent")
    assert isinstance(row, Row)
    found = compare(desired(row, node("case")), STORED["case", "PU-1"], node("case"))
    assert [problem.kind for problem in found.problems] == [ProblemKind.OTHER_PARENT]
    assert "has to be many_to_one" in exchanges()["put_relink_parent"]["response"]


def test_a_dropped_link_that_stays() -> None:
    (row,) = read("put_drop_optional_link")
    assert isinstance(row, Row)
    after = json.loads(exchanges()["export_aliquot_after_link_change"]["response"])["data"][0]
    found = compare(desired(row, node("aliquot")), after, node("aliquot"))
    assert found.unchanged
    assert [kept.submitter_id for kept in found.links_not_removed] == ["sam-001"]


def test_a_rename_by_letter_case() -> None:
    (row,) = read("put_existing_submitter_id_other_case")
    assert isinstance(row, Row)
    wanted = desired(row, node("sample"))
    before = STORED["sample", "sam-001"] | {"submitter_id": "SAM-001"}
    assert compare(wanted, before, node("sample")).renamed
    assert compare(wanted, STORED["sample", "sam-001"], node("sample")).unchanged


def test_the_commons_own_export_dropped_again() -> None:
    """Its TSV by node has raw tabs and line ends in cells: what they break is refused, the rest is unchanged."""
    for name in ("export_case_reput", "export_file_reput"):
        for row in read(name):
            if isinstance(row, BadRow):
                continue
            record = STORED.get((row.node, row.submitter_id))
            if record is not None and record["submitter_id"] not in ("QU-1", "QN-1", "JSON-1", "QT-1"):
                assert compare(desired(row, node(row.node)), record, node(row.node)).unchanged


@pytest.mark.parametrize("name", ["case", "sample", "aliquot", "experiment"])
def test_mirrors_of_all_recorded_records_change_nothing(name: str) -> None:
    found = [record for (kind, _), record in sorted(STORED.items()) if kind == name]
    cells = [mirror_row(record, node(name)) for record in found]
    columns = mirror_columns(node(name), {column for row in cells for column in row})
    text = mirror_line(columns, dict(zip(columns, columns, strict=True)))
    text += "".join(mirror_line(columns, row) for row in cells)
    rows = list(opened(text))
    assert len(rows) == len(found) > 1
    for row, record in zip(rows, found, strict=True):
        assert isinstance(row, Row)
        comparison = compare(desired(row, node(name)), record, node(name))
        listed = {one.column for one in untellable(record, node(name))}
        assert {change.column for change in comparison.changes} <= listed
        assert comparison.unchanged or listed
    listed_ids = {record["submitter_id"] for record in found if untellable(record, node(name))}
    assert listed_ids == ({"JSON-1"} if name == "case" else set())


def test_the_dictionary_knows_every_recorded_type() -> None:
    assert {kind for kind, _ in STORED} <= set(dictionary().order)
