"""The commons refuses, or would (docs/reference/submission-faults.md, "Refusals")."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.store import Record
from gen3sync.sandbox.upload import InternalError
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import PUT, Story, names, persons, subjects

INTERNAL = json.dumps(
    {
        "code": 400,
        "success": False,
        "message": "Transaction aborted",
        "transaction_id": 9999,
        "entities": [],
        "created_entity_count": 0,
        "updated_entity_count": 0,
        "entity_error_count": 0,
        "transactional_error_count": 1,
        "transactional_errors": ["Internal server error. Sorry, something unexpected went wrong!"],
    }
)
FILES: dict[str, tuple[bytes, str]] = {
    "not UTF-8": (subjects("P0 S1 male K\u00f6ln").encode("latin-1"), "Line 2"),
    "UTF-16": (subjects("P0 S1 male human").encode("utf-16"), "UTF-16"),
    "binary": (bytes(range(256)) * 4 + b"\n", "binary"),
    "no rows": (b"type\tsubmitter_id\n", "no rows"),
    "empty": (b"", "is empty"),
    "no type column": (b"submitter_id\tsex\nP0\tmale\n", "type"),
    "a column twice": (table("type submitter_id sex sex", "subject P0 male male").encode(), "sex"),
    "a column without a name": (b"type\tsubmitter_id\t\tsex\nsubject\tP0\tx\tmale\n", "no name"),
    "a NUL in the header": (b"type\tsubmitter_id\tse\0x\nsubject\tP0\tmale\n", "NUL"),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_the_commons_could_not_read(story: Story, fault: str) -> None:
    data, words = FILES[fault]
    story.drop("subject.tsv", data)
    [drop] = story.goes()
    assert drop.verdict is Verdict.REJECTED
    receipt = story.says("subject.tsv", "rejected")
    assert words.lower() in receipt["reason"].lower(), receipt["reason"]
    assert receipt["problems"]
    assert story.puts() == []
    story.whole()


def test_a_broken_archive(story: Story) -> None:
    story.drop("subject.tsv.gz", gzip.compress(subjects(*persons(200)).encode())[:-20])
    [drop] = story.goes()
    assert drop.verdict is Verdict.REJECTED
    assert "gzip archive" in story.says("subject.tsv.gz", "rejected")["reason"]
    story.whole()


ROWS: dict[str, tuple[str, str, str]] = {
    # fault: the row with its four cells, the type of its error, a word of the sentence
    "too many cells": ("P1 S1 male human more", "TOO_MANY_CELLS", "header"),
    "a NUL": ("P1 S1 male hu\0man", "NUL", "NUL"),
    "a stray quote": ('P1 S1 male "hu"man', "STRAY_QUOTE", "quote"),
    "a cell too long": (f"P1 S1 male {'x' * 131_073}", "CELL_TOO_LONG", "131"),
    "no submitter_id": (". S1 male human", "MISSING_SUBMITTER_ID", "submitter_id"),
    "a value that is not allowed": ("P1 S1 Femail human", "ERROR", "Femail"),
    "two parents where one is allowed": ("P1 S1,S2 male human", "TWO_PARENTS", "S2"),
}


@pytest.mark.parametrize("fault", ROWS)
def test_a_row_the_commons_would_refuse(story: Story, fault: str) -> None:
    row, kind, word = ROWS[fault]
    story.drop("subject.tsv", subjects("P0 S1 male human", row, "P2 S1 male human"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 1)
    [bad] = story.rejects("subject.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("3", kind)
    assert word in bad["_errors"]
    story.whole("P0", "P2")


def test_rows_of_two_types_in_one_file(story: Story) -> None:
    head = "type submitter_id studies.submitter_id subjects.submitter_id sex visit_number"
    rows = ("visit V1 . P0 . 1", "subject P0 S1 . male .", "visit V2 . P0 . 2", "subject P1 S1 . female .")
    story.drop("both.tsv", table(head, *rows, "subject P2 S1 . male ."))
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    receipt = story.says("both.tsv")
    assert receipt["nodes"] == {"subject": {"created": 3}, "visit": {"created": 2}}
    mends = [one for one in receipt["mends"] if one["kind"] == "mixed_types"]
    assert [(one["from"], one["to"], one["line"], one["rows"]) for one in mends] == [("subject", "visit", 2, 2)]
    assert {tuple(chunk["lines"]) for chunk in receipt["chunks"]} == {(3, 6), (2, 4)}
    assert story.sandbox.count("DEV-test", "visit") == 2
    story.whole("P0", "P1", "P2")


def test_a_type_the_header_is_not_meant_for(story: Story) -> None:
    rows = subjects("P0 S1 male human", "P1 S1 male human", "P2 S1 male human")
    story.drop("subject.tsv", rows.replace("subject\tP1", "visit\tP1"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 1)
    [bad] = story.rejects("subject.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("3", "OTHER_TYPE")
    assert "lacks 'subjects.submitter_id'" in bad["_errors"]
    story.whole("P0", "P2")


@pytest.mark.parametrize("number", ["NaN", "inf", "-Infinity"])
def test_a_number_the_commons_fails_on(story: Story, number: str) -> None:
    rows = subjects("P0 S1 170", f"P1 S1 {number}", "P2 S1 180", columns="height_cm")
    story.drop("subject.tsv", rows)
    [drop] = story.goes()
    assert (drop.counts["created"], drop.counts["rejected"]) == (2, 1)
    [bad] = story.rejects("subject.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("3", "NOT_FINITE")
    story.whole("P0", "P2")


def test_a_column_the_node_does_not_have(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S1 x male", "P1 S1 . male", columns="specie sex"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.PARTLY, 1)
    [bad] = story.rejects("subject.tsv")
    assert bad["_error_type"] == "UNKNOWN_COLUMN"
    assert "species" in bad["_errors"]
    assert [mend["kind"] for mend in story.says("subject.tsv")["mends"]] == ["blank_unknown_column"]
    story.whole("P1")


def test_a_required_property_is_missing(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S1 male human"))
    story.drop("visit.tsv", table("type submitter_id subjects.submitter_id notes", "visit V0 P0 hello"))
    drop = story.goes(2)[1]
    assert drop.verdict is Verdict.REJECTED
    [bad] = story.rejects("visit.tsv", "rejected")
    assert "visit_number" in bad["_errors"]
    assert "the dictionary requires it of every visit. Add the column and fill it in." in bad["_errors"]
    story.whole("P0")


def test_a_byte_order_mark(story: Story) -> None:
    story.drop("subject.tsv", b"\xef\xbb\xbf" + subjects("P0 S1 male human").encode())
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    assert [mend["kind"] for mend in story.says("subject.tsv")["mends"]] == ["bom"]
    story.whole("P0")


def test_a_blank_project_id_as_in_the_template(story: Story) -> None:
    columns = "*type project_id *submitter_id *studies.submitter_id"
    story.drop("subject.tsv", table(columns, "subject . P0 S1", "subject . P1 S1"))
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    [mend] = story.says("subject.tsv")["mends"]
    assert (mend["kind"], mend["to"], mend["rows"]) == ("project_id", "DEV-test", 2)
    story.whole("P0", "P1")


def test_a_row_for_another_project(story: Story) -> None:
    columns = "type project_id submitter_id studies.submitter_id"
    story.drop("subject.tsv", table(columns, "subject DEV-test P0 S1", "subject DEV-other P1 S1"))
    [drop] = story.goes()
    assert drop.verdict is Verdict.PARTLY
    [bad] = story.rejects("subject.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("3", "OTHER_PROJECT")
    assert "DEV-other" in bad["_errors"]
    story.whole("P0")


def test_the_same_row_twice(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S1 male human", "P1 S1 male human", "P0 S1 male human"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 2)
    [mend] = story.says("subject.tsv")["mends"]
    assert (mend["kind"], mend["line"]) == ("repeated_row", 4)
    story.whole("P0", "P1")


def test_the_same_id_with_two_contents(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S1 male human", "P1 S1 male human", "P0 S1 female human"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.PARTLY, 1)
    assert [(row["_line"], row["_error_type"]) for row in story.rejects("subject.tsv")] == [
        ("2", "TWIN"),
        ("4", "TWIN"),
    ]
    story.whole("P1")


def test_one_submitter_id_in_two_node_types(story: Story) -> None:
    columns = "type submitter_id studies.submitter_id"
    story.drop("mixed.tsv", table(columns, "subject X1 S1", "publication X1 S1"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 2)
    assert [request.rows for request in story.puts()] == [1, 1]
    assert story.sandbox.count("DEV-test", "publication") == 1
    story.whole("X1")


def test_the_content_type_must_be_exact(story: Story) -> None:
    story.drop("a.tsv", subjects("P0 S1 male human"))
    story.drop("b.csv", subjects("P1 S1 male human").replace("\t", ","))
    story.drop("c.json", json.dumps([{"type": "subject", "submitter_id": "P2", "studies": {"submitter_id": "S1"}}]))
    assert {drop.verdict for drop in story.goes(3)} == {Verdict.LANDED}
    kinds = {request.headers["content-type"] for request in story.puts()}
    assert kinds <= {"text/tab-separated-values", "text/tsv", "text/csv", "application/json"}
    story.whole(*names(3))


def test_the_parent_of_a_to_one_link_cannot_change(story: Story) -> None:
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S2", "projects": {"code": "test"}}])
    story.drop("subject.tsv", subjects(*persons(2)))
    story.goes()
    sent = len(story.puts())
    story.drop("subject.tsv", subjects("P0 S2 male human", "P1 S1 female dog"))
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.counts["updated"], len(story.puts()) - sent) == (Verdict.PARTLY, 1, 1)
    [bad] = story.rejects("subject-2.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("2", "OTHER_PARENT")
    assert "S1" in bad["_errors"]
    story.whole(*names(2), writes=2)


def test_a_parent_with_a_comma_in_its_id(story: Story) -> None:
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S,2", "projects": {"code": "test"}}])
    record = {"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S,2"}, "sex": "male"}
    story.drop("subject.json", json.dumps([record]))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 1)
    parent = story.sandbox.record("DEV-test", "study", "S,2")
    assert parent is not None
    assert story.subject("P0")["studies"] == [parent["id"]]
    story.whole("P0")


def test_a_failure_that_names_no_row_passes(story: Story) -> None:
    story.sandbox.faults.answer(400, body=INTERNAL, content_type="application/json", **PUT)
    story.drop("subject.tsv", subjects(*persons(6)))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 6)
    states = [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]]
    assert states[0] == "refused"
    assert "Internal server error" in story.says("subject.tsv")["chunks"][0]["message"]
    story.whole(*names(6))


def test_a_failure_that_names_no_row_is_halved_down_to_the_culprit(tmp_path: Path, sandbox: Sandbox) -> None:
    """A row on which the commons itself fails, in a way that nobody could know before."""
    story = Story(tmp_path, sandbox, options="chunk_rows = 8\nparallel = 1")
    poison = "P5"
    spoil(story, poison)
    story.drop("subject.tsv", subjects(*persons(8)))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 7, 1)
    [bad] = story.rejects("subject.tsv")
    assert (bad["submitter_id"], bad["_error_type"]) == (poison, "ERROR")
    assert "Internal server error" in bad["_errors"]
    story.whole(*(name for name in names(8) if name != poison))


def spoil(story: Story, poison: str) -> None:
    """The commons fails on this subject, and cannot say why."""
    store = story.sandbox.commons.store
    known = store.find

    def find(project_id: str, node: str, submitter_id: str) -> Record | None:
        if (node, submitter_id) == ("subject", poison):
            raise InternalError
        return known(project_id, node, submitter_id)

    store.find = find  # type: ignore[method-assign]


def test_refused_rows_do_not_take_the_good_ones_with_them(story: Story) -> None:
    rows = [row.replace("female", "Femail") if i == 1 else row for i, row in enumerate(persons(8))]
    story.drop("subject.tsv", subjects(*rows))
    [drop] = story.goes()
    assert (drop.counts["created"], drop.counts["rejected"]) == (7, 1)
    corrected = (story.folder / "sent/DEV/test/subject.tsv.rejects.tsv").read_text().replace("Femail", "female")
    story.drop("subject.tsv", corrected)
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 1)
    story.whole(*names(8))


def test_a_wrong_file_is_stopped_after_its_first_request(story: Story) -> None:
    rows = [f"P{i} S1 {'wrong' if i % 4 else 'male'} human" for i in range(40)]
    story.drop("subject.tsv", subjects(*rows))
    [drop] = story.goes()
    assert (drop.verdict, len(story.puts())) == (Verdict.REJECTED, 1)
    assert {group["type"] for group in story.says("subject.tsv", "rejected")["rejects"]} == {"ERROR", "NOT_SENT"}
    assert len(story.rejects("subject.tsv", "rejected")) == 40
    story.whole()


def test_a_file_node_is_never_tried_nor_taken_apart(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox, options='on_invalid = "reject"')
    story.drop("subject.tsv", subjects("P0 S1 male human"))
    story.drop("sample.tsv", table("type submitter_id subjects.submitter_id sample_type", "sample A0 P0 Blood"))
    story.goes(2)
    tried = len([r for r in sandbox.requests if "_dry_run" in r.path])
    columns = "type submitter_id samples.submitter_id file_name file_size md5sum data_format"
    rows = [f"sequencing_file F{i} A0 f{i}.bam 10 {i:032x} {'BAM' if i else 'BOM'}" for i in range(2)]
    story.drop("file.tsv", table(columns, *rows))
    drop = story.goes(3)[2]
    assert len([r for r in sandbox.requests if "_dry_run" in r.path]) == tried
    assert drop.verdict is Verdict.PARTLY
    [bad] = story.rejects("file.tsv")
    assert (bad["submitter_id"], "BOM" in bad["_errors"]) == ("F0", True)
    assert sandbox.count("DEV-test", "sequencing_file") == 1
    story.whole("P0")


def test_a_file_node_that_is_refused_as_a_whole_waits_for_a_person(story: Story, sandbox: Sandbox) -> None:
    story.drop("subject.tsv", subjects("P0 S1 male human"))
    story.drop("sample.tsv", table("type submitter_id subjects.submitter_id sample_type", "sample A0 P0 Blood"))
    story.goes(2)
    internal = '{"code": 400, "success": false, "message": "", "entities": [], "transactional_errors": [%s]}'
    said = '"Internal server error. Sorry, something unexpected went wrong!"'
    body, kind = internal % said, "application/json"
    sandbox.faults.answer(400, times=None, **PUT, body=body, content_type=kind)
    columns = "type submitter_id samples.submitter_id file_name file_size md5sum data_format"
    story.drop("file.tsv", table(columns, *(f"sequencing_file F{i} A0 f{i}.bam 10 {i:032x} BAM" for i in range(2))))
    before = len(story.puts())
    with story.running() as days:
        parked = days.parked()
        assert "each try of file nodes writes to the file index" in parked.reason
        assert parked.next_attempt_at is None
        assert len(story.puts()) == before + 2  # as it was dropped, and once more
        sandbox.faults.clear()
        days.outbox.retry("DEV/test/file.tsv")
        drop = days.ended(3)[2]
    assert (drop.verdict, sandbox.count("DEV-test", "sequencing_file")) == (Verdict.LANDED, 2)
    story.whole("P0")


def test_rows_that_wait_do_not_make_a_file_a_wrong_one(story: Story) -> None:
    """Nothing is left to be held back but a row that waits for its parent: the good row goes."""
    rows = ("P0 S1 Femail human", "P1 S1 Femail human", "P2 S1 Mail human", "P3 S1 male human", "P4 S9 male human")
    story.drop("subject.tsv", subjects(*rows))
    with story.running() as days:
        days.until(lambda: [d for d in days.ledger.drops.open() if "refused so far" in d.reason], "what is awaited")
        [drop] = days.ledger.drops.open()
        assert "1 row waits for study S9. 3 rows refused so far. 3 rows: `sex` must be one of " in drop.reason
        assert story.subjects() == ["P3"]
        days.passes(25 * 3600)
        [drop] = days.ended()
    assert (drop.counts["created"], drop.counts["rejected"]) == (1, 4)
    [sex, parent] = story.says("subject.tsv")["rejects"]
    assert (sex["rows"], sex["column"], sex["lines"]) == (3, "sex", [2, 3, 4])
    assert "male" in sex["allowed"]
    assert sex["said"].startswith("'Femail' is not one of [")
    assert (parent["type"], parent["said"]) == ("MISSING_PARENT", "")
    story.whole("P3")
