"""What the commons reads differently from people, and what TSV cannot say (docs/reference/submission-faults.md,
"Forms")."""

from __future__ import annotations

import json

import pytest

from gen3sync.ledger import Verdict
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import Story, names, persons, subjects

SEPARATORS = {
    "U+2028": "\u2028",
    "U+2029": "\u2029",
    "U+0085": "\x85",
    "VT": "\x0b",
    "FF": "\x0c",
    "FS": "\x1c",
    "GS": "\x1d",
    "RS": "\x1e",
}


@pytest.mark.parametrize("quoted", [False, True], ids=["bare", "in quotes"])
@pytest.mark.parametrize("name", SEPARATORS)
def test_every_character_that_cuts_a_row(story: Story, name: str, *, quoted: bool) -> None:
    quote = '"' if quoted else ""
    cell = f"{quote}hu{SEPARATORS[name]}man{quote}"
    story.drop("subject.tsv", f"{subjects(*persons(1))}subject\tP1\tS1\tmale\t{cell}\n")
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    [bad] = story.says("subject.tsv")["rejects"]
    assert (bad["type"], bad["lines"]) == ("LINE_SEPARATOR", [3])
    story.whole("P0")


def test_the_word_null_erases_like_a_blank(story: Story) -> None:
    story.drop("subject.tsv", subjects(*persons(2)))
    story.goes()
    story.drop("subject.tsv", subjects("P0 S1 male null", "P1 S1 female human"))
    with story.running() as days:
        assert "would erase stored values in 1 row: species (1)" in days.parked().reason
        assert story.subject("P0")["species"] == "human"
        days.outbox.retry("subject.tsv", erase=True)
        days.ended(2)
    assert (story.says("subject-2.tsv")["erased"], story.subject("P0")["species"]) == ({"species": 1}, None)
    story.whole(*names(2), writes=2)


def test_what_only_json_can_say(story: Story) -> None:
    """The word null, outer spaces, list items with commas: stored as they are, and put back as they were."""
    record = {
        "type": "subject",
        "submitter_id": "P0",
        "studies": {"submitter_id": "S1"},
        "species": "null",
        "consent_codes": ["GRU, all", "HMB"],
    }
    story.drop("subject.json", json.dumps([record, {**record, "submitter_id": "P1", "species": " human "}]))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 2)
    assert [story.subject(name)["species"] for name in names(2)] == ["null", " human "]
    assert story.subject("P0")["consent_codes"] == ["GRU, all", "HMB"]
    story.drop("subject.tsv", table("type submitter_id studies.submitter_id species", "subject P0 S1 dog"))
    story.goes(2)
    undo = story.folder / "sent/DEV/test/subject.tsv.undo.json"
    story.drop("back.json", undo.read_bytes())
    story.goes(3)
    assert story.subject("P0")["species"] == "null"
    story.whole(*names(2), writes=3)


def test_several_parents_in_a_csv_are_separated_by_hashes(story: Story) -> None:
    """Where a TSV has commas. A name with a comma is one parent here."""
    studies = [{"type": "study", "submitter_id": name, "projects": {"code": "test"}} for name in ("S2", "S,3")]
    story.sandbox.write("DEV-test", studies)
    story.drop("pub.csv", 'type,submitter_id,studies.submitter_id\npublication,B1,S1#S2\npublication,B2,"S1#S,3"\n')
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 2)
    known = {record["id"]: record["submitter_id"] for record in story.sandbox.records("DEV-test", "study")}
    stored = {
        record["submitter_id"]: {known[parent] for parent in record["studies"]}
        for record in story.sandbox.records("DEV-test", "publication")
    }
    assert stored == {"B1": {"S1", "S2"}, "B2": {"S1", "S,3"}}
    story.whole()


def test_a_line_that_tells_excel_what_separates_the_cells(story: Story) -> None:
    """The commons would take it for the header."""
    story.drop("subject.csv", "sep=,\n" + subjects(*persons(2), "P2 S1 wrong human").replace("\t", ","))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 1)
    assert [(mend["kind"], mend["line"], mend["from"]) for mend in story.says("subject.csv")["mends"]] == [
        ("separator_line", 1, "sep=,")
    ]
    header, bad = (story.folder / "sent/DEV/test/subject.csv.rejects.csv").read_text().splitlines()
    assert header.startswith("_line,_error_type,_errors,type,submitter_id")
    assert bad.startswith("5,")
    story.whole(*names(2))


def test_such_a_line_that_contradicts_the_name(story: Story) -> None:
    story.drop("subject.csv", "sep=;\n" + subjects(*persons(1)).replace("\t", ";"))
    [drop] = story.goes()
    assert drop.verdict is Verdict.REJECTED
    assert drop.reason.startswith("Line 1: The line 'sep=;' tells Excel that semicolons separate the cells")
    story.whole()


@pytest.mark.parametrize("end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_line_ends_of_other_systems(story: Story, end: str) -> None:
    story.drop("subject.tsv", subjects(*persons(3)).replace("\n", end).encode())
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 3)
    assert "line_ends" in {mend["kind"] for mend in story.says("subject.tsv")["mends"]}
    assert {record["species"] for record in story.sandbox.records("DEV-test", "subject")} == {"human"}
    story.whole(*names(3))


def test_asterisks_and_outer_spaces_do_not_count(story: Story) -> None:
    """Columns as in the commons' template, cells as spreadsheets leave them."""
    lines = [
        "*type\t*submitter_id\t*studies.submitter_id\tsex",
        "subject \t P0\tS1 \t male ",
        "subject\tP1 \t S1\tmale",
    ]
    story.drop("subject.tsv", "\n".join(lines) + "\n")
    story.goes()
    story.drop(
        "subject.tsv", table("type submitter_id studies.submitter_id sex", *(f"subject P{i} S1 male" for i in (0, 1)))
    )
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.counts["unchanged"]) == (Verdict.LANDED, 2)
    story.whole(*names(2))


@pytest.mark.parametrize("column", ["created_datetime", "updated_datetime", "state"])
def test_columns_that_the_commons_sets_itself(story: Story, column: str) -> None:
    """It ignores them with 200; here they are left out, and said."""
    cell = "validated" if column == "state" else "2001-01-01T00:00:00+00:00"
    story.drop("subject.tsv", table(f"type submitter_id studies.submitter_id {column}", f"subject P0 S1 {cell}"))
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    [mend] = story.says("subject.tsv")["mends"]
    assert (mend["kind"], mend["column"]) == ("ignored_column", column)
    assert not str(story.subject("P0")[column]).startswith("2001")
    story.whole("P0")


def test_a_dry_run_cannot_know_the_parents_of_its_own_file(story: Story) -> None:
    """`on_invalid = "reject"`: a dry run checks links against what is stored, so children fail until parents are."""
    story = Story(story.folder / "strict", story.sandbox, options='on_invalid = "reject"')
    rows = table(
        "type submitter_id projects.code studies.submitter_id sex",
        "subject P0 . S9 male", "study S9 test . .",
    )  # fmt: skip
    story.drop("both.tsv", rows)
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.LANDED, 2, 0)
    assert story.sandbox.record("DEV-test", "study", "S9") is not None
    story.whole("P0")
