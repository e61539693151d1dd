"""The locks on the folders one gen3sync works in: outbox, inbox and state. They refuse a second one."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from gen3sync.config import Settings
from gen3sync.errors import FolderError
from gen3sync.files import FolderLock, disk_refuses, folder_error

log = logging.getLogger(__name__)


def locked_folders(settings: Settings) -> tuple[Path, ...]:
    """Each folder once, in one order for everybody: two that start at once cannot each hold half."""
    return tuple(sorted({settings.state.path, settings.outbox.path, settings.inbox.path}))


def spare_folders(settings: Settings) -> tuple[Path, ...]:
    """What the rest can work without for a while: nothing goes into an inbox whose disk takes nothing."""
    return tuple({settings.inbox.path} - {settings.state.path, settings.outbox.path})


class FolderLocks:
    """Holds the locks of a set of folders, and can move to another set without letting go of what stays."""

    def __init__(self) -> None:
        self._held: dict[Path, FolderLock] = {}

    def take(self, folders: Iterable[Path], spare: Iterable[Path] = ()) -> tuple[Path, ...]:
        """Takes what is not yet held, making folders that are missing; all or nothing. Returns what was taken.

        Those of `spare` whose disk takes no lock file count as `lost` until it does (`take_again`). Raises LockedError
        naming the other holder, or FolderError.
        """
        taken: dict[Path, FolderLock] = {}
        try:
            for folder in folders:
                if folder in self._held:
                    continue
                try:
                    folder.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise folder_error(f"The folder {folder} cannot be made", error) from error
                lock = FolderLock(folder)
                try:
                    lock.acquire()
                except FolderError as error:
                    if folder not in spare or not disk_refuses(error.__cause__):
                        raise
                    log.error("%s", error)  # noqa: TRY400 - a sentence
                taken[folder] = lock
        except BaseException:
            for lock in taken.values():
                lock.release()
            raise
        self._held |= taken
        return tuple(taken)

    def keep_only(self, folders: Iterable[Path]) -> None:
        """Releases all others."""
        wanted = set(folders)
        for folder in [folder for folder in self._held if folder not in wanted]:
            self._held.pop(folder).release()

    def lost(self) -> tuple[Path, ...]:
        """Folders whose lock file was deleted or replaced under us: another gen3sync could start there."""
        return tuple(folder for folder, lock in self._held.items() if not lock.held)

    def take_again(self, folder: Path) -> bool:
        """After a folder was removed and made again, unmounted or mounted: locks what is there now.

        False while it is not there. Raises LockedError when another gen3sync was quicker, FolderError when what is
        there cannot be locked.
        """
        if not folder.is_dir():
            return False
        self._held[folder].release()
        self._held[folder].acquire()
        return True

    def release(self) -> None:
        self.keep_only(())

    def __enter__(self) -> FolderLocks:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
