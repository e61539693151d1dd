"""Ids that requests in flight name, whatever their project: two of them must not write one id (an id is a record's in
the whole commons).

Within a lane planning keeps such rows apart, in the order of their drops; this is for lanes, which know nothing of each
other. Shared by all of them, thread-safe.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable

from gen3sync.names import Project

_LOCK = "id "
"""How locks of ids begin in the ledger (`IndexedRow.locks`)."""


class IdLocks:
    """See the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, Project] = {}
        self._waiting: list[Callable[[], None]] = []

    def others(self, project: Project, ids: Collection[str]) -> set[str]:
        """Those of `ids` that requests of other projects hold."""
        with self._lock:
            return self._others(project, ids)

    def take(self, project: Project, ids: Collection[str]) -> bool:
        """Holds `ids` for a request of `project`; none of them when another project holds one."""
        with self._lock:
            if self._others(project, ids):
                return False
            self._held.update(dict.fromkeys(ids, project))
            return True

    def hold(self, project: Project, locks: Iterable[str]) -> None:
        """Holds what a request of an earlier life named whose fate is not known. `locks` as the ledger keeps them."""
        with self._lock:
            for id in _ids(locks):
                self._held.setdefault(id, project)

    def free(self, project: Project, locks: Iterable[str]) -> None:
        """The request with these locks is no longer in flight."""
        with self._lock:
            freed = [id for id in _ids(locks) if self._held.get(id) == project]
            for id in freed:
                del self._held[id]
            told, self._waiting = (self._waiting, []) if freed else ([], self._waiting)
        for call in told:
            call()

    def when_free(self, project: Project, ids: Collection[str], call: Callable[[], None]) -> None:
        """Calls, on whatever thread, when some id was freed, at once when no other project holds one of `ids`."""
        with self._lock:
            held = bool(self._others(project, ids))
            if held:
                self._waiting.append(call)
        if not held:
            call()

    def _others(self, project: Project, ids: Collection[str]) -> set[str]:
        return {id for id in ids if self._held.get(id, project) != project}


def _ids(locks: Iterable[str]) -> list[str]:
    return [lock.removeprefix(_LOCK) for lock in locks if lock.startswith(_LOCK)]
