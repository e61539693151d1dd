"""Puts copies of pushed files into the outbox, so that no half file is ever seen there and none is written over."""

from __future__ import annotations

import os
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gen3sync.errors import InputError, NotFoundError, UsageError
from gen3sync.files import folder_error, fsync_folder, inside, safe_name
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.config import Settings


@dataclass(frozen=True, slots=True)
class Placed:
    """A file given on the command line, and its copy's path in the outbox."""

    file: Path
    path: str


def checked(file: Path) -> Path:
    """`file`, if it can be pushed at all. Raises NotFoundError or InputError."""
    if not file.exists():
        raise NotFoundError(f"There is no file {printable(file)}.", "Look at the spelling of its path.")
    if not file.is_file():
        raise InputError(f"{printable(file)} is not a file.", "Name the TSV, CSV or JSON file itself.")
    return file


def place(file: Path, settings: Settings, project: Project) -> Placed:
    """Copies `file` to outbox/PROGRAM/PROJECT/, whole and under a new name if its own is taken there.

    The copy is made under a hidden name, which the outbox leaves alone, and then linked to its own.
    Raises InputError or FolderError.
    """
    root = settings.outbox.path
    folder = root / safe_name(project.program) / safe_name(project.code)
    if not inside(root, folder):
        raise UsageError(f"{printable(project)} leads out of the outbox.", "Write it as PROGRAM/PROJECT.")
    hidden = folder / f".{safe_name(file.name)[:100]}.gen3sync-push-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with file.open("rb") as source, hidden.open("xb") as copy:
                shutil.copyfileobj(source, copy)
                copy.flush()
                os.fsync(copy.fileno())
            hidden.chmod(0o660)
            name = _link(hidden, folder, safe_name(file.name))
        finally:
            hidden.unlink(missing_ok=True)
        if settings.outbox.ready_marker:
            (folder / f"{name}.ready").touch()
        fsync_folder(folder)
    except OSError as error:
        raise folder_error(f"{printable(file)} cannot be copied into {folder}", error) from error
    return Placed(file, f"{folder.relative_to(root).as_posix()}/{name}")


def _link(hidden: Path, folder: Path, name: str) -> str:
    """Gives the copy its name, or the first free one like it. A rename would write over what waits there."""
    stem, dot, suffix = name.partition(".")
    for number in range(1, 10_000):
        wanted = name if number == 1 else f"{stem}-{number}{dot}{suffix}"
        try:
            (folder / wanted).hardlink_to(hidden)
        except FileExistsError:
            continue
        except OSError:
            if (folder / wanted).exists():
                continue
            hidden.rename(folder / wanted)  # a file system without hard links
        return wanted
    raise FileExistsError(17, "File exists", str(folder / name))


def project_for(to: str | None, file: Path, settings: Settings, writable: tuple[Project, ...]) -> Project:
    """Where a pushed file goes: what `--to` says, a route that matches, or the only project there is.

    Raises UsageError, naming the choices.
    """
    if to is not None:
        return Project.parse(to)
    import fnmatch

    for route in settings.outbox.route:
        if fnmatch.fnmatch(file.name, route.pattern):
            return Project(route.program, route.project)
    if len(writable) == 1:
        return writable[0]
    names = ", ".join(str(project) for project in writable[:8]) or "none that is known"
    if len(writable) > 8:
        names += f" and {len(writable) - 8} more"
    raise UsageError(
        f"It is not said where {printable(file.name)} goes; the key may write to {names}.",
        "Say it: --to PROGRAM/PROJECT.",
    )
