"""Earlier versions of mirrored files, in `.versions/NAME/` beside them, named by the time of their data.

A version is another name of the very file that was published (a hard link), so keeping it copies nothing; where the
content is that of an older version, it is another name of that. On file systems without links it is a copy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

from gen3sync.config.values import Keep
from gen3sync.files import sha256_file

FOLDER = ".versions"
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
