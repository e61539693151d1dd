"""Rows whose values cannot be read back are not taken for unchanged."""

from __future__ import annotations

from gen3sync.outbox.model import Action, ColumnChange, IndexedRow, RowPlan, RowState
from gen3sync.outbox.plan import ParentState, PlanRow, Rules, plan_row
from tests.unit.records.support import node, understood

STORED = {
    "id": "11111111-2222-4333-8444-555555555555",
    "type": "slide_image",
    "submitter_id": "F-1",
    "project_id": "DEV-test",
    "file_name": "f",
}


def planned(columns: str, cells: str) -> RowPlan:
    (wanted,) = understood(f"type\tsubmitter_id\t{columns}\nslide_image\tF-1\t{cells}\n")
    row = IndexedRow(1, 1, 2, 2, "slide_image", "f-1", "F-1", 0, [], RowState.NEW)
    return plan_row(PlanRow(row, wanted), STORED, lambda _: ParentState.STORED, node("slide_image"), Rules())


def test_urls_may_be_new_and_are_sent() -> None:
    plan = planned("urls\tfile_name", "s3://b/new\tf")
    assert (plan.action, plan.changes) == (Action.UPDATE, (ColumnChange("urls", None, "s3://b/new"),))


def test_without_urls_a_file_node_is_unchanged() -> None:
    assert planned("file_name", "f").action is Action.UNCHANGED
    assert planned("urls\tfile_name", "\tf").action is Action.UNCHANGED
