"""The inbox: which mirrors there are, when each is looked at, and how they are.

Puts the room together and speaks to the scheduler. One APScheduler job looks at the mirrors of one `[[inbox.mirror]]`
in one project (a `Round`); a thread of the inbox's own watches the clock, finds projects that come and go, and shows
that the inbox lives. Whether anything changed, and what an export is worth, is decided elsewhere (`rounds`, `refresh`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.config import Settings
from gen3sync.errors import Gen3SyncError, NotFoundError
from gen3sync.inbox import guards
from gen3sync.inbox.decide import Round
from gen3sync.inbox.detect import Why
from gen3sync.inbox.export import StoppedError
from gen3sync.inbox.following import Following, Group
from gen3sync.inbox.held import Holding
from gen3sync.inbox.jobs import Jobs
from gen3sync.inbox.knowing import address, may_query, version
from gen3sync.inbox.marking import Marking
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.plan import Mirror, select
from gen3sync.inbox.proof import Prover, Told
from gen3sync.inbox.publish import Folder
from gen3sync.inbox.refresh import Refresher
from gen3sync.inbox.rounds import Result, Rounds
from gen3sync.inbox.state import InboxStatus, inbox_status
from gen3sync.inbox.work import sweep
from gen3sync.ledger import EventLevel, Ledger, Outcome, Refresh
from gen3sync.life import Workers, unwatched
from gen3sync.names import Project
from gen3sync.observe import NOBODY, Observer

log = logging.getLogger(__name__)

_TURN = 15.0
_RESOLVE_EVERY = 300.0
_HELD_TOLD = timedelta(hours=1)
# A wall clock that moved this much against the monotonic one was set, or the machine slept.
_JUMP = 30.0


class Inbox:
    """Safe for many threads. `run_once`, `accept` and `status` work with and without a scheduler."""

    def __init__(
        self,
        settings: Settings,
        client: CommonsClient,
        catalog: Catalog,
        ledger: Ledger,
        clock: Clock,
        *,
        worker: Workers = unwatched,
        observer: Observer = NOBODY,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._worker = worker
        self._stop = threading.Event()
        copies = settings.state.path / "mirrors"
        sweep(copies)
        self._memory = Memory(ledger, observer)
        self._folder = Folder(settings.inbox.path, address(client))
        self._marking = Marking(self._folder, ledger)
        horizon = timedelta(seconds=settings.commons.horizon)
        prover = Prover(client, clock, settings.commons.deadline, self._stop.is_set)
        holding = Holding(copies)
        self._refresher = Refresher(
            prover,
            catalog,
            self._memory,
            self._folder,
            clock,
            copies,
            holding,
            max_shrink=settings.inbox.max_shrink,
            horizon=horizon,
            worker=worker,
        )
        self._rounds = Rounds(
            client,
            self._memory,
            self._folder,
            self._refresher,
            holding,
            clock,
            parallel=settings.inbox.parallel,
            horizon=horizon,
            full_every=timedelta(seconds=settings.inbox.full_every),
            may_query=lambda project: may_query(catalog, project),
            version=lambda: version(catalog),
            worker=worker,
        )
        self._following = Following(settings.inbox, catalog, self._memory, self._folder)
        self._jobs: Jobs | None = None
        self._watch: threading.Thread | None = None
        self._touched: dict[Project, set[str]] = {}
        self._times = clock.now(), clock.monotonic()
        self._resolved: float | None = None
        self._lock = threading.Lock()

    def start(self, scheduler: Any) -> None:
        """Adds the jobs to a BackgroundScheduler, started or not. Asks the commons nothing yet."""
        self._open_folder()
        self._jobs = Jobs(
            scheduler, self._clock, self._settings.inbox.parallel, self._run_group, self._looked_at, self._missed
        )
        self._jobs.follow(self._following.groups())
        serve = self._worker("inbox").serves
        self._watch = threading.Thread(target=serve, args=(self._turn, self._stop), name="gen3sync-inbox", daemon=True)
        self._watch.start()

    def stop(self, timeout: float) -> bool:
        """Takes no more work and gives up exports at hand (the old files stay). Whether all ended in `timeout` s."""
        end = self._clock.monotonic() + timeout
        self._stop.set()
        if self._jobs is not None:
            self._jobs.close()
        self._rounds.close()
        waiter = threading.Thread(target=self._rounds.wait, daemon=True)
        waiter.start()
        waiter.join(timeout)
        if self._watch is not None:
            self._watch.join(max(0.1, end - self._clock.monotonic()))
        return not waiter.is_alive() and not (self._watch is not None and self._watch.is_alive())

    def run_once(
        self, names: Sequence[str] | None = None, progress: Told = lambda _node, _rows: None
    ) -> tuple[Refresh, ...]:
        """Looks at all mirrors (None), or exports those named: a file, a group, a project, a node, globs.

        Returns a row for each mirror about which something could be said. Raises NotFoundError for a name that means no
        mirror, Gen3SyncError when nothing is known of the commons, LedgerError.
        """
        self._open_folder()
        self._following.resolve()
        mirrors, asked = self._chosen(names)
        return self._run_projects(mirrors, Why.ASKED if asked else None, progress)

    def accept(self, name: str, progress: Told = lambda _node, _rows: None) -> tuple[Refresh, ...]:
        """Exports what `name` means once with the guards lifted. Raises as `run_once`."""
        self._marking.mark()
        self._following.resolve()
        mirrors, _ = self._chosen([name])
        return self._run_projects(mirrors, Why.ASKED, progress, accept=True)

    def touched(self, project: Project, nodes: Iterable[str]) -> None:
        """We wrote to these nodes: their mirrors are looked at at once (at the next pass where no scheduler runs)."""
        if self._jobs is None or self._stop.is_set():
            return
        with self._lock:
            self._touched.setdefault(project, set()).update(nodes)
        self._jobs.at_once(f"inbox touched {project}", lambda: self._run_touched(project))

    def status(self) -> InboxStatus:
        """How all mirrors are. Cheap; asks nobody."""
        next_runs = self._jobs.next_runs() if self._jobs is not None else {}
        found = inbox_status(self._folder.root, self._following, self._memory, next_runs, self._clock.now())
        problem = self._marking.problem
        return replace(found, problems=(problem, *found.problems)) if problem else found

    def _chosen(self, names: Sequence[str] | None) -> tuple[tuple[Mirror, ...], bool]:
        every = self._following.every()
        if names is None:
            return every, False
        chosen, unknown = select(every, names)
        if unknown:
            known = ", ".join(sorted({mirror.group for mirror in every} | {str(m.project) for m in every})) or "none"
            raise NotFoundError(
                f"No mirror is called {', '.join(map(repr, unknown))}.",
                f"There are {known}; a file below the inbox, a node (also PROGRAM/PROJECT/NODE) and globs work too.",
            )
        return chosen, True

    def _run_projects(
        self, mirrors: Sequence[Mirror], asked: Why | None, told: Told, *, accept: bool = False
    ) -> tuple[Refresh, ...]:
        found: list[Refresh] = []
        for project in dict.fromkeys(mirror.project for mirror in mirrors):
            mine = tuple(mirror for mirror in mirrors if mirror.project == project)
            found.extend(self._run(Round(project, mine, asked, accept, report=True), told).refreshes)
        return tuple(found)

    def _run(self, it: Round, told: Told = lambda _node, _rows: None) -> Result:
        """A round, without the mirrors whose project is gone: those are told as guarded."""
        gone = self._following.vanished()
        held = tuple(
            self._refresher.hold(mirror, guards.vanished(mirror.project))
            for mirror in it.mirrors
            if mirror in gone and (it.report or not self._told(mirror))
        )
        rest = tuple(mirror for mirror in it.mirrors if mirror not in gone)
        if not rest:
            return Result(held)
        result = self._rounds.run(replace(it, mirrors=rest), told)
        return Result(held + result.refreshes, result.failure)

    def _told(self, mirror: Mirror) -> bool:
        """Whether that it is held back was written down lately."""
        last = self._memory.of(mirror).last
        recent = last is not None and timedelta() <= self._clock.now() - last.ended_at < _HELD_TOLD
        return recent and last is not None and last.outcome is Outcome.GUARDED

    def _run_group(self, group: Group) -> None:
        """A scheduled job. Raises what a listener should hear of."""
        if self._stop.is_set() or self._jobs is None or self._jobs.backs_off(group):
            return
        jobs = self._jobs
        groups = jobs.take(group)
        try:
            mirrors = tuple(mirror for each in groups for mirror in self._following.of(each))
            if not mirrors:
                return
            result = self._run(
                Round(group.project, mirrors, ended=lambda name: jobs.done(groups, [Group(name, group.project)]))
            )
        except (StoppedError, CancelledError, RuntimeError):
            if not self._stop.is_set():
                raise
            return
        finally:
            jobs.done(groups)
        jobs.ended(groups, result.failure)

    def _run_touched(self, project: Project) -> None:
        with self._lock:
            nodes = self._touched.pop(project, set())
        mirrors = tuple(m for m in self._following.every() if m.project == project and m.node in nodes)
        if not mirrors or self._stop.is_set():
            return
        try:
            self._run(Round(project, mirrors, Why.TOUCHED))
        except (StoppedError, CancelledError, RuntimeError):
            if not self._stop.is_set():
                raise

    def _turn(self) -> None:
        """Of the inbox's own thread: watches the clock, resolves."""
        now = self._clock.monotonic()
        wall, steady = self._times
        drift = (self._clock.now() - wall).total_seconds() - (now - steady)
        if abs(drift) > _JUMP and self._jobs is not None:
            self._times = self._clock.now(), now
            log.warning("the clock jumped", extra={"seconds": round(drift)})
            self._jobs.again(self._following.groups())
        if self._marking.again() and self._jobs is not None:
            self._jobs.again(self._following.groups())
        if self._resolved is None or now - self._resolved >= _RESOLVE_EVERY:
            self._resolved = now
            self._resolve()
        self._clock.wait(self._stop, _TURN)

    def _resolve(self) -> None:
        try:
            self._following.resolve()
        except Gen3SyncError as error:
            log.info("the mirrors could not be resolved: %s", error)
        except Exception:  # the thread that all mirrors hang on outlives a fault in one of its turns
            log.exception("the mirrors could not be resolved")
        if self._jobs is not None and not self._stop.is_set():
            self._jobs.follow(self._following.groups())

    def _looked_at(self, group: Group) -> datetime | None:
        return self._memory.looked_at(self._following.of(group))

    def _missed(self, text: str) -> None:
        log.error("%s", text)
        self._memory.tell(EventLevel.ERROR, "inbox", text)

    def _open_folder(self) -> None:
        self._marking.open()
