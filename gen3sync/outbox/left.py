"""Files that were sent but could not be removed from the outbox (a read-only folder, another user's file).

They have to be known again after a restart, or each scan would take them for new. One note in the ledger. Thread-safe.
"""

from __future__ import annotations

import threading
from dataclasses import asdict

from gen3sync.files import Fingerprint
from gen3sync.ledger import Ledger

_NOTE = "left in the outbox"


class Left:
    """See the module. Paths are relative to the outbox."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._lock = ledger, threading.Lock()
        self._files: dict[str, Fingerprint] | None = None

    def add(self, path: str, mark: Fingerprint) -> None:
        with self._lock:
            self._load()[path] = mark
            self._save()

    def get(self, path: str) -> Fingerprint | None:
        with self._lock:
            return self._load().get(path)

    def forget(self, path: str) -> None:
        with self._lock:
            if self._load().pop(path, None) is not None:
                self._save()

    def _load(self) -> dict[str, Fingerprint]:
        if self._files is None:
            noted = self._ledger.notes.get(_NOTE) or {}
            self._files = {path: Fingerprint(**mark) for path, mark in noted.items()}
        return self._files

    def _save(self) -> None:
        self._ledger.notes.set(_NOTE, {path: asdict(mark) for path, mark in self._load().items()})
