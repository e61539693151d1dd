"""Which rows a glance is trusted with, and what it makes of what GraphQL shows."""

from __future__ import annotations

from typing import Any

import pytest

from gen3sync.commons.queries import Children
from gen3sync.outbox.glance import FEW_ROWS, MOST_PARENTS, Glance, glance, records
from gen3sync.outbox.model import Action, IndexedRow, RowState
from gen3sync.outbox.plan import PlanRow
from gen3sync.pglower import pg_lower
from gen3sync.records.codec import desired
from gen3sync.records.dictionary import Dictionary
from gen3sync.records.rows import Form, Row
from gen3sync.sandbox.small_dictionary import small_dictionary

NODES = Dictionary.from_json(small_dictionary()).nodes
SUBJECT = NODES["subject"]


def rows(
    cells: dict[str, str], count: int = FEW_ROWS, node: str = "subject", sent: Action | None = None
) -> list[PlanRow]:
    made = []
    for number in range(count):
        name = f"P{number}"
        every = {"type": node, "submitter_id": name, "project_id": "DEV-test", **cells}
        row = Row(number + 2, number + 2, node, name, "", Form.TSV, every)
        indexed = IndexedRow(number, 1, 2, 2, node, pg_lower(name), name, 0, [], RowState.NEW, sent=sent)
        made.append(PlanRow(indexed, desired(row, NODES[node])))
    return made


def test_rows_that_can_be_told_whole_are_trusted() -> None:
    made = rows({"studies.submitter_id": "S1", "sex": "male", "year_of_birth": "1980", "species": ""})
    found = glance(made, SUBJECT)
    assert found is not None
    assert (set(found.properties), dict(found.parents)) == ({"sex", "year_of_birth", "species"}, {"studies": ("S1",)})
    assert len(found.rows) == FEW_ROWS


@pytest.mark.parametrize(
    "cells",
    [
        {"studies.submitter_id": "S1", "consent_codes": "a,b"},  # lists come as texts
        {"studies.submitter_id": "", "sex": "male"},  # parents it does not name are not asked for
        {"studies.id": "1", "sex": "male"},
        {"studies.submitter_id": "S1", "year_of_birth": str(2**53)},  # floats cannot tell it from its neighbour
    ],
)
def test_rows_of_which_something_cannot_be_told_are_not(cells: dict[str, str]) -> None:
    assert glance(rows(cells), SUBJECT) is None


def test_rows_sent_before_few_rows_and_links_to_many_are_not() -> None:
    cells = {"studies.submitter_id": "S1", "sex": "male"}
    assert glance(rows(cells, sent=Action.UPDATE), SUBJECT) is None
    assert glance(rows(cells, FEW_ROWS - 1), SUBJECT) is None
    assert glance(rows({"samples.submitter_id": "A1"}, node="aliquot"), NODES["aliquot"]) is None


def test_parents_must_be_few() -> None:
    made = [one for i in range(MOST_PARENTS + 1) for one in rows({"studies.submitter_id": f"S{i}"}, 20)]
    named = {one.row.key + str(i): one for i, one in enumerate(made)}
    spread = [
        PlanRow(IndexedRow(0, 1, 2, 2, "subject", key, key, 0, [], RowState.NEW), one.desired)
        for key, one in named.items()
    ]
    assert glance(spread, SUBJECT) is None


ASKED = Glance(SUBJECT, ("sex", "year_of_birth"), {"studies": ("S1",)}, {"p0": {"studies": "S1"}})
SHOWN = {"id": "i0", "submitter_id": "P0", "sex": "male", "year_of_birth": 1980.0}
FAMILY = {"studies": {"S1": Children("s1", frozenset({"i0"}))}}


def told(*shown: dict[str, Any], family: dict[str, dict[str, Children]] | None = None) -> dict[str, Any]:
    return dict(records(ASKED, shown, FAMILY if family is None else family, "DEV-test"))


def test_a_record_in_the_form_of_an_export() -> None:
    found = told({**SHOWN, "sex": None})["p0"]
    assert found == {
        "id": "i0",
        "submitter_id": "P0",
        "type": "subject",
        "project_id": "DEV-test",
        "year_of_birth": 1980,
        "studies": [{"node_id": "s1", "submitter_id": "S1"}],
    }
    assert isinstance(found["year_of_birth"], int)


def test_what_is_not_told_whole_is_left_to_an_export() -> None:
    assert told(SHOWN, family={"studies": {"S1": Children("s1", frozenset({"i1"}))}}) == {}  # another parent
    assert told(SHOWN, family={"studies": {}}) == {}  # the parent is not there, or spelled otherwise
    assert told({**SHOWN, "year_of_birth": 2.0**53}) == {}
    assert told(SHOWN, {**SHOWN, "id": "i9", "submitter_id": "p0"}) == {}  # two that differ by letter case
