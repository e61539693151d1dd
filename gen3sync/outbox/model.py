"""The words of the outbox as data: what a row of a drop is, what is planned for it, how far it has come.

Owns shapes only. Everything here is immutable, so it may travel between threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

from gen3sync.records.problems import names_column

Json = Any
"""What JSON can say."""
_LINES = 1 << 40
"""More than a file has."""


def mark_of(line: int, nth: int) -> int:
    """What tells a row from all others of its file: its line, unless others stand on that before it. JSON is commonly
    written without line ends, so that all records stand on line 1."""
    return line + nth * _LINES


def line_of(mark: int) -> int:
    """The line on which a row stands."""
    return mark % _LINES


class Action(StrEnum):
    """What a plan wants for one row."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    ERASE = "erase"  # an update that would erase stored values, which the guard holds back
    WAIT = "wait"  # a parent is neither stored nor landing now
    REJECT = "reject"
    WRITE = "write"  # never planned: sent unseen, and nobody knows yet whether that created or updated a record


class RowState(IntEnum):
    """How far a row has come. Numbers, because a million of them are stored."""

    NEW = 0  # read, not planned
    READY = 1  # planned, to be sent
    WAITING = 2  # a parent is missing
    BEHIND = 3  # an earlier drop, or a request whose answer was lost, holds the same record
    GUARDED = 4  # would erase stored values
    FLIGHT = 5  # in a request
    LOST = 6  # in a request whose answer was lost
    TRIED = 7  # passed a dry run; waits until all of the file have
    LANDED = 8  # the commons said so; the proof is being read
    DONE = 10  # proven
    ACCEPTED = 11  # the commons said so, and no proof is to be had
    UNCHANGED = 12  # the commons held these values already
    REJECTED = 13
    SUPERSEDED = 14  # a newer arrival at the same path took its place before it was sent
    WITHDRAWN = 15  # somebody took the drop back before it was sent

    @property
    def ended(self) -> bool:
        return self >= RowState.DONE


def rows_said(number: int) -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {'row' if number == 1 else 'rows'}"


OPEN_STATES = tuple(state for state in RowState if not state.ended)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is refused or waits: a type of error (the server's, or one of ours), the column, the sentence.

    `rule` is the sentence without the row's own value: rows with the same one are told together. `said` are the
    commons' own words and `allowed` the values it would take; neither is kept for each row.
    """

    type: str
    message: str
    column: str | None = None
    remedy: str = ""
    rule: str = ""
    said: str = ""
    allowed: tuple[str, ...] = ()

    @property
    def alike(self) -> tuple[str, str | None, str]:
        """What rows refused for the same reason have in common."""
        return self.type, self.column, self.rule or self.message

    def __str__(self) -> str:
        named = self.column is None or names_column(self.message, self.column)
        return f"{'' if named else f'{self.column}: '}{self.message} {self.remedy}".strip()


@dataclass(frozen=True, slots=True)
class Parent:
    """A record that a row links to: by its id, or by node and submitter_id."""

    node: str
    submitter_id: str | None = None
    id: str | None = None

    def __str__(self) -> str:
        return f"{self.node} {self.submitter_id if self.submitter_id is not None else self.id}"


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """One column of one record: what the commons holds, what the file says."""

    column: str
    old: Json
    new: Json


@dataclass(frozen=True, slots=True)
class RowPlan:
    """What one row asks of the commons."""

    line: int
    node: str
    key: str
    submitter_id: str
    action: Action
    changes: tuple[ColumnChange, ...] = ()
    erased: tuple[ColumnChange, ...] = ()
    links_not_removed: tuple[str, ...] = ()
    waiting_for: tuple[Parent, ...] = ()
    problems: tuple[Reason, ...] = ()
    record_id: str | None = None
    unseen: tuple[Parent, ...] = ()
    """Parents of which nobody could say whether they are there."""
    equal: int = 0
    """Values of the row that are stored as it says (see `records.compare.Comparison`)."""


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """A row as the index keeps it. `cells` is the file's own, as read: text by column, or a JSON record. `line` is the
    row's mark (`mark_of`)."""

    id: int
    drop_id: int
    line: int
    end_line: int
    node: str
    key: str
    submitter_id: str
    shape: int
    cells: Json
    state: RowState
    action: Action | None = None
    record_id: str | None = None
    group: int = 0
    tries: int = 0
    sent: Action | None = None
    detail: dict[str, Json] = field(default_factory=dict)
    named: str | None = None
    """The `id` that the row names."""

    @property
    def sent_as(self) -> Action:
        """What it is sent for. An update of what could not be seen may as well create it."""
        planned = self.action or Action.UPDATE
        return Action.WRITE if planned is Action.UPDATE and "before" not in self.detail else planned

    @property
    def locks(self) -> tuple[str, ...]:
        """What no other request in flight may name, as the ledger keeps it: `NODE key`, `id VALUE` if it has one."""
        record = f"{self.node} {self.key}"
        return (record,) if self.named is None else (record, f"id {self.named}")
