"""Data that is awkward (docs/reference/mirror-faults.md, "What the records hold")."""

from __future__ import annotations

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Outcome
from gen3sync.records.codec import desired
from gen3sync.records.compare import compare
from gen3sync.records.rows import Row
from gen3sync.records.table import open_table
from tests.scenario.inbox_house import TEST, House, study, subjects
from tests.scenario.mirror_faults.kit import BOTH, FILE, JSON, fresh, later, leftovers, mirrored, read, settled

MANY = int(os.environ.get("GEN3SYNC_MIRROR_ROWS", "20000"))
"""Rows of the big mirror; GEN3SYNC_MIRROR_ROWS=1000000 is a node with a million."""


def cells(h: House, name: str = FILE) -> list[dict[str, str]]:
    """The mirrored TSV as a spreadsheet or the csv module reads it."""
    text = (h.folder / "inbox" / name).read_bytes().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t"))


def documents(h: House, name: str = JSON) -> dict[str, dict[str, Any]]:
    return {each["submitter_id"]: each for each in json.loads(h.text(name))["data"]}


def untellable(h: House, name: str = FILE) -> set[tuple[str, str]]:
    """What the list beside the mirror names: submitter_id and column."""
    path = h.folder / "inbox" / f"{name}.untellable.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return {(str(each["submitter_id"]), str(each["column"])) for each in map(json.loads, lines)}


def submits_unchanged(h: House, node: str = "study") -> int:
    """Reads the mirror as a drop and compares it with what is stored; how many rows would change nothing."""
    dictionary = h.catalog.dictionary()
    kind = dictionary.submittable(node)
    assert kind is not None
    stored = {each["id"]: each for each in exported(h, node)}
    path, rows = h.folder / "inbox/DEV/test" / f"{node}.tsv", 0
    for row in open_table(path, name=path.name, dictionary=dictionary, project=TEST):
        assert isinstance(row, Row), row
        wanted = desired(row, kind)
        assert wanted.id is not None
        difference = compare(wanted, stored[wanted.id], kind)
        assert (difference.changes, difference.erased, wanted.problems) == ((), (), ())
        rows += 1
    return rows


def exported(h: House, node: str) -> tuple[Any, ...]:
    ids = [record["id"] for record in h.sandbox.records("DEV-test", node)]
    found = h.client.export_records(TEST, ids)
    assert isinstance(found, tuple)
    return found


AWKWARD = {
    "tabs": "a\tb\t\tc",
    "newlines": "one\ntwo\r\nthree\rfour",
    "quotes": 'say "so" and ""twice"" and "',
    "an opening quote": '"never closed',
    "U+2028 and its kin": "line\u2028para\u2029next\u0085vt\x0bff\x0cfs\x1cgs\x1drs\x1eend",
    "unicode": "K\u00f6ln \u9577\u3044 \U0001f9ec \u0627\u0644\u0639\u0631\u0628\u064a\u0629 e\u0301",
    "NUL and control characters": "a\x01b\x1b[2Jc",
    "formulas": "=1+1",
    "JSON's end": '"}]}',
    "backslashes": "a\\tb\\n\\",
    "a very long text": "x" * 100_000,
    "words that are no values": "None",
    "a number as text": "0012.50",
}


@pytest.mark.parametrize("fault", AWKWARD)
def test_texts_that_break_tables(tmp_path: Path, fault: str) -> None:
    text = AWKWARD[fault]
    with mirrored(tmp_path, mirror=BOTH) as h:
        study(h.sandbox, "BEFORE", title="x")
        study(h.sandbox, "ST", title=text)
        study(h.sandbox, "AFTER", title="y")
        h.look()
        assert documents(h)["ST"]["title"] == text
        rows = {row["submitter_id"]: row for row in cells(h)}
        assert rows.keys() == {"BEFORE", "ST", "AFTER"}
        assert (rows["BEFORE"]["title"], rows["AFTER"]["title"]) == ("x", "y")
        if untellable(h):
            # Then the list beside the mirror says that the cell does not submit again as it is.
            assert untellable(h) == {("ST", "title")}
        else:
            assert rows["ST"]["title"] == text
            assert submits_unchanged(h) == 3
        assert read(h).mirror().rows == 3


