"""Whether the commons holds what was sent.

Pure: rows, what was wanted, the transaction's state and the records read back come in. Fetching these is `send.py`'s,
acting on them `lane.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gen3sync.commons.replies import Failure, TransactionState
from gen3sync.outbox.model import IndexedRow, Json


class Proof(StrEnum):
    """How strong a proof is, strongest first."""

    FULL = "transaction and values"  # SUCCEEDED in the log, and the values read back are equal
    VALUES = "values"  # the values read back are equal; the log could not be read, or had not caught up
    TRANSACTION = "transaction"  # SUCCEEDED in the log; the values could not be read
    NONE = "none"  # the answer alone

    @property
    def green(self) -> bool:
        return self in (Proof.FULL, Proof.VALUES)


class Seen(StrEnum):
    """What reading back said of one row."""

    EQUAL = "equal"
    OVERWRITTEN = "overwritten since"  # differs, and a newer transaction wrote the record, or deleted it
    DIFFERENT = "different"
    ABSENT = "absent"
    UNREAD = "unread"


@dataclass(frozen=True, slots=True)
class Readback:
    """What was found out about one request that the commons says has landed."""

    transaction: TransactionState | None
    records: Mapping[str, Mapping[str, Json]] | None
    """By id; None where they could not be read."""
    written_since: Mapping[int, bool] = field(default_factory=dict)
    """Ids of rows whose records a newer transaction wrote; whether it deleted them."""
    problem: str = ""
    """Why something could not be read."""
    retry: bool = False
    """It may be readable later (the commons is down), as against never (no permission)."""
    failure: Failure | None = None
    """What then came instead of the records."""


@dataclass(frozen=True, slots=True)
class Proven:
    """`rows` says what was seen of each row id; `differences` the columns, in words."""

    proof: Proof
    rows: dict[int, Seen] = field(default_factory=dict)
    differences: dict[int, str] = field(default_factory=dict)


def disproved(back: Readback, proven: Proven) -> bool:
    """Whether a request stored nothing though its answer said so: the log does not say SUCCEEDED, and no row is there
    as sent. A transaction is stored whole or not at all, so one row that is there leaves it open."""
    gone = set(proven.rows.values()) <= {Seen.ABSENT, Seen.DIFFERENT}
    return back.transaction not in (None, TransactionState.SUCCEEDED) and gone


def prove(
    rows: Sequence[IndexedRow],
    back: Readback,
    differs: Mapping[int, str | None],
) -> Proven:
    """How far `back` proves that `rows` are stored.

    `differs` holds for each row that was read back what differs from the file, in words, or None when nothing does.
    """
    succeeded = back.transaction is TransactionState.SUCCEEDED
    if back.records is None:
        proof = Proof.TRANSACTION if succeeded else Proof.NONE
        return Proven(proof, {row.id: Seen.UNREAD for row in rows})
    seen: dict[int, Seen] = {}
    differences: dict[int, str] = {}
    for row in rows:
        if row.id not in differs:
            deleted = succeeded and back.written_since.get(row.id, False)
            seen[row.id] = Seen.OVERWRITTEN if deleted else Seen.ABSENT
            continue
        words = differs[row.id]
        if words is None:
            seen[row.id] = Seen.EQUAL
        else:
            seen[row.id] = Seen.OVERWRITTEN if succeeded and row.id in back.written_since else Seen.DIFFERENT
            differences[row.id] = words
    return Proven(Proof.FULL if succeeded else Proof.VALUES, seen, differences)
