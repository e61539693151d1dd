"""Records become rows of a mirror, and dropping the mirror changes nothing, except what is listed as untellable."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.names import Project
from gen3sync.records.codec import desired
from gen3sync.records.compare import compare
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.mirror import mirror_columns, mirror_line, mirror_row, untellable
from gen3sync.records.problems import TableError
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import open_table
from gen3sync.records.wire import wire_tsv
from tests.unit.records.model import server_rows
from tests.unit.records.support import node

KINDS: dict[str, Any] = {
    "text": {"type": "string"},
    "maybe": {"type": ["string", "null"]},
    "whole": {"type": "integer"},
    "number": {"type": "number"},
    "flag": {"type": "boolean"},
    "choice": {"enum": ["a", "b"]},
    "loose": {"oneOf": [{"type": "number"}, {"type": "string"}]},
    "words": {"type": "array", "items": {"type": "string"}},
    "counts": {"type": "array", "items": {"type": "integer"}},
    "weights": {"type": "array", "items": {"type": "number"}},
    "flags": {"type": "array", "items": {"type": "boolean"}},
    "odd": {"type": "array", "items": {"type": ["string", "null"]}},
}
BASE = {"project_id": {"type": "string"}, "submitter_id": {"type": "string"}, "type": {"type": "string"}}


def thing_dictionary() -> Dictionary:
    common = {"category": "clinical", "uniqueKeys": [["id"], ["project_id", "submitter_id"]], "systemProperties": []}
    links = [
        {"name": "owners", "target_type": "parent", "multiplicity": "many_to_one", "required": True},
        {"name": "parts", "target_type": "parent", "multiplicity": "many_to_many", "required": False},
    ]
    return Dictionary.from_json(
        {
            "parent": common | {"id": "parent", "links": [], "properties": BASE},
            "thing": common | {"id": "thing", "links": links, "properties": BASE | KINDS},
        }
    )


DICTIONARY = thing_dictionary()
THING: NodeType = DICTIONARY.nodes["thing"]
TEXT = st.one_of(
    st.sampled_from(
        ["null", " null", "", " x", "x ", "a,b", "a\tb", "a\nb", "a\rb", 'say "x"', '"', "\u2028", "a\x85", "=1+1", "5"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10),
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.one_of(
    TEXT, st.integers(), FLOATS, st.booleans(), st.lists(TEXT | st.integers() | FLOATS | st.booleans(), max_size=3)
)
#: Mostly values of the right kind, sometimes of another: JSON lets anything the schema allows into the store.
GOOD: dict[str, st.SearchStrategy[Any]] = {
    "text": TEXT,
    "maybe": TEXT,
    "whole": st.integers(),
    "number": FLOATS | st.integers(-(2**60), 2**60),
    "flag": st.booleans(),
    "choice": st.sampled_from("ab"),
    "loose": FLOATS | TEXT,
    "words": st.lists(TEXT, max_size=4),
    "counts": st.lists(st.integers(-1000, 1000), max_size=4),
    "weights": st.lists(FLOATS, max_size=4),
    "flags": st.lists(st.booleans(), max_size=4),
    "odd": st.lists(TEXT, max_size=2),
}
SUBMITTER_IDS = st.one_of(st.sampled_from(["S-1", "s,1", "ö", "a b", "x#y", "'", '"q"']), TEXT.filter(bool))


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    record: dict[str, Any] = {"id": "id-1", "type": "thing", "project_id": "DEV-test"}
    record["submitter_id"] = draw(SUBMITTER_IDS)
    for name, good in GOOD.items():
        if draw(st.booleans()):
            record[name] = draw(good if draw(st.integers(0, 9)) else VALUES)
    for name, most in (("owners", 1), ("parts", 4)):
        names = draw(st.lists(SUBMITTER_IDS, max_size=most, unique=True))
        if names:
            record[name] = [{"node_id": f"id-{name}-{n}", "submitter_id": one} for n, one in enumerate(names)]
    return record


def written(record: dict[str, Any]) -> str:
    cells = mirror_row(record, THING)
    columns = mirror_columns(THING, cells)
    return mirror_line(columns, dict(zip(columns, columns, strict=True))) + mirror_line(columns, cells)


@settings(max_examples=500, deadline=None)
@given(records())
def test_dropping_a_mirror_changes_nothing_but_what_is_listed(record: dict[str, Any]) -> None:
    listed = {one.column for one in untellable(record, THING)}
    (row,) = open_table(written(record).encode(), name="m.tsv", dictionary=DICTIONARY, project=Project("DEV", "test"))
    if isinstance(row, BadRow):
        assert listed >= {problem.column for problem in row.problems}
        return
    found = compare(desired(row, THING), record, THING)
    changed = {change.column for change in (*found.changes, *found.erased)}
    assert changed <= listed
    assert (found.renamed is None) or "submitter_id" in listed
    assert not found.problems or "submitter_id" in listed
    assert not found.links_not_removed


@settings(max_examples=300, deadline=None)
@given(records())
def test_what_is_not_listed_survives_the_commons_own_reading(record: dict[str, Any]) -> None:
    """The same through the wire and the model of the server, not through gen3sync's reader."""
    listed = {one.column for one in untellable(record, THING)}
    cells = mirror_row(record, THING)
    (read,) = server_rows(wire_tsv(tuple(cells), [cells]).decode(), "\t")
    for prop in THING.values:
        if prop.name not in listed and record.get(prop.name) is None:
            assert read[prop.name] == ""
        elif prop.name not in listed and isinstance(record[prop.name], str):
            assert read[prop.name] == record[prop.name]


