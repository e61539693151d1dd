"""What SQLite's errors mean, as sentences with a remedy.

Owns the wording; decides by SQLite's error codes, never by its prose.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gen3sync.errors import LedgerError

_PRIMARY = 0xFF  # the low byte of an extended result code is the primary one


def damaged(path: Path, detail: str) -> LedgerError:
    """The file is there and is not a whole ledger."""
    return LedgerError(
        f"The ledger {path} is damaged: {detail}. It was left as it is.",
        f"Stop gen3sync, move {path.name} (with {path.name}-wal and {path.name}-shm, if there) to a safe place and"
        " start again: a new ledger is made, and what waits is compared with the commons before anything is sent."
        " A copy made before the last upgrade may lie beside it, named *.before-version-*.",
    )


@contextlib.contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turns what SQLite and SQLAlchemy raise into LedgerError. Values of rows never get into the sentence."""
    try:
        yield
    except PoolTimeoutError as error:
        raise LedgerError(
            f"The ledger {path} is busy: all connections are in use.", "Try again; if it stays so, restart gen3sync."
        ) from error
    except DBAPIError as error:
        raise _sentence(path, error.orig) from error
    except sqlite3.Error as error:
        raise _sentence(path, error) from error


def _sentence(path: Path, error: BaseException | None) -> LedgerError:
    code = getattr(error, "sqlite_errorcode", None)
    match None if code is None else code & _PRIMARY:
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return damaged(path, str(error))
        case sqlite3.SQLITE_FULL:
            return LedgerError(
                f"The ledger {path} cannot be written: the disk is full.", "Make room there; gen3sync then goes on."
            )
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return LedgerError(
                f"The ledger {path} is in use: another program has held it for too long.",
                "Close programs that look into it (sqlite3, backup tools), then try again.",
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM | sqlite3.SQLITE_AUTH:
            return LedgerError(
                f"The ledger {path} cannot be written: permission denied, or a read-only disk.",
                "Run gen3sync as the user that owns the state folder, on a disk that can be written.",
            )
        case sqlite3.SQLITE_CANTOPEN:
            return LedgerError(
                f"The ledger {path} cannot be opened.",
                "Check that its folder exists and that the user that runs gen3sync may read and write there.",
            )
        case sqlite3.SQLITE_IOERR:
            return LedgerError(
                f"The ledger {path} cannot be read or written: the disk reports an error.",
                "Look at the system log; the disk may be failing or full.",
            )
        case sqlite3.SQLITE_CONSTRAINT:
            return LedgerError(
                f"The ledger {path} refused a change that would make it contradict itself ({error}).",
                "This is a fault of gen3sync; please report it with the log.",
            )
    return LedgerError(f"The ledger {path} cannot be used: {error}.", "Look at the system log for the cause.")
