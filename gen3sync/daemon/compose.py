"""Puts the rooms together from settings, starts and stops them. `push`, `pull` and `once` use them without a daemon."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.connect import open_commons
from gen3sync.config import Settings
from gen3sync.daemon.gather import Live, Progress
from gen3sync.daemon.heartbeats import Heartbeats, Shift
from gen3sync.daemon.housekeeping import keep_house
from gen3sync.daemon.jobs import Jobs
from gen3sync.daemon.look import CommonsLook
from gen3sync.daemon.privacy import close_to_others
from gen3sync.errors import ExitCode, Gen3SyncError, TemporaryError
from gen3sync.files import folder_error, remove_leftovers
from gen3sync.inbox import Inbox
from gen3sync.ledger import Drop, EventLevel, Ledger, Refresh, Verdict, open_ledger
from gen3sync.observe import NOBODY, Observer
from gen3sync.outbox import Outbox
from gen3sync.status import DaemonState

log = logging.getLogger(__name__)

Told = Callable[[str, int], None]


def build(settings: Settings, clock: Clock, env: Mapping[str, str], observer: Observer = NOBODY) -> Rooms:
    """Makes the rooms; nothing is started and the commons is not asked. The folders' locks are the caller's.

    Raises ConfigError, FolderError, LedgerError.
    """
    for folder in (settings.state.path, settings.outbox.path, settings.inbox.path):
        _make(folder)
    close_to_others(settings.state.path)
    remove_leftovers(settings.state.path)
    client = open_commons(settings.commons, env, clock, observer)
    try:
        return Rooms(settings, clock, client, open_ledger(settings.state.ledger, clock), observer)
    except Gen3SyncError:
        client.close()
        raise


@dataclass(frozen=True, slots=True)
class Pass:
    """What `once` did, as data for the command line."""

    drops: tuple[Drop, ...]
    waiting: tuple[Drop, ...]
    refreshes: tuple[dict[str, Any], ...]
    problem: str = ""
    exit_code: ExitCode = ExitCode.OK
    notes: tuple[str, ...] = ()
    """What about the configured mirrors could not be followed."""


class Rooms:
    """The rooms of one configuration, built, and started where a daemon runs them."""

    def __init__(
        self, settings: Settings, clock: Clock, client: CommonsClient, ledger: Ledger, observer: Observer = NOBODY
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.client = client
        self.ledger = ledger
        self.catalog = Catalog(client, clock, settings.state.path)
        self._shift = Shift()
        self.worker = self._shift.worker
        self._jobs = Jobs(ledger, clock, self.worker)
        self._look = CommonsLook(client, clock, self._user)
        self.inbox = Inbox(settings, client, self.catalog, ledger, clock, worker=self.worker, observer=observer)
        self.outbox = Outbox(
            settings,
            client,
            self.catalog,
            ledger,
            clock,
            on_landed=self.inbox.touched,
            worker=self.worker,
            observer=observer,
        )
        self._running = False
        self._mended = 0
        """`tokens.mended` when last looked at."""

    @property
    def ledger_problem(self) -> str:
        """Why the ledger refuses to be written, or nothing."""
        return self._jobs.ledger_problem

    def start(self, beats: Heartbeats) -> None:
        """Everything in threads of its own, as a daemon has it. Raises FolderError, LedgerError."""
        self._shift.begin(beats)
        self._running = True
        # Expected from now on: one that hangs before its first beat is missed as well.
        for name in ("scheduler", "ledger", "outbox", "watch", "inbox"):
            self.worker(name).alive()
        self.inbox.start(self._jobs.make())
        self.outbox.start()
        self._jobs.start(renew_token=self._renew_token, look=self.look_at_commons, keep_house=self._keep_house)

    def stop(self, seconds: float) -> bool:
        """Takes no more work; finishes or hands back what is in flight. False when something still was in flight."""
        if not self._running:
            return True
        self._running = False
        self._shift.end()
        end = self.clock.monotonic() + seconds
        self._jobs.pause()
        clean = self.outbox.stop(seconds)
        clean = self.inbox.stop(max(1.0, end - self.clock.monotonic())) and clean
        self._jobs.stop()
        return clean

    def close(self) -> None:
        """Ends what is still in flight with the commons and gives the ledger back."""
        self.client.close()
        self.ledger.close()

    def tell(self, level: str, kind: str, text: str) -> None:
        """A line of history."""
        self.ledger.events.add(EventLevel(level), kind, text)

    def live(self, state: DaemonState, started_at: datetime, problem: str, ages: dict[str, float]) -> Live:
        """What only the running rooms know, for status.json."""
        outbox = self.outbox.status()
        return Live(
            state=state,
            started_at=started_at,
            config=str(self.settings.path),
            outbox=str(self.settings.outbox.path),
            inbox=self.inbox.status(),
            problem="; ".join(filter(None, (problem, outbox.problem, outbox.graphql, self.ledger_problem))),
            heartbeats=ages,
            commons=self._look.commons(),
            key=self._look.key(),
            settling=outbox.settling,
            watch=outbox.watch,
            progress={drop: Progress(done, rows) for drop, (done, rows) in outbox.progress.items()},
        )

    # --- wishes of the command line

    def pull(
        self, names: tuple[str, ...], *, accept: bool = False, told: Told = lambda _node, _rows: None
    ) -> list[dict[str, Any]]:
        """Refreshes the mirrors named, or all. Raises NotFoundError, LedgerError."""
        if accept:
            found = [refresh for name in names for refresh in self.inbox.accept(name, told)]
        else:
            found = list(self.inbox.run_once(names or ("*",), told))
        return [_plain(refresh) for refresh in found]

    def retry(self, names: tuple[str, ...], *, erase: bool = False) -> tuple[int, ...]:
        """Looks again at what is parked, or at the drops named. Their numbers. Raises NotFoundError."""
        self.client.tokens.forget_failure()
        ids: list[int] = []
        for name in names or (None,):
            ids += self.outbox.retry(int(name) if name is not None and name.isdigit() else name, erase=erase)
        return tuple(dict.fromkeys(ids))

    def push(self, files: Mapping[Path, Any], settled: Callable[[tuple[Drop, ...]], bool]) -> tuple[Drop, ...]:
        """Submits files without a daemon: starts the outbox, and works until `settled` says so of their drops."""
        self.outbox.start(watch=False, at_once=True)
        self._running = True
        ids = [self.outbox.push([file], project)[0].id for file, project in files.items()]
        return self._until(ids, settled)

    def withdraw(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Takes back the drops named. Their numbers. Raises NotFoundError, UsageError."""
        ids = [id for name in names for id in self.outbox.withdraw(int(name) if name.isdigit() else name)]
        return tuple(dict.fromkeys(ids))

    def work(
        self, wish: Callable[[], tuple[int, ...]], settled: Callable[[tuple[Drop, ...]], bool]
    ) -> tuple[Drop, ...]:
        """A wish without a daemon: starts the outbox, and works until `settled` says so of the drops concerned."""
        self.outbox.start(watch=False, at_once=True)
        self._running = True
        return self._until(wish(), settled)

    def once(self, told: Told = lambda _node, _rows: None) -> Pass:
        """One pass out, then in."""
        summary = self.outbox.run_once()
        problem, code, refreshes = "", ExitCode.OK, []
        try:
            refreshes = [_plain(refresh) for refresh in self.inbox.run_once(None, told)]
        except TemporaryError as error:
            problem, code = str(error), ExitCode.TEMPORARY
        well = (Verdict.LANDED, Verdict.SUPERSEDED, Verdict.WITHDRAWN)
        refused = any(drop.verdict not in well for drop in summary.ended)
        poor = any(refresh["outcome"] in ("guarded", "failed") for refresh in refreshes)
        inbox = self.inbox.status()
        poor = poor or bool(self.settings.inbox.mirror and not inbox.mirrors)
        if code is ExitCode.OK and (refused or poor or summary.waiting or summary.settling):
            code = ExitCode.DEGRADED
        if code is ExitCode.DEGRADED and self._silent():
            code = ExitCode.TEMPORARY
            problem = problem or f"the commons does not answer: {self._look.commons().problem}"
        return Pass(summary.ended, summary.waiting, tuple(refreshes), problem, code, inbox.problems)

    def look_at_commons(self) -> None:
        """Whether it answers, for status and history."""
        self._look.look(lambda level, text: self.tell(level, "commons", text))

    # --- within

    def _until(self, ids: list[int] | tuple[int, ...], settled: Callable[[tuple[Drop, ...]], bool]) -> tuple[Drop, ...]:
        never = threading.Event()
        while True:
            drops = tuple(self.ledger.drops.get(id) for id in ids)
            if settled(drops):
                return drops
            self.clock.wait(never, 0.05)

    def _silent(self) -> bool:
        self._look.look(lambda _level, _text: None)
        return self._look.commons().reachable is False

    def _user(self) -> str:
        try:
            user = self.catalog.user()
        except Gen3SyncError:
            return ""
        return user.username or user.email

    def _renew_token(self) -> None:
        tokens = self.client.tokens
        gone = tokens.refused_key_is_gone()  # asked before anybody has tried the other one
        if tokens.renew_if_due():
            log.info("token renewed")
        before, self._mended = self._mended, tokens.mended
        if gone or self._mended != before:
            self.outbox.knock()

    def _keep_house(self) -> None:
        keep_house(self.settings, self.ledger, self.clock)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise folder_error(f"The folder {folder} cannot be made", error) from error


def _plain(refresh: Refresh) -> dict[str, Any]:
    return {**asdict(refresh), "outcome": str(refresh.outcome)}
