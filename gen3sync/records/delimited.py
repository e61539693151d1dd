"""Splits TSV and CSV text into records exactly as the commons' reader does, but keeps the line numbers.

The commons strips the document, joins `splitlines()` by line feeds and reads it with Python's csv module, not strict
(sheepdog `TSVToJSONConverter`). This reader splits at CR, LF and CRLF only, because a row that holds any of the other
separators is refused by `table`; for all other text the two agree, which a property test holds against a model.
What columns and cells mean is left to `header` and `table`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
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


def read_delimited(text: io.TextIOWrapper, delimiter: str) -> Iterator[TextRecord]:
    """Records in order, without blank lines. Raises TableError for a quote that is never closed."""
    quoted_break = f'"{delimiter}"'
    number = 0
    while line := text.readline(MAX_RECORD):
        number += 1
        line = line.rstrip("\r\n")
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
        record = _read_quoted(text, number, line, delimiter)
        number = record.end_line
        yield record


def _read_quoted(text: io.TextIOWrapper, number: int, line: str, delimiter: str) -> TextRecord:
    """One record with quotes in it, reading on over line ends inside them."""
    record = TextRecord(number, number, line, [])
    raws = [line]
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
                        raise TableError([_unclosed(opened, len(record.cells) + 1, at_end=not more)])
                    line = more.rstrip("\r\n")
                    raws.append(line)
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
    record.raw = "\n".join(raws)
    return record


def quote(cell: str, delimiter: str = "\t") -> str:
    """A cell as a careful program writes it: quoted only where it must be."""
    if any(character in cell for character in (delimiter, '"', "\n", "\r")) or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _unclosed(line: int, cell: int, *, at_end: bool) -> Problem:
    where = "to the end of the file" if at_end else f"for {MAX_RECORD:,} characters"
    return Problem(
        ProblemKind.UNCLOSED_QUOTE,
        f"Cell {cell} opens with a double quote that is not closed {where}; the commons would swallow what follows.",
        'Close the quote, or write the cell in quotes with inner ones doubled: 5" pipe becomes "5"" pipe".',
        line,
    )


def _too_long(line: int) -> Problem:
    return Problem(
        ProblemKind.TOO_LARGE,
        f"The line is longer than {MAX_RECORD:,} characters.",
        "Is it a table? Each record stands on a line of its own.",
        line,
    )
