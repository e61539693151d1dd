"""Rows of a file, as read: usable ones, and those that are not. Data only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gen3sync.pglower import pg_lower
from gen3sync.records.problems import Problem, ProblemKind


class Form(StrEnum):
    """How a file writes its records. It decides how the commons reads link cells: `,` in TSV, `#` in CSV."""

    TSV = "tsv"
    CSV = "csv"
    JSON = "json"  # one record, a list of them, or a commons' export
    JSONL = "jsonl"  # one record a line

    @property
    def delimited(self) -> bool:
        return self in (Form.TSV, Form.CSV)


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a file, ready to be understood (`codec.desired`) and sent (`wire`).

    `cells` (TSV, CSV) holds trimmed text by column as it goes on the wire: `project_id` filled, missing trailing cells
    left out, and without columns that are ours, unknown and blank, or ignored by the commons. `record` (JSON) holds the
    values likewise. Exactly one of the two has content. `raw` is the original text for the rejects file, without the
    final line end and without our own columns. Lines count from 1.
    """

    line: int
    end_line: int
    node: str
    submitter_id: str
    raw: str
    form: Form
    cells: Mapping[str, str]
    record: Mapping[str, object] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """`(node, lower(submitter_id))`: what no two requests in flight may share."""
        return (self.node, pg_lower(self.submitter_id))

    @property
    def named(self) -> str | None:
        """The `id` it names, which no two requests in flight may share either."""
        value = self.record.get("id") if self.record is not None else self.cells.get("id")
        blank = ("",) if self.record is not None else ("", "null")
        return value if isinstance(value, str) and value not in blank else None

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns this row speaks of; a column it leaves out keeps its stored value."""
        return tuple(self.record if self.record is not None else self.cells)


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be sent, and why. `node` and `submitter_id` as far as they could be made out."""

    line: int
    end_line: int
    raw: str
    problems: tuple[Problem, ...]
    node: str | None = None
    submitter_id: str | None = None

    @property
    def unknown(self) -> bool:
        """Whether it is refused for a type or a column that the dictionary does not have."""
        return any(problem.kind in (ProblemKind.UNKNOWN_TYPE, ProblemKind.UNKNOWN_COLUMN) for problem in self.problems)


def columns_of(row: Row) -> tuple[str, ...]:
    """The column set of a row: rows sent together in one TSV must share it, or omitted cells would erase."""
    return row.columns
