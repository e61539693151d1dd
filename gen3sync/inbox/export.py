"""Reads a JSON export as a stream and proves it whole. What is not proven never leaves this module as a result.

GEN3.md: a truncated export is a 200 without an exception, so the end of the text is the integrity check; an unknown
project answers 200 without rows; proxies answer HTML with 200. Leaves to others: the request (`commons`), whether the
result is believed (`guards`), where it goes (`publish`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gen3sync.inbox.change import Record
from gen3sync.names import Project, printable
from gen3sync.records.exported import BrokenExportError, Readable, records_of

_KEPT = 256
_LOOK_EVERY = 512


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
    start = _Start(stream)
    rows = 0
    try:
        for record in records_of(start):
            if rows % _LOOK_EVERY == 0 and stopped():
                raise StoppedError
            _check(record, project, node, rows)
            rows += 1
            yield record
    except BrokenExportError as error:
        raise NotWholeError(_broken(start, rows, error)) from error


def _check(record: Any, project: Project, node: str, row: int) -> None:
    if not isinstance(record, dict) or not isinstance(record.get("id"), str) or not record["id"]:
        raise NotWholeError(f"holds something that is no record at position {row + 1}")
    if record.get("type") != node:
        raise NotWholeError(f"holds a record of {printable(record.get('type'))!r} at position {row + 1}")
    if record.get("project_id") != project.id:
        raise NotWholeError(f"holds a record of project {printable(record.get('project_id'))!r} at position {row + 1}")


def _broken(start: _Start, rows: int, error: BrokenExportError) -> str:
    if not start.size:
        return "is empty"
    if error.begun:
        records = f"{rows} record{'' if rows == 1 else 's'}"
        return f"was cut or broken after {records} and {start.size} bytes: {printable(error, 200)}"
    head = repr(printable(" ".join(start.head.decode("utf-8", "replace").split()), 80))
    shaped = start.head.lstrip().startswith((b"{", b"["))
    return f"{'has another shape than an export' if shaped else 'is no export'}: it begins with {head}"


class _Start:
    """A stream that remembers how it began and how much it was."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.head = b""
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        chunk = self._stream.read(size)
        if len(self.head) < _KEPT:
            self.head += chunk[: _KEPT - len(self.head)]
        self.size += len(chunk)
        return chunk
