"""The outbox as others see it: start, stop, wake, retry, push, plan, once, status.

Puts intake, lanes and watch together. Owns no decision of its own; what people ask for is carried out by `wishes.py`.
"""

from __future__ import annotations

import logging
import random
import shutil
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.config import Settings
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error, remove_leftovers
from gen3sync.ledger import Ledger
from gen3sync.ledger.rows import Drop, EventLevel
from gen3sync.life import Workers, unwatched
from gen3sync.names import Project
from gen3sync.observe import NOBODY, Observer
from gen3sync.outbox import pause, snapshot, wishes
from gen3sync.outbox.crew import PATIENCE, Crew, HelpingCrew
from gen3sync.outbox.dry import EachRow, Plan, plan_file
from gen3sync.outbox.errands import Errands
from gen3sync.outbox.failpoint import FailPoint, no_failpoint
from gen3sync.outbox.gate import CommonsGate
from gen3sync.outbox.graphql import GraphqlWatch
from gen3sync.outbox.intake import Intake
from gen3sync.outbox.lanes import Lanes, project_of
from gen3sync.outbox.left import Left
from gen3sync.outbox.rooms import Landed, Rooms, host_name
from gen3sync.outbox.scan import Found, Outlook
from gen3sync.outbox.state import OnceSummary, OutboxStatus
from gen3sync.outbox.taking import Arrival
from gen3sync.outbox.watch import Marks, Watch

_log = logging.getLogger("gen3sync.outbox")
_LONGEST_NAP = 5.0
_Result = TypeVar("_Result")


def _nobody(*_told: object) -> None:
    """Nobody wants to know."""


