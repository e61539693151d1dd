"""The daemon's small parts: heartbeats, locks, housekeeping, writing the status."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock
from gen3sync.config import load_settings
from gen3sync.daemon.heartbeats import Heartbeats
from gen3sync.daemon.housekeeping import keep_house, keep_house_daily
from gen3sync.daemon.line import status_line
from gen3sync.daemon.locks import FolderLocks
from gen3sync.daemon.paper import write_status
from gen3sync.errors import FolderError, LockedError
from gen3sync.files import FolderLock, folder_error
from gen3sync.health import judge
from gen3sync.ledger import EventLevel, open_ledger
from gen3sync.status import moment, read_status
from tests.unit.test_status import example


def test_a_loop_that_falls_silent_is_overdue_until_it_beats_again() -> None:
    clock = ManualClock()
    beats = Heartbeats(clock)
    beats.beat("lane", 10)
    beats.beat("inbox", 60)
    clock.advance(11)
    assert beats.overdue() == ("lane",)
    assert beats.ages() == {"inbox": 11.0, "lane": 11.0}
    beats.beat("lane", 10)
    assert beats.overdue() == ()


def test_a_loop_that_said_goodbye_is_not_missed() -> None:
    clock = ManualClock()
    beats = Heartbeats(clock)
    beats.beat("lane", 10)
    beats.goodbye("lane")
    clock.advance(100)
    assert beats.overdue() == ()


def test_a_jump_of_the_wall_clock_makes_nobody_overdue() -> None:
    clock = ManualClock()
    beats = Heartbeats(clock)
    beats.beat("lane", 10)
    clock.jump(86_400)
    assert beats.overdue() == ()


def test_locks_are_all_or_none(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    with FolderLocks() as first, FolderLocks() as second:
        first.take([b])
        with pytest.raises(LockedError):
            second.take([a, b])
        first.take([a])  # second let go of it
        assert first.lost() == ()


def test_locks_move_without_letting_go_of_what_stays(tmp_path: Path) -> None:
    a, b, c = (tmp_path / name for name in "abc")
    with FolderLocks() as locks, FolderLocks() as other:
        locks.take([a, b])
        assert locks.take([b, c]) == (c,)
        locks.keep_only([b, c])
        other.take([a])
        with pytest.raises(LockedError):
            other.take([b])


def test_a_lock_file_that_was_deleted_is_noticed(tmp_path: Path) -> None:
    with FolderLocks() as locks:
        locks.take([tmp_path])
        (tmp_path / ".gen3sync.lock").unlink()
        assert locks.lost() == (tmp_path,)


def test_a_folder_made_again_is_locked_again(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    with FolderLocks() as locks, FolderLocks() as other:
        locks.take([outbox])
        outbox.rename(tmp_path / "aside")
        assert not locks.take_again(outbox)  # not there
        outbox.mkdir()
        assert locks.take_again(outbox)
        assert locks.lost() == ()
        with pytest.raises(LockedError):
            other.take([outbox])


def test_a_folder_made_again_may_have_another_master_by_now(tmp_path: Path) -> None:
    outbox = tmp_path / "outbox"
    with FolderLocks() as locks, FolderLocks() as other:
        locks.take([outbox])
        outbox.rename(tmp_path / "aside")
        other.take([outbox])
        with pytest.raises(LockedError, match="Another gen3sync"):
            locks.take_again(outbox)


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC])
def test_a_disk_that_takes_no_lock_file_holds_up_only_its_own_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    inbox, outbox = tmp_path / "inbox", tmp_path / "outbox"
    errors = {inbox: number}
    real = FolderLock._open

    def open_lock(lock: FolderLock) -> int:
        if failed := errors.get(lock.folder):
            error = OSError(failed, os.strerror(failed))
            raise folder_error(f"The folder {lock.folder} cannot be locked", error) from error
        return real(lock)

    monkeypatch.setattr(FolderLock, "_open", open_lock)
    with FolderLocks() as locks, FolderLocks() as other:
        with pytest.raises(FolderError):
            other.take([inbox, outbox])
        locks.take([inbox, outbox], [inbox])
        assert locks.lost() == (inbox,)
        with pytest.raises(FolderError):
            locks.take_again(inbox)
        with pytest.raises(LockedError):
            other.take([outbox])
        errors.clear()
        assert locks.take_again(inbox)
        assert locks.lost() == ()
        with pytest.raises(LockedError):
            other.take([inbox])
        errors[inbox] = errno.EACCES
        with pytest.raises(FolderError), FolderLocks() as third:  # a person's business: told at the start
            third.take([inbox], [inbox])


def test_a_status_that_cannot_be_written_is_told_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert write_status(tmp_path, example()) == example()
    assert read_status(tmp_path) == example()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("gen3sync.daemon.paper.write_atomic", full)
    told = write_status(tmp_path, example())
    assert told.daemon.problem == "The status cannot be written: the disk is full"
    judgement = judge(told, moment(told.written_at), alive=True)
    assert told.daemon.problem in status_line(told, judgement, moment(told.written_at))
    assert told.daemon.problem in caplog.text
    assert read_status(tmp_path).daemon.problem == ""


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with FolderLocks() as locks, pytest.raises(FolderError, match="cannot be made"):
        locks.take([tmp_path / "file" / "outbox"])


CONFIG = """\
[outbox]
path = "outbox"
keep = "{keep}"
[inbox]
path = "inbox"
[state]
path = "state"
"""


@pytest.mark.parametrize(("keep", "left"), [("10d", set()), ("forever", {"old.tsv", "young.tsv"})])
def test_old_files_leave_sent_and_rejected(tmp_path: Path, keep: str, left: set[str]) -> None:
    config = tmp_path / "gen3sync.toml"
    config.write_text(CONFIG.format(keep=keep))
    settings = load_settings(config, {})
    sent = settings.outbox.sent / "DEV" / "test"
    sent.mkdir(parents=True)
    (sent / "old.tsv").write_text("x")
    # Files keep the time of their content when they are archived; it is not their age here.
    (sent / "young.tsv").write_text("x")
    os.utime(sent / "young.tsv", (0, 0))
    clock = ManualClock(datetime.now(UTC))
    with open_ledger(tmp_path / "ledger.sqlite", clock) as ledger:
        ledger.events.add(EventLevel.INFO, "test", "long ago")
        keep_house(settings, ledger, clock)
        assert len(list(sent.iterdir())) == 2
        clock.advance(timedelta(days=11).total_seconds())
        keep_house(settings, ledger, clock)
        assert {path.name for path in sent.iterdir()} == left
        assert len(ledger.events.recent()) == 1
        clock.advance(timedelta(days=400).total_seconds())
        keep_house(settings, ledger, clock)
        assert ledger.events.recent() == ()


def test_passes_keep_house_once_a_day(tmp_path: Path) -> None:
    config = tmp_path / "gen3sync.toml"
    config.write_text(CONFIG.format(keep="10d"))
    settings = load_settings(config, {})
    settings.outbox.rejected.mkdir(parents=True)
    old = settings.outbox.rejected / "old.tsv"
    clock = ManualClock(datetime.now(UTC) + timedelta(days=30))
    with open_ledger(tmp_path / "ledger.sqlite", clock) as ledger:
        for hours, there in ((0, False), (19, True), (5, False), (-48, False)):  # a clock set back puts off nothing
            old.write_text("x")
            clock.jump(timedelta(hours=hours).total_seconds())
            keep_house_daily(settings, ledger, clock)
            assert old.exists() is there, hours
