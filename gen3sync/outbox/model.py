"""The words of the outbox as data: what a row of a drop is, what is planned for it, how far it has come.

Owns shapes only. Everything here is immutable, so it may travel between threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Any

Json = Any
"""What JSON can say."""


class Action(StrEnum):
    """What a plan wants for one row."""

    CREATE = "create"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    ERASE = "erase"  # an update that would erase stored values, which the guard holds back
    WAIT = "wait"  # a parent is neither stored nor landing now
    REJECT = "reject"


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

    @property
    def ended(self) -> bool:
        return self >= RowState.DONE


OPEN_STATES = tuple(state for state in RowState if not state.ended)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a row is refused or waits: a type of error (the server's, or one of ours), the column, the sentence."""

    type: str
    message: str
    column: str | None = None
    remedy: str = ""

    def __str__(self) -> str:
        where = f"{self.column}: " if self.column else ""
        return f"{where}{self.message} {self.remedy}".strip()


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


@dataclass(frozen=True, slots=True)
class IndexedRow:
    """A row as the index keeps it. `cells` is the file's own, as read: text by column, or a JSON record."""

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
