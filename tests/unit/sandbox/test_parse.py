"""The server's own reading of TSV, CSV and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gen3sync.sandbox.dictionary import Dictionary
from gen3sync.sandbox.message import HTTPFailure
from gen3sync.sandbox.parse import document_format, parse_document, parse_table
from gen3sync.sandbox.small_dictionary import small_dictionary

DOCS = Path(__file__).parents[3] / "docs"
DICTIONARY = Dictionary(small_dictionary())


def rows(text: str, kind: str = "tsv") -> list[dict[str, Any]]:
    return parse_table(DICTIONARY, text, kind)


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_ends_stars_and_spaces(ending: str) -> None:
    text = ending.join(["*type\t *submitter_id \tspecies", " subject \t A \t  x y  ", ""])
    assert rows(text) == [{"type": "subject", "submitter_id": "A", "species": "x y"}]


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("species", "007", "007"),
        ("species", "TRUE", "TRUE"),
        ("species", "null", None),
        ("species", "None", "None"),
        ("is_control", "TRUE", True),
        ("is_control", "false", False),
        ("is_control", "yes", "yes"),
        ("year_of_birth", "1950", 1950),
        ("year_of_birth", "1950.0", "1950.0"),
        ("height_cm", "12.0", 12),
        ("height_cm", "1e2", 100),
        ("height_cm", "0.10", 0.1),
        ("height_cm", "tall", "tall"),
        ("consent_codes", "a, b,,c", ["a", "b", "", "c"]),
        ("consent_codes", ",", ["", ""]),
    ],
)
def test_conversions(column: str, cell: str, value: Any) -> None:
    found = rows(f"type\tsubmitter_id\t{column}\tsex\nsubject\tA\t{cell}\tmale\n")
    assert found[0][column] == value
    assert type(found[0][column]) is type(value)


def test_lists_of_numbers() -> None:
    text = "type\tsubmitter_id\tfreezer_positions\tcomment\nsample\tA\t{}\tx\n"
    assert rows(text.format("1,2.0"))[0]["freezer_positions"] == [1, 2]
    assert rows(text.format("1,x"))[0]["freezer_positions"] == "1,x"


def test_several_parents_in_a_cell() -> None:
    tsv = rows("type\tsubmitter_id\tsamples.id\tsamples.submitter_id\naliquot\tA\t\tS1, S2,\n")
    assert tsv[0]["samples"] == [{"submitter_id": "S1"}, {"submitter_id": "S2"}]
    csv = rows('type,submitter_id,samples.submitter_id\naliquot,A,"S,1#S2"\n', "csv")
    assert csv[0]["samples"] == [{"submitter_id": "S,1"}, {"submitter_id": "S2"}]


def test_a_link_the_dictionary_does_not_know() -> None:
    with pytest.raises(HTTPFailure) as failure:
        rows("type\tsubmitter_id\tportions.submitter_id\naliquot\tA\tP\n")
    assert b"type object 'Aliquot' has no attribute 'portions'" in failure.value.response.body
    assert rows("type\tsubmitter_id\tportions.submitter_id\taliquots\naliquot\tA\t\tx\n")[0]["portions"] == []


def test_the_content_type_is_compared_whole() -> None:
    assert document_format("text/TSV") == "tsv"
    assert document_format("text/csv") == "csv"
    assert document_format("text/csv; charset=utf-8") == "json"
    assert parse_document(DICTIONARY, b'{"type": "study"}', "") == ("json", [{"type": "study"}])


def test_everything_that_can_be_switched_is_documented() -> None:
    from dataclasses import fields

    from gen3sync.sandbox import Kind, Point, Settings

    text = (DOCS / "reference" / "sandbox.md").read_text("utf-8")
    names = [
        *(kind.value for kind in Kind),
        *(point.value for point in Point),
        *(item.name for item in fields(Settings)),
    ]
    assert [name for name in names if f"`{name}`" not in text] == []
