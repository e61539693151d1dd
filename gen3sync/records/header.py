"""Reads the header of a TSV or CSV: names as the commons sees them, and what is wrong with them.

`*` and outer spaces of names are dropped, as the commons does with its own templates. Columns that gen3sync adds to
rejects files are recognised, so that a corrected rejects file can be dropped as it is.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from gen3sync.names import printable
from gen3sync.records.delimited import TextRecord
from gen3sync.records.problems import MendKind, Mends, Problem, ProblemKind, TableError
from gen3sync.records.rows import Form
from gen3sync.records.separators import find_separator, separator_name

#: Columns of our rejects files.
OURS = ("_line", "_error_type", "_errors")
REQUIRED = ("type", "submitter_id")
_SEPARATOR = re.compile(r'\s*"?sep=(?P<one>[^"])"?[,;\s]*', re.IGNORECASE)
_WORDS = {",": ("commas", ".csv"), ";": ("semicolons", ""), "\t": ("tabs", ".tsv")}
"""What separates cells: in words, and the ending of a file that is read so."""


@dataclass(frozen=True, slots=True)
class Header:
    """Column names in file order. `ours` are the places of columns that gen3sync added to a rejects file, `unnamed` of
    those without a name."""

    line: int
    end_line: int
    raw: str
    names: tuple[str, ...]
    ours: frozenset[int]
    unnamed: frozenset[int] = frozenset()

    def place(self, name: str) -> int:
        return self.names.index(name)


def clean_name(name: str) -> str:
    """A column name as the commons reads it: without outer spaces and leading `*`."""
    return name.strip().lstrip("*").strip()


def is_header(record: TextRecord, need: Callable[[Iterable[object]], bool] = all) -> bool:
    """Whether it names the columns that every file has; with `any`, one of them."""
    names = {clean_name(cell) for cell in record.cells}
    return need(name in names for name in REQUIRED)


def read_header(record: TextRecord, form: Form, mends: Mends) -> Header:
    """The header. Raises TableError with everything that is wrong with it."""
    names = tuple(clean_name(cell) for cell in record.cells)
    problems = [*_texts(record), *_doubles(names, record.line)]
    if missing := [name for name in REQUIRED if name not in names]:
        problems += _missing(missing, names, record, form)
    if problems:
        raise TableError([*problems, *_blanks(names, record.line)])
    for cell, name in zip(record.cells, names, strict=True):
        # The commons strips spaces before the star, not after it: `* type` would be another column there.
        if cell.strip().lstrip("*") != name:
            text = f"The column '{printable(cell.strip())}' is read as '{name}'."
            mends.add(MendKind.COLUMN_NAME, text, record.line, name, cell.strip(), name)
    ours = frozenset(place for place, name in enumerate(names) if name in OURS)
    unnamed = frozenset(place for place, name in enumerate(names) if not name)
    return Header(record.line, record.end_line, record.raw, names, ours, unnamed)


def separator_told(raw: str) -> str | None:
    """What separates the cells by a line such as `sep=,`, which is meant for Excel and no header; None by any other."""
    found = _SEPARATOR.fullmatch(raw)
    return found["one"] if found else None


def mend_separator(record: TextRecord, form: Form, mends: Mends) -> bool:
    """Whether it is such a line, and left out. Raises TableError where the name of the file promises otherwise."""
    separator, line = separator_told(record.raw), printable(record.raw.strip(), 40)
    if separator is None:
        return False
    if separator == ("\t" if form is Form.TSV else ","):
        text = f"The line '{line}', which tells Excel what separates the cells, is left out: the commons would take it "
        mends.add(MendKind.SEPARATOR_LINE, f"{text}for the header.", record.line, was=line)
        return True
    word, suffix = _WORDS.get(separator, (f"'{printable(separator)}'", ""))
    text = f"The line '{line}' tells Excel that {word} separate the cells, but the name of the file promises "
    save = "save the file with commas between the cells, or as tab-separated text (.tsv)"
    remedy = f"Delete the line, and {f'give the file a name that ends in {suffix}' if suffix else save}."
    raise TableError([Problem(ProblemKind.BAD_HEADER, f"{text}{form.value.upper()}.", remedy, record.line)])


def refuse_nameless(header: Header, record: TextRecord) -> None:
    """Raises TableError when a row says something in a column without a name."""
    for place in sorted(header.unnamed):
        if place < len(record.cells) and (held := record.cells[place].strip()):
            text = f"Column {place + 1} of the header has no name, and line {record.line} says '{printable(held, 40)}' "
            text += "there."
            remedy = "Name the column or delete it: if it numbers the rows, as R and pandas do, write none."
            raise TableError([Problem(ProblemKind.BLANK_COLUMN, text, remedy, header.line, str(place + 1))])


def mend_nameless(header: Header, mends: Mends) -> None:
    """Columns without a name in which no row says anything are left out: spreadsheets leave them behind."""
    if header.unnamed:
        *first, last = (str(place + 1) for place in sorted(header.unnamed))
        shown = f"Columns {', '.join(first)} and {last} have" if first else f"Column {last} has"
        text = f"{shown} neither a name nor values: left out."
        mends.add(MendKind.BLANK_COLUMN, text, header.line, first[0] if first else last)


def suggestion(name: str, known: Iterable[str]) -> str:
    """The known name nearest to `name`, '' when none is near."""
    choices = sorted(known)
    folded = {choice.lower().replace(" ", "_"): choice for choice in choices}
    exact = folded.get(name.lower().strip().replace(" ", "_").replace("-", "_"))
    if exact:
        return exact
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.7)
    return near[0] if near else ""


def _texts(record: TextRecord) -> list[Problem]:
    problems = []
    if record.stray is not None:
        problems.append(_bad(record, record.stray, "has text after its closing quote"))
    for place, cell in enumerate(record.cells):
        if "\0" in cell:
            problems.append(_bad(record, place, "holds a NUL character"))
        elif (found := find_separator(cell)) is not None or "\n" in cell:
            problems.append(_bad(record, place, f"holds a line break ({separator_name(found or chr(10))})"))
        elif len(cell) > 1000:
            problems.append(_bad(record, place, "is longer than 1,000 characters"))
    return problems


def _bad(record: TextRecord, place: int, what: str) -> Problem:
    cell = printable(record.cells[place], 40)
    text = f"The name of column {place + 1} ('{cell}') {what}."
    remedy = "Write plain column names in the first line."
    return Problem(ProblemKind.BAD_HEADER, text, remedy, record.line, str(place + 1))


def _blanks(names: Sequence[str], line: int) -> list[Problem]:
    """Columns without a name beside other faults; alone they are none until a row says something in them."""
    places = [str(place + 1) for place, name in enumerate(names) if not name]
    if not places or len(places) == len(names):
        return []
    text = (
        f"{'Columns' if places[1:] else 'Column'} {', '.join(places)} of the header {'have' if places[1:] else 'has'}"
    )
    remedy = "Name the column or delete it; a stray tab at the end of the header line makes one too."
    return [Problem(ProblemKind.BLANK_COLUMN, f"{text} no name.", remedy, line, places[0])]


def _doubles(names: Sequence[str], line: int) -> list[Problem]:
    return [
        Problem(
            ProblemKind.DUPLICATE_COLUMN,
            f"The column '{printable(name)}' stands {count} times in the header; the commons would keep the last only.",
            "Delete or rename all but one.",
            line,
            name,
        )
        for name, count in Counter(names).items()
        if name and count > 1
    ]


def _missing(missing: Sequence[str], names: Sequence[str], record: TextRecord, form: Form) -> list[Problem]:
    for delimiter in {Form.TSV: ",;", Form.CSV: "\t;"}.get(form, ""):
        word, suffix = _WORDS[delimiter]
        if len(names) == 1 and delimiter in record.cells[0]:
            save = "Save it with commas between the cells, or as tab-separated text (.tsv)"
            rename = f"Give the file a name that ends in {suffix}" if suffix else save
            text = f"The header is separated by {word}, but the name of the file promises {form.value.upper()}."
            return [Problem(ProblemKind.MISSING_COLUMN, text, f"{rename}.", record.line)]
    problems = []
    for name in missing:
        near = next((one for one in names if one.lower().replace(" ", "_") == name), None) or suggestion(name, names)
        remedy = {
            "type": "Add a column 'type' that says the node type in every row, for example 'case'.",
            "submitter_id": "Add a column 'submitter_id' with an id of your own for every record.",
        }[name]
        if near:
            remedy = f"Is it the column '{printable(near)}'? Rename it to '{name}'."
        text = f"The column '{name}' is missing."
        problems.append(Problem(ProblemKind.MISSING_COLUMN, text, remedy, record.line, name))
    return problems
