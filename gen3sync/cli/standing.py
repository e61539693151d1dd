"""How files and folders of a service stand on this machine, and the commands that put folders right."""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from enum import Enum
from pathlib import Path

USER = "gen3sync"


class Standing(Enum):
    """A file compared with what it should hold."""

    SAME = "as it is"
    MISSING = "missing"
    OTHER = "differs"


def stands(path: Path, text: str) -> Standing:
    try:
        return Standing.SAME if path.read_text(encoding="utf-8") == text else Standing.OTHER
    except FileNotFoundError:
        return Standing.MISSING
    except (OSError, UnicodeDecodeError):
        return Standing.OTHER


def chosen_group(drop_ins: Sequence[Path]) -> str:
    """The group the service runs as, where the site's own lines say another than the unit (examples/shared-group.conf).

    `drop_ins` are folders, those that count more last.
    """
    group = USER
    for path in [path for folder in drop_ins for path in sorted(folder.glob("*.conf"))]:
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Group="):
                group = line.removeprefix("Group=").strip() or USER
    return group


def folder_commands(root: Path, folders: Sequence[Path], group: str = USER) -> Iterator[str]:
    """What a person must do so that the service can write into `folders`; nothing where it can."""
    ids = _ids(root, group)
    for folder in dict.fromkeys(folders):
        there = root / folder.relative_to("/")
        if not there.is_dir():
            # 2770: what is dropped here belongs to the group, whoever drops it.
            yield f"install -d -o {USER} -g {group} -m 2770 {folder}"
        elif ids is None or not _may_write(there.stat().st_mode, there.stat().st_uid, there.stat().st_gid, ids):
            yield f"chown -R {USER}:{group} {folder} && chmod 2770 {folder}"


def _ids(root: Path, group: str) -> tuple[int, frozenset[int]] | None:
    """User id and groups of the service's processes in that machine's own files, or None before there is one."""
    try:
        users = [line.split(":") for line in (root / "etc/passwd").read_text(encoding="utf-8").splitlines()]
        groups = [line.split(":") for line in (root / "etc/group").read_text(encoding="utf-8").splitlines()]
    except OSError:
        return None
    found = next((user for user in users if user[0] == USER and len(user) > 3), None)
    if found is None:
        return None
    mine = (each for each in groups if len(each) > 3 and (each[0] in (USER, group) or USER in each[3].split(",")))
    return int(found[2]), frozenset(int(each[2]) for each in mine)


def _may_write(mode: int, owner: int, group: int, ids: tuple[int, frozenset[int]]) -> bool:
    user, groups = ids
    if owner == user:
        wanted = stat.S_IWUSR | stat.S_IXUSR
    elif group in groups:
        wanted = stat.S_IWGRP | stat.S_IXGRP
    else:
        wanted = stat.S_IWOTH | stat.S_IXOTH
    return mode & wanted == wanted
