"""The drops of one project: one thread that reads, plans, hands out requests and follows their answers.

Owns the order of work within a project. Lanes run side by side and share only the gate and the pool of `rooms`.

1. Small drops go before large ones, parents before children (by the dictionary), older before younger.
2. A drop is planned only when all older ones of the lane are read: a later one never overtakes on the same record.
3. One step is small (a slice, a batch, a request, a look), so nothing is held up for long.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from gen3sync.commons.replies import Broken, Busy, Failure, Forbidden, Missing, Refused, Transaction, Unauthorised
from gen3sync.config import OnInvalid
from gen3sync.errors import Gen3SyncError
from gen3sync.ledger.rows import Drop, DropState, EventLevel, RequestState
from gen3sync.names import Project, printable
from gen3sync.outbox.answers import Consequences
from gen3sync.outbox.archive import Archive
from gen3sync.outbox.backoff import LOOK_AGAIN, delay
from gen3sync.outbox.dispatch import Dispatcher
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import ChunkRecord, Journal
from gen3sync.outbox.lookup import Lookup, Sight
from gen3sync.outbox.lost import Fate, LostRequest, LostRequests, fate
from gen3sync.outbox.model import Reason, RowState
from gen3sync.outbox.plan import Rules
from gen3sync.outbox.planning import Planner
from gen3sync.outbox.reading import detail_of, read_some
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.send import Answer, send
from gen3sync.outbox.sizes import Sizes
from gen3sync.outbox.work import Brake, Stage, Work
from gen3sync.records.pglower import pg_lower

_log = logging.getLogger("gen3sync.outbox")
_IDLE = 30.0
"""Seconds a lane without work keeps its thread."""


_MOVING = {RowState.NEW, RowState.READY, RowState.FLIGHT, RowState.LOST, RowState.TRIED}


class Lane:
    """See the module. All public methods may be called from any thread."""

    def __init__(self, rooms: Rooms, project: Project, scratch: Path, on_ended: Callable[[Drop], None]) -> None:
        self.project = project
        self._rooms, self._on_ended = rooms, on_ended
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._works: dict[int, Work] = {}
        self._failures = 0
        self._not_before = 0.0
        self._next_look_at_links = 0.0
        scratch.parent.mkdir(parents=True, exist_ok=True)
        self._index = RowIndex(scratch)
        self._lookup = Lookup(rooms.client, project, rooms.readers)
        self._planner = Planner(self._index, self._lookup, rooms.failpoint)
        sizes = Sizes(rooms.settings.outbox.target, rooms.settings.outbox.chunk_rows)
        self._dispatcher = Dispatcher(rooms, self._index, project, sizes)
        self._lost = LostRequests(rooms.clock)
        self._consequences = Consequences(
            rooms, project, self._index, self._planner, self._dispatcher, self._lost, self._park
        )
        self._archive = Archive(rooms, self._index, project)
        for request in rooms.ledger.requests.unsettled(project):
            self._lost.add(request)
        self._planner.locked = self._lost.keys()

    # --- from other threads

    def add(self, drop: Drop) -> None:
        """A drop for this project."""
        self._call(partial(self._add, drop))

    def supersede(self, drop_id: int, by: int) -> None:
        """A newer arrival took the place of a drop: what is not sent of it will not be."""
        self._call(partial(self._supersede, drop_id, by))

    def retry(self, drop_id: int | None, *, erase: bool = False) -> None:
        """Somebody asks to try at once; all drops when None."""
        self._call(partial(self._retry, drop_id, erase))

    def wake(self) -> None:
        self._wake.set()

    def begin_stop(self) -> None:
        """Take no more work; finish what is in flight."""
        self._stopping = True
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Waits for the thread to end. False when it did not in time."""
        thread = self._thread
        if thread is None:
            return True
        thread.join(timeout)
        if thread.is_alive():
            return False
        self._index.close()
        return True

    @property
    def idle(self) -> bool:
        """Nothing can move now."""
        return self._idle.is_set() and self._calls.empty()

    def progress(self, drop_id: int) -> tuple[int, int]:
        """Rows of a drop, and how many of them are done with."""
        counts = dict(self._index.counts(drop_id))
        return sum(counts.values()), sum(n for state, n in counts.items() if state.ended)

    # --- the thread

    def _call(self, what: Callable[[], None]) -> None:
        with self._lock:
            self._idle.clear()
            self._calls.put(what)
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name=f"lane {self.project}", daemon=True)
                self._thread.start()
        self._wake.set()

    def _run(self) -> None:
        name = f"lane {self.project}"
        while True:
            self._rooms.heartbeat(name)
            self._wake.clear()
            try:
                moved = self._turn()
            except Gen3SyncError as error:
                self._stumbled(error)
                moved = False
            except Exception as error:  # noqa: BLE001 - one project must not end the others; the drop stays and is tried again
                _log.exception("lane stumbled", extra={"project": str(self.project)})
                self._stumbled(error)
                moved = False
            if self._stopping and not any(work.in_flight for work in self._works.values()):
                return
            if not moved and self._calls.empty():
                if not any(work.in_flight for work in self._works.values()) and not self._lost.soon():
                    self._idle.set()
                self._rooms.clock.wait(self._wake, min(self._sleep(), _IDLE))

    def _turn(self) -> bool:
        moved = False
        while not self._calls.empty():
            self._idle.clear()
            self._calls.get()()
            moved = True
        if self._rooms.clock.monotonic() < self._not_before or self._stopping:
            return moved
        return self._look_for_lost() or self._links_in_time() or self._work() or moved

    def _stumbled(self, error: Exception) -> None:
        self._failures += 1
        pause = delay(self._failures, self._rooms.rng)
        self._not_before = self._rooms.clock.monotonic() + pause
        if isinstance(error, Gen3SyncError):
            _log.error("%s", error, extra={"project": str(self.project)})

    def _sleep(self) -> float:
        """Seconds until something may be due."""
        now = self._rooms.clock.monotonic()
        due = [now + _IDLE]
        if self._not_before > now:
            due.append(self._not_before)
        if (lost := self._lost.next_due()) is not None:
            due.append(lost)
        if self._works and self._rooms.gate.down is not None:
            due.append(now + self._rooms.gate.wait_time())
        return max(0.0, min(due) - now)

    # --- work

    def _work(self) -> bool:
        if self._closed():
            return False
        return any(self._step(work) for work in self._in_turn())

    def _in_turn(self) -> list[Work]:
        """Drops that may have something to do, in the order of the class's first rule."""
        unread = [work for work in self._works.values() if work.stage is Stage.READ]
        if unread:
            return unread[:1]

        def turn(work: Work) -> tuple[int, int, int]:
            return (
                self._index.open_count(work.id) // 2000,
                self._index.first_rank(work.id),
                work.id,
            )

        return sorted((work for work in self._works.values() if not work.parked), key=turn)

    def _step(self, work: Work) -> bool:
        match work.stage:
            case Stage.READ:
                dictionary = self._rooms.catalog.dictionary()
                if self._archive.composed(work):
                    work.stage = Stage.ARCHIVE
                else:
                    read_some(self._rooms, self._index, work, self.project, dictionary)
                return True
            case Stage.WORK:
                return self._advance(work)
            case Stage.ARCHIVE:
                self._finish(work)
                return True
            case Stage.GONE:
                return False

    def _advance(self, work: Work) -> bool:
        counts = self._index.counts(work.id)
        if work.brake is Brake.PULLED or work.superseded_by is not None:
            self._cut_off(work)
        if counts[RowState.NEW] and work.superseded_by is None:
            return self._plan(work)
        if counts[RowState.GUARDED] and not work.in_flight:
            self._guard(work)
            return True
        outbox = self._rooms.settings.outbox
        if outbox.on_invalid is OnInvalid.REJECT and not work.tried and self._all_tried(work):
            return True
        if counts[RowState.READY] and self._may_send():
            return self._send(work)
        if self._index.open_count(work.id) == 0 and not work.in_flight:
            work.stage = Stage.ARCHIVE
            return True
        return False

    def _may_send(self) -> bool:
        return sum(one.in_flight for one in self._works.values()) < self._rooms.settings.outbox.parallel

    def _plan(self, work: Work) -> bool:
        if not self._rooms.gate.enter():
            return False
        self._state(work, DropState.PLANNING)
        sight = self._lookup.sight()
        if isinstance(sight, Refused | Failure):
            return self._not_had(work, sight)
        rules = Rules(
            self._rooms.settings.outbox.blanks,
            self._rooms.settings.outbox.send,
            work.drop.allow_erase,
            sight is Sight.BLIND,
        )
        if self._dispatcher.newest_transaction is None and sight is Sight.FULL:
            newest = self._lookup.newest_transaction()
            self._dispatcher.newest_transaction = newest if isinstance(newest, int) else None
        done = self._planner.plan_some(work, self._rooms.catalog.dictionary(), rules)
        if isinstance(done, Refused | Failure):
            return self._not_had(work, done)
        self._answered()
        if not self._index.counts(work.id)[RowState.NEW]:
            self._rooms.failpoint("plan: done")
        return True

    def _not_had(self, work: Work, failure: Refused | Failure) -> bool:
        """A question was not answered: later, or somebody has to do something."""
        match failure:
            case Broken() | Busy() | Unauthorised():
                retry_after = failure.retry_after if isinstance(failure, Busy) else None
                self._down(failure.message, retry_after)
            case Forbidden(message):
                self._answered()
                self._consequences.park_project(message, "forbidden")
            case Missing(message):
                self._answered()
                self._park(work, message, "missing", LOOK_AGAIN)
            case _:
                self._rooms.gate.ok()
                self._failures += 1
                self._park(work, failure.message, "refused question", LOOK_AGAIN)
        return False

    def _down(self, message: str, retry_after: float | None) -> None:
        down = self._rooms.gate.failed(message, retry_after)
        if down.attempts == 1:
            _log.warning("the commons does not answer: %s", printable(message), extra={"project": str(self.project)})

    def _answered(self) -> None:
        self._failures = 0
        if self._rooms.gate.ok():
            _log.info("the commons answers again")

    def _send(self, work: Work) -> bool:
        if not self._rooms.gate.enter():
            return False
        parcel = self._dispatcher.next_parcel(work, self._rooms.catalog.dictionary())
        if parcel is None:
            self._rooms.gate.ok()
            return False
        self._state(work, DropState.SENDING)
        future = self._rooms.pool.submit(send, self._rooms, self._lookup, parcel)
        future.add_done_callback(lambda done: self._call(partial(self._answer, parcel.drop_id, done)))
        return True

    def _answer(self, drop_id: int, done: Future[Answer]) -> None:
        work = self._works[drop_id]
        answer = done.result()
        match answer.reply:
            case Busy(message, _, retry_after):
                self._down(message, retry_after)
            case Broken() | Unauthorised():
                self._down(answer.reply.message, None)
            case _:
                self._answered()
        self._consequences.follow(work, answer)
        self._planner.locked = self._lost.keys()
        if not work.in_flight:
            self._release_followers()

    def _guard(self, work: Work) -> None:
        columns: dict[str, int] = {}
        number = 0
        for row in self._index.rows(work.id, RowState.GUARDED):
            number += 1
            for column in row.detail.get("erased", ()):
                columns[column] = columns.get(column, 0) + 1
        shown = ", ".join(f"{column} ({n})" for column, n in sorted(columns.items())) or "unknown columns"
        self._park(
            work,
            f"blank cells would erase stored values in {number} rows: {shown}. "
            f"`gen3sync retry --erase {printable(work.drop.path)}` erases them; "
            "or drop the file again with the values, or without these columns.",
            "guard",
            None,
        )

    def _all_tried(self, work: Work) -> bool:
        """All rows passed a dry run, or some were refused and nothing is sent."""
        counts = self._index.counts(work.id)
        if work.in_flight or counts[RowState.READY]:
            return False
        work.tried = not (counts[RowState.WAITING] or counts[RowState.BEHIND]) or bool(counts[RowState.REJECTED])
        if work.tried and counts[RowState.REJECTED]:
            reason = Reason(
                "NOT_SENT", 'Not sent, because other rows of the file were refused ([outbox] on_invalid = "reject").'
            )
            states = [state for state in RowState if not state.ended]
            self._index.end_all(work.id, [*states, RowState.UNCHANGED], RowState.REJECTED, detail_of((reason,)))
        elif work.tried:
            self._index.shift(work.id, RowState.TRIED, RowState.READY)
        return work.tried

    def _cut_off(self, work: Work) -> None:
        """Nothing more of this drop is sent."""
        states = [RowState.NEW, RowState.READY, RowState.WAITING, RowState.BEHIND, RowState.GUARDED, RowState.TRIED]
        if work.superseded_by is not None:
            self._index.end_all(work.id, states, RowState.SUPERSEDED)
        else:
            reason = Reason(
                "NOT_SENT",
                "Not sent: more than half of the first rows were refused, so the file seems to be a wrong one.",
                None,
                "Correct the refused rows and drop the file again.",
            )
            self._index.end_all(work.id, states, RowState.REJECTED, detail_of((reason,)))

    def _finish(self, work: Work) -> None:
        self._state(work, DropState.VERIFYING)
        ended = self._archive.archive(work)
        work.stage = Stage.GONE
        self._index.forget(work.id)
        self._works.pop(work.id, None)
        self._release_followers()
        self._on_ended(ended)

    def _release_followers(self) -> None:
        """Rows that stood behind others may be free now."""
        for work in self._works.values():
            if self._index.counts(work.id)[RowState.BEHIND] and not work.parked:
                self._index.again(work.id, RowState.BEHIND)

    # --- waiting

    def _links_in_time(self) -> bool:
        """Waiting rows are looked at now and then (somebody else may have stored the parent), and not for ever."""
        now = self._rooms.clock.monotonic()
        look = now >= self._next_look_at_links
        if look:
            self._next_look_at_links = now + LOOK_AGAIN
        moved = False
        for work in list(self._works.values()):
            if not self._index.counts(work.id)[RowState.WAITING] or work.parked:
                continue
            age = (self._rooms.clock.now() - work.drop.arrived_at).total_seconds()
            if age >= self._rooms.settings.outbox.link_grace:
                moved = self._give_up_waiting(work) or moved
            elif look:
                moved = self._index.again(work.id, RowState.WAITING) > 0 or moved
        return moved

    def _give_up_waiting(self, work: Work) -> bool:
        """Refuses rows whose parents did not come in time, but for those whose parents are being sent right now."""
        moved = False
        for row in list(self._index.rows(work.id, RowState.WAITING)):
            parents = [(node, pg_lower(sid), sid) for node, sid in row.detail.get("waiting", ())]
            if any(self._index.coming(node, [key]).get(key) in _MOVING for node, key, _ in parents):
                continue
            names = ", ".join(printable(f"{node} {sid}") for node, _, sid in parents)
            said = f"The parent {names} is not in the commons and did not come in time."
            for node, key, _ in parents:
                if (refused := self._index.rejected_in(node, key)) is not None:
                    other = self._works.get(refused[0])
                    said += (
                        f" It was itself refused: line {refused[1]} of {printable(other.drop.path) if other else '?'}."
                    )
            reason = Reason("MISSING_PARENT", said, None, "Drop the parent first, then this row again.")
            self._index.move([row], RowState.REJECTED, detail=detail_of((reason,)))
            moved = True
        return moved

    def _look_for_lost(self) -> bool:
        one = self._lost.due()
        if one is None or not self._rooms.gate.enter():
            return False
        entry: Transaction | None = None
        sight = self._lookup.sight()
        if isinstance(sight, Refused | Failure):
            self._lost.looked(one)
            if isinstance(sight, Broken | Busy | Unauthorised):
                self._down(sight.message, None)
            else:
                self._rooms.gate.ok()
            return False
        if sight is Sight.FULL:
            found = self._lookup.find(one.request.document_name, one.request.log_mark)
            if isinstance(found, Broken | Busy | Unauthorised):
                self._lost.looked(one)
                self._down(found.message, None)
                return False
            entry = found if isinstance(found, Transaction) else None
        self._answered()
        age = self._rooms.clock.now() - one.request.started_at
        known = fate(entry, age, self._rooms.settings.commons.horizon)
        if known is Fate.UNKNOWN:
            self._lost.looked(one)
            return False
        self._settle_lost(one, known, entry)
        return True

    def _settle_lost(self, one: LostRequest, known: Fate, entry: Transaction | None) -> None:
        request = one.request
        self._rooms.ledger.requests.finish(request.id, RequestState.SETTLED, entry.id if entry else None)
        self._lost.settled(one)
        self._planner.locked = self._lost.keys()
        work = self._works.get(request.drop_id)
        if work is not None:
            for chunk in work.journal.chunks():
                if chunk.document_name == request.document_name:
                    work.journal.answered(_resolved(chunk, known, entry, self._rooms.clock.now()))
            work.lost = max(0, work.lost - 1)
            # Rows of several lost requests cannot be told apart here; those still locked go behind again.
            self._index.again(work.id, RowState.LOST)
        self._release_followers()
        _log.info(
            "a request without an answer is known to be %s",
            known.value,
            extra={"drop": request.drop_id, "project": str(self.project), "chunk": request.chunk},
        )

    def _closed(self) -> bool:
        """Whether the project is parked and not due to be looked at."""
        for parked in self._rooms.ledger.projects.all() if self._parked_hint() else ():
            if (parked.program, parked.project) == (self.project.program, self.project.code):
                now = self._rooms.clock.now()
                if parked.next_look_at is not None and parked.next_look_at <= now:
                    self._rooms.ledger.projects.release(self.project)
                    self._planner.forget_parents()
                    return False
                return True
        for work in self._works.values():
            if work.parked and work.drop.next_attempt_at and work.drop.next_attempt_at <= self._rooms.clock.now():
                self._unpark(work)
        return False

    def _parked_hint(self) -> bool:
        return bool(self._works)

    # --- drops

    def _add(self, drop: Drop) -> None:
        folder = (self._rooms.state / drop.snapshot).parent
        work = Work(drop, folder, Journal(folder))
        chunks = work.journal.chunks() if work.journal.exists() else []
        work.requests = max((chunk.number for chunk in chunks), default=0)
        self._works[drop.id] = work
        self._works = dict(sorted(self._works.items()))

    def _supersede(self, drop_id: int, by: int) -> None:
        work = self._works.get(drop_id)
        if work is not None and work.stage in (Stage.READ, Stage.WORK):
            work.superseded_by = by
            if work.parked:
                self._unpark(work)

    def _retry(self, drop_id: int | None, erase: bool) -> None:
        self._not_before = 0.0
        self._rooms.gate.knock()
        self._rooms.ledger.projects.release(self.project)
        self._planner.forget_parents()
        self._lookup.sight(fresh=True)
        for work in self._works.values():
            if drop_id is not None and work.id != drop_id:
                continue
            if erase:
                work.drop = self._rooms.ledger.drops.update(work.id, allow_erase=True)
            if work.parked:
                self._unpark(work)
            if work.stage is Stage.WORK:
                self._index.again(work.id, RowState.GUARDED, RowState.WAITING, RowState.BEHIND)

    def _unpark(self, work: Work) -> None:
        self._state(work, DropState.PLANNING, reason="", error_class="", next_attempt_at=None)

    def _park(self, work: Work, reason: str, error_class: str, look_again: float | None) -> None:
        next_look = None if look_again is None else self._rooms.clock.now() + timedelta(seconds=look_again)
        self._state(
            work,
            DropState.PARKED,
            reason=reason,
            error_class=error_class,
            next_attempt_at=next_look,
            attempts=work.drop.attempts + 1,
        )
        self._rooms.ledger.events.add(
            EventLevel.WARNING, "parked", f"{printable(work.drop.path)} is parked: {reason}", drop_id=work.id
        )
        _log.warning("drop parked: %s", printable(reason), extra={"drop": work.id, "project": str(self.project)})

    def _state(self, work: Work, state: DropState, **fields: object) -> None:
        if work.drop.state is state and not fields:
            return
        work.drop = self._rooms.ledger.drops.update(work.id, state=state, **fields)  # type: ignore[arg-type]


def _resolved(chunk: ChunkRecord, known: Fate, entry: Transaction | None, now: datetime) -> ChunkRecord:
    return replace(
        chunk,
        ended_at=now.isoformat(),
        transaction_id=entry.id if entry else chunk.transaction_id,
        transaction_state=entry.state.value if entry else None,
        state=f"answer lost, {known.value}",
    )
