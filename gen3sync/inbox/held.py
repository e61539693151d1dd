"""The copies in the state folder, as what they stand for: which state of the commons each holds, and which files are
made from just that state.

The mirrors of one node share one copy, and may be looked at at different times. So a copy is newer than some of the
files (they are *behind* it and can be written from it, without asking the commons for a record), and the truth that a
few records are put into is the copy's, never a file's. Kept in memory; read from the copy the first time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from gen3sync.inbox.copy import Copy
from gen3sync.inbox.detect import Known
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.views import views_of
from gen3sync.inbox.work import copy_of
from gen3sync.ledger import Refresh
from gen3sync.names import Project

_KNOWN = "known"


@dataclass(frozen=True, slots=True)
class Held:
    """A copy. `known` is what is remembered of the look it was made with; `views` are SHA-256 and version of the texts
    made from it; `stored` is how the copy itself says what it stands for."""

    known: Known
    views: Mapping[str, tuple[str, str]]
    stored: str

    def shows(self, mirror: Mirror, success: Refresh | None) -> bool:
        """Whether the mirror's file, as it was last published, is this copy's text."""
        return success is not None and self.views.get(mirror.name) == (success.sha256, success.dictionary_version)


class Holding:
    """Thread-safe; a node's copy is changed by one thread at a time, which says so when it has."""

    def __init__(self, copies: Path) -> None:
        self._copies = copies
        self._lock = threading.Lock()
        self._held: dict[tuple[Project, str], Held | None] = {}
        self._changes = 0

    def of(self, project: Project, node: str) -> Held | None:
        """The node's copy, None where there is none that says what it is."""
        key = (project, node)
        with self._lock:
            if key in self._held:
                return self._held[key]
            changes = self._changes
        found = _read(copy_of(self._copies, project, node))
        with self._lock:
            if changes == self._changes:  # else another thread may have changed the copy while it was read
                self._held[key] = found
        return found

    def forget(self, project: Project, node: str) -> None:
        """The copy is another now."""
        with self._lock:
            self._changes += 1
            self._held.pop((project, node), None)

    def moved(self, project: Project, node: str, known: Known) -> None:
        """A file that shows the copy was found unchanged: so is the copy."""
        with self._lock:
            held = self._held.get((project, node))
            if held is not None:
                self._held[(project, node)] = replace(held, known=later(held.known, known))


def later(one: Known, other: Known) -> Known:
    """The one of the two that was remembered at the later look."""
    if one.refreshed_at is None or other.refreshed_at is None:
        return other if one.refreshed_at is None else one
    return other if other.refreshed_at > one.refreshed_at else one


def stand_for(copy: Copy, known: Known) -> None:
    """Writes into a copy what it stands for. Raises sqlite3.Error."""
    copy.db.execute("INSERT OR REPLACE INTO fact VALUES (?, ?)", (_KNOWN, json.dumps(known.to_json())))


def stood_for(copy: Copy) -> str:
    """How a copy says what it stands for, "" where it does not. Raises sqlite3.Error."""
    found = copy.db.execute("SELECT value FROM fact WHERE key = ?", (_KNOWN,)).fetchone()
    return "" if found is None else str(found[0])


def _read(path: Path) -> Held | None:
    if not path.exists():
        return None
    try:
        with Copy(path, lasting=True) as copy:
            stored = stood_for(copy)
            known = Known.from_json(json.loads(stored)) if stored else Known()
            return Held(known, views_of(copy), stored) if known.exported_at is not None else None
    except (sqlite3.Error, ValueError):
        return None
