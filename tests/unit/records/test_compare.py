"""What a row would change in a stored record."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gen3sync.records.compare import Change, Comparison, KeptLink, compare, identity_problem, same_id
from gen3sync.records.problems import ProblemKind
from tests.unit.records.support import node, understood

SAMPLE = {
    "id": "id-s1",
    "type": "sample",
    "project_id": "DEV-test",
    "submitter_id": "S-1",
    "initial_weight": 2,
    "is_ffpe": True,
    "freezing_method": "LN2",
    "days_to_collection": 3,
    "cases": [{"node_id": "id-c1", "submitter_id": "C-1"}],
}
ALIQUOT = {
    "id": "id-a1",
    "type": "aliquot",
    "submitter_id": "A-1",
    "samples": [{"node_id": "id-1", "submitter_id": "S-1"}, {"node_id": "id-2", "submitter_id": "s-2"}],
}


def compared(columns: str, cells: str, stored: dict[str, Any] | None = None, type: str = "sample") -> Comparison:
    stored = SAMPLE if stored is None else stored
    (wanted,) = understood(f"type\t{columns}\n{type}\t{cells}\n")
    return compare(wanted, stored, node(type))


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("initial_weight", "2.0"),
        ("initial_weight", "2e0"),
        ("is_ffpe", "TRUE"),
        ("freezing_method", "  LN2 "),
        ("days_to_collection", "03"),
        ("cases.submitter_id", "c-1"),
        ("cases.id", "id-c1"),
        ("cases.submitter_id", ""),
        ("sample_type", ""),
        ("sample_type", "null"),
        ("created_datetime", "2020-01-01T00:00:00"),
        ("state", "submitted"),
        ("project_id", "DEV-test"),
        ("id", "id-s1"),
    ],
)
def test_equal_after_the_commons_conversions(column: str, cell: str) -> None:
    assert compared(f"submitter_id\t{column}", f"S-1\t{cell}").unchanged


def test_a_parent_named_twice_is_that_parent_by_both_names() -> None:
    stored = {"submitter_id": "S-1", "type": "sample", "id": "id-s1", "cases": SAMPLE["cases"]}
    for link, same in (
        ({"submitter_id": "c-1", "id": "id-c1"}, True),
        ({"submitter_id": "C-2", "id": "id-c1"}, False),
        ({"submitter_id": "C-1", "id": "id-c2"}, False),
    ):
        record = {"type": "sample", "submitter_id": "S-1", "cases": [link]}
        (wanted,) = understood(json.dumps(record), "d.json")
        assert compare(wanted, stored, node("sample")).unchanged is same


@pytest.mark.parametrize(
    ("column", "cell", "old", "new"),
    [
        ("initial_weight", "2.5", 2, 2.5),
        ("is_ffpe", "false", True, False),
        ("is_ffpe", "1", True, "1"),
        ("freezing_method", "ln2", "LN2", "ln2"),
        ("days_to_collection", "3.0", 3, "3.0"),
        ("sample_type", "DNA", None, "DNA"),
    ],
)
def test_changes(column: str, cell: str, old: object, new: object) -> None:
    found = compared(f"submitter_id\t{column}", f"S-1\t{cell}")
    assert found.changes == (Change(column, old, new),)
    assert not found.erased
    assert not found.unchanged


def test_blank_cells_erase() -> None:
    found = compared("submitter_id\tfreezing_method\tis_ffpe\tsample_type", "S-1\t\tnull\t")
    assert found.erased == (Change("freezing_method", "LN2", None), Change("is_ffpe", True, None))
    assert not found.changes


@pytest.mark.parametrize("stored", ["", []])
def test_blank_cells_leave_empty_values_alone(stored: object) -> None:
    assert compared("submitter_id\tfreezing_method", "S-1\t", SAMPLE | {"freezing_method": stored}).unchanged


def test_a_missing_column_says_nothing() -> None:
    assert compared("submitter_id", "S-1").unchanged


def test_the_parent_of_a_to_one_link_cannot_be_changed() -> None:
    found = compared("submitter_id\tcases.submitter_id", "S-1\tC-2")
    assert [(problem.kind, problem.column) for problem in found.problems] == [
        (ProblemKind.OTHER_PARENT, "cases.submitter_id")
    ]
    assert "'C-1'" in found.problems[0].message
    assert not found.unchanged


def test_id_and_submitter_id_of_one_parent_must_agree() -> None:
    assert compared("submitter_id\tcases.id\tcases.submitter_id", "S-1\tid-c1\tC-1").unchanged
    assert compared("submitter_id\tcases.id\tcases.submitter_id", "S-1\tid-c1\tC-9").problems


def test_a_first_parent_is_a_change() -> None:
    stored = {key: value for key, value in SAMPLE.items() if key != "cases"}
    assert compared("submitter_id\tcases.submitter_id", "S-1\tC-1", stored).changes == (
        Change("cases.submitter_id", None, ("C-1",)),
    )


def test_many_to_many_links_are_a_superset() -> None:
    found = compared("submitter_id\tsamples.submitter_id", "A-1\tS-2", ALIQUOT, "aliquot")
    assert found.unchanged
    assert found.links_not_removed == (KeptLink("samples.submitter_id", "S-1", "id-1"),)
    found = compared("submitter_id\tsamples.submitter_id", "A-1\tS-1,S-3", ALIQUOT, "aliquot")
    assert found.changes == (Change("samples.submitter_id", ("S-1", "s-2"), ("S-1", "s-2", "S-3")),)
    assert found.links_not_removed == (KeptLink("samples.submitter_id", "s-2", "id-2"),)


def test_a_blank_link_cell_removes_nothing_and_says_so() -> None:
    found = compared("submitter_id\tsamples.submitter_id", "A-1\t", ALIQUOT, "aliquot")
    assert found.unchanged
    assert len(found.links_not_removed) == 2


def test_another_letter_case_is_a_rename() -> None:
    found = compared("submitter_id\tfreezing_method", "s-1\tLN2")
    assert found.renamed == Change("submitter_id", "S-1", "s-1")
    assert not found.unchanged


def test_a_known_id_with_another_submitter_id() -> None:
    found = compared("id\tsubmitter_id", "id-s1\tS-9")
    assert [problem.kind for problem in found.problems] == [ProblemKind.OTHER_ID]
    assert "store nothing" in found.problems[0].message


def test_identity_against_both_records() -> None:
    (wanted,) = understood("type\tid\tsubmitter_id\nsample\tid-s2\tS-1\n")
    other = SAMPLE | {"id": "id-s2", "submitter_id": "S-2"}
    assert identity_problem(wanted, None, None) is None
    for stored, by_id in ((SAMPLE, None), (None, other), (SAMPLE, other)):
        problem = identity_problem(wanted, stored, by_id)
        assert problem is not None
        assert problem.kind is ProblemKind.OTHER_ID
    stranger = identity_problem(wanted, None, {"id": "id-s2", "type": "case", "submitter_id": "S-1"})
    assert stranger is not None
    assert "a case" in stranger.message


@pytest.mark.parametrize(
    ("columns", "cells", "type", "equal"),
    [
        ("submitter_id\tinitial_weight\tis_ffpe\tcases.submitter_id", "S-1\t2.0\tTRUE\tc-1", "sample", 3),
        ("submitter_id\tinitial_weight\tis_ffpe", "S-1\t2\tfalse", "sample", 1),
        ("submitter_id\tfreezing_method\tsample_type", "S-1\t\t", "sample", 1),
        ("id\tproject_id\tsubmitter_id", "id-s1\tDEV-test\tS-1", "sample", 0),
        ("submitter_id\tcases.submitter_id", "S-1\t", "sample", 0),
        ("submitter_id\tcases.submitter_id", "S-1\tC-9", "sample", 0),
        ("submitter_id\tsamples.submitter_id", "A-1\tS-1,S-2", "aliquot", 2),
        ("submitter_id\tsamples.submitter_id", "A-1\tS-1,S-3", "aliquot", 1),
    ],
)
def test_what_counts_as_a_value_that_is_stored(columns: str, cells: str, type: str, equal: int) -> None:
    """Properties, blanks where nothing is stored, parents; not what says which record it is."""
    assert compared(columns, cells, SAMPLE if type == "sample" else ALIQUOT, type).equal == equal


def test_lists_count_their_order() -> None:
    stored = {"id": "x", "submitter_id": "C-1", "consent_codes": ["GRU", "HMB"]}
    assert compared("submitter_id\tconsent_codes", "C-1\tGRU, HMB", stored, "case").unchanged
    assert compared("submitter_id\tconsent_codes", "C-1\tHMB,GRU", stored, "case").changes


def test_the_very_id_before_one_in_another_case() -> None:
    assert same_id("S-1", ["s-1", "S-1"]) == "S-1"
    assert same_id("S-1", ["s-1", "S-2"]) == "s-1"
    assert same_id("S-1", ["S-2"]) is None
