"""What a drop waits for that can do nothing now, written down for people.

Owns the words. When such a drop goes on is `waits.py`'s, or follows from what other drops do.
"""

from __future__ import annotations

import itertools
from datetime import timedelta

from gen3sync.ledger.rows import DropState
from gen3sync.names import printable
from gen3sync.outbox import receipt
from gen3sync.outbox.dispatch import ELSEWHERE
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.lost import LOST
from gen3sync.outbox.missing import ADVICE, WAITING, keys_of
from gen3sync.outbox.model import RowState, rows_said
from gen3sync.outbox.planning import BEHIND, SAME_ID
from gen3sync.outbox.work import Work

FOR_PARENTS = "parents"
"""Why a drop waits, in one word: rows of it lack a parent."""
BEHIND_OTHERS = "behind"
"""The same: rows of it come after those of a drop that is parked, or that waits itself."""
_LOOKED_AT = 1000


def tell_wait(lane: LaneState, work: Work) -> None:
    """What a drop is waiting for, where rows wait for parents or lost answers and nothing else is to be done."""
    counts = lane.index.counts(work.id)
    # Rows that passed a dry run wait for the others.
    idle = sum(counts[state] for state in (RowState.WAITING, RowState.LOST, RowState.BEHIND, RowState.TRIED))
    if work.in_flight or work.proving or idle < lane.index.open_count(work.id):
        return
    if counts[RowState.LOST]:
        if work.drop.state is not DropState.WAITING or not work.drop.reason:
            _tell_lost(lane, work, counts[RowState.LOST])
        return
    if counts[RowState.BEHIND]:
        _tell_behind(lane, work, counts[RowState.BEHIND])
        return
    if not counts[RowState.WAITING] or (work.drop.state is DropState.WAITING and work.drop.reason):
        return
    rows = list(itertools.islice(lane.index.rows(work.id, RowState.WAITING), _LOOKED_AT))
    row = rows[0]
    parents = ", ".join(printable(f"{node} {sid}") for node, sid in row.detail.get(WAITING, ())[:3])
    number = counts[RowState.WAITING]
    more = " and others" if number > 1 else ""
    reason = f"{_rows_wait(number)} for {parents or 'a parent'}{more}."
    keys = keys_of(row.detail.get(WAITING, ()))[:1]
    reason += "".join(lane.planner.refused_parents.told(node, key, lane.works) for node, key in keys)
    reason += next((f" {one.detail[ADVICE]}" for one in rows if ADVICE in one.detail), "")
    if refused := counts[RowState.REJECTED]:
        why = receipt.told(*receipt.summary(lane.index, work))
        reason += f" {rows_said(refused)} refused so far.{why} The rejects file comes when the drop ends."
    lane.planner.refused_parents.keep(work)
    lane.put(work, DropState.WAITING, reason=reason, error_class=FOR_PARENTS)


def _tell_behind(lane: LaneState, work: Work, number: int) -> None:
    """Which drop has to end first. What that one does may change, so this is told anew when it has."""
    rows = list(itertools.islice(lane.index.rows(work.id, RowState.BEHIND), _LOOKED_AT))
    holder = lane.works.get(rows[0].detail.get(BEHIND, work.id), work)
    if ELSEWHERE in rows[0].detail:
        reason = f"{_rows_wait(number)} for a request of another project that names the same id."
    elif holder is work:
        reason = f"{_rows_wait(number)} until it is known what became of a request whose answer was lost."
    else:
        by_id = [SAME_ID in row.detail for row in rows]
        has = f"has the same {'record' if number == 1 else 'records'}"
        names = f"names the same {'id' if number == 1 else 'ids'}"
        why = names if all(by_id) else f"{has} or {names}" if any(by_id) else has
        reason = f"{_rows_wait(number)} until {printable(holder.drop.path)} has ended, which came before and {why}."
    rests = holder.parked or holder.drop.error_class in (FOR_PARENTS, BEHIND_OTHERS)
    stands, error_class = work.drop, BEHIND_OTHERS if rests else "turn"
    if (stands.state, stands.reason, stands.error_class) != (DropState.WAITING, reason, error_class):
        lane.put(work, DropState.WAITING, reason=reason, error_class=error_class)


def _tell_lost(lane: LaneState, work: Work, number: int) -> None:
    rooms = lane.rooms
    left = lane.lost.ends(work.id, rooms.settings.commons.horizon)
    if left is None:
        return
    reason = (
        f"no answer came for {rows_said(number)}, so nobody knows yet whether they landed: the commons' log is "
        "looked at again and again, and in the end the values tell."
    )
    known_at = rooms.clock.now() + timedelta(seconds=left)
    looks = max((one.looks for one in lane.lost.of_drop(work.id)), default=0)
    lane.put(work, DropState.WAITING, reason=reason, error_class=LOST, next_attempt_at=known_at, attempts=looks)


def _rows_wait(number: int) -> str:
    return "1 row waits" if number == 1 else f"{number} rows wait"
