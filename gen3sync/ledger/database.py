"""The SQLite file: made whole, checked, migrated, and opened for many threads and several processes.

Owns connections, transactions and locking. Leaves what is asked to the groups.

WAL, so that the command line reads while the daemon writes; synchronous=FULL, so that what was committed survives a
power cut; every write begins with BEGIN IMMEDIATE, so that two writers queue instead of failing half-way.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, select
from sqlalchemy.pool import QueuePool

from gen3sync import __version__
from gen3sync.clock import Clock
from gen3sync.errors import LedgerError
from gen3sync.files import FilesystemKind, filesystem_kind, folder_error, move
from gen3sync.files.atomic import temporary_name
from gen3sync.ledger.failures import damaged, translated
from gen3sync.ledger.migrations import MIGRATIONS, Migration
from gen3sync.ledger.schema import schema_version

BUSY_SECONDS = 15.0
_POOL, _CACHE = 8, "PRAGMA cache_size = -512"  # for each connection: with the usual 2 MB a daemon grows with its ledger
_SIDE_FILES = ("-wal", "-shm", "-journal")


class Database:
    """One open ledger file. Thread-safe; a thread inside `writing` sees its own changes in nested calls."""

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self.read_only = read_only
        self._engine = _engine(path, read_only=read_only)
        self._writer = threading.RLock()
        self._here = threading.local()
        self._watch: sqlite3.Connection | None = None
        self._watch_lock = threading.Lock()
        self._seen: int | None = None

    @contextlib.contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: all of it, on the disk, when the block ends; none of it when the block raises."""
        current = self._current()
        if current is not None:
            yield current
            return
        if self.read_only:
            raise LedgerError(f"The ledger {self.path} is open for reading only.", "This is a fault of gen3sync.")
        with (
            self._writer,
            translated(self.path),
            self._engine.connect() as connection,
            connection.execution_options(gen3sync_begin="BEGIN IMMEDIATE").begin(),
        ):
            self._here.connection = connection
            try:
                yield connection
            finally:
                self._here.connection = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the ledger."""
        current = self._current()
        if current is not None:
            yield current
            return
        with translated(self.path), self._engine.connect() as connection:
            yield connection

    def changed(self) -> bool:
        """Whether anybody (any process, any thread) has committed since the last call; True the first time.

        Costs some microseconds: SQLite's `data_version` of a connection that does nothing else.
        """
        with self._watch_lock, translated(self.path):
            if self._watch is None:
                self._watch = _connect(self.path, read_only=True)
            version: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
            changed, self._seen = version != self._seen, version
            return changed

    def shrink(self) -> None:
        """Gives pages that pruning emptied back to the disk."""
        with self._writer, translated(self.path), contextlib.closing(_connect(self.path, read_only=False)) as raw:
            # Not execute(): it stops after the first step, and each step gives back one page.
            raw.executescript("PRAGMA incremental_vacuum")

    def close(self) -> None:
        """Closes all connections; the last process to do so folds the write-ahead log into the file."""
        with self._watch_lock:
            if self._watch is not None:
                self._watch.close()
                self._watch = None
        self._engine.dispose()

    def _current(self) -> Connection | None:
        return getattr(self._here, "connection", None)


def open_database(
    path: Path, clock: Clock, *, read_only: bool = False, migrations: Sequence[Migration] = MIGRATIONS
) -> Database:
    """Opens the ledger at `path`; makes it, or migrates an older one (after a copy), unless `read_only`.

    Raises LedgerError and leaves the file as it is when it is damaged, newer than this gen3sync, or on a disk that
    cannot carry it.
    """
    path = Path(path).absolute()
    if not read_only:
        _refuse_network(path)
    if not path.exists():
        if read_only:
            raise LedgerError(f"There is no ledger at {path}.", "gen3sync makes it when it first runs; start it.")
        _make(path, clock, migrations)
    if path.stat().st_size == 0:
        # gen3sync never leaves an empty file: it moves a finished one into place.
        raise damaged(path, "it is empty")
    database = Database(path, read_only=read_only)
    try:
        with translated(path):
            version = _version(database)
            if version > len(migrations):
                raise LedgerError(
                    f"The ledger {path} was written by a newer gen3sync (schema {version}; this one knows"
                    f" {len(migrations)}).",
                    "Use that version or a newer one; the file was left as it is.",
                )
            if read_only:
                if version < len(migrations):
                    raise LedgerError(
                        f"The ledger {path} was written by an older gen3sync.",
                        "Start the daemon, or run `gen3sync once`; it brings the ledger up to date, keeping a copy.",
                    )
            else:
                _check(database)
                if version < len(migrations):
                    back_up(database, path.with_name(f"{path.name}.before-version-{len(migrations)}"))
                    _migrate(database, clock, migrations)
    except BaseException:
        database.close()
        raise
    return database


def back_up(database: Database, target: Path) -> None:
    """Copies the ledger, as it is now, to `target` by SQLite's own means; an existing copy is not overwritten."""
    if target.exists():
        return
    aside = target.with_name(temporary_name(target.name))
    try:
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with (
            translated(target),
            contextlib.closing(_connect(database.path, read_only=True)) as source,
            contextlib.closing(sqlite3.connect(aside)) as copy,
        ):
            source.backup(copy)
        move(aside, target)
    except FileExistsError:
        pass  # another process made the same copy
    except OSError as error:
        raise _folder_sentence(f"The ledger {database.path} cannot be copied to {target}", error) from error
    finally:
        for tail in ("", *_SIDE_FILES):
            aside.with_name(aside.name + tail).unlink(missing_ok=True)


