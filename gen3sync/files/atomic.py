"""Whole files or none: written beside, flushed, renamed over, and the folder flushed.

Owns the temporary files it makes, also those a killed process left behind. Leaves moving of existing files to
`moves.py`.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from gen3sync.files.walking import walk

# `.NAME.gen3sync-tmp-XXXXXXXX`: hidden from people and from the outbox's scan, and recognisable after a kill.
TEMPORARY_MARK = ".gen3sync-tmp-"
_NAME_MAX = 255  # bytes; Linux and macOS alike
_TRIES = 100

FailPoint = Callable[[str], None]
"""Called with the name of each step that was just done; tests raise from it to stand for a kill or a broken disk."""

STEPS = ("created", "written", "synced", "renamed", "folder synced")


def _pass(step: str) -> None:
    del step


def write_atomic(
    path: Path,
    data: bytes | Callable[[BinaryIO], None],
    *,
    mode: int = 0o640,
    mtime: float | None = None,
    failpoint: FailPoint = _pass,
) -> None:
    """Makes `path` hold exactly `data`; whoever reads it sees the old whole content or the new whole content.

    1. `data` goes to a temporary file beside `path` (`data` may be a function that writes to the open file).
    2. It gets `mode` (exactly, whatever the umask) and, where given, `mtime` (seconds since the epoch), and is flushed
       to the disk; then it is renamed over `path`; then the folder is flushed, so the name survives a power cut.
    3. When anything fails, also in `data`, the temporary file is removed and `path` is as it was. When only the last
       flush of the folder fails, `path` already holds the new content; the error is raised all the same.
    4. A `path` that is a symbolic link is replaced by a file; the link is not followed.

    Raises OSError, and whatever `data` raises. The folder must exist.
    """
    path = Path(path)
    with _opened_folder(path.parent) as folder:
        temporary, fd = _create_beside(folder, path.name)
        try:
            failpoint("created")
            with os.fdopen(fd, "wb", closefd=False) as out:
                if callable(data):
                    data(out)
                else:
                    out.write(data)
            failpoint("written")
            os.fchmod(fd, mode)
            if mtime is not None:
                os.utime(fd, ns=(round(mtime * 1e9), round(mtime * 1e9)))
            sync(fd)
            failpoint("synced")
            os.replace(temporary, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=folder)
            raise
        finally:
            os.close(fd)
        failpoint("renamed")
        _sync_folder(folder)
        failpoint("folder synced")


def fsync_folder(folder: Path) -> None:
    """Flushes the names in `folder` to the disk: a rename, link or unlink there survives a power cut after this."""
    with _opened_folder(folder) as fd:
        _sync_folder(fd)


def remove_leftovers(folder: Path, *, recursive: bool = True) -> tuple[Path, ...]:
    """Removes temporary files that killed writers left in `folder`; returns what was removed.

    To be called by the holder of the folder's lock. As a second fence a living writer holds a `flock` on its
    temporary file until it is in place, and what is locked is left alone; so even a mistaken call harms nobody.
    """
    removed: list[Path] = []
    for where, names in itertools.islice(walk(folder), None if recursive else 1):
        paths = (where / name for name in names if is_temporary(name))
        removed.extend(path for path in paths if _remove_if_abandoned(path))
    return tuple(removed)


def is_temporary(name: str) -> bool:
    """Whether `name` is that of a temporary file made by `write_atomic`."""
    return name.startswith(".") and TEMPORARY_MARK in name


def temporary_name(name: str) -> str:
    """A name nobody uses for a temporary file beside `name`, within what file systems allow."""
    tail = TEMPORARY_MARK + os.urandom(4).hex()
    return f".{name.encode('utf-8', 'replace')[: _NAME_MAX - len(tail) - 1].decode('utf-8', 'ignore')}{tail}"


def sync(fd: int) -> None:
    """Flushes a file to the disk itself. macOS needs F_FULLFSYNC for that; plain fsync stops at the drive's cache."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is not None:
        with contextlib.suppress(OSError):
            fcntl.fcntl(fd, full)
            return
    os.fsync(fd)


def _sync_folder(fd: int) -> None:
    try:
        sync(fd)
    except OSError as error:
        # Some network and FUSE file systems cannot flush a folder; they order names by themselves or not at all.
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF):
            raise


@contextlib.contextmanager
def _opened_folder(folder: Path) -> Iterator[int]:
    """A folder held by descriptor: what happens in it cannot be diverted by renaming or replacing the folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def _create_beside(folder: int, name: str) -> tuple[str, int]:
    """A new temporary file for `name`, locked against `remove_leftovers`, readable by nobody else until it is whole."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    for _ in range(_TRIES):
        temporary = temporary_name(name)
        try:
            fd = os.open(temporary, flags, 0o600, dir_fd=folder)
        except FileExistsError:
            continue
        if _claim(fd):
            return temporary, fd
        os.close(fd)
    raise OSError(errno.EEXIST, "no free name for a temporary file", name)


def _claim(fd: int) -> bool:
    """Locks a new temporary file; False when `remove_leftovers` was quicker (then it is gone or about to be)."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks: the folder's own lock is then the only fence
        return True
    return os.fstat(fd).st_nlink > 0


def _remove_if_abandoned(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
