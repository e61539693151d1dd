"""What can be wrong with a file or a row, and what was mended, as data. Nothing here reads files."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gen3sync.errors import InputError
from gen3sync.names import printable


class ProblemKind(StrEnum):
    """What is wrong. docs/reference/reading-files.md has one line for each; a test keeps the two in step."""

    # the file as a whole
    UNKNOWN_FORMAT = "unknown_format"
    EMPTY = "empty"
    BINARY = "binary"
    ENCODING = "encoding"
    UTF16 = "utf16"
    BROKEN_ARCHIVE = "broken_archive"
    TOO_LARGE = "too_large"
    HEADER_ONLY = "header_only"
    DUPLICATE_COLUMN = "duplicate_column"
    BLANK_COLUMN = "blank_column"
    MISSING_COLUMN = "missing_column"
    BAD_HEADER = "bad_header"
    UNCLOSED_QUOTE = "unclosed_quote"
    BROKEN_JSON = "broken_json"
    # single rows
    TOO_MANY_CELLS = "too_many_cells"
    STRAY_QUOTE = "stray_quote"
    SWALLOWED_ROWS = "swallowed_rows"
    CELL_TOO_LONG = "cell_too_long"
    NUL = "nul"
    BAD_CHARACTER = "bad_character"
    LINE_SEPARATOR = "line_separator"
    NOT_A_RECORD = "not_a_record"
    DUPLICATE_KEY = "duplicate_key"
    BLANK_TYPE = "blank_type"
    UNKNOWN_TYPE = "unknown_type"
    OTHER_TYPE = "other_type"
    MISSING_SUBMITTER_ID = "missing_submitter_id"
    TWIN = "twin"
    SAME_ID = "same_id"
    OTHER_PROJECT = "other_project"
    UNKNOWN_COLUMN = "unknown_column"
    NOT_FINITE = "not_finite"
    TWO_PARENTS = "two_parents"
    BAD_LINK = "bad_link"
    # only seen beside what the commons holds
    OTHER_ID = "other_id"
    OTHER_PARENT = "other_parent"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `message` says what, `remedy` what to do. Lines count from 1, as in an editor. `column`
    is a name; where there is none, a number: of the cell in its row, in broken JSON of the character in its line."""

    kind: ProblemKind
    message: str
    remedy: str
    line: int | None = None
    column: str | None = None

    @property
    def where(self) -> str:
        """`Line 3, column 'sex': `, without the column where the message names it; '' without a line."""
        if self.line is None:
            return ""
        if self.column is None or names_column(self.message, self.column):
            return f"Line {self.line}: "
        shown = self.column if self.column.isdecimal() else f"'{printable(self.column, 80)}'"
        return f"Line {self.line}, column {shown}: "

    def __str__(self) -> str:
        return f"{self.where}{self.message} {self.remedy}".rstrip()


def names_column(message: str, column: str) -> bool:
    """Whether a sentence names the column itself."""
    return re.search(rf"(?<![\w.]){re.escape(column)}(?![\w.]\w)", message) is not None


class MendKind(StrEnum):
    """What was mended because the intent was plain."""

    BOM = "bom"
    SEPARATOR_LINE = "separator_line"
    LINE_ENDS = "line_ends"
    PROJECT_ID = "project_id"
    LAST_ROW_BLANKS = "last_row_blanks"
    BLANK_ROW = "blank_row"
    TEMPLATE_ROW = "template_row"
    REPEATED_ROW = "repeated_row"
    MIXED_TYPES = "mixed_types"
    EXTRA_BLANK_CELLS = "extra_blank_cells"
    COLUMN_NAME = "column_name"
    BLANK_COLUMN = "blank_column"
    BLANK_UNKNOWN_COLUMN = "blank_unknown_column"
    IGNORED_COLUMN = "ignored_column"
    BLANK_GENERATED = "blank_generated"


@dataclass(frozen=True, slots=True)
class Mend:
    """One kind of mending: where first, from what, to what, and in how many rows (0: the file as a whole)."""

    kind: MendKind
    message: str
    line: int | None = None
    column: str | None = None
    was: str = ""
    now: str = ""
    rows: int = 0


class Mends:
    """Counts equal mendings, so that a million rows with a blank `project_id` make one entry."""

    def __init__(self) -> None:
        self._found: dict[tuple[MendKind, str | None, str, str], tuple[str, int | None]] = {}
        self._rows: dict[tuple[MendKind, str | None, str, str], int] = {}

    def add(
        self,
        kind: MendKind,
        message: str,
        line: int | None = None,
        column: str | None = None,
        was: str = "",
        now: str = "",
        rows: int = 0,
    ) -> None:
        """Notes a mending; the message and line of the first of its like are kept."""
        key = (kind, column, was, now)
        if key not in self._found:
            self._found[key] = (message, line)
            self._rows[key] = 0
        self._rows[key] += rows

    def all(self) -> tuple[Mend, ...]:
        """One entry for each kind of mending, in the order of first appearance."""
        return tuple(
            Mend(kind, message, line, column, was, now, self._rows[kind, column, was, now])
            for (kind, column, was, now), (message, line) in self._found.items()
        )


class TableError(InputError):
    """The file cannot be used as it is; nothing of it is sent. `problems` says why, all of them at once."""

    def __init__(self, problems: Iterable[Problem], name: str = "") -> None:
        self.problems = tuple(problems)
        what = " ".join(str(problem) for problem in self.problems)
        super().__init__(f"{name}: {what}" if name else what)
