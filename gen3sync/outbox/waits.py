"""What a lane waits for: parents of rows, answers that were lost, parked drops and projects.

Owns when to look again and when to give up.
"""

from __future__ import annotations

import itertools
import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gen3sync.commons.replies import Broken, Busy, Failure, Refused, Transaction, Unauthorised
from gen3sync.ledger.rows import Drop, Request, RequestState
from gen3sync.names import printable
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.gate import Ticket
from gen3sync.outbox.journal import Journal, Refusal
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.lost import LOST, Fate, LostRequest, done_unseen, fate, sent_name
from gen3sync.outbox.missing import ADVICE, SAID, WAITING, in_doubt, keys_of
from gen3sync.outbox.model import Action, IndexedRow, Reason, RowState
from gen3sync.outbox.reading import detail_of
from gen3sync.outbox.sight import Sight
from gen3sync.outbox.work import Stage, Work
from gen3sync.pglower import pg_lower

_log = logging.getLogger("gen3sync.outbox")
_SELDOM = 3600.0
_REST = 20
"""How many times as long as it took, rows that are late are left alone."""
_AT_ONCE = 2000
"""Rows that are late and looked at in one step."""
_DEEPEST = 20
"""Generations of rows that wait for one that comes."""
_MOVING = {RowState.NEW, RowState.READY, RowState.FLIGHT, RowState.LOST, RowState.LANDED}


