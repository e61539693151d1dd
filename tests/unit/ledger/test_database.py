"""The file: made whole, checked, migrated after a copy, refused with a sentence, never changed when it is refused."""

from __future__ import annotations

import ast
import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine

from gen3sync.clock import ManualClock
from gen3sync.errors import ExitCode, LedgerError
from gen3sync.files import FilesystemKind
from gen3sync.ledger import EventLevel, Ledger, NewDrop, open_ledger
from gen3sync.ledger import database as database_module
from gen3sync.ledger.database import open_database
from gen3sync.ledger.migrations import MIGRATIONS, first
from gen3sync.ledger.schema import metadata
from tests.unit.openly import open_folder

ROOT = Path(__file__).parents[3]


def drop(path: str = "DEV/test/case.tsv") -> NewDrop:
    return NewDrop(path, "0" * 64, 10, "snapshots/1")


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- made -----------------------------------------------------------------------------------------------------------


def test_a_new_ledger_is_private_durable_and_alone_when_closed(path: Path, clock: ManualClock) -> None:
    with open_ledger(path, clock) as ledger:
        ledger.drops.add(drop())
        for name in path.parent.iterdir():
            assert stat.S_IMODE(name.stat().st_mode) == 0o600, name
        with ledger._database.writing() as connection:
            pragma = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("journal_mode", "synchronous", "foreign_keys", "auto_vacuum")
            }
        assert pragma == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}
    assert [p.name for p in path.parent.iterdir()] == ["ledger.sqlite"]


def test_the_migrations_make_the_tables_that_the_code_expects(path: Path, clock: ManualClock) -> None:
    open_ledger(path, clock).close()
    expected = create_engine("sqlite://")
    metadata.create_all(expected)
    with expected.connect() as fresh, closing(sqlite3.connect(path)) as migrated:
        for table in metadata.tables:
            for pragma in ("table_xinfo", "foreign_key_list"):
                query = f"SELECT * FROM pragma_{pragma}('{table}')"
                wanted = [tuple(row) for row in fresh.exec_driver_sql(query)]
                assert migrated.execute(query).fetchall() == wanted, table
        query = "SELECT name, tbl_name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1"
        assert migrated.execute(query).fetchall() == [tuple(row) for row in fresh.exec_driver_sql(query)]
        query = "SELECT m.name, i.name FROM sqlite_master m, pragma_index_info(m.name) i ORDER BY 1, i.seqno"
        assert migrated.execute(query).fetchall() == [tuple(row) for row in fresh.exec_driver_sql(query)]
        tables = "SELECT name FROM sqlite_master WHERE sql LIKE '%AUTOINCREMENT%' ORDER BY 1"
        assert migrated.execute(tables).fetchall() == [tuple(row) for row in fresh.exec_driver_sql(tables)]
    expected.dispose()


def test_making_a_ledger_that_fails_leaves_nothing(path: Path, clock: ManualClock) -> None:
    def broken(connection: Connection) -> None:
        first(connection)
        raise OSError(28, "No space left on device")

    with pytest.raises(LedgerError, match="the disk is full"):
        open_database(path, clock, migrations=(broken,))
    assert list(path.parent.iterdir()) == []
    open_ledger(path, clock).close()


