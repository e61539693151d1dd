"""A rejects file, corrected and dropped as it is: our columns are recognised and do not pile up."""

from __future__ import annotations

import pytest

from gen3sync.records.header import OURS
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


def test_their_order_and_place_do_not_matter() -> None:
    (row,) = rows_of("type,_errors,submitter_id,_line\ncase,x,C-1,7\n", "d.csv")
    assert row.cells == {"type": "case", "submitter_id": "C-1"}
    assert row.raw == "case,C-1"


def test_rows_that_differ_only_in_them_say_the_same() -> None:
    (row,) = opened("_line\ttype\tsubmitter_id\n3\tcase\tC-1\n4\tcase\tC-1\n")
    assert isinstance(row, Row)
