"""A rejects file, corrected and dropped as it is: our columns are recognised and do not pile up."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.records.header import OURS
from gen3sync.records.jsontext import with_first, without_keys
from gen3sync.records.rows import Row
from tests.unit.records.support import bad_rows, opened, rows_of

LINES = (
    "_line\t_error_type\t_errors\t*type\tsubmitter_id\texperiments.submitter_id\tdisease_type",
    '3\tINVALID_LINK\t"no ""parent"""\tcase\tC-2\tE\t"a ""b""\nc"',
    "5\tTYPE\twrong\tcase\tC-3",
)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_corrected_rejects_file_is_taken(end: str) -> None:
    table = opened(end.join(LINES))
    assert not set(OURS) & set(table.columns)
    first, second = table
    assert isinstance(first, Row)
    assert first.cells == {
        "type": "case",
        "submitter_id": "C-2",
        "experiments.submitter_id": "E",
        "disease_type": 'a "b"\nc',
    }
    assert isinstance(second, Row)
    assert "disease_type" not in second.cells  # a short row stays short


def test_the_text_for_the_next_rejects_file_is_without_them() -> None:
    bad = bad_rows("\n".join(LINES).replace("\tcase", "\tcse"))
    assert [row.raw for row in bad] == ['cse\tC-2\tE\t"a ""b""\nc"', "cse\tC-3"]


def test_the_text_stays_byte_for_byte_as_it_is_written() -> None:
    own = ['"cse"', ' " C-2 "', '"line\r\nbreak"', "", '"a ""b"""', "  x  "]
    head = "_line\t_error_type\t_errors\ttype\tsubmitter_id\texperiments.submitter_id\tdisease_type\tprimary_site\tx"
    (row,) = bad_rows(f"{head}\r\n" + "\t".join(["7", "TYPE", '"tabs\t ""and quotes"""', *own]) + "\r\n")
    assert row.raw == "\t".join(own)


def test_json_keys_of_ours_are_taken_out_and_nothing_else_is_touched() -> None:
    own = '{\n  "type" :"cse",  "submitter_id": "C-\\u00e9" , "n": [1, {"_line": 2}],"x":1e3}'
    written = with_first(own, {"_line": 3, "_error_type": "TYPE", "_errors": 'a "b", {c}'})
    (row,) = bad_rows(f"[{written}]", "d.json")
    assert row.raw == own
    assert json.loads(written) == {"_line": 3, "_error_type": "TYPE", "_errors": 'a "b", {c}'} | json.loads(own)


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ('{"_line": 1, "a": 2}', '{"a": 2}'),
        ('{"a": 2, "_line": 1}', '{"a": 2}'),
        ('{"a": 2,"_line": 1,"b": 3}', '{"a": 2,"b": 3}'),
        ('{"_line": 1}', "{}"),
        ('{ "_line" : 1 , "_errors" : "x" }', "{ }"),
        ('{"_line": 1, "_line": 2, "a": {"_line": 3}}', '{"a": {"_line": 3}}'),
        ("{}", "{}"),
    ],
)
def test_keys_are_taken_out_wherever_they_stand(raw: str, left: str) -> None:
    assert json.loads(without_keys(raw, OURS)) == json.loads(left)
    assert without_keys(raw, OURS).replace(" ", "") == left.replace(" ", "")


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none(), max_size=4), st.integers(0, 4))
def test_what_was_put_first_comes_out_again(own: dict[str, object], indent: int) -> None:
    own = {key: value for key, value in own.items() if key not in OURS}
    raw = json.dumps(own, indent=indent or None)
    assert without_keys(with_first(raw, dict.fromkeys(OURS, "x")), OURS) == raw


def test_keys_of_ours_given_twice_are_no_fault() -> None:
    (row,) = rows_of('[{"_line": 2, "_line": 3, "type": "case", "submitter_id": "C-1"}]', "d.json")
    assert row.record == {"type": "case", "submitter_id": "C-1"}


def test_their_order_and_place_do_not_matter() -> None:
    (row,) = rows_of("type,_errors,submitter_id,_line\ncase,x,C-1,7\n", "d.csv")
    assert row.cells == {"type": "case", "submitter_id": "C-1"}
    assert row.raw == "case,C-1"


def test_rows_that_differ_only_in_them_say_the_same() -> None:
    (row,) = opened("_line\ttype\tsubmitter_id\n3\tcase\tC-1\n4\tcase\tC-1\n")
    assert isinstance(row, Row)
