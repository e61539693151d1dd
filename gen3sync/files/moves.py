"""Existing files: telling two states of one apart, reading them whole, moving them without loss.

Owns `move`, which never overwrites and never loses; leaves the making of new content to `atomic.py`.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import stat
import sys
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from gen3sync.files.atomic import fsync_folder, temporary_name, write_atomic

_BLOCK = 1 << 20
_UNSUPPORTED = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EMLINK, errno.EACCES}


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a stat says of a file's content. Two equal ones around a read mean (nearly surely) that it stood still."""

    size: int
    mtime_ns: int
    inode: int
    device: int

    @classmethod
    def of(cls, status: os.stat_result) -> Fingerprint:
        return cls(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)

    @classmethod
    def at(cls, path: Path) -> Fingerprint:
        """Of the file at `path` itself, not of what a link there points to. Raises OSError."""
        return cls.of(os.lstat(path))


def open_regular(path: Path) -> BufferedReader:
    """Opens a regular file for reading. Symbolic links are not followed and a FIFO does not block.

    Raises OSError: ELOOP for a link, EISDIR for a folder, ENXIO or EINVAL for a FIFO, socket or device.
    """
    return opened_regular(path)


def opened_regular(path: Path | str, *, dir_fd: int | None = None) -> BufferedReader:
    """`open_regular` in an opened folder."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=dir_fd)
    try:
        mode = os.fstat(fd).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        return os.fdopen(fd, "rb")
    except BaseException:
        os.close(fd)
        raise


def read_regular(path: Path, limit: int) -> bytes:
    """The bytes of a regular file that others may have put there: a FIFO does not block, a link is not followed.

    Raises OSError as `open_regular`, and EFBIG for more than `limit` bytes.
    """
    with open_regular(path) as source:
        data = source.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return data


def sha256_file(path: Path) -> str:
    """The SHA-256 of a regular file's bytes, in hexadecimal. Raises OSError as `open_regular`."""
    with open_regular(path) as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


def move(src: Path, dst: Path) -> None:
    """Moves a file to `dst`, which must not exist (FileExistsError otherwise), also to another file system.

    1. On one file system the file itself moves (same inode): whoever still writes to it writes to the moved one.
    2. Across file systems it is copied beside `dst`, flushed, hashed again, put in place; `src` is removed only when
       it did not change meanwhile (OSError EBUSY otherwise, and `dst` is not made).
    3. Killed at any moment, the content is whole at `src`, at `dst`, or at both. Called again it finishes, but for one
       case: killed across file systems between placing the copy and removing `src`, it finds `dst` taken
       (FileExistsError), for only the caller can know whether an equal file there is this one.
    4. Both folders are flushed before it returns.
    """
    src, dst = Path(src), Path(dst)
    if _same_entry(src, dst):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(dst))
    if _half_done(src, dst):
        fsync_folder(dst.parent)
        src.unlink()
    else:
        try:
            rename_new(src, dst)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy_over(src, dst)
    fsync_folder(dst.parent)
    if src.parent != dst.parent:
        fsync_folder(src.parent)


def rename_new(src: Path, dst: Path) -> None:
    """Renames within one file system; FileExistsError when `dst` exists, OSError EXDEV when it is another one."""
    code = _rename_exclusive(src, dst)
    if code == 0:
        return
    if code not in _UNSUPPORTED:
        raise OSError(code, os.strerror(code), str(src), None, str(dst))
    try:
        os.link(src, dst, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    else:
        src.unlink()
        return
    # No exclusive rename (NFS) and no hard link (FAT; or another user's file, by fs.protected_hardlinks): take the
    # name with an empty file first, then rename over that.
    os.close(os.open(dst, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    try:
        src.rename(dst)
    except BaseException:
        dst.unlink(missing_ok=True)
        raise


def _same_entry(src: Path, dst: Path) -> bool:
    return src.name == dst.name and src.parent.resolve() == dst.parent.resolve()


def _half_done(src: Path, dst: Path) -> bool:
    try:
        here, there = os.lstat(src), os.lstat(dst)
    except FileNotFoundError:
        return False
    return os.path.samestat(here, there) and here.st_nlink > 1


def _rename_exclusive(src: Path, dst: Path) -> int:
    """Linux renameat2(RENAME_NOREPLACE), macOS renamex_np(RENAME_EXCL). Returns 0 or an errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    source, target = os.fsencode(src), os.fsencode(dst)
    try:
        if sys.platform == "darwin":
            result = libc.renamex_np(source, target, ctypes.c_uint(4))
        else:
            here = ctypes.c_int(-100)  # AT_FDCWD
            result = libc.renameat2(here, source, here, target, ctypes.c_uint(1))
    except AttributeError:  # a libc without it (glibc before 2.28)
        return errno.ENOSYS
    return 0 if result == 0 else ctypes.get_errno()


def _copy_over(src: Path, dst: Path) -> None:
    if os.path.lexists(dst):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(dst))
    with open_regular(src) as source:
        before = os.fstat(source.fileno())
        digest = hashlib.sha256()

        def copy(out: BinaryIO) -> None:
            while block := source.read(_BLOCK):
                digest.update(block)
                out.write(block)

        aside = dst.with_name(temporary_name(dst.name))
        write_atomic(aside, copy, mode=stat.S_IMODE(before.st_mode), mtime=before.st_mtime)
        try:
            if sha256_file(aside) != digest.hexdigest():
                raise OSError(errno.EIO, "the copy differs from what was written", str(dst))
            if not Fingerprint.of(before) == Fingerprint.of(os.fstat(source.fileno())) == Fingerprint.at(src):
                raise OSError(errno.EBUSY, "the file changed while it was moved", str(src))
            rename_new(aside, dst)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
    fsync_folder(dst.parent)
    src.unlink()