def test_null_empty_and_the_word_null(tmp_path: Path) -> None:
    with mirrored(tmp_path, mirror=BOTH) as h:
        study(h.sandbox, "NOTHING")
        study(h.sandbox, "EMPTY", title="")
        study(h.sandbox, "WORD", title="null")
        study(h.sandbox, "SPACES", title="  x ")
        h.look()
        found = documents(h)
        assert "title" not in found["NOTHING"]
        assert (found["WORD"]["title"], found["SPACES"]["title"]) == ("null", "  x ")
        assert found["EMPTY"].get("title", "") == ""
        assert {("WORD", "title"), ("SPACES", "title")} <= untellable(h)
        assert {row["submitter_id"]: row["title"] for row in cells(h)}["NOTHING"] == ""
        study(h.sandbox, "WORD", "SPACES", "EMPTY", title="said")
        h.look()
        assert untellable(h) == set()
        assert h.files() == {FILE, JSON}
        assert submits_unchanged(h) == 4


def test_big_numbers(tmp_path: Path) -> None:
    numbers = {"A": 2**53 + 1, "B": 2**63 - 1, "C": -(10**30), "D": 0}
    floats = {"E": 0.1, "F": 1e300, "G": 5e-324, "H": 100.0, "I": 12345678.9}
    mirror = [{"projects": ["*"], "nodes": ["study", "subject"], "every": "1h", "format": f} for f in ("tsv", "json")]
    with mirrored(tmp_path, mirror=mirror) as h:
        for name, number in numbers.items():
            study(h.sandbox, name)
            h.sandbox.sql("DEV-test", "study", name, planned_subjects=number)
        subjects(h.sandbox, *floats, study="A")
        for name, value in floats.items():
            h.sandbox.sql("DEV-test", "subject", name, height_cm=value)
        h.look()
        assert {name: each["planned_subjects"] for name, each in documents(h).items()} == numbers
        assert {row["submitter_id"]: int(row["planned_subjects"]) for row in cells(h)} == numbers
        found = documents(h, "DEV/test/subject.json")
        assert {name: each["height_cm"] for name, each in found.items()} == floats
        assert {row["submitter_id"]: float(row["height_cm"]) for row in cells(h, "DEV/test/subject.tsv")} == floats
        assert submits_unchanged(h) == 4
        assert submits_unchanged(h, "subject") == 5


def test_a_node_without_records_is_a_header_and_not_missing(tmp_path: Path) -> None:
    with mirrored(tmp_path, mirror=BOTH) as h:
        h.look()
        assert h.text(FILE).startswith("type\tid\tproject_id\tsubmitter_id\t")
        assert h.text(FILE).count("\n") == 1
        assert documents(h) == {}
        assert read(h).mirror().rows == 0
        study(h.sandbox, "ST-1")
        fresh(h, FILE, JSON)


