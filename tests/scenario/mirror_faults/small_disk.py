"""A mirror on a disk of its own that gets full and read-only. Run by test_disk.py as root, in a mount namespace."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from gen3sync.errors import LedgerError
from gen3sync.ledger import Outcome
from tests.scenario.inbox_house import study
from tests.scenario.mirror_faults.kit import FILE, fresh, later, mirrored, read, shown, truth

BALLAST = ".gen3sync-ballast"


def mount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True)


def fill(folder: Path, leave: int) -> Path:
    """Fills the disk but for `leave` bytes."""
    path = folder / BALLAST
    path.unlink(missing_ok=True)
    free = os.statvfs(folder)
    with contextlib.suppress(OSError):
        path.write_bytes(b"x" * (free.f_bavail * free.f_frsize - leave))
    return path


def inbox(folder: Path) -> None:
    disk = folder / "inbox"
    disk.mkdir()
    mount(disk, "size=300k")
    with mirrored(folder) as h:
        study(h.sandbox, "ST-1")
        h.look()
        before = truth(h)
        later(h)
        study(h.sandbox, *(f"BIG-{n}" for n in range(100)), title="x" * 1000)
        ballast = fill(disk, 60_000)
        h.look()
        before.stands(h, Outcome.FAILED, "DEV/test/study cannot be mirrored: the disk is full. Make room there")
        fill(disk, 0)
        h.look()
        before.stands(h, Outcome.FAILED, "the disk is full")
        ballast.unlink()
        mount(disk, "remount,ro")
        h.look()
        before.stands(h, Outcome.FAILED, "the file system is read-only. Mount it writable")
        h.restart()
        h.look()
        before.stands(h, Outcome.FAILED, "the file system is read-only")
        mount(disk, "remount,rw")
        fresh(h)


def state(folder: Path) -> None:
    disk = folder / "state"
    disk.mkdir()
    mount(disk, "size=3m")
    with mirrored(folder) as h:
        study(h.sandbox, "ST-1")
        h.look()
        before = truth(h)
        later(h)
        study(h.sandbox, *(f"BIG-{n}" for n in range(300)), title="x" * 1000)
        ballast = fill(disk, 200_000)
        h.look()
        before.stands(h, Outcome.FAILED, "disk is full|the disk is full")
        ballast.unlink()
        fill(disk, 0)
        # The ledger itself has no room now: this is told to whoever asks, and nothing is half done.
        with contextlib.suppress(LedgerError):
            h.look()
        assert shown(h) == before.files
        assert read(h).mirror().checked_at == before.at.isoformat(timespec="seconds")
        ballast.unlink()
        fresh(h)
        assert len(h.rows(FILE)) == 301


if __name__ == "__main__":
    {"inbox": inbox, "state": state}[sys.argv[1]](Path(sys.argv[2]))
