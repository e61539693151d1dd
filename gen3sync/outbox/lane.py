"""The drops of one project: one thread that gives each its turn and follows what comes back.

Owns the order of work within a project. Lanes run side by side and share only the gate and the pools of `rooms`.

1. Small drops go before large ones, and none overtakes an earlier one on the same record (`turns.py`).
2. One step is small (a slice, a batch, a request, a look), so nothing is held up for long.
3. At most `WINDOW` drops are at hand at once, however many lie waiting; those that wait for something do not count.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gen3sync.config import OnInvalid
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error
from gen3sync.ledger.rows import Drop, DropState
from gen3sync.life import Worker
from gen3sync.names import Project
from gen3sync.outbox.archive import Archive
from gen3sync.outbox.backoff import delay
from gen3sync.outbox.dispatch import Dispatcher
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import WITHDRAWN, Journal
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.lost import LostRequests
from gen3sync.outbox.model import RowState
from gen3sync.outbox.planning import Planner
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.sizes import Sizes
from gen3sync.outbox.steps import Steps
from gen3sync.outbox.stock import Stock
from gen3sync.outbox.turns import at_rest, in_turn
from gen3sync.outbox.waits import Waits
from gen3sync.outbox.work import Stage, Work

_log = logging.getLogger("gen3sync.outbox")
WINDOW = 200
_IDLE = 30.0
"""Seconds after which a lane without work looks up."""


class Lane:
    """See the module. All public methods may be called from any thread."""

    def __init__(self, rooms: Rooms, project: Project, scratch: Path, on_ended: Callable[[Drop], None]) -> None:
        self.project = project
        self._rooms = rooms
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._idle = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._queue: deque[Drop] = deque()
        self._superseded: dict[int, int] = {}
        self._failures = 0
        self._read_last = False
        self._not_before = 0.0
        scratch.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        index = RowIndex(scratch)
        stock = Stock(scratch.with_suffix(".stock"))
        lookup = Lookup(rooms.client, project, rooms.readers, stock, rooms.clock, rooms.graphql)
        sizes = Sizes(rooms.settings.outbox.target, rooms.settings.outbox.chunk_rows)
        lost = LostRequests(rooms.clock, rooms.rng)
        planner = Planner(index, lookup, rooms.failpoint, lost.keys())
        dispatcher = Dispatcher(rooms, index, project, sizes, planner.meanings)
        self._state = LaneState(rooms, project, index, lookup, planner, dispatcher, lost)
        self._state.take_over()
        self._steps = Steps(self._state, Archive(rooms, index, project), self._call, on_ended)
        self._waits = Waits(self._state, self._queue)

    # --- from other threads

    def add(self, drop: Drop) -> None:
        """A drop for this project."""
        self._call(partial(self._queue.append, drop))

    def supersede(self, drop_id: int, by: int) -> None:
        """A newer arrival took the place of a drop: what is not sent of it will not be."""
        self._call(partial(self._surely, partial(self._supersede, drop_id, by)))

    def withdraw(self, drop_id: int, why: str) -> None:
        """Somebody took a drop back: what is not sent of it will not be."""
        self._call(partial(self._surely, partial(self._withdraw, drop_id, why)))

    def retry(self, drop_id: int | None, *, erase: bool = False) -> None:
        """Somebody asks to try at once; all drops when None."""
        self._call(partial(self._retry, drop_id, erase))

    def look(self) -> None:
        """Something may have become due sooner than was thought."""
        self._call(lambda: None)

    def begin_stop(self) -> None:
        """Take no more work; finish what is in flight."""
        self._stopping = True
        self._wake.set()

    def join(self, timeout: float) -> bool:
        """Waits for the thread to end. False when it did not in time."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout)
            if thread.is_alive():
                return False
        self._state.index.close()
        self._state.lookup.close()
        return True

    @property
    def idle(self) -> bool:
        """Nothing can move now."""
        return self._idle.is_set() and self._calls.empty()

    def progress(self) -> dict[int, tuple[int, int]]:
        """By drop at hand: its rows, and how many of them are done with."""
        return self._state.index.progress()

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
        worker = self._rooms.worker(f"lane {self.project}")
        with worker.at_work(lasting=True):
            self._work(worker)

    def _work(self, worker: Worker) -> None:
        while True:
            worker.alive()
            self._wake.clear()
            moved = False
            try:
                moved = self._turn()
            except (Gen3SyncError, OSError) as error:
                self._stumbled()
                self._state.stumbled(str(error if isinstance(error, Gen3SyncError) else _unwritten(error)))
                _log.error("%s", error, extra=self._state.place)
            except Exception:  # noqa: BLE001 - one project must not end the others; its drops stay and are tried again
                self._stumbled()
                self._state.stumbled("something unforeseen went wrong; the log has the details. It is tried again.")
                _log.exception("lane stumbled", extra=self._state.place)
            if moved:
                continue
            if self._stopping and not self._busy:
                return
            if self._calls.empty():
                # While the commons is down nothing is settled soon: `once` must not wait for it.
                if not self._busy and not self._opening and (self._rooms.gate.shut or not self._state.lost.soon()):
                    self._idle.set()
                self._rooms.clock.wait(self._wake, self._sleep())

    @property
    def _busy(self) -> bool:
        """Something will come back to this lane by itself."""
        return any(work.in_flight or work.proving for work in self._state.works.values())

    @property
    def _opening(self) -> bool:
        """A large file is being looked through."""
        return any(work.opening is not None for work in self._state.works.values())

    def _turn(self) -> bool:
        moved, self._state.at = False, None
        while not self._calls.empty():
            self._idle.clear()
            self._calls.get()()
            moved = True
        if self._stopping or self._rooms.clock.monotonic() < self._not_before:
            return moved
        if self._steps.flow.follow_again() or self._waits.lost():
            return True
        moved = self._waits.links() or moved
        if self._waits.closed():
            return sum(self._steps.let_go(work) for work in list(self._state.works.values())) > 0 or moved
        self._fill()
        if not self._state.works:
            self._state.release_project()
        if self._steps.flow.prove():
            return True
        works = in_turn(self._state, reading=not self._read_last)
        for number, work in enumerate(works):
            self._state.at = work.id
            reads = work.stage is Stage.READ
            if self._steps.step(work, works[number + 1 :]):
                self._failures, self._read_last = 0, reads
                return True
        return moved

    def _stumbled(self) -> None:
        self._failures += 1
        self._not_before = self._rooms.clock.monotonic() + delay(self._failures, self._rooms.rng)

    def _sleep(self) -> float:
        """Seconds until something may be due."""
        now = self._rooms.clock.monotonic()
        due = [_IDLE]
        if self._not_before > now:
            due.append(self._not_before - now)
        if (lost := self._state.lost.next_due()) is not None:
            due.append(max(lost - now, self._rooms.gate.wait_time()))
        if self._state.plan_after > now:
            due.append(self._state.plan_after - now)
        if self._state.works and self._rooms.gate.down is not None:
            due.append(self._rooms.gate.wait_time() or 1.0)  # 0: it may be asked, and no drop has a question
        return max(0.0, min(due))

    # --- turns

    def _fill(self) -> None:
        """Brings drops from the queue to hand."""
        at_hand = sum(not at_rest(self._state, work) for work in self._state.works.values()) if self._queue else 0
        while self._queue and at_hand < WINDOW:
            self._take_up(self._queue[0])
            self._queue.popleft()  # where taking it up failed (no descriptors left, say) it waits on
            at_hand += 1

    def _take_up(self, drop: Drop) -> None:
        folder = (self._rooms.state / drop.snapshot).parent
        drop = self._rooms.ledger.drops.get(drop.id)  # somebody may have asked for something while it waited
        age = max(0.0, (self._rooms.clock.now() - drop.arrived_at).total_seconds())
        work = Work(drop, folder, Journal(folder), arrived=self._rooms.clock.monotonic() - age)
        chunks = work.journal.chunks() if work.journal.exists() else []
        work.requests = max((chunk.number for chunk in chunks), default=0)
        work.whole = self._rooms.settings.outbox.on_invalid is OnInvalid.REJECT
        work.superseded_by = self._superseded.get(drop.id)
        work.withdrawn = next((str(note["why"]) for note in work.journal.notes(WITHDRAWN)), "")
        if (work.superseded_by is not None or work.withdrawn) and work.parked:
            self._state.unpark(work)
        self._state.works[drop.id] = work  # once nothing can fail any more: it would be at hand and in the queue
        self._superseded.pop(drop.id, None)

    # --- wishes

    def _surely(self, wish: Callable[[], None]) -> None:
        """Does it, and once more later where it could not be written down (a full disk): nobody wishes it twice."""
        try:
            wish()
        except (OSError, Gen3SyncError):
            self._steps.flow.unfollowed.append(partial(self._surely, wish))
            raise

    def _supersede(self, drop_id: int, by: int) -> None:
        work = self._state.works.get(drop_id)
        if work is None:
            if any(drop.id == drop_id for drop in self._queue):
                self._superseded[drop_id] = by
        elif work.stage in (Stage.READ, Stage.WORK):
            work.superseded_by = by
            self._state.cut_off(work)

    def _withdraw(self, drop_id: int, why: str) -> None:
        work = self._state.works.get(drop_id)
        if work is None:
            if (drop := next((drop for drop in self._queue if drop.id == drop_id), None)) is not None:
                Journal((self._rooms.state / drop.snapshot).parent).note(WITHDRAWN, why=why)
                self._take_up(drop)  # it goes before its turn, for nothing more of it is sent
                self._queue.remove(drop)
        elif work.stage in (Stage.READ, Stage.WORK) and not work.withdrawn:
            work.journal.note(WITHDRAWN, why=why)
            self._state.cut_off(work)
            work.withdrawn = why

    def _retry(self, drop_id: int | None, erase: bool) -> None:
        state = self._state
        state.lost.look_again()
        self._not_before = 0.0
        self._rooms.gate.knock()
        state.look_at_project()
        for work in state.works.values():
            if drop_id is not None and work.id != drop_id:
                continue
            if erase:
                work.drop = self._rooms.ledger.drops.update(work.id, allow_erase=True)
            if work.parked:
                state.unpark(work)
            if work.stage is Stage.WORK:
                state.index.again(work.id, RowState.GUARDED, RowState.WAITING, RowState.BEHIND)
                if state.index.counts(work.id)[RowState.LOST]:
                    state.put(work, DropState.VERIFYING, reason="")


def _unwritten(error: OSError) -> Gen3SyncError:
    return folder_error("What was done cannot be written down", error)
