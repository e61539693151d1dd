"""Puts proven mirrors into the inbox, and knows whether what lies there is still what was put.

1. Readers see the old whole file or the new whole file (`files.write_atomic`).
2. Content that did not change is not written again; only `checked_at` in the index moves.
3. A file somebody edited is never overwritten: it is kept beside as `NAME.local-TIME`.
4. The version that is replaced stays as another name where the mirror's `keep` asks for it (`versions`).
5. Nothing is written into an inbox whose marker is gone: its disk is probably not mounted.

Raises OSError as the system gives it (full, read-only, quota …); the old file is then as it was.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from gen3sync.files import Fingerprint, disk_refuses, inside, open_regular, sha256_file, unique_path, write_atomic
from gen3sync.inbox.index import Entry, read_index, write_index
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.render import Rendered
from gen3sync.inbox.versions import Pruning, keep_version, prune

MARKER = ".gen3sync-inbox"
_MARKER_TEXT = b"gen3sync mirrors a Gen3 data commons into this folder. Without this file it writes nothing here.\n"
UNTELLABLE = ".untellable.jsonl"
# How often "checked at" of an unchanged mirror is written down; a mirror may be checked every few seconds.
INDEX_EVERY = timedelta(seconds=60)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Standing(Enum):
    """What lies at a mirror's path."""

    INTACT = "what was published"
    MISSING = "nothing"
    EDITED = "something else"


@dataclass(frozen=True, slots=True)
class Published:
    """What publishing did: whether the file was written, and where local edits were kept."""

    written: bool
    kept_aside: str | None = None


class Unmounted(Exception):  # noqa: N818 - becomes a guard's reason
    """The inbox has lost its marker."""


