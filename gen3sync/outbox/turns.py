"""Whose turn it is in a lane. Owns the order of its drops; what each does in its turn is `steps.py`'s.

1. A small file is read at once: what it names must be known before anything younger is planned.
2. Then small drops go before large ones, parents before children (by the dictionary), older before younger.
3. Reading a large file takes turns with all that: it may take a minute.
4. Nothing younger goes before it is known which records a file names. Of a large one that is so once it was looked
   through, long before it is read to its end; from then on rows about other records pass (`Planner.unread`).
"""

from __future__ import annotations

from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.model import RowState
from gen3sync.outbox.reading import is_large
from gen3sync.outbox.work import Stage, Work

_ALIKE = 2000
"""Open rows that make a drop larger than another."""


def in_turn(lane: LaneState, *, reading: bool) -> list[Work]:
    """Drops that may have something to do, the next one first; `reading`: it is the turn of a large file's reading."""
    works, index = lane.works.values(), lane.index
    unread = [work for work in works if work.stage is Stage.READ]
    if (small := next((work for work in unread if not is_large(work.drop)), None)) is not None:
        return [small]
    unknown = min((work.id for work in unread if work.id not in lane.planner.unread), default=None)
    ready = [
        work
        for work in works
        if not work.parked and work.stage is not Stage.READ and (unknown is None or work.id < unknown)
    ]
    ready.sort(key=lambda work: (index.open_count(work.id) // _ALIKE, work.rank, work.id))
    large = unread[:1]  # one at a time: what a file names takes memory
    return [*large, *ready] if reading else [*ready, *large]


def at_rest(lane: LaneState, work: Work) -> bool:
    """Whether it only waits for something outside."""
    if work.parked:
        return True
    counts = lane.index.counts(work.id)
    waiting = counts[RowState.WAITING] + counts[RowState.BEHIND]
    return work.stage is Stage.WORK and waiting > 0 and waiting == lane.index.open_count(work.id)
