"""The fast lines of a mirror are the lines that `mirror` makes, for every record."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.records.mirror import mirror_columns, mirror_line, mirror_row, untellable
from gen3sync.records.mirrorlines import LineMaker, NarrowError
from tests.unit.records.test_mirror import THING, records

USUAL: dict[str, Any] = {
    "id": "id-1",
    "type": "thing",
    "project_id": "DEV-test",
    "submitter_id": "S-1",
    "text": "plain words, ö",
    "whole": 12,
    "number": 2.5,
    "flag": True,
    "words": ["a", "b"],
    "owners": [{"node_id": "n-1", "submitter_id": "O-1"}],
    "parts": [{"node_id": "n-3", "submitter_id": "P-2"}, {"node_id": "n-2", "submitter_id": "P-1"}],
}


def with_odd_cells(record: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    return {**record, name: value} if name else record


@settings(max_examples=600, deadline=None)
@given(
    st.one_of(
        records(),
        # One oddity at a time, so that the fast way is the one that must notice it.
        st.builds(
            with_odd_cells,
            st.just(USUAL),
            st.sampled_from(
                ["", "text", "whole", "number", "flag", "choice", "words", "counts", "submitter_id", "new"]
            ),
            st.sampled_from(
                [
                    "null",
                    "",
                    " x",
                    "x\u00a0",
                    "a\tb",
                    'a"b',
                    "a\u2028b",
                    "a\x1f",
                    2**60,
                    1.0,
                    True,
                    1,
                    ["a,b"],
                    [""],
                    [],
                ]
            )
            | st.text(st.characters(exclude_categories=["Cs"]), max_size=3),
        ),
    )
)
def test_a_fast_line_is_the_line(record: dict[str, Any]) -> None:
    cells = mirror_row(record, THING)
    columns = mirror_columns(THING, cells)
    line, told = LineMaker(THING, columns).line(record)
    assert line == mirror_line(columns, cells)
    assert told == untellable(record, THING)


@settings(max_examples=200, deadline=None)
@given(records(), st.lists(st.sampled_from(THING.columns), min_size=1, unique=True))
def test_chosen_columns_are_the_same_cells(record: dict[str, Any], columns: list[str]) -> None:
    line, told = LineMaker(THING, columns, wants=lambda _: False).line(record)
    assert line == mirror_line(columns, mirror_row(record, THING))
    assert {one.column for one in told} <= {column.partition(".")[0] for column in columns} | set(columns)


def test_the_usual_record_takes_the_fast_way() -> None:
    assert LineMaker(THING)._fast(USUAL) is not None


def test_a_parent_with_a_comma_asks_for_a_column() -> None:
    odd = {**USUAL, "parts": [{"node_id": "n-4", "submitter_id": "with, comma"}]}
    with pytest.raises(NarrowError) as caught:
        LineMaker(THING).line(odd)
    assert caught.value.columns == {"parts.id"}
    line, _ = LineMaker(THING, mirror_columns(THING, caught.value.columns)).line(odd)
    assert "n-4" in line
