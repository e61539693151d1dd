"""What kind of disk a path is on, and what a system error means for a person.

Owns the lists of file system types and the sentences for errno values.
"""

from __future__ import annotations

import errno
import re
from enum import StrEnum
from pathlib import Path

from gen3sync.errors import FolderError

MOUNTS = Path("/proc/self/mountinfo")


class FilesystemKind(StrEnum):
    """What matters to gen3sync about a file system."""

    LOCAL = "local"
    NETWORK = "network"  # no inotify for what other hosts do, no SQLite WAL
    MEMORY = "memory"  # gone after a reboot
    UNKNOWN = "unknown"


# fmt: off
_NETWORK = frozenset({
    "9p", "afs", "beegfs", "ceph", "cifs", "coda", "fuse.cephfs", "fuse.davfs", "fuse.gcsfuse", "fuse.glusterfs",
    "fuse.goofys", "fuse.juicefs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs", "gfs2", "glusterfs", "gpfs", "lustre",
    "ncpfs", "nfs", "nfs4", "ocfs2", "panfs", "pvfs2", "smb3", "smbfs", "virtiofs",
})
_MEMORY = frozenset({"ramfs", "tmpfs"})
_LOCAL = frozenset({
    "apfs", "bcachefs", "btrfs", "exfat", "ext2", "ext3", "ext4", "f2fs", "fuseblk", "hfsplus", "jfs", "msdos", "ntfs",
    "ntfs3", "overlay", "reiserfs", "squashfs", "udf", "ufs", "vfat", "xfs", "zfs",
})
# fmt: on


def filesystem_kind(path: Path, mounts: Path = MOUNTS) -> FilesystemKind:
    """The kind of file system `path` is (or, where it does not exist yet, would be) on.

    Read from Linux's mountinfo; elsewhere, and for types nobody listed here, UNKNOWN.
    """
    kind = filesystem_type(path, mounts)
    if kind in _NETWORK:
        return FilesystemKind.NETWORK
    if kind in _MEMORY:
        return FilesystemKind.MEMORY
    return FilesystemKind.LOCAL if kind in _LOCAL else FilesystemKind.UNKNOWN


def filesystem_type(path: Path, mounts: Path = MOUNTS) -> str:
    """The name the kernel gives the file system `path` is on, such as `ext4` or `nfs4`; `` where it cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    target = Path(path).resolve()
    best, kind = -1, ""
    for line in lines:
        # 36 35 98:0 /root /mount/point options optional… - type source superoptions   (proc(5))
        left, dash, right = line.partition(" - ")
        fields = left.split(" ")
        if not dash or len(fields) < 5:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), fields[4]))
        # A later line with the same mount point lies on top of the earlier one.
        if target.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), right.split(" ", 1)[0]
    return kind


_SENTENCES = {
    errno.ENOSPC: ("the disk is full", "Make room there; gen3sync goes on by itself."),
    errno.EDQUOT: ("the disk quota is used up", "Make room there or ask for a larger quota."),
    errno.EROFS: ("the file system is read-only", "Mount it writable; if it was, look for disk errors."),
    errno.EACCES: ("permission denied", "Let the user that runs gen3sync read and write there."),
    errno.EPERM: ("the operation is not permitted", "Let the user that runs gen3sync read and write there."),
    errno.ENOENT: ("it does not exist", "Make it, or correct the path in the configuration."),
    errno.ENOTDIR: ("a part of the path is not a folder", "Correct the path in the configuration."),
    errno.EISDIR: ("it is a folder", "Correct the path, or move the folder away."),
    errno.EEXIST: ("it already exists", "Move the existing one away."),
    errno.ENAMETOOLONG: ("the name is too long", "Use a shorter name."),
    errno.ELOOP: ("it is a symbolic link", "Use the real file or folder; links are not followed here."),
    errno.EIO: ("the disk reports an error", "Look at the system log; the disk may be failing."),
    errno.ESTALE: ("the network share is gone", "Mount it again."),
    errno.EMFILE: ("too many files are open", "Raise the limit of open files (LimitNOFILE= in the unit)."),
}

_OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ESTALE})


def disk_refuses(error: BaseException | None) -> bool:
    """Whether the disk takes nothing at the moment, full or read-only; it may later, with nothing done to gen3sync."""
    return isinstance(error, OSError) and error.errno in _OF_THE_DISK


def folder_error(what: str, error: OSError) -> FolderError:
    """`what` ("The receipt of case.tsv cannot be written") and the system's reason as a sentence with a remedy."""
    reason, remedy = _SENTENCES.get(
        error.errno or 0, (error.strerror or type(error).__name__, "Look at the system log for the cause.")
    )
    return FolderError(f"{what}: {reason}.", remedy)
