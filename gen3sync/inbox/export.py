"""Reads a JSON export as a stream and proves it whole. What is not proven never leaves this module as a result.

GEN3.md: a truncated export is a 200 without an exception, so the end of the text is the integrity check; an unknown
project answers 200 without rows; proxies answer HTML with 200. Leaves to others: the request (`commons`), whether the
result is believed (`guards`), where it goes (`publish`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any, Protocol

import ijson

from gen3sync.inbox.change import Record
from gen3sync.names import Project, printable

# JSON's own spaces, not those of Python's \s: what comes after the end must be nothing.
_HEAD = re.compile(rb'[ \t\r\n]*\{[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*\[')
_END = re.compile(rb"\}[ \t\r\n]*\][ \t\r\n]*\}[ \t\r\n]*\Z")
_EMPTY = re.compile(_HEAD.pattern + rb"[ \t\r\n]*\][ \t\r\n]*\}[ \t\r\n]*\Z")
_KEPT = 256
_INFINITE = (float("inf"), float("-inf"))
_LOOK_EVERY = 512


class Readable(Protocol):
    """Bytes of an answer, already decoded from gzip."""

    def read(self, size: int = -1, /) -> bytes: ...


class NotWholeError(Exception):
    """The export is not a whole list of this node's records; the text says in which way, as part of a sentence."""


class StoppedError(Exception):
    """gen3sync is stopping; the export was given up."""


def read_export(
    stream: Readable, project: Project, node: str, *, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Record]:
    """Yields the records of `{"data": [...]}` as they arrive.

    The end of the iteration is the proof: raises NotWholeError for anything but one whole list of records of `node` in
    `project`, StoppedError when `stopped()`, and what `stream.read` raises. Records yielded before that prove nothing.
    """
    ends = _Ends(stream)
    rows = 0
    try:
        for record in ijson.items(ends, "data.item", buf_size=1 << 16):
            if rows % _LOOK_EVERY == 0 and stopped():
                raise StoppedError
            _check(record, project, node, rows)
            rows += 1
            yield {key: value if type(value) is str else plain(value) for key, value in record.items()}
    except ijson.JSONError as error:
        raise NotWholeError(_broken(ends, rows)) from error
    except UnicodeDecodeError as error:
        raise NotWholeError(f"holds bytes that are not UTF-8 after {rows} records") from error
    proven = _END.search(ends.tail) and _HEAD.match(ends.head) if rows else _EMPTY.fullmatch(ends.head)
    if not proven:
        raise NotWholeError(f"has another shape than an export: it begins with {_shown(ends.head)}")


def _check(record: Any, project: Project, node: str, row: int) -> None:
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"]:
        raise NotWholeError(f"holds something that is no record at position {row + 1}")
    if record.get("type") != node:
        raise NotWholeError(f"holds a record of {printable(record.get('type'))!r} at position {row + 1}")
    if record.get("project_id") != project.id:
        raise NotWholeError(f"holds a record of project {printable(record.get('project_id'))!r} at position {row + 1}")


def _broken(ends: _Ends, rows: int) -> str:
    if not ends.size:
        return "is empty"
    if _HEAD.match(ends.head):
        return f"was cut or broken after {rows} record{'' if rows == 1 else 's'} and {ends.size} bytes"
    return f"is no export: it begins with {_shown(ends.head)}"


def _shown(head: bytes) -> str:
    return repr(printable(" ".join(head.decode("utf-8", "replace").split()), 80))


def plain(value: object) -> object:
    """A value with ijson's Decimals as the floats the commons meant: it writes Python floats, so nothing is lost.

    (ijson's own `use_float` fails on integers beyond 64 bits.)
    """
    if isinstance(value, Decimal):
        close = float(value)
        return int(value) if close in _INFINITE else close
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    return value


class _Ends:
    """A stream that remembers how it began and ended."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.head = b""
        self.tail = b""
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._stream.read(size)
        if len(self.head) < _KEPT:
            self.head += chunk[: _KEPT - len(self.head)]
        self.tail = (self.tail + chunk)[-_KEPT:] if len(chunk) < _KEPT else chunk[-_KEPT:]
        self.size += len(chunk)
        return chunk
