"""Earlier versions of mirrored files, in `.versions/NAME/` beside them, named by the time of their data.

A version is another name of the very file that was published (a hard link), so keeping it copies nothing; where the
content is that of an older version, it is another name of that. On file systems without links it is a copy.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gen3sync.config.values import Keep
from gen3sync.files import folder_error, sha256_file

log = logging.getLogger(__name__)

FOLDER = ".versions"
# How often versions of a file that is not replaced are looked at; a mirror may be checked every few seconds.
PRUNE_EVERY = timedelta(hours=1)
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z(\.|$)")


def folder_of(path: Path) -> Path:
    """Where the versions of the file at `path` are."""
    return path.parent / FOLDER / path.name


def keep_version(path: Path, sha256: str) -> None:
    """Gives the file at `path`, about to be replaced, a name among the versions. Raises OSError."""
    status = path.stat()
    place = folder_of(path)
    if place.is_symlink() or place.parent.is_symlink():
        raise OSError(errno.ELOOP, "the folder of versions is a link", str(place))
    place.mkdir(parents=True, exist_ok=True)
    stamp = datetime.fromtimestamp(status.st_mtime, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    version = place / f"{stamp}{path.suffix}"
    if version.exists():
        return
    same = (one for one in versions(path) if one.stat().st_size == status.st_size and sha256_file(one) == sha256)
    source = next(same, path)
    try:
        os.link(source, version, follow_symlinks=False)
    except OSError:
        half = place / f".{version.name}.half"
        shutil.copy2(path, half)
        half.rename(version)


def prune(path: Path, keep: Keep, now: datetime) -> None:
    """Removes the versions that `keep` no longer asks for. Raises OSError."""
    every = versions(path)
    if not every:
        return
    if keep.age is None:
        gone = every[: max(0, len(every) - keep.count)]
    else:
        # A version's age counts from when it was replaced: by the next one, the last one by the file itself.
        ends = [_time(one) for one in every[1:]] + [path.stat().st_mtime]
        gone = [one for one, end in zip(every, ends, strict=True) if now.timestamp() - end > keep.age]
    for one in gone:
        one.unlink(missing_ok=True)
    if gone and len(gone) == len(every):
        with contextlib.suppress(OSError):
            folder_of(path).rmdir()


class Pruning:
    """Prunes the versions of files that are not replaced: now and then, and when `keep` is another. Thread-safe."""

    def __init__(self) -> None:
        self._locks: dict[Path, threading.RLock] = {}
        self._done: dict[Path, tuple[Keep, datetime]] = {}

    def replacing(self, path: Path) -> threading.RLock:
        """To be held while the file at `path` is replaced: until then its newest version looks as old as the file."""
        return self._locks.setdefault(path, threading.RLock())

    def due(self, path: Path, keep: Keep, now: datetime) -> bool:
        """Whether it is time: at most once in PRUNE_EVERY for one `keep`. Asks nothing of the disk."""
        before = self._done.get(path)
        return before is None or before[0] != keep or not timedelta() <= now - before[1] < PRUNE_EVERY

    def prune(self, path: Path, keep: Keep, now: datetime) -> None:
        """Where it is due. What cannot be removed is told and left for the next time."""
        lock = self.replacing(path)
        if not self.due(path, keep, now) or not lock.acquire(blocking=False):
            return
        try:
            self._done[path] = keep, now
            prune(path, keep, now)
        except OSError as error:
            log.warning("%s", folder_error(f"Old versions in {folder_of(path)} cannot be removed", error))
        finally:
            lock.release()


def versions(path: Path) -> list[Path]:
    """The versions of the file at `path`, oldest first: what has a name of ours, in a folder that is one.

    Others may write here, and the last of these are removed: a link in the folder's place leads to what is not ours.
    """
    place = folder_of(path)
    if place.is_symlink() or place.parent.is_symlink():
        return []
    try:
        return sorted(one for one in place.iterdir() if _NAME.match(one.name) and not one.is_symlink())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _time(version: Path) -> float:
    """From the name: a version that shares its content with an older one has that one's modification time."""
    text = version.name[: len("20260101T000000.000000Z")]
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        return version.stat().st_mtime
