"""The lanes of an outbox, one for each project that has work: hands drops, and what is asked of them, to theirs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gen3sync.files import safe_name
from gen3sync.ledger.rows import Drop
from gen3sync.names import Project
from gen3sync.outbox.lane import Lane
from gen3sync.outbox.rooms import Rooms

FOLDER = "lanes"
"""Below the state folder: what lanes keep of their rows, made anew by each life."""


class Lanes:
    """Thread-safe. `ended` hears of drops that ended."""

    def __init__(self, rooms: Rooms, ended: Callable[[Drop], None]) -> None:
        self._rooms, self._ended = rooms, ended
        self._lock = threading.Lock()
        self._lanes: dict[Project, Lane] = {}

    @property
    def folder(self) -> Path:
        return self._rooms.state / FOLDER

    def deliver(self, drop: Drop) -> None:
        """To the lane of its project, which is made if there is none."""
        project = project_of(drop)
        with self._lock:
            lane = self._lanes.get(project)
            if lane is None:
                scratch = self.folder / f"{safe_name(project.program)}+{safe_name(project.code)}.sqlite"
                lane = self._lanes[project] = Lane(self._rooms, project, scratch, self._ended)
        lane.add(drop)

    def supersede(self, drop: Drop, by: int) -> None:
        """A newer arrival took the place of a drop."""
        if (lane := self._of(drop)) is not None:
            lane.supersede(drop.id, by)

    def withdraw(self, drop: Drop, why: str) -> None:
        """Somebody took a drop back."""
        if (lane := self._of(drop)) is not None:
            lane.withdraw(drop.id, why)

    def retry(self, drops: Sequence[Drop], project: Project | None, *, every: bool, erase: bool) -> None:
        """Looks again at these drops; at all of a project, or of every one."""
        for lane in self._all():
            if every or lane.project == project:
                lane.retry(None, erase=erase)
            else:
                for drop in drops:
                    if project_of(drop) == lane.project:
                        lane.retry(drop.id, erase=erase)

    def release_idle(self) -> None:
        """At a start: projects that were parked, and nothing waits for them any more."""
        busy = {lane.project for lane in self._all()}
        for parked in self._rooms.ledger.projects.all():
            if (project := Project(parked.program, parked.project)) not in busy:
                self._rooms.ledger.projects.release(project)

    def look(self) -> None:
        """What waited for the commons may go on."""
        for lane in self._all():
            lane.look()

    def progress(self) -> dict[int, tuple[int, int]]:
        """Rows done and rows in all, by drop."""
        found: dict[int, tuple[int, int]] = {}
        for lane in self._all():
            found.update({drop: (done, rows) for drop, (rows, done) in lane.progress().items()})
        return found

    @property
    def idle(self) -> bool:
        """Nothing can move now."""
        return all(lane.idle for lane in self._all())

    def stop(self, end: float) -> bool:
        """Finishes what is in flight until the monotonic moment `end`. False when something still was then."""
        lanes = self._all()
        for lane in lanes:
            lane.begin_stop()
        return all([lane.join(max(0.1, end - self._rooms.clock.monotonic())) for lane in lanes])  # noqa: C419 - each

    def _of(self, drop: Drop) -> Lane | None:
        with self._lock:
            return self._lanes.get(project_of(drop))

    def _all(self) -> list[Lane]:
        with self._lock:
            return list(self._lanes.values())


def project_of(drop: Drop) -> Project:
    """Of a drop that has one."""
    return Project(drop.program or "", drop.project or "")
