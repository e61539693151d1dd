"""A JSON export is whole or it is nothing."""

from __future__ import annotations

import io
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.inbox.export import NotWholeError, StoppedError, read_export
from gen3sync.names import Project

DEV = Project("DEV", "test")


def record(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"{number:032x}", "type": "case", "project_id": "DEV-test", "submitter_id": f"C-{number}", **more}


def text(*records: Any) -> bytes:
    return b'{ "data": [' + b",".join(json.dumps(each).encode() for each in records) + b"]}"


def read(raw: bytes) -> list[Any]:
    return list(read_export(io.BytesIO(raw), DEV, "case"))


WHOLE = text(record(1, name='a ]} "quoted" \u2028 🧬'), record(2), record(3, links=[{"node_id": "x"}]))


def test_a_whole_export_is_read() -> None:
    assert [each["submitter_id"] for each in read(WHOLE)] == ["C-1", "C-2", "C-3"]
    assert read(WHOLE)[0]["name"] == 'a ]} "quoted" \u2028 🧬'
    assert read(text()) == []
    assert read(WHOLE + b"\n") == read(WHOLE)


@pytest.mark.parametrize("end", range(len(WHOLE)))
def test_cut_at_any_byte_it_is_not_whole(end: int) -> None:
    with pytest.raises(NotWholeError):
        read(WHOLE[:end])


@given(junk=st.binary(min_size=1, max_size=8).filter(lambda b: b.strip(b" \t\r\n") != b""))
@settings(max_examples=60)
def test_anything_but_space_after_the_end_is_not_whole(junk: bytes) -> None:
    with pytest.raises(NotWholeError):
        read(WHOLE + junk)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "is empty"),
        (b"<html><body>Sign in</body></html>", "is no export: it begins with '<html><body>Sign in"),
        (b'{"message": "no"}', "another shape"),
        (b'{"data": {"a": 1}}', "another shape"),
        (b'{"data": null}', "another shape"),
        (b"[]", "another shape"),
        (b"{}", "another shape"),
        (b'{"data": [], "errors": ["x"]}', "another shape"),
        (b'{"data": ["x"]}', "no record at position 1"),
        (b'{"data": [{"id": 3}]}', "no record at position 1"),
        (b'{"data": [{"id": "\xff"}]}', "broken after 0 records"),
        (text(record(1), record(2, type="sample")), "a record of 'sample' at position 2"),
        (text(record(1, project_id="DEV-other")), "a record of project 'DEV-other' at position 1"),
        (text(record(1))[:-1] + b', "errors": ["late"]}', "another shape"),
    ],
)
def test_other_answers_are_told_apart(raw: bytes, told: str) -> None:
    with pytest.raises(NotWholeError, match=re.escape(told)):
        read(raw)


def test_numbers_are_what_the_commons_stores() -> None:
    raw = b'{"data": [{"id": "x", "type": "case", "project_id": "DEV-test", "n": [1, 1.5, 12.0, 1e3, -0.0, NUMBER]}]}'
    big = 2**80
    (one,) = read(raw.replace(b"NUMBER", str(big).encode()))
    assert json.dumps(one["n"]) == f"[1, 1.5, 12.0, 1000.0, -0.0, {big}]"


def test_stopping_gives_the_export_up() -> None:
    with pytest.raises(StoppedError):
        list(read_export(io.BytesIO(WHOLE), DEV, "case", stopped=lambda: True))