@pytest.mark.timeout(max(300, MANY // 400))
def test_a_node_with_a_million_records(tmp_path: Path) -> None:
    """MANY here; a worker that dies near the end of the next export leaves them all."""
    with mirrored(tmp_path, commons={"deadline": 600, "read_timeout": 60}) as h:
        h.sandbox.synthetic("DEV-test", "study", MANY, {"title": "many"})
        assert h.look()[FILE].rows == MANY
        with (h.folder / "inbox" / FILE).open("rb") as lines:
            assert sum(1 for _ in lines) == MANY + 1
        size = (h.folder / "inbox" / FILE).stat().st_size
        assert f"{MANY:,} rows, true 0 s ago" in " ".join(read(h).screen.split())
        study(h.sandbox, "ONE-MORE")
        later(h)
        h.sandbox.faults.cut_export(rows=MANY - 1)
        failed = h.look()[FILE]
        assert failed.outcome is Outcome.FAILED
        assert "cut or broken after" in failed.reason
        assert (h.folder / "inbox" / FILE).stat().st_size == size
        assert leftovers(h) == []
        done = h.look()[FILE]
        assert (done.outcome, done.rows, done.reason) == (Outcome.UPDATED, MANY + 1, "1 added.")


def test_records_in_another_order_are_the_same_bytes(tmp_path: Path) -> None:
    with settled(tmp_path, mirror=BOTH) as (h, _):
        fresh(h, FILE, JSON)
        files = {name: h.text(name) for name in (FILE, JSON)}
        with h.client.export_node(TEST, "study") as export:  # type: ignore[union-attr]
            found = json.loads(export.read())["data"][::-1]
        turned = [dict(reversed(each.items())) for each in found]
        h.sandbox.faults.answer(200, path="/export", body=json.dumps({"data": turned}), content_type="application/json")
        assert {each.outcome for each in h.pull(FILE, JSON).values()} == {Outcome.UNCHANGED}
        assert {name: h.text(name) for name in (FILE, JSON)} == files


def test_records_that_come_in_pieces_are_merged(tmp_path: Path) -> None:
    """A node with several links is exported as several records an id, each with a part of them (GEN3.md)."""
    mirror = [{"projects": ["*"], "nodes": ["lab_test"], "every": "1h"}]
    name = "DEV/test/lab_test.tsv"
    with mirrored(tmp_path, mirror=mirror) as h:
        study(h.sandbox, "ST-1")
        subjects(h.sandbox, "S-1")
        sample = {"type": "sample", "subjects": {"submitter_id": "S-1"}, "sample_type": "Blood"}
        h.sandbox.write("DEV-test", [{**sample, "submitter_id": f"SAM-{n}"} for n in range(3)])
        tests = [{"submitter_id": f"SAM-{n}"} for n in (2, 0, 1)]
        h.sandbox.write(
            "DEV-test", [{"type": "lab_test", "submitter_id": "LT-1", "test_name": "Glucose", "samples": tests}]
        )
        h.look()
        assert [row["submitter_id"] for row in cells(h, name)] == ["LT-1"]
        assert cells(h, name)[0]["samples.submitter_id"] == "SAM-0,SAM-1,SAM-2"


def test_the_same_record_twice(tmp_path: Path) -> None:
    with settled(tmp_path, mirror=BOTH) as (h, _):
        found = list(exported(h, "study"))
        body = json.dumps({"data": [*found, *found]})
        h.sandbox.faults.answer(200, path="/export", body=body, content_type="application/json")
        fresh(h, FILE, JSON)
        assert len(h.rows(FILE)) == 6


@pytest.mark.parametrize("graphql", ["on", "missing"])
def test_one_id_with_two_contents(tmp_path: Path, graphql: str) -> None:
    with settled(tmp_path) as (h, before):
        h.sandbox.faults.set(graphql=graphql)
        found = list(exported(h, "study"))
        body = json.dumps({"data": [*found, {**found[0], "title": "another"}]})
        h.sandbox.faults.answer(200, path="/export", body=body, content_type="application/json")
        h.look()
        why = f"1 id with contradicting records, first {found[0]['id']}. Tell the commons' operators"
        before.stands(h, Outcome.GUARDED, why)
        fresh(h)


def test_names_that_are_no_file_names(tmp_path: Path) -> None:
    names = ("DEV-.hidden", "DEV-a b%", "DEV-caf\u00e9", "DEV-CON", f"DEV-{'long' * 60}")
    unusable = ("DEV-..", "DEV-x\ty")
    with mirrored(tmp_path, projects=names + unusable) as h:
        h.look()
        inbox = (h.folder / "inbox").resolve()
        assert len(h.files()) == len(names)
        assert all((inbox / name).resolve().is_relative_to(inbox) for name in h.files())
        assert not [path for path in h.folder.iterdir() if path.name in ("study.tsv", "hidden")]
        assert {"DEV/%2Ehidden/study.tsv", "DEV/a b%25/study.tsv"} <= h.files()
        assert len(read(h).status.inbox.mirrors) == len(names)
        told = [each for each in read(h).reasons if "no folder can have its name" in each]
        assert [each.split(" is ")[0] for each in told] == ["Project DEV/..", "Project DEV/x\\x09y"]
        assert len(read(h).reasons) == len(told)
