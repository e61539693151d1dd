"""`blanks`, `send` and `on_invalid` in every combination, in tables and in JSON: what becomes of a blank cell."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from tests.scenario.submission_faults.kit import Story, subjects

BLANKS = ("guard", "erase", "keep", "refuse")
SEND = ("changes", "all")
ON_INVALID = ("split", "reject")
FORMS = ("tsv", "csv", "json")
ROWS = ("P0 S1 . human", "P1 S1 male human")
"""P0 is stored and male; P1 is new."""


def written(form: str) -> str:
    table = subjects(*ROWS)
    if form == "json":
        head, *lines = (line.split("\t") for line in table.splitlines())
        records = [dict(zip(head, line, strict=True)) for line in lines]
        for record in records:
            record["studies"] = {"submitter_id": record.pop("studies.submitter_id")}  # type: ignore[assignment]
        return json.dumps([{key: value or None for key, value in record.items()} for record in records])
    return table.replace("\t", ",") if form == "csv" else table


@pytest.mark.parametrize(
    ("blanks", "send", "on_invalid", "form"), list(itertools.product(BLANKS, SEND, ON_INVALID, FORMS))
)
def test_a_blank_cell_over_a_stored_value(tmp_path: Path, blanks: str, send: str, on_invalid: str, form: str) -> None:
    with Sandbox() as sandbox:
        story = Story(tmp_path, sandbox, f'blanks = "{blanks}"\nsend = "{send}"\non_invalid = "{on_invalid}"')
        stored = {"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "sex": "male"}
        sandbox.write("DEV-test", [{**stored, "species": "human"}])
        story.drop(f"subject.{form}", written(form))
        with story.running() as days:
            if blanks == "guard":
                drop = days.parked()
                assert "blank cells would erase stored values in 1 row: sex (1)" in drop.reason
                assert (story.puts(), story.subject("P0")["sex"]) == ([], "male")
                days.outbox.retry(drop.id, erase=True)
            [drop] = days.ended()
        refused = blanks == "refuse"
        nothing = refused and on_invalid == "reject"
        assert drop.verdict is (Verdict.REJECTED if nothing else Verdict.PARTLY if refused else Verdict.LANDED)
        assert story.subjects() == (["P0"] if nothing else ["P0", "P1"])
        assert story.subject("P0").get("sex") == (None if blanks in ("guard", "erase") else "male")
        paper = story.says(f"subject.{form}", "rejected" if nothing else "sent")
        updated = blanks in ("guard", "erase") or (blanks == "keep" and send == "all")
        assert paper["rows"]["updated"] == updated
        assert paper["erased"] == ({"sex": 1} if blanks in ("guard", "erase") else {})
        assert [group["type"] for group in paper["rejects"] if group["type"] != "NOT_SENT"] == ["WOULD_ERASE"] * refused
        if not nothing:
            assert paper["verification"]["method"] == "transaction and values"


def test_blank_cells_over_what_nobody_can_read(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        story = Story(tmp_path, sandbox)
        sandbox.deny("DEV-test", "read")
        story.drop("subject.tsv", written("tsv"))
        with story.running() as days:
            parked = days.parked().reason
        assert parked.startswith("blank cells may erase stored values in 1 row: this key cannot read what is stored. ")
