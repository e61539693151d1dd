"""Looks at what lies in the outbox: one walk, one stat a file, links never followed.

Owns which names count. The truth about arrivals is this scan; events of the system (`watch.py`) only say where to look
sooner.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gen3sync.files import DEEPEST, Fingerprint, lstat_beneath
from gen3sync.outbox.route import matches

READY_SUFFIX = ".ready"
_NO_NAME = "its name is not UTF-8 text (an old Windows or tar archive?); rename it"
_ENDINGS = (
    *("~", ".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".download", ".swp", ".swx", ".swpx"),
    *(".bak", ".lock", ".opdownload", ".!ut", ".aria2", ".rsync-part"),
)
_BEGINNINGS = (".", "~$", "#", "~lock.")
_NAMES = frozenset({"thumbs.db", "desktop.ini", "icon\r", "lost+found", "__macosx"})


@dataclass(frozen=True, slots=True)
class Oddity:
    """Something in the outbox that will never be taken: `why` for people."""

    path: str
    why: str


@dataclass(slots=True)
class Found:
    """What a scan saw. `files` by path relative to the outbox, with `/`."""

    files: dict[str, Fingerprint] = field(default_factory=dict)
    odd: list[Oddity] = field(default_factory=list)
    folders: int = 0
    root: tuple[int, int] | None = None
    """Device and inode of the outbox itself; None when it is not there."""


class Outlook:
    """How to look at one outbox."""

    def __init__(self, root: Path, ignore: Sequence[str] = (), *, ready_marker: bool = False) -> None:
        self.root, self._ignore, self._ready_marker = root, tuple(ignore), ready_marker

    def ignored(self, path: PurePosixPath) -> bool:
        """Whether `path` or a folder above it has a name that never counts: hidden, temporary, or configured."""
        return any(never_counts(part) for part in path.parts) or any(matches(glob, path) for glob in self._ignore)

    def look(self, path: PurePosixPath) -> Fingerprint | Oddity | None:
        """At one path: its fingerprint, why it will never be taken, or None when nothing (that counts) is there."""
        if self.ignored(path) or (self._ready_marker and path.name.endswith(READY_SUFFIX)):
            return None
        if not writable(str(path)):
            return Oddity(str(path), _NO_NAME)
        try:
            status = lstat_beneath(self.root, path)
        except OSError:
            return None
        if stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            return Oddity(str(path), _why_odd(status.st_mode))
        if self._ready_marker and not os.path.lexists(self.root / f"{path}{READY_SUFFIX}"):
            return None
        return Fingerprint.of(status)

    def gone(self, path: str) -> bool:
        """See `is_gone`."""
        return is_gone(self.root, PurePosixPath(path))

    def scan(self) -> Found:
        """At everything. Raises OSError when the outbox itself cannot be read; a folder in it that cannot is odd."""
        found = Found()
        status = self.root.stat()
        found.root = (status.st_dev, status.st_ino)
        self._walk(os.fspath(self.root), "", found, first=True)
        if self._ready_marker:
            markers = {path.removesuffix(READY_SUFFIX) for path in found.files if path.endswith(READY_SUFFIX)}
            found.files = {path: mark for path, mark in found.files.items() if path in markers}
        return found

    def _walk(self, folder: str, prefix: str, found: Found, *, first: bool = False) -> None:
        found.folders += 1
        if prefix.count("/") > DEEPEST:
            found.odd.append(Oddity(prefix.rstrip("/"), "the folders are nested too deeply; move the files further up"))
            return
        try:
            entries = os.scandir(folder)
        except OSError as error:
            if first:
                raise
            found.odd.append(Oddity(prefix.rstrip("/"), f"the folder cannot be read: {error.strerror}"))
            return
        with entries:
            for entry in entries:
                path = prefix + entry.name
                if never_counts(entry.name) or (self._ignore and self.ignored(PurePosixPath(path))):
                    continue
                if not writable(entry.name):
                    found.odd.append(Oddity(path, _NO_NAME))
                    continue
                try:
                    if entry.is_dir(follow_symlinks=False):
                        self._walk(entry.path, path + "/", found)
                    elif entry.is_file(follow_symlinks=False):
                        found.files[path] = Fingerprint.of(entry.stat(follow_symlinks=False))
                    else:
                        found.odd.append(Oddity(path, _why_odd(entry.stat(follow_symlinks=False).st_mode)))
                except FileNotFoundError:
                    continue  # gone between listing and looking
                except OSError as error:  # a stale file handle, say: the others are there all the same
                    found.odd.append(Oddity(path, f"it cannot be looked at: {error.strerror}"))


def is_gone(root: Path, path: PurePosixPath) -> bool:
    """Whether the file at `path` is no longer there: not where nobody can look (no permission, a stale mount), and not
    where it does not count any more (its marker is gone)."""
    try:
        return not stat.S_ISREG(lstat_beneath(root, path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError as error:
        return error.errno == errno.ELOOP  # a link stands in the place of a folder


def never_counts(name: str) -> bool:
    """Names of editors, copy programs and systems for files that are not finished, or not meant."""
    lower = name.lower()
    return lower.startswith(_BEGINNINGS) or lower.endswith(_ENDINGS) or lower in _NAMES


def writable(name: str) -> bool:
    """Whether a name can be written down: one that is no UTF-8 can in no ledger, receipt or log."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _why_odd(mode: int) -> str:
    if stat.S_ISLNK(mode):
        return "a symbolic link is not followed; copy the file itself here"
    if stat.S_ISFIFO(mode):
        return "a FIFO is not a file; write a file instead"
    if stat.S_ISSOCK(mode):
        return "a socket is not a file"
    return "a device is not a file"
