"""Records as the text of a mirror: sorted, the same bytes for the same records, and what TSV cannot say listed.

What a cell may say is `records.mirror`'s; how a text is put together and changed is `text`'s; where it goes is
`publish`'s. The text goes to a spool file first, so that its hash is known before anything in the inbox is touched.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen3sync.inbox.change import Record, canonical
from gen3sync.inbox.copy import Contradiction, Copy
from gen3sync.inbox.pieces import Whole
from gen3sync.inbox.plan import Format
from gen3sync.inbox.text import Block, Painter, Patched, TextWriter
from gen3sync.records.dictionary import NodeType
from gen3sync.records.merge import ContradictionError, merge_group
from gen3sync.records.mirror import mirror_columns
from gen3sync.records.mirrorlines import LineMaker, NarrowError

_SHOWN = 200

Look = tuple[Format, tuple[str, ...]]
"""What makes two texts of one node the same: the format and the chosen columns."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """A mirror's text. `columns` is empty for JSON; `notes` lists the `untellable` values, None when there are none.

    `blocks` say where in the text the records are; `patched` what is new in it, where it was not written whole.
    """

    text: Whole
    columns: tuple[str, ...]
    untellable: int = 0
    notes: Whole | None = None
    blocks: tuple[Block, ...] = ()
    patched: Patched | None = None


def chosen(column: str, patterns: Sequence[str]) -> bool:
    """Whether a mirror with these `columns` has the column; a link is meant by its name as well."""
    return not patterns or any(_means(pattern, column) for pattern in patterns)


def _means(pattern: str, column: str) -> bool:
    return fnmatch.fnmatchcase(column, pattern) or fnmatch.fnmatchcase(column.partition(".")[0], pattern)


def columns_of(node_type: NodeType, patterns: Sequence[str], further: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """The columns of a TSV: the dictionary's, or those chosen in the order in which they were."""
    every = mirror_columns(node_type, further)
    if not patterns:
        return every
    found = dict.fromkeys(column for pattern in patterns for column in every if _means(pattern, column))
    return tuple(found) or every  # `columns` that name none of this node type: told as a problem, not as a blank file


def base_columns(format: Format, node_type: NodeType, patterns: Sequence[str] = ()) -> tuple[str, ...]:
    """The columns a mirror has whatever the records: what the guard against lost columns compares."""
    return columns_of(node_type, patterns) if format is Format.TSV else ()


def painter_of(
    format: Format, node_type: NodeType, patterns: Sequence[str] = (), columns: Sequence[str] | None = None
) -> Painter:
    """Whoever writes records in `format`. `columns` are those of a TSV that is there, None: those all records have."""
    match format:
        case Format.TSV:
            have = columns_of(node_type, patterns) if columns is None else tuple(columns)
            return _Tsv(LineMaker(node_type, have, lambda column: chosen(column, patterns)))
        case Format.JSON:
            return _Json(tuple(patterns))
        case Format.JSONL:
            return _Jsonl(tuple(patterns))


def render(copy: Copy, format: Format, node_type: NodeType, spool: Path, patterns: Sequence[str] = ()) -> Rendered:
    """Writes `copy` to `spool` (and notes beside it). Raises OSError, sqlite3.Error."""
    painter = painter_of(format, node_type, patterns)
    further: frozenset[str] = frozenset()
    while True:
        try:
            with TextWriter(painter, spool) as out:
                for id, body in copy.between("", None):
                    out.add(None, body, id)
            return finished(out, painter)
        except NarrowError as error:
            further |= error.columns
            painter = painter_of(format, node_type, patterns, columns_of(node_type, patterns, further))


def finished(out: TextWriter, painter: Painter) -> Rendered:
    """What a closed writer wrote."""
    text, notes = out.texts()
    return Rendered(text, painter.columns, out.told, notes, tuple(out.blocks))


def merge(records: Sequence[Record]) -> Record:
    """The pieces of one record as one. Raises Contradiction."""
    try:
        return merge_group(records)
    except ContradictionError as error:
        raise Contradiction from error


class _Tsv:
    def __init__(self, lines: LineMaker) -> None:
        self._lines = lines
        self.columns = lines.columns

    def head(self) -> str:
        return self._lines.header

    def foot(self, rows: bool) -> str:  # noqa: ARG002
        return ""

    def row(self, record: Record | None, body: str, first: bool) -> tuple[str, str]:  # noqa: ARG002
        known = json.loads(body) if record is None else record
        line, told = self._lines.line(known)
        if not told:
            return line, ""
        notes = (_note(known, one.column, one.reason, known.get(one.column.partition(".")[0])) for one in told)
        return line, "".join(notes)


class _Json:
    """The commons' own form, one record a line."""

    columns: tuple[str, ...] = ()

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns

    def head(self) -> str:
        return '{"data": ['

    def foot(self, rows: bool) -> str:
        return "\n]}\n" if rows else "]}\n"

    def row(self, record: Record | None, body: str, first: bool) -> tuple[str, str]:
        return ("\n" if first else ",\n") + self.said(record, body), ""

    def said(self, record: Record | None, body: str) -> str:
        if not self._patterns:
            return body
        known = json.loads(body) if record is None else record
        return canonical({name: value for name, value in known.items() if chosen(name, self._patterns)})


class _Jsonl(_Json):
    def head(self) -> str:
        return ""

    def foot(self, rows: bool) -> str:  # noqa: ARG002
        return ""

    def row(self, record: Record | None, body: str, first: bool) -> tuple[str, str]:  # noqa: ARG002
        return self.said(record, body) + "\n", ""


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


__all__ = ["Look", "Rendered", "base_columns", "chosen", "columns_of", "finished", "merge", "painter_of", "render"]
