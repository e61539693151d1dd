"""Splits TSV and CSV text into records exactly as the commons' reader does, but keeps the line numbers.

The commons strips the document, joins `splitlines()` by line feeds and reads it with Python's csv module, not strict
(sheepdog `TSVToJSONConverter`). This reader splits at CR, LF and CRLF only, because a row that holds any of the other
separators is refused by `table`; for all other text the two agree, which a property test holds against a model.
What columns and cells mean is left to `header` and `table`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gen3sync.records.problems import Problem, ProblemKind, TableError
from gen3sync.records.source import MAX_RECORD


@dataclass(slots=True)
class TextRecord:
    """The cells of one record, untrimmed. `stray` is the place of a cell with text after its closing quote."""

    line: int
    end_line: int
    raw: str
    cells: list[str]
    stray: int | None = None

    @property
    def spans_lines(self) -> bool:
        return self.end_line != self.line


def read_delimited(text: io.TextIOWrapper, delimiter: str, names: Sequence[str] = ()) -> Iterator[TextRecord]:
    """Records in order, without blank lines. Raises TableError for a quote that is never closed; `names` are the
    columns', as far as they are known, to say where it is."""
    quoted_break = f'"{delimiter}"'
    number = 0
    while whole := text.readline(MAX_RECORD):
        number += 1
        line = whole.rstrip("\r\n")
        if not line:
            continue
        if len(line) >= MAX_RECORD - 1:
            raise TableError([_too_long(number)])
        if '"' not in line:
            yield TextRecord(number, number, line, line.split(delimiter))
            continue
        if line[0] == '"' == line[-1] and len(line) > 1:
            # Every cell quoted, and no quote inside one: the form that spreadsheets and gen3sync itself write.
            cells = line[1:-1].split(quoted_break)
            if line.count('"') == 2 * len(cells):
                yield TextRecord(number, number, line, cells)
                continue
        record = _read_quoted(text, number, whole, delimiter, names)
        number = record.end_line
        yield record


def _read_quoted(text: io.TextIOWrapper, number: int, whole: str, delimiter: str, names: Sequence[str]) -> TextRecord:
    """One record with quotes in it, reading on over line ends inside them."""
    line = whole.rstrip("\r\n")
    record = TextRecord(number, number, line, [])
    raws = [whole]
    size = len(line)
    place = 0
    while True:
        if line[place : place + 1] != '"':
            end = line.find(delimiter, place)
            record.cells.append(line[place:] if end < 0 else line[place:end])
        else:
            opened = record.end_line
            parts: list[str] = []
            place += 1
            while True:
                quote = line.find('"', place)
                if quote < 0:
                    parts += (line[place:], "\n")
                    more = text.readline(MAX_RECORD)
                    size += len(more)
                    if not more or size > MAX_RECORD:
                        raise TableError([_unclosed(opened, len(record.cells), names, at_end=not more)])
                    line = more.rstrip("\r\n")
                    raws.append(more)
                    record.end_line += 1
                    place = 0
                    continue
                parts.append(line[place:quote])
                place = quote + 1
                if line[place : place + 1] != '"':
                    break
                parts.append('"')
                place += 1
            end = line.find(delimiter, place)
            rest = line[place:] if end < 0 else line[place:end]
            if rest:
                record.stray = len(record.cells) if record.stray is None else record.stray
                parts.append(rest)
            record.cells.append("".join(parts))
        if end < 0:
            break
        place = end + 1
    record.raw = "".join(raws).rstrip("\r\n")
    return record


def raw_cells(raw: str, delimiter: str) -> list[str]:
    """The cells of a record's text as they are written, quotes and all."""
    pieces: list[str] = []
    start = 0
    while True:
        place = start
        if raw[place : place + 1] == '"':
            place += 1
            while (quote := raw.find('"', place)) >= 0:
                place = quote + 1
                if raw[place : place + 1] != '"':
                    break
                place += 1
        end = raw.find(delimiter, place)
        if end < 0:
            return [*pieces, raw[start:]]
        pieces.append(raw[start:end])
        start = end + 1


def column_name(names: Sequence[str], place: int) -> str:
    """What the column at `place` is called; its number where it has no name."""
    return names[place] if place < len(names) and names[place] else str(place + 1)


def quote(cell: str, delimiter: str = "\t") -> str:
    """A cell as a careful program writes it: quoted only where it must be."""
    if any(character in cell for character in (delimiter, '"', "\n", "\r")) or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _unclosed(line: int, place: int, names: Sequence[str], *, at_end: bool) -> Problem:
    where = "to the end of the file" if at_end else f"for {MAX_RECORD:,} characters"
    cell = f"Cell {place + 1}"
    return Problem(
        ProblemKind.UNCLOSED_QUOTE,
        f"{cell} opens with a double quote that is not closed {where}; the commons would swallow what follows.",
        'Close the quote, or write the cell in quotes with inner ones doubled: 5" pipe becomes "5"" pipe".',
        line,
        column_name(names, place),
    )


def _too_long(line: int) -> Problem:
    return Problem(
        ProblemKind.TOO_LARGE,
        f"The line is longer than {MAX_RECORD:,} characters.",
        "Is it a table? Each record stands on a line of its own.",
        line,
    )
