"""A copy written as a mirror's text: sorted, the same bytes for the same records, and what TSV cannot say listed.

The text goes to a spool file first, so that its hash is known before anything in the inbox is touched. What a cell may
say is `records.mirror`'s; where the text goes is `publish`'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gen3sync.inbox.copy import Contradiction, Copy, Record
from gen3sync.inbox.plan import Format
from gen3sync.records.dictionary import NodeType
from gen3sync.records.merge import ContradictionError, merge_group
from gen3sync.records.mirror import mirror_columns, mirror_line, mirror_row, untellable

_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text on disk."""

    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mirror's text. `columns` is empty for JSON; `notes` lists the `untellable` values, None when there are none."""

    text: Text
    columns: tuple[str, ...]
    untellable: int = 0
    notes: Text | None = None


def base_columns(format: Format, node_type: NodeType) -> tuple[str, ...]:
    """The columns a mirror has whatever the records: what the guard against lost columns compares."""
    return mirror_columns(node_type) if format is Format.TSV else ()


def render(copy: Copy, format: Format, node_type: NodeType, spool: Path) -> Rendered:
    """Writes `copy` to `spool` (and notes beside it). Raises OSError, sqlite3.Error."""
    if format is not Format.TSV:
        lines = _json_lines(copy) if format is Format.JSON else (body + "\n" for body in copy.bodies())
        with _Writer(spool) as out:
            for line in lines:
                out.write(line)
        return Rendered(out.text, ())
    columns = mirror_columns(node_type)
    while True:
        notes = spool.with_name(spool.name + ".notes")
        with ExitStack() as stack:
            out = stack.enter_context(_Writer(spool))
            told = stack.enter_context(_Writer(notes))
            wider = _tsv(copy, node_type, columns, out, told)
        if not wider:
            if not told.lines:
                notes.unlink()
            return Rendered(out.text, columns, told.lines, told.text if told.lines else None)
        columns = wider


def merge(records: Sequence[Record]) -> Record:
    """The pieces of one record as one. Raises Contradiction."""
    try:
        return merge_group(records)
    except ContradictionError as error:
        raise Contradiction from error


def _tsv(copy: Copy, node: NodeType, columns: tuple[str, ...], out: _Writer, told: _Writer) -> tuple[str, ...] | None:
    """Writes lines; or, met with a record that needs a further column, gives the columns to begin again with."""
    known = set(columns)
    out.write(mirror_line(columns, {column: column for column in columns}))
    for record in copy.records():
        cells = mirror_row(record, node)
        if not cells.keys() <= known:
            return _all_columns(copy, node)
        out.write(mirror_line(columns, cells))
        for found in untellable(record, node):
            value = record.get(found.column.partition(".")[0])
            told.write(_note(record, found.column, found.reason, value))
    return None


def _all_columns(copy: Copy, node: NodeType) -> tuple[str, ...]:
    seen: set[str] = set()
    for record in copy.records():
        seen |= mirror_row(record, node).keys()
    return mirror_columns(node, seen)


def _note(record: Record, column: str, reason: str, value: Any) -> str:
    shown = value if not isinstance(value, str) or len(value) <= _SHOWN else value[:_SHOWN] + "…"
    note = {
        "id": record.get("id"),
        "submitter_id": record.get("submitter_id"),
        "column": column,
        "reason": f"it {reason}",
        "value": shown,
    }
    return json.dumps(note, ensure_ascii=False) + "\n"


def _json_lines(copy: Copy) -> Iterator[str]:
    """The commons' own form, one record a line."""
    yield '{"data": ['
    separator = "\n"
    for body in copy.bodies():
        yield separator + body
        separator = ",\n"
    yield "]}\n" if separator == "\n" else "\n]}\n"


class _Writer:
    """Writes a file, counting and hashing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO
        self._hash = hashlib.sha256()
        self._size = 0
        self.lines = 0

    def write(self, line: str) -> None:
        data = line.encode()
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        self.lines += 1

    @property
    def text(self) -> Text:
        return Text(self._path, self._size, self._hash.hexdigest())

    def __enter__(self) -> _Writer:
        self._file = self._path.open("wb")
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
