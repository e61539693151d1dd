"""gen3sync's reading held against a plain model of the commons' own, for arbitrary cells and arbitrary text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.records.codec import desired, split_links
from gen3sync.records.problems import TableError
from gen3sync.records.rows import BadRow, Form, Row
from gen3sync.records.wire import tsv_can_say, wire_tsv
from tests.unit.records.model import server_links, server_rows
from tests.unit.records.support import node, opened

COLUMNS = ("disease_type", "primary_site", "consent_codes", "experiments.submitter_id")
CELLS = st.one_of(
    st.sampled_from(
        ["", "null", " null ", "x", "a,b", "a#b", '"', '""', '"a"', '5" pipe', "\u00a0x", "é", "a\nb", "\t"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12),
)


def written(cell: str, delimiter: str, quoted: bool) -> str:
    if quoted or any(mark in cell for mark in (delimiter, "\n", "\r")) or cell.startswith('"'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, str]:
    """A table as people and programs write it, and its delimiter."""
    delimiter = draw(st.sampled_from("\t,"))
    width = draw(st.integers(1, len(COLUMNS)))
    lines = [delimiter.join(("type", "submitter_id", *COLUMNS[:width]))]
    for number in range(draw(st.integers(1, 4))):
        cells = ["case", f"C-{number}", *draw(st.lists(CELLS, max_size=width))]
        lines.append(delimiter.join(written(cell, delimiter, draw(st.booleans())) for cell in cells))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return end.join(lines) + draw(st.sampled_from(["", end, end + end])), delimiter


def whole(rows: list[Any]) -> list[Row]:
    return [row for row in rows if isinstance(row, Row)]


@settings(max_examples=400, deadline=None)
@given(documents())
def test_good_rows_are_read_as_the_commons_reads_them(document: tuple[str, str]) -> None:
    text, delimiter = document
    rows = list(opened(text, "d.tsv" if delimiter == "\t" else "d.csv"))
    if any(isinstance(row, BadRow) for row in rows):
        return  # the commons would misread the file
    model = server_rows(text, delimiter)
    assert len(rows) == len(model)
    for row, expected in zip(whole(rows), model, strict=True):
        # The last row's blanks are the one place where gen3sync reads more than the commons (GEN3.md, lie 6).
        given = {name: cell for name, cell in expected.items() if cell is not None}
        blanks = {name for name in row.cells.keys() - given.keys() if row.cells[name] == ""}
        assert {name: cell for name, cell in row.cells.items() if name not in blanks} == given
        if blanks and row is not rows[-1]:
            assert blanks == {"experiments.submitter_id"}
        named = split_links(row.cells.get("experiments.submitter_id", ""), row.form)
        assert named == server_links(expected.get("experiments.submitter_id"), delimiter)


@settings(max_examples=400, deadline=None)
@given(documents())
def test_what_goes_on_the_wire_is_read_as_it_was_meant(document: tuple[str, str]) -> None:
    text, delimiter = document
    for row in whole(list(opened(text, "d.tsv" if delimiter == "\t" else "d.csv"))):
        if not tsv_can_say(row):
            assert row.form is Form.CSV
            continue
        (read,) = server_rows(wire_tsv(row.columns, [row]).decode(), "\t")
        for name, cell in row.cells.items():
            if "." in name:
                assert server_links(read[name], "\t") == split_links(cell, row.form)
            else:
                assert read[name] == cell


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from('a"\t,\n\r C'), max_size=60), st.sampled_from("\t,"))
def test_any_text_is_read_alike_or_refused(tail: str, delimiter: str) -> None:
    """Soup of quotes, delimiters and line ends: whatever gen3sync accepts without a word, the commons reads so too."""
    text = delimiter.join(("type", "submitter_id", "disease_type")) + "\ncase" + delimiter + "C-1" + delimiter + tail
    try:
        table = opened(text, "d.tsv" if delimiter == "\t" else "d.csv")
    except TableError:
        return
    rows = list(table)
    if any(isinstance(row, BadRow) for row in rows) or table.mends:
        return
    model = [{name: cell for name, cell in row.items() if cell is not None} for row in server_rows(text, delimiter)]
    assert [dict(row.cells) for row in whole(rows)] == model


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["d.tsv", "d.csv", "d.json", "d.jsonl", "d.tsv.gz"]))
def test_no_bytes_whatever_end_in_anything_but_an_answer(content: bytes, name: str) -> None:
    for content_ in (content, b"type\tsubmitter_id\tdisease_type\ncase\tC-1\t" + content):
        try:
            for row in opened(content_, name):
                assert row.line >= 1
        except TableError as wrong:
            told = [(problem.message, problem.remedy) for problem in wrong.problems]
        else:
            continue
        assert told
        assert all(message and remedy for message, remedy in told)


@pytest.mark.parametrize("size", [(1 << 16) - 3, (1 << 16) + 1, (1 << 18) - 7, (1 << 18) + 11])
def test_buffer_borders_do_not_show(size: int) -> None:
    """A record that crosses the reader's own pieces, in TSV and in JSON."""
    filler = "é" * 90_000 if size > 1 << 17 else "é" * 20_000
    lines = ["type\tsubmitter_id\tdisease_type", f"case\tC-0\t{filler}", *(f"case\tC-{n}\tü" for n in range(1, 9000))]
    rows = whole(list(opened("\n".join(lines))))
    assert [row.line for row in rows] == list(range(2, len(lines) + 1))
    assert desired(rows[-1], node("case")).properties == {"disease_type": "ü"}
