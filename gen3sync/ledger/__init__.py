"""The daemon's memory: drops, requests in flight, refreshes, history, orders, parked projects, notes.

Owns one SQLite file and everything SQL; gives and takes the frozen rows of `rows.py`. Nothing outside this room may
import SQLAlchemy (it costs over 100 ms), and importing this package does not either: only `open_ledger` does.

- `rows.py`        shapes and states
- `schema.py`      tables          `migrations.py`  how a file of an older version becomes today's
- `database.py`    connections, transactions, checks at open, errors as sentences
- `drops.py`, `refreshes.py`, `talk.py`   the questions the rooms ask
- `ledger.py`      `Ledger`, the one interface; another database would be another class behind it
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gen3sync.clock import Clock
from gen3sync.ledger.rows import (
    SUCCESSES,
    UNSETTLED,
    Drop,
    DropFields,
    DropState,
    Event,
    EventLevel,
    MirrorKey,
    NewDrop,
    NewRefresh,
    NewRequest,
    Order,
    Outcome,
    ParkedProject,
    Pruned,
    Refresh,
    Request,
    RequestState,
    Verdict,
)

if TYPE_CHECKING:
    from gen3sync.ledger.ledger import Ledger

__all__ = [
    "SUCCESSES",
    "UNSETTLED",
    "Drop",
    "DropFields",
    "DropState",
    "Event",
    "EventLevel",
    "Ledger",
    "MirrorKey",
    "NewDrop",
    "NewRefresh",
    "NewRequest",
    "Order",
    "Outcome",
    "ParkedProject",
    "Pruned",
    "Refresh",
    "Request",
    "RequestState",
    "Verdict",
    "open_ledger",
]


def open_ledger(path: Path, clock: Clock, *, read_only: bool = False) -> Ledger:
    """Opens the ledger at `path`, making or migrating it unless `read_only`. Raises LedgerError, the file untouched.

    Read-only is for `status` and `history`: it never writes, checks less, and works beside a running daemon.
    """
    from gen3sync.ledger.ledger import Ledger

    return Ledger.open(path, clock, read_only=read_only)


def __getattr__(name: str) -> Any:
    if name == "Ledger":
        from gen3sync.ledger.ledger import Ledger

        return Ledger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