class Folder:
    """The inbox folder. Thread-safe for different mirrors; one mirror is published by one thread at a time."""

    def __init__(self, root: Path, commons: str) -> None:
        self.root = root
        self._commons = commons
        self._lock = threading.Lock()
        self._checked: dict[str, datetime] = {}
        self._seen: dict[str, tuple[Fingerprint, str]] = {}
        self._pruning = Pruning()
        self.refused: OSError | None = None
        """Why a new inbox could not be marked yet: its disk takes nothing."""

    def mark(self) -> None:
        """Leaves the marker, making the folder where it is missing. Raises OSError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not (self.root / MARKER).exists():
                write_atomic(self.root / MARKER, _MARKER_TEXT, mode=0o644)
        except OSError as error:
            if self.refused is not None or disk_refuses(error):
                self.refused = error
            raise
        self.refused = None

    @property
    def mounted(self) -> bool:
        return (self.root / MARKER).is_file()

    def path(self, mirror: Mirror) -> Path:
        return self.root / mirror.name

    def entry(self, mirror: Mirror) -> Entry | None:
        """What the index knows of the mirror."""
        path = self.path(mirror)
        with self._lock:
            return read_index(path.parent).get(path.name)

    def standing(self, mirror: Mirror, sha256: str | None) -> Standing:
        """Whether the file is the one with `sha256`. It is read again only when its stat has changed."""
        found = self._hash(mirror)
        if found is None:
            return Standing.MISSING
        if sha256 is not None and found == sha256:
            return Standing.INTACT
        entry = self.entry(mirror)
        if entry is not None and found and found in (entry.sha256, entry.next):  # a link or folder has no hash
            return Standing.INTACT if sha256 is None else Standing.MISSING  # ours, but of a refresh cut short
        return Standing.EDITED

    def publish(self, mirror: Mirror, made: Rendered, entry: Entry, *, previous: str | None, at: datetime) -> Published:
        """Makes the mirror's file hold what was rendered; `entry` goes to the index, with the text's hash.

        `previous` is the sha256 published last. `at` is when the commons held this; it becomes the file's mtime.
        Raises Unmounted, OSError.
        """
        if not self.mounted:
            raise Unmounted
        path = self.path(mirror)
        if not inside(self.root, path.parent):
            raise OSError(errno.EXDEV, "its folder is a link that leads out of the inbox", str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._pruning.replacing(path):
            return self._put(path, mirror, made, entry, previous, at)

    def _put(
        self, path: Path, mirror: Mirror, made: Rendered, entry: Entry, previous: str | None, at: datetime
    ) -> Published:
        standing = self.standing(mirror, previous)
        # A patched text that says something else need not be hashed to know it: that is done while it is written.
        anew = made.patched is not None and not made.patched.same and standing is Standing.INTACT
        written = anew or self._hash(mirror) != made.text.sha256
        kept = None
        if written:
            if standing is Standing.EDITED:
                kept = _keep_aside(path, at)
            elif mirror.keep and standing is Standing.INTACT and previous is not None and path.exists():
                keep_version(path, previous)
        beside = path.with_name(path.name + UNTELLABLE)
        if made.notes is not None and (written or _holds_not(beside, made.notes.sha256)):
            # What the file cannot say is listed before the file says the rest …
            write_atomic(beside, made.notes.pour)
        if written:

            def write(out: BinaryIO) -> None:
                made.text.pour(out)
                self._note(path, lambda old: replace(old or entry, next=made.text.sha256))

            write_atomic(path, write, mtime=at.timestamp())
            self._remember(mirror, made.text.size, made.text.sha256, at)
            if mirror.keep:
                prune(path, mirror.keep, at)
        if made.notes is None:
            beside.unlink(missing_ok=True)  # … and no longer once it says all; a kill may have come between
        self._note(path, lambda _: replace(entry, sha256=made.text.sha256))
        if not (written and mirror.keep):
            self._pruning.prune(path, mirror.keep, at)
        return Published(written, kept)

    def open_intact(self, mirror: Mirror, sha256: str) -> tuple[BinaryIO, BinaryIO | None] | None:
        """The file with `sha256` and what is listed beside it, opened; None where they are not what was published.

        Whoever edits the file from here on makes another inode or another fingerprint: see `still_intact`.
        """
        if self._hash(mirror) != sha256:
            return None
        path = self.path(mirror)
        try:
            source = open_regular(path)
        except OSError:
            return None
        if not self.still_intact(mirror, source):
            source.close()
            return None
        try:
            return source, open_regular(path.with_name(path.name + UNTELLABLE))
        except OSError:
            return source, None

    def still_intact(self, mirror: Mirror, source: BinaryIO) -> bool:
        """Whether an opened file is still as it was when its hash was taken."""
        known = self._seen.get(mirror.name)
        return known is not None and known[0] == Fingerprint.of(os.fstat(source.fileno()))

    def _remember(self, mirror: Mirror, size: int, sha256: str, at: datetime) -> None:
        """Saves reading a file again that was just put there, if it is that one by size and time."""
        with contextlib.suppress(OSError):
            now = Fingerprint.at(self.path(mirror))
            if now.size == size and now.mtime_ns == round(at.timestamp() * 1e9):
                self._seen[mirror.name] = (now, sha256)

    def checked(self, mirrors: Sequence[tuple[Mirror, str]], at: datetime) -> None:
        """Moves `checked_at` of unchanged mirrors, at most once in INDEX_EVERY; prunes theirs. Raises OSError."""
        with self._lock:
            due = [
                (self.path(mirror), signature)
                for mirror, signature in mirrors
                if not timedelta() <= at - self._checked.get(mirror.name, _LONG_AGO) < INDEX_EVERY
            ]
            self._checked.update((path.relative_to(self.root).as_posix(), at) for path, _ in due)
            for folder in dict.fromkeys(path.parent for path, _ in due):
                entries = read_index(folder)
                for path, signature in due:
                    entry = entries.get(path.name) if path.parent == folder else None
                    if entry is not None:
                        moved = replace(entry, checked_at=at.isoformat(), signature=signature, followed=True)
                        entries[path.name] = moved
                write_index(folder, self._commons, entries)
        for mirror, _ in mirrors:
            path = self.path(mirror)
            if self._pruning.due(path, mirror.keep, at) and self.mounted and inside(self.root, path.parent):
                self._pruning.prune(path, mirror.keep, at)

    def unfollow(self, name: str) -> bool:
        """Marks a mirror that is no longer asked for; its file stays. Whether it was followed. Raises OSError."""
        path = self.root / name
        with self._lock:
            entries = read_index(path.parent)
            entry = entries.get(path.name)
            if entry is not None and entry.followed:
                entries[path.name] = replace(entry, followed=False)
                write_index(path.parent, self._commons, entries)
                return True
            return False

    def _note(self, path: Path, change: Callable[[Entry | None], Entry]) -> None:
        with self._lock:
            entries = read_index(path.parent)
            entries[path.name] = change(entries.get(path.name))
            write_index(path.parent, self._commons, entries)

    def _hash(self, mirror: Mirror) -> str | None:
        path = self.path(mirror)
        try:
            now = Fingerprint.at(path)
            known = self._seen.get(mirror.name)
            if known is None or known[0] != now:
                self._seen[mirror.name] = known = (now, sha256_file(path))
            return known[1]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR, errno.EINVAL, errno.ENXIO):
                return ""  # a link, a folder, a FIFO: certainly not what was published
            raise


def _holds_not(path: Path, sha256: str) -> bool:
    try:
        return sha256_file(path) != sha256
    except OSError:
        return True


def _keep_aside(path: Path, at: datetime) -> str:
    """A second name for what somebody put at `path`; readers of `path` see it until the mirror takes its place."""
    aside = unique_path(path.parent, f"{path.name}.local-{at:%Y%m%dT%H%M%SZ}")
    try:
        os.link(path, aside, follow_symlinks=False)
    except OSError:
        if path.is_symlink() or path.is_dir():
            path.rename(aside)
        else:
            shutil.copy2(path, aside)
    return aside.name
