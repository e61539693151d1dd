"""One gen3sync per folder.

Owns the lock file of a folder and who holds it. The lock is the kernel's `flock`: it ends with the process that holds
it, so a lock file left by a dead process is no obstacle, and process ids are for people only.

On NFS `flock` works between hosts since Linux 2.6.12 where server and mount allow locking; with the mount option
`nolock` or `local_lock=flock` two hosts do not see each other. docs/reference/ledger.md says so to operators.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from gen3sync.clock import Clock, SystemClock
from gen3sync.errors import FolderError, LockedError
from gen3sync.files.kinds import folder_error
from gen3sync.names import printable

LOCK_NAME = ".gen3sync.lock"
_READ_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock, as it wrote of itself. `started` is ISO 8601, UTC."""

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"process {self.pid} on {printable(self.host)}, since {printable(self.started)}"


class FolderLock:
    """Held by at most one process (and one `FolderLock`) at a time; use it as a context.

    Raises LockedError naming the holder, and FolderError when the folder cannot be locked at all.
    """

    def __init__(self, folder: Path, name: str = LOCK_NAME, *, clock: Clock | None = None) -> None:
        self.folder = Path(folder)
        self.path = self.folder / name
        self._clock = clock or SystemClock()
        self._fd: int | None = None

    @property
    def held(self) -> bool:
        """Whether this object holds the lock, and the lock file is still the one in the folder.

        It is no longer when someone deleted or replaced the file (or the folder): another gen3sync could then start.
        """
        return self._fd is not None and _is_at(self._fd, self.path)

    def acquire(self) -> None:
        """Takes the lock or raises."""
        if self._fd is not None:
            raise LockedError(f"This process already holds the lock of {self.folder}.")
        while True:
            fd = self._open()
            try:
                self._flock(fd)
                if _is_at(fd, self.path):
                    self._sign(fd)
                    self._fd, fd = fd, -1
                    return
                # The file was replaced between opening and locking: what we hold locks nothing. Again.
            finally:
                if fd >= 0:
                    os.close(fd)

    def release(self) -> None:
        """Gives the lock back. The file stays: removing it could take away a lock that another process just got."""
        if self._fd is None:
            return
        fd, self._fd = self._fd, None
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
        os.close(fd)

    def __enter__(self) -> FolderLock:
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise folder_error(f"The folder {self.folder} cannot be locked", error) from error

    def _flock(self, fd: int) -> None:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES):
                raise FolderError(
                    f"The folder {self.folder} cannot be locked: {error.strerror}.",
                    "Its file system has no working locks; mount it with locking, or use a local disk.",
                ) from error
            holder = _read_holder(fd)
            who = f" ({holder})" if holder else ""
            raise LockedError(
                f"Another gen3sync{who} works on {self.folder}.",
                "Stop that one first, or give this one folders of its own.",
            ) from error

    def _sign(self, fd: int) -> None:
        holder = Holder(os.uname().nodename, os.getpid(), self._clock.now().isoformat(timespec="seconds"))
        # A full disk must not keep the daemon from starting: the lock holds without the note of who has it.
        with contextlib.suppress(OSError):
            os.ftruncate(fd, 0)
            os.pwrite(fd, json.dumps(asdict(holder)).encode(), 0)


def holder_of(folder: Path, name: str = LOCK_NAME) -> Holder | None:
    """Who holds the lock of `folder` right now, or None when nobody does (or the file cannot be read)."""
    try:
        fd = os.open(Path(folder) / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_holder(fd) or Holder("an unknown host", 0, "an unknown time")
    except OSError:
        return None
    else:
        return None
    finally:
        os.close(fd)


def _read_holder(fd: int) -> Holder | None:
    try:
        told = json.loads(os.pread(fd, _READ_LIMIT, 0))
        return Holder(str(told["host"]), int(told["pid"]), str(told["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_at(fd: int, path: Path) -> bool:
    try:
        there = path.lstat()
    except OSError:
        return False
    return os.path.samestat(os.fstat(fd), there)
