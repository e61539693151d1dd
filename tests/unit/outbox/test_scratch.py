"""Scratch tables: a failure leaves no transaction open, and keys go in portions."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from gen3sync.outbox.scratch import all_or_nothing, discard, open_scratch, portions


def test_a_failure_takes_everything_back_and_the_next_one_can_begin(tmp_path: Path) -> None:
    with closing(open_scratch(tmp_path / "scratch", "CREATE TABLE t(a NOT NULL);")) as db:
        with pytest.raises(sqlite3.IntegrityError), all_or_nothing(db):
            db.executemany("INSERT INTO t VALUES (?)", [(1,), (None,)])
        with all_or_nothing(db):
            db.execute("INSERT INTO t VALUES (2)")
        assert db.execute("SELECT a FROM t").fetchall() == [(2,)]


def test_it_begins_empty(tmp_path: Path) -> None:
    for _ in range(2):
        with closing(open_scratch(tmp_path / "scratch", "CREATE TABLE t(a);")) as db:
            assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
            db.execute("INSERT INTO t VALUES (1)")


def test_what_a_transaction_changes_is_kept_on_disk_not_in_memory(tmp_path: Path) -> None:
    """It may be a file of a million rows. Little of it stays there, and nothing where a scratch is given up."""
    path = tmp_path / "scratch"
    journal = tmp_path / "scratch-journal"
    with closing(open_scratch(path, "CREATE TABLE t(a);", cache=100)) as db:
        with all_or_nothing(db):
            db.executemany("INSERT INTO t VALUES (?)", ((f"{number:01000}",) for number in range(10_000)))
        with all_or_nothing(db):
            db.execute("UPDATE t SET a=a||'.'")
            assert journal.stat().st_size > 8_000_000
        assert journal.stat().st_size <= 4_000_000
        db.execute("BEGIN")
        db.execute("DELETE FROM t")
        left = path.read_bytes(), journal.read_bytes()  # as a kill leaves it
    path.write_bytes(left[0])
    journal.write_bytes(left[1])
    with closing(open_scratch(path, "CREATE TABLE t(a);")) as db:
        assert db.execute("SELECT count(*) FROM t").fetchone() == (0,)
    discard(path)
    assert list(tmp_path.iterdir()) == []


def test_portions_lose_nothing() -> None:
    parts = list(portions(range(1201)))
    assert [len(part) for part in parts] == [500, 500, 201]
    assert [key for part in parts for key in part] == list(range(1201))
