"""Who may look into the state folder: its subfolders hold rows of data and what is to be sent, and are the daemon's
alone, whatever the umask. What people read (status.json, for the group) lies beside them."""

from __future__ import annotations

import os
from pathlib import Path

from gen3sync.files import folder_error

OURS = ("drops", "lanes", "mirrors")


def close_to_others(state: Path) -> None:
    """Makes the subfolders and closes them, also those that an older gen3sync left open. Raises FolderError."""
    for name in OURS:
        folder = state / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                os.fchmod(fd, 0o700)
            finally:
                os.close(fd)
        except OSError as error:
            raise folder_error(f"The folder {folder} cannot be made for gen3sync alone", error) from error
