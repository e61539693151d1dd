"""The places where a life can be made to end: all fail points of the outbox and of atomic writes, every commit of the
ledger, every change of the disk.

Only for a process that is about to die: it changes library defaults for good.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from gen3sync.files import atomic
from gen3sync.ledger.database import Database
from gen3sync.outbox.failpoint import STEPS

FILES = tuple(f"files: {step}" for step in atomic.STEPS)
LEDGER = ("ledger: about to commit", "ledger: committed")
DISK = ("disk: rename", "disk: remove", "disk: make folder", "disk: open to write", "disk: synced")
POINTS = (*STEPS, *FILES, *LEDGER, *DISK)
_AUDITED = {"os.rename": DISK[0], "os.remove": DISK[1], "os.mkdir": DISK[2]}


class Points:
    """Counts what is passed, and kills this process at one of them."""

    def __init__(self, folder: str) -> None:
        self.passed: Counter[str] = Counter()
        self._folder = folder
        self._lock = threading.Lock()
        self._armed: tuple[str, int] | None = None
        self._full: tuple[str, int] | None = None

    def arm(self, point: str, nth: int) -> None:
        """Die when `point` is passed for the nth time from now."""
        with self._lock:
            self._armed = (point, self.passed[point] + nth)

    def disarm(self) -> None:
        with self._lock:
            self._armed = self._full = None

    def full(self, where: str, times: int) -> None:
        """The next so many new files below the folder `where` find no room."""
        with self._lock:
            self._full = (where, times)

    def __call__(self, point: str) -> None:
        with self._lock:
            self.passed[point] += 1
            if self._armed is not None and self._armed[0] == point and self.passed[point] >= self._armed[1]:
                os.kill(os.getpid(), signal.SIGKILL)

    def install(self) -> None:
        """Listens where the code itself offers no fail point."""
        defaults = atomic.write_atomic.__kwdefaults__
        assert defaults is not None
        defaults["failpoint"] = lambda step: self(f"files: {step}")
        Database.writing = _commits(self, Database.writing)  # type: ignore[method-assign]
        fsync = os.fsync

        def synced(fd: Any) -> None:
            fsync(fd)
            self(DISK[4])

        os.fsync = synced
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in _AUDITED:
            if self._ours(arguments[0]):
                if event != "os.remove":
                    self._room(arguments[1] if event == "os.rename" else arguments[0])
                self(_AUDITED[event])
        elif event == "open" and self._ours(arguments[0]) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            self._room(arguments[0])
            self(DISK[3])

    def _room(self, *paths: object) -> None:
        """Raises OSError where the disk is full."""
        with self._lock:
            if self._full is None or self._full[1] < 1:
                return
            where, times = self._full
            if any(isinstance(path, str | bytes | os.PathLike) and where in os.fsdecode(path) for path in paths):
                self._full = (where, times - 1)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _ours(self, path: object) -> bool:
        # Relative names are those of write_atomic, which works relative to an opened folder.
        text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else ""
        return text.startswith(self._folder) or (bool(text) and not text.startswith("/"))


def _commits(points: Points, writing: Callable[..., Any]) -> Callable[..., Any]:
    @contextmanager
    def wrapped(database: Database) -> Iterator[Any]:
        outer = database._current() is None
        with writing(database) as connection:
            yield connection
            if outer:
                points(LEDGER[0])
        if outer:
            points(LEDGER[1])

    return wrapped
