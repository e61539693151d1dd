"""Drops that somebody takes back: by deleting the file of one that waits, or by its name.

Owns when a file that is gone means that. Ending a drop is its lane's work, or `routing.py`'s where it has no way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gen3sync.ledger.rows import Drop, DropState, Verdict
from gen3sync.names import Project
from gen3sync.outbox.archive import clear_original
from gen3sync.outbox.journal import WITHDRAWN, Journal
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.routing import Routing
from gen3sync.outbox.scan import is_gone
from gen3sync.outbox.standing import BEHIND_OTHERS, FOR_PARENTS

_ROOT = "outbox root"
_LOOK = 2.0
_AT_ONCE = 200
DELETED = "Its file was deleted or moved away from the outbox."


@dataclass
class Withdrawing:
    """Used by the outbox's thread. `hand_on` tells the lane of a drop.

    1. A file that is deleted takes its drop back once that waits for a person, for an outside change or for parents.
       While it is being sent it is too late: what was taken lands.
    2. That all files seem to be gone because the outbox itself is (an unmounted share) takes nothing back.
    """

    rooms: Rooms
    routing: Routing
    hand_on: Callable[[Drop, str], None]
    _root: tuple[int, int] | None = None
    _missing: dict[int, Drop] = field(default_factory=dict)
    """Drops whose files are gone, and that were at work then: planned again, perhaps, to wait in the next moment."""
    _next_look: float = 0.0

    @property
    def due(self) -> float:
        """Monotonic: when to look again at what was at work."""
        return self._next_look if self._missing else math.inf

    def same_root(self, root: tuple[int, int] | None) -> bool:
        """Whether the outbox (device and inode) is the folder that was looked at last, also in an earlier life."""
        self._recall()
        same = root is not None and root == self._root
        if not same and root is not None:
            self._root = root
            self.rooms.ledger.notes.set(_ROOT, list(root))
        return same

    def still_there(self, folder: Path) -> bool:
        """The same for a look between two scans."""
        try:
            status = folder.stat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self._root

    def meanwhile(self, drops: Iterable[Drop]) -> None:
        """At a start: drops that wait and whose files were deleted while nobody looked, of those given (oldest first).
        Told before their lanes go on: these would else send, before the first look, what a parent's arrival has freed.
        """
        outbox = self.rooms.settings.outbox.path
        self._recall()
        if not self.still_there(outbox):
            return
        newest = {drop.path: drop for drop in drops if drop.source == "outbox" and drop.program and drop.project}
        for drop in newest.values():
            if is_gone(outbox, PurePosixPath(drop.path)) and self._waits(drop):
                Journal((self.rooms.state / drop.snapshot).parent).note(WITHDRAWN, why=DELETED)

    def gone(self, drop: Drop) -> None:
        """The file of an open drop is no longer in the outbox."""
        if drop.id in self.routing.unrouted or self._waits(self.rooms.ledger.drops.get(drop.id)):
            self.take_back(drop, DELETED)
        else:
            self._missing[drop.id] = drop

    def turn(self) -> None:
        """Takes back what has come to rest since its file was gone."""
        now = self.rooms.clock.monotonic()
        if not self._missing or now < self._next_look:
            return
        self._next_look = now + _LOOK
        for drop in list(self._missing.values())[:_AT_ONCE]:
            del self._missing[drop.id]
            stands = self.rooms.ledger.drops.get(drop.id)
            if self._waits(stands):
                self.take_back(drop, DELETED)
            elif stands.state is not DropState.ENDED:
                self._missing[drop.id] = drop  # behind the others

    def take_back(self, drop: Drop, why: str) -> None:
        """Nothing more of the drop is sent."""
        if drop.id not in self.routing.unrouted:
            self.hand_on(drop, why)
        else:
            mark = Journal((self.rooms.state / drop.snapshot).parent).fingerprint()
            if self.routing.end(drop, why, Verdict.WITHDRAWN):
                clear_original(self.rooms, drop, mark)

    def _recall(self) -> None:
        """Which folder an earlier life looked at last."""
        if self._root is None:
            noted = self.rooms.ledger.notes.get(_ROOT)
            self._root = (int(noted[0]), int(noted[1])) if noted else None

    def _waits(self, drop: Drop) -> bool:
        idly = drop.state is DropState.WAITING and drop.error_class in (FOR_PARENTS, BEHIND_OTHERS)
        if drop.state is DropState.PARKED or idly:
            return True
        projects = self.rooms.ledger.projects.all()
        parked = {Project(one.program, one.project) for one in projects if one.next_look_at is not None}
        idle = drop.state is not DropState.ENDED
        return idle and Project(drop.program or "", drop.project or "") in parked
