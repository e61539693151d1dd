"""Files and folders: atomic writes, locks, safe names, moves that never overwrite, what kind of disk this is.

Owns everything that must survive a power cut, a `kill -9`, a full disk or a hostile name. Knows nothing of drops,
mirrors or the commons. Functions raise `OSError` as the system gives it, so that callers can tell a full disk from a
missing right; `folder_error` turns one into a sentence for people. Locks raise `LockedError` and `FolderError`.

- `atomic.py`  `write_atomic`, `fsync_folder`, `remove_leftovers`
- `lock.py`    `FolderLock`, `Holder`, `holder_of`
- `paths.py`   `safe_name`, `unique_path`, `inside`
- `beneath.py` `open_beneath`, `lstat_beneath`
- `walking.py` `walk`
- `moves.py`   `move`, `open_regular`, `read_regular`, `sha256_file`, `Fingerprint`
- `kinds.py`   `filesystem_kind`, `FilesystemKind`, `folder_error`, `disk_refuses`
"""

from gen3sync.files.atomic import TEMPORARY_MARK, fsync_folder, remove_leftovers, write_atomic
from gen3sync.files.beneath import lstat_beneath, open_beneath
from gen3sync.files.kinds import FilesystemKind, disk_refuses, filesystem_kind, folder_error
from gen3sync.files.lock import LOCK_NAME, FolderLock, Holder, holder_of
from gen3sync.files.moves import Fingerprint, move, open_regular, read_regular, sha256_file
from gen3sync.files.paths import inside, safe_name, unique_path
from gen3sync.files.walking import DEEPEST, walk

__all__ = [
    "DEEPEST",
    "LOCK_NAME",
    "TEMPORARY_MARK",
    "FilesystemKind",
    "Fingerprint",
    "FolderLock",
    "Holder",
    "disk_refuses",
    "filesystem_kind",
    "folder_error",
    "fsync_folder",
    "holder_of",
    "inside",
    "lstat_beneath",
    "move",
    "open_beneath",
    "open_regular",
    "read_regular",
    "remove_leftovers",
    "safe_name",
    "sha256_file",
    "unique_path",
    "walk",
    "write_atomic",
]
