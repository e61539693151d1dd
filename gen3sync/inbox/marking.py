"""The marker in the inbox: left when the inbox is new, looked for before anything is written (`publish`).

Owns when it is left, and that it was (a note in the ledger): an inbox that lost it is probably not mounted. A new inbox
on a disk that takes nothing (full, read-only) is told and tried again; the outbox works meanwhile.
"""

from __future__ import annotations

import logging

from gen3sync.errors import FolderError, Gen3SyncError
from gen3sync.files import folder_error, remove_leftovers
from gen3sync.inbox.publish import Folder
from gen3sync.ledger import Ledger

log = logging.getLogger(__name__)


class Marking:
    """Of one inbox."""

    def __init__(self, folder: Folder, ledger: Ledger) -> None:
        self._folder = folder
        self._ledger = ledger
        self._note = f"inbox:marked:{folder.root}"

    @property
    def problem(self) -> str:
        """Why a new inbox cannot be used yet."""
        refused = self._folder.refused
        return "" if refused is None else str(self._error(refused))

    def open(self) -> None:
        """Marks an inbox that is new; one that has lost its marker is left alone.

        Raises FolderError for what only a person can put right, LedgerError.
        """
        if self._folder.mounted:
            remove_leftovers(self._folder.root)
        if self._folder.mounted or not self._ledger.notes.get(self._note):
            told = self.problem
            try:
                self.mark()
            except FolderError as error:
                if self._folder.refused is None:
                    raise
                if self.problem != told:
                    log.error("%s", error)  # noqa: TRY400 - a sentence

    def mark(self) -> None:
        """Raises FolderError, LedgerError."""
        try:
            self._folder.mark()
        except OSError as error:
            raise self._error(error) from error
        self._ledger.notes.set(self._note, True)

    def again(self) -> bool:
        """Tries where the disk refused before; whether it takes it now."""
        if self._folder.refused is None:
            return False
        try:
            self.open()
        except Gen3SyncError as error:
            log.warning("%s", error)
            return False
        return self._folder.refused is None

    def _error(self, error: OSError) -> FolderError:
        return folder_error(f"The inbox {self._folder.root} cannot be used", error)
