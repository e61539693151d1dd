"""The text of a mirror: stable, quoted, links last, with the columns its records need."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.inbox.copy import Copy
from gen3sync.inbox.pieces import Text, Whole
from gen3sync.inbox.plan import Format
from gen3sync.inbox.render import Rendered, merge, render
from gen3sync.records.dictionary import Dictionary, NodeType

RAW = {
    "case": {
        "id": "case",
        "category": "administrative",
        "uniqueKeys": [["id"], ["project_id", "submitter_id"]],
        "systemProperties": ["id", "project_id"],
        "required": ["submitter_id", "type", "experiments"],
        "links": [{"name": "experiments", "target_type": "experiment", "multiplicity": "many_to_many"}],
        "properties": {
            "type": {"enum": ["case"]},
            "id": {"type": "string"},
            "project_id": {"type": "string"},
            "submitter_id": {"type": "string"},
            "age": {"type": "integer"},
            "note": {"type": "string"},
            "codes": {"type": "array", "items": {"type": "string"}},
        },
    }
}


def case() -> NodeType:
    found = Dictionary.from_json(RAW).node("case")
    assert found is not None
    return found


def record(number: int, parents: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    links = {"experiments": [{"node_id": f"id-{name}", "submitter_id": name} for name in parents]} if parents else {}
    return {"id": f"{number:03}", "type": "case", "project_id": "P-C", "submitter_id": f"C{number}", **links, **more}


def path_of(made: Whole) -> Path:
    assert isinstance(made, Text)
    return made.path


def text(folder: Path, format: Format, *records: dict[str, Any]) -> tuple[str, Rendered]:
    with Copy(Path(":memory:")) as copy:
        copy.fill(iter(records), merge)
        made = render(copy, format, case(), folder / "spool")
        raw = path_of(made.text).read_bytes()
        assert len(raw) == made.text.size
        return raw.decode(), made


def test_links_come_last_and_cells_are_quoted_where_they_must_be(tmp_path: Path) -> None:
    raw, made = text(tmp_path, Format.TSV, record(1, ("B", "A"), note='tab\t"and" line\n', age=7, codes=["x", "y"]))
    header, row = csv.reader(io.StringIO(raw, newline=""), delimiter="\t")
    assert header == list(made.columns)
    assert header[-1] == "experiments.submitter_id"
    assert dict(zip(header, row, strict=True)) == {
        "type": "case",
        "id": "001",
        "project_id": "P-C",
        "submitter_id": "C1",
        "age": "7",
        "codes": "x,y",
        "note": 'tab\t"and" line\n',
        "experiments.submitter_id": "A,B",
    }


def test_a_parent_with_a_comma_brings_a_column_of_ids_wherever_it_comes(tmp_path: Path) -> None:
    raw, made = text(tmp_path, Format.TSV, record(1, ("A",)), record(2, ("with, comma",)), record(3))
    assert made.columns[-2:] == ("experiments.id", "experiments.submitter_id")
    rows = [line.split("\t")[-2:] for line in raw.splitlines()]
    assert rows == [["experiments.id", "experiments.submitter_id"], ["", "A"], ["id-with, comma", ""], ["", ""]]


def test_no_records_make_a_header_and_an_empty_list(tmp_path: Path) -> None:
    raw, made = text(tmp_path, Format.TSV)
    assert raw == "\t".join(made.columns) + "\n"
    assert json.loads(text(tmp_path, Format.JSON)[0]) == {"data": []}
    assert text(tmp_path, Format.JSONL)[0] == ""


def test_json_keeps_what_tsv_cannot_say_and_tsv_lists_it(tmp_path: Path) -> None:
    one = record(1, ("A",), note="null", codes=["a,b"])
    assert json.loads(text(tmp_path, Format.JSON, one)[0])["data"] == [one]
    assert [json.loads(line) for line in text(tmp_path, Format.JSONL, one)[0].splitlines()] == [one]
    _, made = text(tmp_path, Format.TSV, one)
    assert made.notes is not None
    notes = [json.loads(line) for line in path_of(made.notes).read_text().splitlines()]
    assert [(note["id"], note["column"], note["value"]) for note in notes] == [
        ("001", "codes", ["a,b"]),
        ("001", "note", "null"),
    ]
    assert made.untellable == 2


@given(order=st.permutations(range(8)), parts=st.booleans())
@settings(max_examples=30)
def test_the_same_records_make_the_same_bytes(order: list[int], parts: bool) -> None:
    import tempfile

    records = [record(n, ("A", "B"), age=n) for n in range(8)]
    other = [records[n] for n in order]
    if parts:
        other = [part for one in other for part in (_with(one, "B"), _with(one, "A"))]
    with tempfile.TemporaryDirectory() as folder:
        for format in Format:
            assert text(Path(folder), format, *records)[0] == text(Path(folder), format, *other)[0]


def _with(one: dict[str, Any], parent: str) -> dict[str, Any]:
    return {**one, "experiments": [each for each in one["experiments"] if each["submitter_id"] == parent]}
