"""A copy written as a mirror's text: sorted, the same bytes for the same records, and what TSV cannot say listed.

The text goes to a spool file first, so that its hash is known before anything in the inbox is touched. What a cell may
say is `records.mirror`'s; where the text goes is `publish`'s.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
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
        with TableWriter(node_type, columns, spool) as table:
            for record in copy.records():
                table.add(record)
                if table.too_narrow:
                    break
        if not table.too_narrow:
            return table.rendered()
        columns = _all_columns(copy, node_type)


class TableWriter:
    """Writes a TSV record by record, so that it can be made while an export is still coming in.

    `too_narrow` becomes true at a record that needs a further column; what is written from then on is of no use.
    """

    def __init__(self, node_type: NodeType, columns: tuple[str, ...], spool: Path) -> None:
        self.too_narrow = False
        self._node = node_type
        self._columns = columns
        self._known = frozenset(columns)
        self._out = _Writer(spool)
        self._told = _Writer(spool.with_name(spool.name + ".notes"))

    def add(self, record: Record) -> None:
        """Raises OSError."""
        cells = mirror_row(record, self._node)
        if self.too_narrow or not cells.keys() <= self._known:
            self.too_narrow = True
            return
        self._out.write(mirror_line(self._columns, cells))
        for found in untellable(record, self._node):
            value = record.get(found.column.partition(".")[0])
            self._told.write(_note(record, found.column, found.reason, value))

    def rendered(self) -> Rendered:
        """What was written, after the writer was closed."""
        notes = self._told.text if self._told.lines else None
        if notes is None:
            self._told.text.path.unlink(missing_ok=True)
        return Rendered(self._out.text, self._columns, self._told.lines, notes)

    def __enter__(self) -> TableWriter:
        self._out.__enter__()
        self._told.__enter__()
        self._out.write(mirror_line(self._columns, {column: column for column in self._columns}))
        return self

    def __exit__(self, *_: object) -> None:
        self._out.__exit__()
        self._told.__exit__()


def merge(records: Sequence[Record]) -> Record:
    """The pieces of one record as one. Raises Contradiction."""
    try:
        return merge_group(records)
    except ContradictionError as error:
        raise Contradiction from error


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
