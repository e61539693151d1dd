"""Scratch: tables on disk of what is too much for memory, made anew by each life of the daemon."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gen3sync.commons import asking

_Key = TypeVar("_Key")
_FREE = 4000
"""Empty pages (of 4 kB) that are kept for what comes next."""
_JOURNAL = 4_000_000
"""Bytes of its journal that stay on disk between transactions."""
_VARIABLES = 500
"""Values in one IN (…): SQLite allows 999 in its oldest builds."""


def open_scratch(path: Path, tables: str, *, cache: int = 8000) -> sqlite3.Connection:
    """A new, empty one in place of whatever lies there. `tables` are statements that make them; `cache` is in kB."""
    discard(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    # What a transaction changes is kept on disk until it ends: it may be all rows of a file of a million.
    kept = f"PRAGMA journal_mode=PERSIST; PRAGMA journal_size_limit={_JOURNAL};"
    db.executescript(f"{kept} PRAGMA synchronous=OFF; PRAGMA cache_size=-{cache};{tables}")
    return db


def discard(path: Path) -> None:
    """Removes a scratch, and first its journal: SQLite would take what a kill left of that back in the next one."""
    path.with_name(f"{path.name}-journal").unlink(missing_ok=True)
    path.unlink(missing_ok=True)


@contextlib.contextmanager
def all_or_nothing(db: sqlite3.Connection) -> Iterator[None]:
    """One transaction, which no failure leaves open: on a full disk, say, the next one can begin."""
    try:
        db.execute("BEGIN")
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def give_back(db: sqlite3.Connection) -> None:
    """Pages that nothing is on any more go back to the disk, where they are many: a file of a million rows needs a
    gigabyte, and a daemon runs for months. For when there is nothing left: what is left is written anew."""
    if db.execute("PRAGMA freelist_count").fetchone()[0] > _FREE:
        with contextlib.suppress(sqlite3.OperationalError):  # a full disk: it is tried after the next one
            db.execute("VACUUM")


def portions(keys: Collection[_Key]) -> Iterator[Sequence[_Key]]:
    """As many keys at a time as go into one statement."""
    return asking.portions(list(keys), _VARIABLES)
