"""The decision for a row."""

from __future__ import annotations

from typing import Any

import pytest

from gen3sync.config import Blanks, Send
from gen3sync.outbox.model import Action, IndexedRow, Parent, RowState
from gen3sync.outbox.plan import ParentState, PlanRow, Rules, plan_row
from gen3sync.records.codec import desired
from gen3sync.records.dictionary import Dictionary
from gen3sync.records.rows import Form, Row
from gen3sync.sandbox.small_dictionary import small_dictionary

DICTIONARY = Dictionary.from_json(small_dictionary())
SUBJECT = DICTIONARY.nodes["subject"]
STORED = {
    "id": "1",
    "type": "subject",
    "submitter_id": "P1",
    "project_id": "DEV-test",
    "sex": "male",
    "species": "human",
    "studies": [{"node_id": "9", "submitter_id": "S1"}],
}


def plan(
    record: dict[str, Any] | None,
    parents: ParentState = ParentState.STORED,
    rules: Rules = Rules(),  # noqa: B008 - frozen
    study: str = "S1",
    **cells: str,
) -> Any:
    values = {"type": "subject", "submitter_id": "P1", "studies.submitter_id": study, **cells}
    row = Row(2, 2, "subject", values["submitter_id"], "", Form.TSV, values)
    indexed = IndexedRow(1, 1, 2, 2, "subject", "p1", "P1", 0, None, RowState.NEW)

    def state(parent: Parent) -> ParentState:
        assert parent.node == "study"
        return parents

    return plan_row(PlanRow(indexed, desired(row, SUBJECT)), record, state, SUBJECT, rules)


def test_nothing_stored_is_a_create_and_blanks_pass() -> None:
    assert plan(None, sex="male", species="").action is Action.CREATE


def test_equal_is_unchanged_and_all_sends_it_all_the_same() -> None:
    assert plan(STORED, sex="male").action is Action.UNCHANGED
    assert plan(STORED, sex="male", rules=Rules(send=Send.ALL)).action is Action.UPDATE


def test_a_difference_is_an_update_with_old_and_new() -> None:
    found = plan(STORED, sex="female")
    assert found.action is Action.UPDATE
    assert [(c.column, c.old, c.new) for c in found.changes] == [("sex", "male", "female")]
    assert found.record_id == "1"


def test_another_spelling_of_the_id_is_an_update() -> None:
    found = plan({**STORED, "submitter_id": "p1"}, sex="male")
    assert found.action is Action.UPDATE
    assert [c.column for c in found.changes] == ["submitter_id"]


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        (Blanks.GUARD, Action.ERASE),
        (Blanks.ERASE, Action.UPDATE),
        (Blanks.KEEP, Action.UNCHANGED),
        (Blanks.REFUSE, Action.REJECT),
    ],
)
def test_blanks_that_would_erase(policy: Blanks, action: Action) -> None:
    assert plan(STORED, species="", rules=Rules(policy)).action is action
    assert plan(STORED, species="", rules=Rules(policy, erase_allowed=True)).action is Action.UPDATE


def test_blanks_where_nothing_can_be_read_are_guarded_too() -> None:
    assert plan(None, species="", rules=Rules(blind=True)).action is Action.ERASE
    assert plan(None, species="x", rules=Rules(blind=True)).action is Action.UPDATE


def test_a_new_record_waits_for_its_parent_and_a_stored_one_does_not_ask() -> None:
    found = plan(None, ParentState.MISSING, sex="male")
    assert found.action is Action.WAIT
    assert [str(parent) for parent in found.waiting_for] == ["study S1"]
    assert plan(None, ParentState.COMING, sex="male").action is Action.WAIT
    assert plan(STORED, ParentState.MISSING, sex="female").action is Action.UPDATE


def test_what_a_put_cannot_do_is_a_reject() -> None:
    found = plan(STORED, study="S2")
    assert found.action is Action.REJECT
    assert found.problems[0].type == "OTHER_PARENT"