class Outbox:
    """The way out. Construct, then `start`; or `run_once`. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        client: CommonsClient,
        catalog: Catalog,
        ledger: Ledger,
        clock: Clock,
        *,
        rng: random.Random | None = None,
        on_landed: Landed = _nobody,
        worker: Workers = unwatched,
        failpoint: FailPoint = no_failpoint,
        observer: Observer = NOBODY,
    ) -> None:
        chance = rng or random.Random()
        parallel, patience = settings.outbox.parallel, PATIENCE * settings.outbox.target
        self._rooms = Rooms(
            settings,
            client,
            catalog,
            ledger,
            clock,
            chance,
            CommonsGate(clock, chance, patience, pause.keeper(ledger), commons=pause.address(client)),
            Crew(parallel, "send", clock, patience),
            HelpingCrew(parallel, "read", clock, patience),
            Crew(parallel, "prove", clock, patience),
            on_landed,
            failpoint,
            host_name(),
            Left(ledger),
            GraphqlWatch(clock, lambda text: self._warn("graphql", text)),
            worker,
            observer=observer,
        )
        self._wake = threading.Event()
        self._lanes = Lanes(self._rooms, self._on_ended)
        self._rooms.gate.listen(self._lanes.look)
        self._resumed = False
        self._known: set[int] = set()
        self._ended: list[Drop] | None = None
        """Those of one pass; a daemon needs none of them."""
        self._errands = Errands(self._wake.set)
        self._thread: threading.Thread | None = None
        self._busy = True
        self._marks = Marks(self._wake.set)
        outbox = settings.outbox
        outlook = Outlook(outbox.path, outbox.ignore, ready_marker=outbox.ready_marker)
        self._watch = Watch(outbox.path, outbox.watch.value, self._marks, worker)
        lanes = self._lanes
        self._intake = Intake(
            self._rooms, outlook, self._marks, self._deliver, lanes.supersede, lanes.withdraw, self._scanned
        )

    # --- life

    def start(self, *, watch: bool = True, at_once: bool = False) -> None:
        """Recovers what an earlier life left, watches, and works. `at_once`: somebody waits, so the commons is asked
        whatever pause an earlier life was in. Raises FolderError, LedgerError."""
        settings = self._rooms.settings.outbox
        try:
            for folder in (settings.path, settings.sent, settings.rejected, self._rooms.state / snapshot.FOLDER):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise folder_error("The outbox's folders cannot be made", error) from error
        shutil.rmtree(self._lanes.folder, ignore_errors=True)
        if not self._resumed:  # before any lane asks a question
            self._resume(own=not at_once, asked=not at_once)
        self._rooms.arriving.set()
        self._intake.recover()
        self._lanes.release_idle()
        threading.Thread(target=self._sweep, name="sweep", daemon=True).start()
        if watch:
            self._watch.start()
            if self._watch.problem:
                self._warn("watch", self._watch.problem)
        serve = self._rooms.worker("outbox").serves
        self._thread = threading.Thread(target=serve, args=(self._turn, self._rooms.stop), name="outbox", daemon=True)
        self._thread.start()

    def _sweep(self) -> None:
        """Half-written files of a life that was killed. Beside the rest: archives are large."""
        outbox = self._rooms.settings.outbox
        for folder in (outbox.sent, outbox.rejected, self._rooms.state / snapshot.FOLDER):
            remove_leftovers(folder)

    def stop(self, timeout: float = 30.0) -> bool:
        """Takes no more work and finishes what is in flight. False when something still was after `timeout` seconds:
        it counts as a lost answer at the next start."""
        end = self._rooms.clock.monotonic() + timeout
        self._rooms.stop.set()
        self._rooms.pool.send_home()
        self._watch.stop()
        self._wake.set()
        clean = True
        if self._thread is not None:
            self._thread.join(max(0.1, end - self._rooms.clock.monotonic()))
            clean = not self._thread.is_alive()
        clean = self._lanes.stop(end) and clean
        for pool in (self._rooms.pool, self._rooms.readers, self._rooms.provers):
            pool.shutdown(wait=False, cancel_futures=True)
        return clean

    def wake(self) -> None:
        """Something may have changed: look at the folder and at the ledger now."""
        self._errands.put(self._adopt)
        self._marks.everything()

    # --- wishes

    def retry(self, target: int | str | Path | Project | None = None, *, erase: bool = False) -> tuple[int, ...]:
        """Tries again at once what waits: a drop by number or file, a project, or everything. `erase` lets a drop's
        blank cells erase stored values. A drop that has ended is pushed again from the archive.

        Returns the numbers of the drops concerned. Raises NotFoundError, UsageError.
        """
        drops = wishes.meant(self._rooms, target)
        ids = wishes.prepare(self._rooms, drops, erase=erase)
        for drop in wishes.ended(drops):
            archived = wishes.archived(drop)
            ids.append(self.push([archived], project_of(drop))[0].id)
        project = target if isinstance(target, Project) else None
        self._lanes.retry(drops, project, every=target is None, erase=erase)
        self._errands.put(self._intake.look_again)
        return tuple(sorted(ids))

    def withdraw(self, target: int | str | Path) -> tuple[int, ...]:
        """Takes back drops by number or file: what is not sent of them will not be. Their numbers. Raises
        NotFoundError, UsageError for one that has ended."""
        drops = wishes.open_ones(self._rooms, target)
        for drop in drops:
            self._on_thread(lambda one=drop: self._intake.take_back(one, "Somebody asked to withdraw it."))  # type: ignore[misc]
        return tuple(drop.id for drop in drops)

    def push(self, paths: Iterable[Path], project: Project | None = None) -> tuple[Drop, ...]:
        """Drops files from anywhere; the originals stay where they are. Without `project` the configured patterns
        decide. Raises UsageError for a file without a way, FolderError for one that cannot be read."""
        made: list[Drop] = []
        for path in paths:
            way, shot = wishes.take(self._rooms, path, project)
            arrival = Arrival(path.name, shot, way, "push")
            made += self._on_thread(lambda one=arrival: self._intake.write_down([one]))  # type: ignore[misc]
        return tuple(made)

    def plan_file(self, path: Path, project: Project, *, limit: int | None = None, each: EachRow | None = None) -> Plan:
        """What sending `path` would do; sends nothing. Raises InputError, CommonsError and its kin."""
        return plan_file(self._rooms, path, project, limit=limit, each=each)

    def run_once(self, *, wait_settled: bool = True) -> OnceSummary:
        """One pass: takes what lies there and works until nothing more can move, then stops."""
        ended: list[Drop] = []
        self._ended = ended
        never = threading.Event()
        self._rooms.graphql.at_once()
        self._resume(own=False)  # a pass is an attempt
        self.start(watch=False)
        try:
            while not self._at_rest(wait_settled=wait_settled):
                self._rooms.clock.wait(never, 0.02)
        finally:
            settling = len(self._intake.settling)
            self.stop()
        return OnceSummary(tuple(ended), self._rooms.ledger.drops.open(), settling)

    def knock(self) -> None:
        """There is reason to think that a silent commons answers now: it is asked at once."""
        self._rooms.gate.knock()

    def status(self) -> OutboxStatus:
        """What only the running outbox knows."""
        watch, graphql = self._watch, self._rooms.graphql.given_up
        return OutboxStatus(len(self._intake.settling), watch.mode, watch.problem, self._lanes.progress(), graphql)

    # --- within

    def _resume(self, *, own: bool = True, asked: bool = True) -> None:
        self._resumed = True
        pause.resume(self._rooms.gate, self._rooms.ledger, own=own, asked=asked)

    def _turn(self) -> None:
        self._wake.clear()
        nap = _LONGEST_NAP
        self._busy = True
        try:
            self._errands.run()
            nap = self._intake.turn()
            self._tell_arriving()
        except Gen3SyncError as error:
            _log.error("%s", error)
        except Exception:  # noqa: BLE001 - the outbox must not go deaf because of one file
            _log.exception("the outbox stumbled")
        self._busy = False
        self._rooms.clock.wait(self._wake, min(nap, _LONGEST_NAP))

    def _tell_arriving(self) -> None:
        arriving = self._rooms.arriving
        if not self._intake.quiet:
            arriving.set()
        elif arriving.is_set():
            arriving.clear()
            self._lanes.look()  # rows that are late waited for what came

    def _at_rest(self, *, wait_settled: bool) -> bool:
        """Looked at in the order in which work travels, so that nothing slips past between two looks."""
        if self._busy or self._errands.pending or self._marks.pending or (wait_settled and not self._intake.quiet):
            return False
        return self._lanes.idle and not self._errands.pending and not self._busy

    def _on_thread(self, call: Callable[[], _Result]) -> _Result:
        return self._errands.ask(call, self._thread)

    def _adopt(self) -> None:
        for drop in self._rooms.ledger.drops.open():
            if drop.id not in self._known:
                self._known.add(drop.id)
                self._intake.adopt(drop)

    def _deliver(self, drop: Drop) -> None:
        self._known.add(drop.id)
        self._lanes.deliver(drop)

    def _on_ended(self, drop: Drop) -> None:
        if self._ended is not None:
            self._ended.append(drop)
        self._errands.put(lambda: self._ended_here(drop))

    def _ended_here(self, drop: Drop) -> None:
        self._known.discard(drop.id)
        self._intake.ended(drop)

    def _scanned(self, found: Found) -> None:
        if self._watch.check(found.root, self._rooms.clock.monotonic()):
            self._warn("watch", "The outbox was replaced or its watch had ended; it is watched again.")

    def _warn(self, kind: str, text: str) -> None:
        self._rooms.ledger.events.add(EventLevel.WARNING, kind, text)
        _log.warning("%s", text)
