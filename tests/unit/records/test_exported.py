"""The list of an export, record by record: whole or refused, and never more than the machine can bear."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.records.exported import MAX_DEPTH, BrokenExportError, records_of

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


class Dripping:
    """Bytes that come in small portions, cut anywhere."""

    def __init__(self, raw: bytes, portion: int) -> None:
        self._inner, self._portion = io.BytesIO(raw), portion

    def read(self, size: int = -1, /) -> bytes:
        return self._inner.read(min(size, self._portion))


def export(*records: bytes) -> bytes:
    return b'{ "data": [' + b", ".join(records) + b"]}\n"


@given(
    st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=6),
    st.integers(1, 40),
    st.booleans(),
)
def test_it_reads_what_json_reads_wherever_the_portions_are_cut(
    records: list[object], portion: int, escaped: bool
) -> None:
    raw = json.dumps({"data": records}, ensure_ascii=escaped)
    try:
        encoded = raw.encode()
        json.dumps(records, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # half a surrogate pair: refused below
    assert list(records_of(Dripping(encoded, portion))) == records


NESTED = b'{"x": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
OBJECTS = b'{"x": ' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}"


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (NESTED, "nested too deeply"),
        (OBJECTS, "nested too deeply"),
        (b'{"x": ' + b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1) + b"}", "nested too deeply"),
        (b'{"x": ' + b"1" * 5000 + b"}", "too many digits"),
        (b'{"x": 1e1000000000}', "too large"),
        (b'{"x": NaN}', "NaN"),
        (b'{"x": -Infinity}', "Infinity"),
        (b'{"x": "\\ud800"}', "surrogate"),
        (b'{"x": "\\uDC00"}', "surrogate"),
        (b'{"x": "\xff"}', "UTF-8"),
        (b'{"x": 1,}', "Expecting|Illegal"),
        (b'{"x": 1} {"x": 2}', "comma"),
    ],
    ids=[
        "lists",
        "objects",
        "a-little",
        "digits",
        "exponent",
        "nan",
        "infinity",
        "half",
        "other",
        "utf8",
        "json",
        "comma",
    ],
)
def test_what_no_commons_can_mean_is_refused(record: bytes, why: str) -> None:
    for portion in (7, 1 << 16):
        with pytest.raises(BrokenExportError, match=why):
            list(records_of(Dripping(export(b'{"y": 1}', record), portion)))


def test_a_character_in_two_halves_is_one() -> None:
    assert list(records_of(io.BytesIO(export(b'{"x": "\\ud83e\\uddec"}')))) == [{"x": "🧬"}]


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the files of Linux")
def test_a_record_without_end_is_given_up_in_little_memory() -> None:
    # In a process of its own: what it took at most is then known. (`ru_maxrss` would count what pytest had taken.)
    script = """
import re
from pathlib import Path
from gen3sync.records import exported
class Endless:
    def read(self, size=-1):
        return b'{"data": [{"x": "' if size == exported._CHUNK and not self.__dict__.setdefault("begun", []) \\
            and not self.begun.append(1) else b"a" * size
try:
    list(exported.records_of(Endless()))
except exported.BrokenExportError as error:
    assert "longer than" in str(error), error
    print(re.findall(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[0])
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    assert int(ended.stdout) < 500_000  # KB; the stream itself never ends


def test_space_may_stand_where_json_allows_it_and_nothing_else() -> None:
    assert list(records_of(io.BytesIO(b' {\n"data" :\t[ {"x": 1} , {"x": 2} ] } \r\n'))) == [{"x": 1}, {"x": 2}]
    for raw in (b'{"data": []} x', b'{"data": []', b'{"data": [{}', b'{"data": [{}]', b'{"data": [{},]}', b"x", b""):
        with pytest.raises(BrokenExportError):
            list(records_of(io.BytesIO(raw)))
