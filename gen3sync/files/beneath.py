"""Files below a folder that others may write to: no symbolic link between the folder and the file is followed.

Whoever may write to a folder can put a link in the place of a folder in it, at any moment, also between two looks at a
path. `O_NOFOLLOW` guards only the last part of a path; so here each folder on the way is opened from the one above.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path, PurePosixPath

from gen3sync.files.moves import opened_regular

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def open_beneath(root: Path, path: PurePosixPath) -> BufferedReader:
    """Opens the regular file `path` (relative to `root`) for reading. `root` itself may be a link, nothing below it.

    Raises OSError: ENOTDIR or ELOOP for a link on the way, and as `open_regular` for the file itself.
    """
    with _folder_of(root, path) as folder:
        return opened_regular(path.name, dir_fd=folder)


def lstat_beneath(root: Path, path: PurePosixPath) -> os.stat_result:
    """What `os.lstat` says of `path` (relative to `root`). Raises OSError as `open_beneath`."""
    with _folder_of(root, path) as folder:
        return os.stat(path.name, dir_fd=folder, follow_symlinks=False)


@contextlib.contextmanager
def _folder_of(root: Path, path: PurePosixPath) -> Iterator[int]:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in path.parts[:-1]:
            # `..` would leave the folder as surely as a link.
            if part in ("..", "/"):
                raise NotADirectoryError(f"{path} leads out of {root}")
            below = os.open(part, _FOLDER, dir_fd=fd)
            os.close(fd)
            fd = below
        yield fd
    finally:
        os.close(fd)
