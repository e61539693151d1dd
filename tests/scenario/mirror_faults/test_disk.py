"""The disk goes wrong (docs/reference/mirror-faults.md, "The disk")."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gen3sync.daemon.locks import FolderLocks, locked_folders
from gen3sync.errors import FolderError, LockedError
from gen3sync.files import atomic
from gen3sync.ledger import Outcome
from tests.scenario.inbox_house import House, study
from tests.scenario.mirror_faults.kit import (
    BOTH,
    FILE,
    JSON,
    fresh,
    later,
    leftovers,
    mirrored,
    read,
    settled,
    shown,
    truth,
)

ROOT = Path(__file__).parent.parent.parent.parent
ERRORS = {
    errno.ENOSPC: "the disk is full. Make room there",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EIO: "the disk reports an error",
    errno.ESTALE: "the network share is gone",
}


@contextmanager
def failing(h: House, step: str, nth: int, number: int) -> Iterator[None]:
    """From the nth file on that comes to `step`, writing whole files fails with errno `number`."""
    h.catalog.refresh()  # it keeps files too, which are not to be counted
    options = atomic.write_atomic.__kwdefaults__ or {}
    usual, count = options["failpoint"], [0]

    def fail(passed: str) -> None:
        if passed == step:
            count[0] += 1
            if count[0] >= nth:
                raise OSError(number, os.strerror(number))

    options["failpoint"] = fail
    try:
        yield
    finally:
        options["failpoint"] = usual


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
def test_the_inbox_cannot_be_written(tmp_path: Path, number: int) -> None:
    with settled(tmp_path, mirror=BOTH) as (h, before):
        with failing(h, "created", 1, number):
            h.look()
        before.stands(h, Outcome.FAILED, f"DEV/test/study cannot be mirrored: {ERRORS[number]}", FILE, JSON)
        fresh(h, FILE, JSON)


@pytest.mark.parametrize("step", ["created", "written", "synced"])
@pytest.mark.parametrize("nth", [1, 2])
def test_the_disk_fills_at_any_step(tmp_path: Path, step: str, nth: int) -> None:
    """The first file written is the index, the second is the mirror."""
    with settled(tmp_path) as (h, before):
        with failing(h, step, nth, errno.ENOSPC):
            h.look()
        before.stands(h, Outcome.FAILED, "the disk is full")
        h.restart()
        fresh(h)


@pytest.mark.parametrize(("step", "nth"), [("created", 3), ("renamed", 2), ("renamed", 3)])
def test_the_disk_fills_after_the_file_is_in_place(tmp_path: Path, step: str, nth: int) -> None:
    """The new truth is there and whole; status may call it older than it is, never newer; the next look mends it."""
    with settled(tmp_path) as (h, before):
        with failing(h, step, nth, errno.ENOSPC):
            assert h.look()[FILE].outcome is Outcome.FAILED
        assert len(h.rows(FILE)) == 6
        assert read(h).mirror().checked_at == before.at.isoformat(timespec="seconds")
        assert leftovers(h) == []
        fresh(h, outcome=Outcome.UNCHANGED)
        assert not [name for name in h.files() if ".local-" in name]


def test_the_first_of_two_formats_is_written_and_the_second_is_not(tmp_path: Path) -> None:
    with settled(tmp_path, mirror=BOTH) as (h, before):
        with failing(h, "created", 4, errno.ENOSPC):
            h.look()
        assert shown(h)[JSON] == before.files[JSON]
        assert len(h.rows(FILE)) == 6
        assert read(h).mirror(JSON).outcome == "failed"
        assert read(h).mirror(JSON).checked_at == before.at.isoformat(timespec="seconds")
        h.look()
        assert {each.outcome for each in read(h).status.inbox.mirrors} <= {"updated", "unchanged"}
        fresh(h, FILE, JSON, outcome=Outcome.UNCHANGED)


def test_the_disk_fills_and_the_list_beside_the_mirror_stays(tmp_path: Path) -> None:
    """What the old file cannot say is listed for as long as it is there, though the new one could say it."""
    with mirrored(tmp_path) as h:
        study(h.sandbox, "ST-1", title="null")
        h.look()
        before = truth(h)
        assert f"{FILE}.untellable.jsonl" in before.files
        later(h)
        study(h.sandbox, "ST-1", title="said")
        with failing(h, "created", 2, errno.ENOSPC):
            h.look()
        before.stands(h, Outcome.FAILED, "the disk is full")
        fresh(h)
        assert h.files() == {FILE}


def test_no_file_can_be_written_at_the_first_start(tmp_path: Path) -> None:
    with mirrored(tmp_path) as h:
        study(h.sandbox, "ST-1")
        (tmp_path / "inbox").mkdir()
        (tmp_path / "inbox/DEV").write_text("in the way")
        assert h.look()[FILE].reason.endswith("There is no file yet.")
        assert "not a folder" in read(h).mirror().reason or "already exists" in read(h).mirror().reason
        (tmp_path / "inbox/DEV").unlink()
        (tmp_path / "away").mkdir()
        (tmp_path / "inbox/DEV").symlink_to(tmp_path / "away")
        assert "leads out of the inbox" in h.look()[FILE].reason
        assert not list((tmp_path / "away").iterdir())
        (tmp_path / "inbox/DEV").unlink()
        fresh(h)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE])
def test_a_new_inbox_takes_nothing_yet(tmp_path: Path, number: int) -> None:
    with mirrored(tmp_path) as h:
        study(h.sandbox, "ST-1")
        with failing(h, "created", 1, number):
            for _again in range(2):
                assert f"DEV/test/study cannot be mirrored: {ERRORS[number]}" in h.look()[FILE].reason
                assert f"cannot be used: {ERRORS[number]}" in str(read(h).reasons)
        assert not list((tmp_path / "inbox").iterdir())
        fresh(h)
        assert h.ledger.notes.get(f"inbox:marked:{tmp_path / 'inbox'}")


def test_a_new_inbox_that_only_a_person_can_put_right_is_refused(tmp_path: Path) -> None:
    with mirrored(tmp_path) as h:
        with failing(h, "created", 1, errno.EACCES), pytest.raises(FolderError, match="permission denied"):
            h.look()
        fresh(h)


def test_the_state_folder_cannot_be_written(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, before):
        (mirrors,) = (tmp_path / "state").glob("mirrors")
        kept = mirrors.rename(tmp_path / "kept")
        mirrors.write_text("in the way")
        h.look()
        before.stands(h, Outcome.FAILED, "state/mirrors/DEV/test cannot be made: ")
        mirrors.unlink()
        kept.rename(mirrors)
        fresh(h)


def test_the_inbox_is_not_mounted(tmp_path: Path) -> None:
    """Nothing is written into the empty mount point; the files on the disk are what they were when it is back."""
    with settled(tmp_path) as (h, before):
        inbox, disk = tmp_path / "inbox", tmp_path / "disk"
        inbox.rename(disk)
        inbox.mkdir()
        for _again in range(2):
            h.look()
            mirror = read(h).mirror()
            assert mirror.outcome == "guarded"
            assert (
                "has lost the marker gen3sync left in it: its disk is probably not mounted. Mount it" in mirror.reason
            )
            assert mirror.reason.endswith("Its file is missing.")
            assert mirror.checked_at == before.at.isoformat(timespec="seconds")
            assert "1 mirror guarded" in read(h).reasons
            assert not list(inbox.iterdir())
            h.restart()
        inbox.rmdir()
        disk.rename(inbox)
        assert shown(h) == before.files
        fresh(h)


def test_the_inbox_is_unmounted_in_the_middle(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, before):
        inbox, disk = tmp_path / "inbox", tmp_path / "disk"
        with h.sandbox.faults.stall_export(rows=2) as stalled:
            looking = threading.Thread(target=h.look)
            looking.start()
            stalled.wait_reached()
            inbox.rename(disk)
            inbox.mkdir()
            stalled.release()
            looking.join()
        assert read(h).mirror().outcome == "guarded"
        assert not list(inbox.iterdir())
        inbox.rmdir()
        disk.rename(inbox)
        before.stands(h, Outcome.GUARDED, "its disk is probably not mounted", tail="Its file is missing.")
        fresh(h)


def test_two_daemons(tmp_path: Path) -> None:
    """The second one is refused before it touches anything, and told who holds what."""
    with settled(tmp_path) as (h, before), FolderLocks() as first:
        first.take(locked_folders(h.settings))
        with FolderLocks() as second, pytest.raises(LockedError, match=rf"Another gen3sync \(process {os.getpid()} on"):
            second.take(locked_folders(h.settings))
        assert shown(h) == before.files
        fresh(h)


@pytest.mark.parametrize("story", ["inbox", "state"])
def test_a_small_disk(tmp_path: Path, story: str) -> None:
    """A real file system that is full, then read-only, in a mount namespace of its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine lets nobody make a mount namespace")
    command = ["unshare", "--mount", "--propagation", "private", sys.executable, "-m"]
    done = subprocess.run(
        [*command, "tests.scenario.mirror_faults.small_disk", story, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
