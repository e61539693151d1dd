"""Takes settled files: several snapshots side by side, then their drops in one transaction of the ledger.

Owns what is on the disk and in the ledger before a drop counts as taken. Which files are settled is `intake.py`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from gen3sync.errors import Gen3SyncError
from gen3sync.ledger.rows import Drop, DropState, EventLevel, NewDrop
from gen3sync.names import printable
from gen3sync.outbox import snapshot
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.route import Routed, Unrouted
from gen3sync.outbox.scan import Outlook
from gen3sync.outbox.side import each, side_by_side


@dataclass(frozen=True, slots=True)
class Arrival:
    """A file that was read, and where it goes. `path` is relative to the outbox, or a pushed file's name."""

    path: str
    shot: snapshot.Snapshot
    way: Routed | Unrouted
    source: str


def snapshots(rooms: Rooms, outlook: Outlook, paths: Sequence[str]) -> list[snapshot.Snapshot | Exception]:
    """Snapshots of files in the outbox, or what went wrong with each."""
    now = rooms.clock.now()
    return each(partial(snapshot.take, outlook.root / path, rooms.state, now, beneath=outlook.root) for path in paths)


def write_down(rooms: Rooms, arrivals: Sequence[Arrival]) -> list[Drop]:
    """Makes drops of snapshots. OSError, LedgerError: none of the files counts as taken."""
    try:
        side_by_side(partial(_journal, rooms, arrival) for arrival in arrivals)
        with rooms.ledger.together():
            drops = [_entry(rooms, arrival) for arrival in arrivals]
    except (OSError, Gen3SyncError):
        for arrival in arrivals:
            snapshot.discard(arrival.shot.path, rooms.state)
        raise
    for drop in drops:
        rooms.observer.arrived(drop.size)
        if drop.state is DropState.PARKED:
            rooms.observer.parked("drop", drop.error_class)
    return drops


def _journal(rooms: Rooms, arrival: Arrival) -> None:
    journal = Journal((rooms.state / arrival.shot.path).parent)
    journal.arrived(
        arrival.shot.fingerprint if arrival.source == "outbox" else None,
        arrival.way.by if isinstance(arrival.way, Routed) else None,
    )


def _entry(rooms: Rooms, arrival: Arrival) -> Drop:
    shot, way = arrival.shot, arrival.way
    new = NewDrop(path=arrival.path, sha256=shot.sha256, size=shot.size, snapshot=shot.path, source=arrival.source)
    if isinstance(way, Routed):
        new = replace(new, program=way.project.program, project=way.project.code, state=DropState.WAITING)
        where = f" for {way.project}"
    else:
        later = rooms.clock.now() + timedelta(seconds=LOOK_AGAIN)
        new = replace(new, state=DropState.PARKED, error_class="route", next_attempt_at=later)
        new, where = replace(new, reason=f"{way.what} {way.remedy}"), f"; parked: {way.what}"
    drop = rooms.ledger.drops.add(new)
    rooms.ledger.events.add(EventLevel.INFO, "arrived", printable(arrival.path) + f" arrived{where}", drop_id=drop.id)
    return drop
