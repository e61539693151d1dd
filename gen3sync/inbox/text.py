"""A mirror's text in blocks: written whole once, then only where records changed.

A text is a head, blocks of about `BLOCK` records each, and a foot. The copy remembers where each block begins (by its
first id) and its length, so that a new text is the old file's bytes with a few blocks made anew. What a line says is
the painter's (`render`); where the text goes is `publish`'s.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol

from gen3sync.inbox.change import Record
from gen3sync.inbox.pieces import Part, Pieces, Text

BLOCK = 64


class Block(NamedTuple):
    """Some records of a text, one after another: their bytes, and the bytes and lines of what they cannot say."""

    first: str
    size: int
    told_size: int
    told: int


class Painter(Protocol):
    """Writes records of one node type in one format."""

    columns: tuple[str, ...]

    def head(self) -> str: ...

    def foot(self, rows: bool) -> str: ...

    def row(self, record: Record | None, body: str, first: bool) -> tuple[str, str]:
        """A record's text, and the lines about what it cannot say. `record` is read from `body` where it is needed."""


class TextWriter:
    """Writes a text record by record, so that it can be made while an export is still coming in."""

    def __init__(self, painter: Painter, spool: Path) -> None:
        self._painter = painter
        self._out = _File(spool)
        self._told = _File(spool.with_name(spool.name + ".notes"))
        self._lines: list[str] = []
        self._notes: list[str] = []
        self._first = ""
        self._rows = 0
        self.blocks: list[Block] = []
        self.told = 0

    def add(self, record: Record | None, body: str, id: str) -> None:
        """Raises OSError, and what the painter raises."""
        self.put(id, *self._painter.row(record, body, not self._rows))

    def put(self, id: str, line: str, told: str) -> None:
        """A record's line as the painter made it, not for the first of a text. Raises OSError."""
        if not self._lines:
            self._first = id
        self._rows += 1
        self._lines.append(line)
        if told:
            self._notes.append(told)
        if len(self._lines) >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        if self._lines:
            lines = sum(note.count("\n") for note in self._notes)
            size, told_size = self._out.write("".join(self._lines)), self._told.write("".join(self._notes))
            self.blocks.append(Block(self._first, size, told_size, lines))
            self.told += lines
            self._lines.clear()
            self._notes.clear()

    def texts(self) -> tuple[Text, Text | None]:
        """What was written, after the writer was closed, and what it cannot say."""
        notes = self._told.text if self.told else None
        if notes is None:
            self._told.text.path.unlink(missing_ok=True)
        return self._out.text, notes

    def __enter__(self) -> TextWriter:
        self._out.open()
        self._told.open()
        self._out.write(self._painter.head())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._flush()
                self._out.write(self._painter.foot(bool(self._rows)))
        finally:
            self._out.close()
            self._told.close()


class NotInBlocksError(Exception):
    """The file is not what the blocks say."""


@dataclass(frozen=True, slots=True)
class Patched:
    """A text with some blocks made anew. `gone` are the first ids of blocks that `made` stands in place of; `same`: it
    says nothing else than before. The pieces are to be closed."""

    text: Pieces
    notes: Pieces | None
    told: int
    gone: tuple[str, ...]
    made: tuple[Block, ...]
    same: bool


def patch(
    blocks: Sequence[Block],
    ids: Iterable[str],
    between: _Between,
    painter: Painter,
    old: BinaryIO,
    old_notes: BinaryIO | None,
) -> Patched:
    """The text of the records now, given the old file in `blocks` and the `ids` of what was put or added since.

    Raises NotInBlocksError, OSError, and what the painter raises.
    """
    firsts = [block.first for block in blocks]
    hit = sorted({max(bisect_right(firsts, id) - 1, 0) for id in ids})
    head = painter.head().encode()
    size = len(head) + sum(block.size for block in blocks) + len(painter.foot(bool(blocks)).encode())
    if size != _size(old) or sum(block.told_size for block in blocks) != _size(old_notes):
        raise NotInBlocksError
    text: list[Part] = [head]
    notes: list[Part] = []
    made: list[Block] = []
    same = True
    at, told_at, told = len(head), 0, 0
    wanted = set(hit)
    for place, block in enumerate(blocks or [Block("", 0, 0, 0)]):
        if place in wanted:
            end = firsts[place + 1] if place + 1 < len(firsts) else None
            painted = [*_painted(painter, between("" if not place else block.first, end), not place)]
            same = same and b"".join(one[1] for one in painted) == os.pread(old.fileno(), block.size, at)
            for fresh, line, note in painted:
                made.append(fresh)
                text.append(line)
                notes.append(note)
                told += fresh.told
        else:
            text.append((at, block.size))
            notes.append((told_at, block.told_size))
            told += block.told
        at, told_at = at + block.size, told_at + block.told_size
    text.append(painter.foot(bool(blocks or made)).encode())
    gone = tuple(firsts[place] for place in hit if firsts)
    return Patched(Pieces(old, text), Pieces(old_notes, notes) if told else None, told, gone, tuple(made), same)


class _Between(Protocol):
    def __call__(self, first: str, end: str | None) -> Iterator[tuple[str, str]]: ...


def _painted(painter: Painter, rows: Iterator[tuple[str, str]], first: bool) -> Iterator[tuple[Block, bytes, bytes]]:
    """Records as new blocks."""
    some: list[tuple[str, str]] = []
    for row in rows:
        some.append(row)
        if len(some) == BLOCK:
            yield _block(painter, some, first)
            some, first = [], False
    if some:
        yield _block(painter, some, first)


def _block(painter: Painter, rows: Sequence[tuple[str, str]], first: bool) -> tuple[Block, bytes, bytes]:
    pairs = [painter.row(None, body, first and not place) for place, (_, body) in enumerate(rows)]
    text, notes = ("".join(pair[side] for pair in pairs).encode() for side in (0, 1))
    return Block(rows[0][0], len(text), len(notes), notes.count(b"\n")), text, notes


def _size(file: BinaryIO | None) -> int:
    return 0 if file is None else os.fstat(file.fileno()).st_size


class _File:
    """Writes a file, counting and hashing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self._size = 0
        self._file: BinaryIO

    def open(self) -> None:
        self._file = self._path.open("wb")

    def close(self) -> None:
        self._file.close()

    def write(self, text: str) -> int:
        data = text.encode()
        self._file.write(data)
        self._hash.update(data)
        self._size += len(data)
        return len(data)

    @property
    def text(self) -> Text:
        return Text(self._path, self._size, self._hash.hexdigest())
