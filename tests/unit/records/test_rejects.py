"""Rejects files: the original text led by reasons; correcting and dropping them is all there is to do."""

from __future__ import annotations

import json

import pytest

from gen3sync.records.rejects import rejects_head, rejects_row, rejects_suffix
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import Table
from tests.unit.records.support import opened


def rejects_of(table: Table) -> str:
    bad = [row for row in table if isinstance(row, BadRow)]
    return rejects_head(table) + "".join(
        rejects_row(table, row.raw, row.line, [p.kind for p in row.problems], [p.message for p in row.problems])
        for row in bad
    )


HEAD = "*type\tsubmitter_id\texperiments.submitter_id\tdisease_type\n"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_corrected_rejects_file_is_taken(end: str) -> None:
    text = HEAD + 'case\tC-1\tE\tok\ncse\tC-2\tE\t"a ""b""\nc"\ncse\tC-3\n'
    rejects = rejects_of(opened(text.replace("\n", end)))
    assert rejects.splitlines()[0] == "_line\t_error_type\t_errors\t" + HEAD.rstrip("\n")
    assert rejects.splitlines()[1].startswith("3\tunknown_type\tThe node type 'cse' is unknown")
    first, second = opened(rejects.replace("cse", "case"))
    assert isinstance(first, Row)
    assert first.cells["disease_type"] == 'a "b"\nc'
    assert isinstance(second, Row)
    assert "disease_type" not in second.cells  # a short row stays short


def test_rejects_of_rejects_do_not_pile_up_columns() -> None:
    rejects = rejects_of(opened(HEAD + "cse\tC-2\tE\tx\n"))
    again = rejects_of(opened(rejects))
    assert again.splitlines()[0].count("_line") == 1
    assert again.splitlines()[1].count("cse") == 2  # in the reason and in the row
    assert again.splitlines()[1].endswith("cse\tC-2\tE\tx")


def test_reasons_stay_on_one_line_of_one_cell() -> None:
    table = opened(HEAD + "case\tC-1\tE\tx\n")
    line = rejects_row(table, "case\tC-1\tE\tx", 2, ["A", "A", "B"], ['a\tb "c"\nd', "e"])
    assert line == '2\tA,B\t"a b ""c"" d | e"\tcase\tC-1\tE\tx\n'


def test_csv() -> None:
    rejects = rejects_of(opened("type,submitter_id\ncse,C-1\n", "d.csv"))
    assert rejects.startswith("_line,_error_type,_errors,type,submitter_id\n2,unknown_type,")
    assert all(isinstance(row, Row) for row in opened(rejects.replace("cse", "case"), "d.csv"))


def test_json_rejects_are_json_lines() -> None:
    table = opened('[{"type": "cse",\n "submitter_id": "C-1"}, 7, {}]', "d.json")
    rejects = rejects_of(table)
    lines = [json.loads(line) for line in rejects.splitlines()]
    assert lines[0]["_line"] == 1
    assert lines[0]["submitter_id"] == "C-1"
    assert lines[1]["_raw"] == "7"
    assert rejects_suffix(table) == ".jsonl"
    first, *_ = opened(rejects.replace("cse", "case"), "d" + rejects_suffix(table))
    assert isinstance(first, Row)
    assert first.record == {"type": "case", "submitter_id": "C-1"}
