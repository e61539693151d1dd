"""What the groups of the ledger share: a database, a clock, and rows made of results."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import RowMapping

from gen3sync.clock import Clock
from gen3sync.errors import LedgerError
from gen3sync.ledger.database import Database

R = TypeVar("R")


class Group:
    """One topic of the ledger. Each call is one transaction, or part of the one its thread is in."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock


def as_row(kind: Callable[..., R], mapping: RowMapping) -> R:
    """A frozen row of `kind` from a result whose columns are its fields."""
    return kind(**mapping)


def known(found: R | None, what: str, id: Any) -> R:
    """`found`, or a LedgerError that says which row is not there."""
    if found is None:
        raise LedgerError(
            f"The ledger knows no {what} {id}.", "It may have been pruned; `gen3sync history` lists them."
        )
    return found