@settings(max_examples=200, deadline=None)
@given(records(), st.randoms(use_true_random=False))
def test_rendering_does_not_depend_on_the_servers_order(record: dict[str, Any], shuffler: Any) -> None:
    names = list(record)
    shuffler.shuffle(names)
    turned = {name: record[name] for name in names}
    for link in ("owners", "parts"):
        if link in turned:
            turned[link] = shuffler.sample(turned[link], len(turned[link]))
    assert written(turned) == written(record)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("text", "null", "is the word null"),
        ("text", " x", "has spaces or line ends at its ends"),
        ("text", "x\n", "has spaces or line ends at its ends"),
        ("text", "", "is an empty text"),
        ("words", [], "is an empty text or list"),
        ("words", ["a,b"], "has a list item with a comma"),
        ("words", ["a", " b"], "has a list item with spaces"),
        ("words", ["null"], "is the word null"),
        ("text", "a\u2028b", "line separator, U+2028"),
        ("text", "a\rb", "carriage return"),
        ("text", "x" * 131_073, "longer than 131,072"),
        ("text", 5, "is not of the dictionary's type"),
        ("loose", 5, "is not of the dictionary's type"),
        ("odd", ["a", "b"], "is not of the dictionary's type"),
        ("unheard_of", "x", "is not in the dictionary"),
    ],
)
def test_what_tsv_cannot_say(name: str, value: object, reason: str) -> None:
    found = untellable({"id": "x", "submitter_id": "S", name: value}, THING)
    assert [one.column for one in found] == [name]
    assert reason in found[0].reason


@pytest.mark.parametrize(
    ("name", "value", "cell"),
    [
        ("number", 2, "2"),
        ("number", 2.5, "2.5"),
        ("number", Decimal("2.50"), "2.5"),
        ("number", 1e30, "1e+30"),
        ("number", 2**80, str(2**80)),
        ("whole", 3.0, "3"),
        ("flag", True, "true"),
        ("words", ["a", "b"], "a,b"),
        ("words", ["", ""], ","),
        ("text", "a\tb", "a\tb"),
        ("text", None, ""),
    ],
)
def test_cells(name: str, value: object, cell: str) -> None:
    record = {"id": "x", "submitter_id": "S", name: value}
    assert mirror_row(record, THING)[name] == cell
    assert not untellable(record, THING)


def test_parents_that_cannot_be_named_go_by_id() -> None:
    parts = [
        {"node_id": "u2", "submitter_id": "B"},
        {"node_id": "u1", "submitter_id": "a,b"},
        {"node_id": "u3", "submitter_id": "A"},
    ]
    cells = mirror_row({"id": "x", "submitter_id": "S", "parts": parts}, THING)
    assert (cells["parts.submitter_id"], cells["parts.id"]) == ("A,B", "u1")
    assert mirror_columns(THING, cells)[-3:] == ("owners.submitter_id", "parts.id", "parts.submitter_id")
    assert mirror_columns(THING, mirror_row({"id": "x", "submitter_id": "S"}, THING)) == THING.columns


def test_a_mirror_line_is_quoted_only_where_it_must_be() -> None:
    columns = ("type", "submitter_id", "text", "missing")
    cells = {"type": "thing", "submitter_id": 'a"b', "text": "two\nlines"}
    assert mirror_line(columns, cells) == 'thing\t"a""b"\t"two\nlines"\t\n'


def test_every_node_of_a_real_dictionary_renders() -> None:
    for name in ("case", "sample", "submitted_copy_number", "experiment"):
        cells = mirror_row({"id": "x", "submitter_id": "S", "project_id": "DEV-test"}, node(name))
        assert tuple(cells) == node(name).columns
        assert cells["type"] == name


def test_an_empty_mirror_is_told_as_such() -> None:
    head = mirror_line(THING.columns, dict(zip(THING.columns, THING.columns, strict=True)))
    with pytest.raises(TableError, match="no rows"):
        open_table(head.encode(), name="m.tsv", dictionary=DICTIONARY, project=None)


def test_a_mirror_of_many_rows_is_read_row_by_row() -> None:
    head = mirror_line(THING.columns, dict(zip(THING.columns, THING.columns, strict=True)))
    body = "".join(
        mirror_line(THING.columns, mirror_row({"id": f"i{n}", "submitter_id": f"S{n}", "text": "a\n\tb"}, THING))
        for n in range(50)
    )
    rows = list(open_table((head + body).encode(), name="m.tsv", dictionary=DICTIONARY, project=None))
    assert [row.line for row in rows] == list(range(2, 102, 2))
    assert all(isinstance(row, Row) and row.cells["text"] == "a\n\tb" for row in rows)