def test_many_processes_that_start_at_once_make_one_ledger(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from gen3sync.clock import SystemClock\n"
        "from gen3sync.ledger import NewDrop, open_ledger\n"
        "with open_ledger(Path(sys.argv[1]), SystemClock()) as ledger:\n"
        "    ledger.drops.add(NewDrop(sys.argv[2], '', 0, ''))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path), str(i)]) for i in range(4)]
    assert [process.wait() for process in running] == [0, 0, 0, 0]
    with open_ledger(path, ManualClock()) as ledger:
        assert {each.path for each in ledger.drops.open()} == {"0", "1", "2", "3"}
    assert [p.name for p in path.parent.iterdir()] == ["ledger.sqlite"]


# --- refused, and left as it is -------------------------------------------------------------------------------------


def damage_text(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04 not a database at all" * 100)


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_middle(path: Path) -> None:
    raw = bytearray(path.read_bytes())
    for page in range(4096, len(raw), 4096):
        raw[page : page + 64] = b"\xff" * 64
    path.write_bytes(raw)


def damage_cut(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


@pytest.mark.parametrize("damage", [damage_text, damage_empty, damage_middle, damage_cut])
def test_a_damaged_ledger_is_refused_with_a_remedy_and_kept(path: Path, clock: ManualClock, damage: object) -> None:
    with open_ledger(path, clock) as ledger:
        for i in range(200):
            ledger.drops.add(drop(f"DEV/test/{i}.tsv"))
    assert callable(damage)
    damage(path)
    before = digest(path)
    with pytest.raises(LedgerError) as caught:
        open_ledger(path, clock)
    assert f"The ledger {path} is damaged" in caught.value.what
    assert "move ledger.sqlite" in caught.value.remedy
    assert caught.value.exit_code == ExitCode.IO
    assert digest(path) == before
    aside = path.with_name("aside")
    path.rename(aside)
    open_ledger(path, clock).close()
    assert digest(aside) == before


def test_another_database_is_not_taken_for_a_ledger(path: Path, clock: ManualClock) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE precious (x)")
        other.commit()
    with pytest.raises(LedgerError, match="not a ledger of gen3sync"):
        open_ledger(path, clock)
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_no_ledger_on_a_network_disk(path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database_module, "filesystem_kind", lambda path: FilesystemKind.NETWORK)
    with pytest.raises(LedgerError, match=r"network file system.*local disk"):
        open_ledger(path, clock)
    assert not path.exists()


# --- versions -------------------------------------------------------------------------------------------------------


def second(connection: Connection) -> None:
    connection.exec_driver_sql("ALTER TABLE drops ADD COLUMN colour TEXT")


def test_an_older_ledger_is_brought_up_to_date_after_a_copy(path: Path, clock: ManualClock) -> None:
    with open_ledger(path, clock) as ledger:
        ledger.drops.add(drop())
    newer = (*MIGRATIONS, second)
    with pytest.raises(LedgerError, match="older gen3sync"):
        open_database(path, clock, read_only=True, migrations=newer)
    database = open_database(path, clock, migrations=newer)
    with database.reading() as connection:
        assert connection.exec_driver_sql("SELECT path, colour FROM drops").all() == [("DEV/test/case.tsv", None)]
        versions = connection.exec_driver_sql("SELECT version FROM schema_version ORDER BY 1").scalars().all()
        assert versions == list(range(1, len(newer) + 1))
    database.close()
    copy = path.with_name(f"ledger.sqlite.before-version-{len(newer)}")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    with open_ledger(copy, clock) as old:
        assert old.drops.get(1).path == "DEV/test/case.tsv"


def test_a_newer_ledger_is_refused_and_kept(path: Path, clock: ManualClock) -> None:
    open_database(path, clock, migrations=(*MIGRATIONS, second)).close()
    before = digest(path)
    for read_only in (False, True):
        with pytest.raises(LedgerError, match="written by a newer gen3sync"):
            open_ledger(path, clock, read_only=read_only)
    assert digest(path) == before


def test_a_migration_that_fails_changes_nothing(path: Path, clock: ManualClock) -> None:
    with open_ledger(path, clock) as ledger:
        ledger.drops.add(drop())

    def broken(connection: Connection) -> None:
        second(connection)
        connection.exec_driver_sql("SELECT nonsense FROM drops")

    with pytest.raises(LedgerError):
        open_database(path, clock, migrations=(*MIGRATIONS, broken))
    with open_ledger(path, clock) as ledger:
        assert ledger.drops.get(1).path == "DEV/test/case.tsv"


# --- trouble while it is open ---------------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_what_was_there_stays(ledger: Ledger) -> None:
    kept = ledger.drops.add(drop())
    with ledger._database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(LedgerError, match="the disk is full"):
        ledger.events.add(EventLevel.INFO, "x", "y" * 1_000_000)
    assert ledger.drops.get(kept.id) == kept


def test_a_ledger_held_by_another_program_is_told(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_module, "BUSY_SECONDS", 0.05)
    with open_ledger(path, clock) as ledger, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="another program has held it"):
            ledger.drops.add(drop())
        assert ledger.drops.open() == ()
        other.execute("ROLLBACK")
        ledger.drops.add(drop())


def test_sentences_hold_no_values_of_rows(ledger: Ledger) -> None:
    ledger.drops.add(drop())
    with pytest.raises(LedgerError) as caught, ledger._database.writing() as connection:
        connection.exec_driver_sql("INSERT INTO events (at, level, kind, text) VALUES (1, 'i', 'k', NULL)")
    assert "contradict itself" in str(caught.value)


# --- together and apart ---------------------------------------------------------------------------------------------


def test_what_is_written_together_lands_as_one(ledger: Ledger) -> None:
    def interrupted() -> None:
        with ledger.together():
            ledger.drops.add(drop("a"))
            assert [each.path for each in ledger.drops.open()] == ["a"]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ledger.drops.open() == ()
    with ledger.together():
        made = ledger.drops.add(drop("b"))
        ledger.drops.update(made.id, reason="why")
    assert [(each.path, each.reason) for each in ledger.drops.open()] == [("b", "why")]


def test_many_threads_lose_nothing(ledger: Ledger) -> None:
    failures: list[BaseException] = []

    def work(name: int) -> None:
        try:
            for i in range(20):
                made = ledger.drops.add(drop(f"{name}/{i}"))
                ledger.drops.update(made.id, attempts=i)
                assert ledger.drops.get(made.id).attempts == i
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(ledger.drops.open()) == 200


def test_readers_read_beside_a_writer_and_see_changes(ledger: Ledger, path: Path, clock: ManualClock) -> None:
    with open_ledger(path, clock, read_only=True) as reader:
        assert reader.changed()
        assert not reader.changed()
        with ledger.together():
            ledger.drops.add(drop())
            assert reader.drops.open() == ()
            assert not reader.changed()
        assert reader.changed()
        assert len(reader.drops.open()) == 1
        assert not reader.changed()
        with pytest.raises(LedgerError, match="for reading only"):
            reader.drops.add(drop())


def test_a_daemon_sees_orders_of_other_processes(ledger: Ledger, path: Path, clock: ManualClock) -> None:
    ledger.changed()
    assert not ledger.changed()
    with open_ledger(path, clock) as other:
        other.orders.place("retry", {"file": "case.tsv"})
    assert ledger.changed()
    taken = ledger.orders.take()
    assert taken is not None
    assert taken.arguments == {"file": "case.tsv"}


def test_reading_where_nothing_is_yet(path: Path, clock: ManualClock) -> None:
    with pytest.raises(LedgerError, match="There is no ledger"):
        open_ledger(path, clock, read_only=True)
    assert not path.parent.exists()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    with open_folder() as folder:
        yield folder


def test_reading_where_nothing_may_be_written(public_folder: Path, clock: ManualClock) -> None:
    path = public_folder / "ledger.sqlite"
    with open_ledger(path, clock) as ledger:
        ledger.drops.add(drop())
    path.chmod(0o444)
    public_folder.chmod(0o555)
    read_end, write_end = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # forking beside threads: the child only reads and ends
        child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(65534, 65534, 65534)
                os.setresuid(65534, 65534, 65534)
            reader = open_ledger(path, clock, read_only=True)
            os.write(write_end, reader.drops.open()[0].path.encode())
        except BaseException as error:  # noqa: BLE001 - told to the parent
            os.write(write_end, repr(error).encode())
        finally:
            os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as told:
        assert told.read() == "DEV/test/case.tsv"
    os.waitpid(child, 0)


def test_everything_said_to_be_written_is_there_after_a_kill(path: Path, clock: ManualClock) -> None:
    program = (
        "import sys; from pathlib import Path; from gen3sync.clock import SystemClock\n"
        "from gen3sync.ledger import NewDrop, open_ledger\n"
        "ledger = open_ledger(Path(sys.argv[1]), SystemClock())\n"
        "while True: print(ledger.drops.add(NewDrop('a', '', 0, '')).id, flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        told = [int(running.stdout.readline()) for _ in range(50)]
        running.kill()
        told += [int(line) for line in running.stdout if line.endswith("\n")]
    with open_ledger(path, clock) as ledger:
        assert {each.id for each in ledger.drops.open()} >= set(told)


# --- the price of importing -----------------------------------------------------------------------------------------


def test_importing_the_rows_does_not_load_sqlalchemy() -> None:
    program = "import sys; from gen3sync.ledger import DropState, NewDrop; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_nothing_but_the_ledger_imports_sqlalchemy() -> None:
    guilty = []
    for source in (ROOT / "gen3sync").rglob("*.py"):
        if source.parent.name == "ledger":
            continue
        for statement in ast.walk(ast.parse(source.read_text())):
            names = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
            names += [statement.module or ""] if isinstance(statement, ast.ImportFrom) else []
            guilty += [source for name in names if name.split(".")[0] == "sqlalchemy"]
    assert guilty == []
