"""Which refused rows wait for a parent that nobody could look up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gen3sync.outbox.missing import advice, missed
from gen3sync.outbox.model import IndexedRow, Reason, RowState
from gen3sync.records.dictionary import Dictionary
from gen3sync.sandbox.small_dictionary import small_dictionary

NODES = Dictionary.from_json(small_dictionary()).nodes
VISIT = NODES["visit"]
NO_LINK = Reason("INVALID_LINK", "No link destination found for subjects", "subjects")


def row(*unseen: tuple[str, str]) -> IndexedRow:
    detail = {"unseen": [list(parent) for parent in unseen]} if unseen else {}
    return IndexedRow(1, 1, 2, 2, "visit", "v0", "V0", 0, None, RowState.FLIGHT, detail=detail)


@pytest.mark.parametrize(
    ("unseen", "why", "waits"),
    [
        ([("subject", "P0")], [NO_LINK], True),
        ([], [NO_LINK], False),  # it was known that the parent is there: then something else is wrong
        ([("study", "S0")], [NO_LINK], False),
        ([("subject", "P0")], [NO_LINK, Reason("INVALID_VALUE", "no", "sex")], False),
        ([("subject", "P0")], [Reason("INVALID_LINK", "in another project", None)], False),
        ([("subject", "P0")], [Reason("MISSING_PROPERTY", "required", "subjects")], False),
    ],
)
def test_missed(unseen: list[tuple[str, str]], why: list[Reason], *, waits: bool) -> None:
    assert missed(row(*unseen), why, VISIT) == (tuple(unseen) if waits else ())


@pytest.mark.parametrize("name", ["S1;S2", "S1|S2", "S1 ; S2;S3", "S1#S2", "S1,S2"])
def test_a_name_that_may_be_those_of_several(name: str) -> None:
    told = advice(row(), [("study", "S0"), ("study", name)], NODES["publication"])
    assert told == f"If '{name}' names several parents: they stand with commas between them, in CSV with '#'."


@pytest.mark.parametrize("name", ["S1", "S1;", ";", "|S1", "S1;;S2", "S1 S2", ""])
def test_a_name_that_is_hardly_those_of_several(name: str) -> None:
    assert advice(row(), [("study", name)], NODES["publication"]) == ""


def test_where_there_is_one_parent_only_or_a_list_nothing_is_said() -> None:
    assert advice(row(), [("subject", "P1;P2")], VISIT) == ""
    record = {"type": "publication", "submitter_id": "B1"}
    assert advice(replace(row(), cells=record), [("study", "S1;S2")], NODES["publication"]) == ""


@pytest.mark.parametrize(("cells", "node"), [(None, "visit"), (None, "publication"), ({}, "visit")])
def test_a_name_that_looks_like_another_one(cells: dict[str, str] | None, node: str) -> None:
    told = advice(replace(row(), cells=cells), [("subject", "Zo\u00eb"), ("subject", "Zoe\u0308")], NODES[node])
    assert told.startswith("In 'Zoe\u0308' an accent is a character of its own (Unicode NFD);")
    assert advice(replace(row(), cells=cells), [("subject", "P1 ")], NODES[node]).startswith("'P1 ' has spaces around")