def _make(path: Path, clock: Clock, migrations: Sequence[Migration]) -> None:
    """A new ledger is finished beside its place and moved there, so that a half-made one never looks like memory."""
    aside = path.with_name(temporary_name(path.name))
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        os.close(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with translated(path):
            with contextlib.closing(sqlite3.connect(aside, isolation_level=None)) as raw:
                raw.execute("PRAGMA auto_vacuum = INCREMENTAL")
                raw.execute("PRAGMA synchronous = FULL")
                raw.execute("VACUUM")
            fresh = Database(aside, read_only=False)
            try:
                _migrate(fresh, clock, migrations)
            finally:
                fresh.close()
        move(aside, path)
    except FileExistsError:
        pass  # another process made it meanwhile: use that one
    except OSError as error:
        raise _folder_sentence(f"The ledger {path} cannot be made", error) from error
    finally:
        for tail in ("", *_SIDE_FILES):
            aside.with_name(aside.name + tail).unlink(missing_ok=True)


def _folder_sentence(what: str, error: OSError) -> LedgerError:
    return LedgerError((said := folder_error(what, error)).what, said.remedy)


def _refuse_network(path: Path) -> None:
    if filesystem_kind(path.parent) is FilesystemKind.NETWORK:
        raise LedgerError(
            f"The ledger {path} would lie on a network file system, where SQLite's write-ahead log does not work.",
            'Set `path` under [state] to a folder on a local disk, for example path = "/var/lib/gen3sync".',
        )


def _version(database: Database) -> int:
    with database.reading() as connection:
        tables = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
        if not tables.scalar_one():
            raise LedgerError(
                f"{database.path} is a database, but not a ledger of gen3sync. It was left as it is.",
                "Set `ledger` under [state] to another path.",
            )
        return _newest(connection)


def _newest(connection: Connection) -> int:
    return int(connection.execute(select(func.max(schema_version.c.version))).scalar_one() or 0)


def _check(database: Database) -> None:
    with database.reading() as connection:
        findings = connection.exec_driver_sql("PRAGMA quick_check(3)").scalars().all()
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    if findings != ["ok"]:
        raise damaged(database.path, "; ".join(findings))
    if broken is not None:
        raise damaged(database.path, f"table {broken[0]} refers to rows that are not there")


def _migrate(database: Database, clock: Clock, migrations: Sequence[Migration]) -> None:
    """All outstanding steps in one transaction. Two processes at once: the second finds nothing left to do."""
    with database.writing() as connection:
        exists = connection.exec_driver_sql("SELECT count(*) FROM sqlite_master WHERE name = 'schema_version'")
        done = _newest(connection) if exists.scalar_one() else 0
        for version, migration in enumerate(migrations[done:], start=done + 1):
            migration(connection)
            connection.execute(
                insert(schema_version).values(version=version, applied_at=clock.now(), gen3sync=__version__)
            )


def _engine(path: Path, *, read_only: bool) -> Engine:
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: _connect(path, read_only=read_only),
        poolclass=QueuePool,
        pool_size=_POOL,
        max_overflow=4 * _POOL,
        hide_parameters=True,
    )

    # The driver's own idea of transactions is switched off (isolation_level=None): it would begin them deferred, and
    # a deferred one that turns to writing fails at once when another process writes.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("gen3sync_begin", "BEGIN"))

    return engine


def _connect(path: Path, *, read_only: bool) -> sqlite3.Connection:
    address = f"file:{quote(str(path))}"
    if not read_only:
        first = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", _CACHE)
        return _prepared(_open(f"{address}?mode=rw"), *first)
    try:
        raw = _prepared(_open(f"{address}?mode=ro"), "SELECT 1 FROM sqlite_master")
    except sqlite3.OperationalError:
        # A cleanly closed WAL database in a folder that may not be written: SQLite wants to make its side files there
        # and cannot. With no log there is nobody to wait for, so the file can be read as it stands.
        if path.with_name(path.name + "-wal").exists():
            raise
        raw = _open(f"{address}?mode=ro&immutable=1")
    return _prepared(raw, "PRAGMA query_only = ON")


def _prepared(raw: sqlite3.Connection, *statements: str) -> sqlite3.Connection:
    """The connection after these statements; closed when one fails, so that its file locks do not outlive it."""
    try:
        for statement in statements:
            raw.execute(statement).fetchone()
    except BaseException:
        raw.close()
        raise
    return raw


def _open(address: str) -> sqlite3.Connection:
    return sqlite3.connect(address, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