@dataclass
class Waits:
    """Of one lane."""

    lane: LaneState
    queue: Collection[Drop]
    """Drops that are not at hand yet."""
    _next_links: float = 0.0
    _next_end: float = 0.0
    """When rows may be given up again: to look through many that are late takes its time."""
    _pause: float = LOOK_AGAIN / 2
    _orphans_sought: dict[int, tuple[int, int]] = field(default_factory=dict)
    """By drop: its refused and its waiting rows when it was last looked whether these wait for one of those."""
    _late: dict[int, int] = field(default_factory=dict)
    """By drop that has more rows that are late: the row looked at last."""
    _spent: float = 0.0
    """Seconds that this has taken so far, where there were none to refuse."""
    _held: float | None = None
    """Since when rows that are late are left alone all the same, for what is coming."""

    def closed(self) -> bool:
        """Whether the project is parked and not due to be looked at; looks again at parked drops."""
        lane, now = self.lane, self.lane.rooms.clock.now()
        if lane.parked is not None and lane.parked.next_look_at is not None:
            if not _due(lane.parked.next_look_at, now):
                return True
            lane.look_at_project()
        for work in lane.works.values():
            if work.parked and work.drop.next_attempt_at is not None and _due(work.drop.next_attempt_at, now):
                lane.unpark(work, asked=False)
        return False

    # --- parents

    def links(self) -> bool:
        """Waiting rows are looked at now and then (somebody else may have stored the parent), and not for ever."""
        lane, now = self.lane, self.lane.rooms.clock.monotonic()
        look = now >= self._next_links
        if look:
            # Where nothing can be read, to look is to send once more: more and more seldom.
            blind = lane.lookup.seen and lane.lookup.sight() is Sight.BLIND
            self._pause = min(self._pause * 2, _SELDOM) if blind else LOOK_AGAIN
            self._next_links = now + self._pause
            self._orphans_sought.clear()
        moved = gave_up = False
        waiting = [work for work in lane.works.values() if lane.index.counts(work.id)[RowState.WAITING]]
        if not waiting:
            self._pause, self._next_links = LOOK_AGAIN / 2, min(self._next_links, now + LOOK_AGAIN)
        grace = lane.rooms.settings.outbox.link_grace
        late = {work.id for work in waiting if not work.parked and now - work.arrived >= grace}
        may_end = not self._coming(now, late) and now >= self._next_end
        for work in waiting:
            if work.parked:
                continue
            if work.id in late:
                # One drop after the other: a row is told where its parent was refused.
                gave_up = (may_end and not self._late.keys() - {work.id} and self._give_up(work)) or gave_up
            elif work.tried and self._give_up_orphans(work):
                moved = True
            elif look:
                moved = lane.index.again(work.id, RowState.WAITING) > 0 or moved
        moved = moved or gave_up
        if not (late and may_end):
            return moved
        self._late = {drop: row for drop, row in self._late.items() if drop in late}
        ended = lane.rooms.clock.monotonic()
        self._spent += 0.0 if gave_up else ended - now
        if not self._late:
            self._next_end, self._spent = ended + _REST * self._spent, 0.0
        return moved or bool(self._late)

    def _coming(self, now: float, late: Collection[int]) -> bool:
        """Whether rows that are late are left alone for a moment: what was dropped meanwhile, perhaps while nothing ran
        here, may hold their parents. A file that never settles holds them no longer than `LOOK_AGAIN`."""
        taken = late and (self.queue or any(work.stage is Stage.READ for work in self.lane.works.values()))
        if not late or not (taken or self.lane.rooms.arriving.is_set()):
            self._held = None
            return False
        self._held = now if self._held is None else self._held
        return now - self._held < LOOK_AGAIN

    def _give_up(self, work: Work) -> bool:
        """Refuses rows whose parents did not come in time, some of them: a file may have a million."""
        waiting = self.lane.index.rows(work.id, RowState.WAITING, after=self._late.pop(work.id, 0))
        rows = list(itertools.islice(waiting, _AT_ONCE))
        if len(rows) == _AT_ONCE:
            self._late[work.id] = rows[-1].id
        return self._refuse(work, rows, "is not in the commons and did not come in time")

    def _give_up_orphans(self, work: Work) -> bool:
        """Of a drop that is to be stored whole or not at all, and of which a row was refused after all had passed:
        refuses rows below that one at once. Nobody is to wait a day for the receipt of what is not whole any more."""
        counts = self.lane.index.counts(work.id)
        sought = counts[RowState.REJECTED], counts[RowState.WAITING]
        busy = work.in_flight or work.proving  # what stands behind its rows is not released yet
        if busy or not counts[RowState.REJECTED] or self._orphans_sought.get(work.id) == sought:
            return False
        self._orphans_sought[work.id] = sought
        return self._refuse(work, self.lane.index.orphans(work.id), "is not in the commons")

    def _refuse(self, work: Work, rows: Iterable[IndexedRow], why: str) -> bool:
        """Refuses rows for want of their parents, but for those whose parents are being sent right now."""
        known, refused = self.lane.planner.refused_parents, list[Refusal]()
        alike = defaultdict[Reason, list[IndexedRow]](list)
        keys = set[tuple[str, str]]()

        def move() -> None:
            for reason, some in alike.items():
                self.lane.index.move(some, RowState.REJECTED, detail=detail_of((reason,)))
            alike.clear()
            keys.clear()

        for row in rows:
            if self._comes(row):
                continue
            parents = [(node, pg_lower(sid), sid) for node, sid in row.detail.get(WAITING, ())]
            if any((node, key) in keys for node, key, _ in parents):
                move()  # its parent is one of these, and it is told so
            names = ", ".join(printable(f"{node} {sid}") for node, _, sid in parents)
            said = f"The parent {names} {why}."
            said += "".join(known.told(node, key, self.lane.works) for node, key, _ in parents)
            words = ""
            if in_doubt(row.detail):
                refusal, words = row.detail[SAID]
                said += f" The commons refused the row: {printable(refusal, 500)}"
            remedy = f"Drop the parent first, then this row again. {row.detail.get(ADVICE, '')}".rstrip()
            reason = Reason("MISSING_PARENT", said, None, remedy, said=words)
            work.heard([reason])
            alike[reason].append(row)
            keys.add((row.node, row.key))
            refused.append((row.line, (reason,)))
        move()
        work.journal.refused(refused)
        return bool(refused)

    # --- lost answers

    def lost(self) -> bool:
        """Looks for the request whose look is due. True when its fate is known now."""
        lane = self.lane
        one = lane.lost.due()
        if one is None or (ticket := lane.rooms.gate.enter()) is None:
            return False
        with ticket:
            return self._look_for(one, ticket)

    def _look_for(self, one: LostRequest, ticket: Ticket) -> bool:
        lane = self.lane
        entry: Transaction | None = None
        sight = lane.lookup.sight()
        found = (
            lane.lookup.find(sent_name(one.request.document_name), one.request.log_mark)
            if sight is Sight.FULL
            else sight
        )
        if isinstance(found, Transaction):
            entry = found
        lane.hears(ticket, found)
        if isinstance(found, Broken | Busy | Unauthorised) or isinstance(sight, Refused | Failure):
            self._looked(one)
            return False
        known = fate(entry, lane.lost.age(one), lane.rooms.settings.commons.horizon)
        if known is Fate.UNKNOWN:
            self._looked(one)
            return False
        for part in lane.lost.parts(one):
            self._settle(part, known, entry)
        lane.release_followers()
        return True

    def _looked(self, one: LostRequest) -> None:
        """In vain: counted, also for the next life."""
        lane = self.lane
        lane.lost.looked(one)
        with lane.rooms.ledger.together():
            for part in lane.lost.parts(one):
                work = lane.works.get(part.request.drop_id)
                if work is not None and work.drop.error_class == LOST:
                    lane.put(work, work.drop.state, attempts=part.looks)

    def _settle(self, one: LostRequest, known: Fate, entry: Transaction | None) -> None:
        lane, request = self.lane, one.request
        work = lane.works.get(request.drop_id)
        # Its journal first: once the request is settled nobody asks for its fate again. The drop itself may still wait
        # for its turn in the queue.
        snapshot = lane.rooms.ledger.drops.get(request.drop_id).snapshot
        journal = work.journal if work is not None else Journal((lane.rooms.state / snapshot).parent)
        acted = self._unseen(request, journal, entry) if known is Fate.LANDED and entry else {}
        for chunk in journal.chunks():
            if chunk.document_name == sent_name(request.document_name):
                journal.answered(
                    replace(
                        chunk,
                        ended_at=lane.rooms.clock.now().isoformat(),
                        transaction_id=entry.id if entry else chunk.transaction_id,
                        transaction_state=entry.state.value if entry else None,
                        state=f"answer lost, {known.value}",
                        sent_as=next(iter(entry.document_names), "") if entry else chunk.sent_as,
                    ),
                    acted=acted,
                )
        lane.rooms.ledger.requests.finish(request.id, RequestState.SETTLED, entry.id if entry else None)
        lane.lost.settled(one)
        lane.rooms.ids.free(lane.project, request.keys)
        lane.planner.locked = lane.lost.keys()
        if work is not None:
            for action, lines in acted.items():
                rows = [row for row in lane.index.rows(work.id, RowState.LOST) if row.line in lines]
                lane.index.move(rows, RowState.LOST, sent=action.value)
            # Rows of several lost requests cannot be told apart here; those still locked go behind again.
            lane.index.again(work.id, RowState.LOST)
        _log.info(
            "a request without an answer: %s",
            known.value,
            extra={"drop": request.drop_id, "project": str(lane.project), "chunk": request.chunk},
        )

    def _unseen(self, request: Request, journal: Journal, entry: Transaction) -> dict[Action, list[int]]:
        """What a request did to records that could not be seen when it was sent: its answer was lost, but the commons'
        log keeps that. Where it does not, nobody will ever know."""
        unseen = journal.unseen(sent_name(request.document_name))
        told = self.lane.lookup.wrote(entry.id) if unseen else None
        return done_unseen(request, unseen, told) if isinstance(told, tuple) else {}

    def _comes(self, row: IndexedRow, below: tuple[int, ...] = ()) -> bool:
        """Whether a parent is being sent right now; or all of them passed a dry run as rows of the same file, or wait
        themselves for such: as when the commons takes nothing for longer than parents are waited for."""
        if row.id in below or len(below) > _DEEPEST:
            return False  # rows that wait for each other
        parents = [self.lane.index.of_record(*key) for key in keys_of(row.detail.get(WAITING, ()))]
        if any(one.state in _MOVING for own in parents for one in own):
            return True
        return bool(parents) and all(any(self._follows(one, row, below) for one in own) for own in parents)

    def _follows(self, parent: IndexedRow, row: IndexedRow, below: tuple[int, ...]) -> bool:
        if parent.state is RowState.TRIED:
            return parent.drop_id == row.drop_id  # files that wait for each other come to nothing
        return parent.state is RowState.WAITING and self._comes(parent, (*below, row.id))


def _due(look_at: datetime, now: datetime) -> bool:
    """Whether it is time for a look that was to be at `look_at`. Nothing is put off for longer than `LOOK_AGAIN`: where
    it seems to be, the clock was set back."""
    return not now < look_at <= now + timedelta(seconds=LOOK_AGAIN)
