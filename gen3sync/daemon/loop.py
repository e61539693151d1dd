"""The daemon's life: start, serve, reload, stop.

The rooms work in their own threads. The main thread only waits: for signals, for orders from the command line, for
the moment to say how things are. It is also the one that judges whether all others are alive.

- READY is told when configuration, ledger, watch and scheduler stand; the commons need not answer.
- SIGTERM, SIGINT: take no more work, finish or hand back what is in flight, within `STOP_WITHIN`; a second one ends at
  once (nothing is lost: whatever was in flight counts as a lost answer and is found out about at the next start).
- SIGHUP: read the configuration again. A bad one changes nothing, and status says so.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType

from gen3sync import logs
from gen3sync.clock import Clock
from gen3sync.config import Settings
from gen3sync.daemon.compose import Rooms, build
from gen3sync.daemon.gather import gather
from gen3sync.daemon.heartbeats import Heartbeats
from gen3sync.daemon.line import status_line
from gen3sync.daemon.locks import FolderLocks, locked_folders, spare_folders
from gen3sync.daemon.orders import Orders
from gen3sync.daemon.paper import write_status
from gen3sync.daemon.port import MetricsPort
from gen3sync.daemon.recall import Recall
from gen3sync.daemon.vigil import Vigil, begin_life, end_life
from gen3sync.errors import ExitCode, FolderError, Gen3SyncError, LedgerError, LockedError
from gen3sync.health import judge
from gen3sync.notify.teller import Teller, name_of
from gen3sync.status import DaemonState, Status
from gen3sync.systemd import ECHO, Notifier

log = logging.getLogger(__name__)

TURN = 1.0
"""Seconds between looks at orders and heartbeats."""
PUBLISH = 15.0
"""Seconds after which status.json is written even when nothing happened."""
STOP_WITHIN = 60.0
"""Seconds for work in flight when asked to stop."""


class Daemon:
    """One daemon serves one commons and one configuration. `load` reads the configuration anew at each call."""

    def __init__(
        self, load: Callable[[], Settings], clock: Clock, env: Mapping[str, str], *, stop_within: float = STOP_WITHIN
    ) -> None:
        self._load = load
        self._clock = clock
        self._env = env
        self._stop_within = stop_within
        self._notifier = Notifier.from_environment(env)
        self._beats = Heartbeats(clock)
        self._vigil = Vigil(self._notifier, self._beats, clock)
        self._port = MetricsPort(clock, self._beats)
        self._locks = FolderLocks()
        self._wake = threading.Event()
        self._stopping = False
        self._reload = False
        self._problem = ""
        self._state = DaemonState.STARTING
        self._started_at = clock.now()
        self._published = 0.0
        self._said = ""
        self._gone: dict[Path, str] = {}
        self._busy = False
        self._recall = Recall()
        self._rooms: Rooms
        self._teller: Teller
        self._orders: Orders

    def run(self) -> ExitCode:
        """Until a signal says stop. Raises Gen3SyncError when it cannot start."""
        settings = self._load()
        with self._locks, self._signals(), closing(self._port):
            self._locks.take(locked_folders(settings), spare_folders(settings))
            self._open(settings)
            try:
                self._state = DaemonState.RUNNING
                self._notifier.ready(self._line(self._publish()))
                log.info("running", extra={"config": str(settings.path), "outbox": str(settings.outbox.path)})
                while not self._stopping:
                    self._turn()
                    self._clock.wait(self._wake, TURN)
                    self._wake.clear()
            finally:
                clean = self._finish()
        return ExitCode.OK if clean else ExitCode.TEMPORARY

    def stop(self) -> None:
        """From a signal or another thread: end as soon as what is in flight allows."""
        self._stopping = True
        self._wake.set()

    def reload(self) -> None:
        """From a signal or another thread: read the configuration again."""
        self._reload = True
        self._wake.set()

    def _turn(self) -> None:
        if self._reload:
            self._take_new_settings()
        changed = self._rooms.ledger.changed()
        if changed:
            self._orders.look()
        self._mend_locks()
        logs.tick()
        self._vigil.look(self._tell)
        self._port.look()
        now = self._clock.monotonic()
        if changed or self._busy or now - self._published >= PUBLISH:
            self._publish()

    def _tell(self, level: str, kind: str, text: str) -> None:
        """A line of history; where the ledger's disk is full, the journal has it alone."""
        try:
            self._rooms.tell(level, kind, text)
        except LedgerError as error:
            log.warning("%s", error.what)

    def _mend_locks(self) -> None:
        """Outbox or inbox removed and made again, unmounted, mounted: work goes on with what is there now.

        The state folder is another matter: the ledger went with it.
        """
        state = self._rooms.settings.state.path
        for folder in self._locks.lost():
            if folder == state:
                raise LockedError(
                    f"The lock file of {folder} was deleted or replaced while the daemon ran.",
                    "Leave .gen3sync.lock alone; if the folder was unmounted, mount it and start the daemon again.",
                )
            try:
                back = self._locks.take_again(folder)
                why = f"{folder} is gone; it is used again when it is back"
            except FolderError as error:
                back, why = False, error.what
            if back:
                self._gone.pop(folder, None)
                text = f"{folder} is another folder than before (made anew, or its disk came or went); it is in use"
                log.warning("%s", text)
                self._tell("warning", "folder", text)
                if folder == self._rooms.settings.outbox.path:
                    self._rooms.outbox.wake()
            elif self._gone.get(folder) != why:
                self._gone[folder] = why
                self._beats.goodbye("watch")  # nothing is there to be watched
                log.error("%s", why)
                self._tell("error", "folder", why)

    def _open(self, settings: Settings) -> None:
        self._port.follow(settings.metrics)
        rooms = build(settings, self._clock, self._env, self._port.observer)
        try:
            rooms.ledger.orders.put_back()
            begin_life(rooms.ledger, self._started_at.isoformat(timespec="seconds"))
            rooms.start(self._beats)
        except BaseException:
            rooms.stop(5)
            with suppress(LedgerError):
                end_life(rooms.ledger)
            rooms.close()
            raise
        self._rooms = rooms
        self._recall = Recall()
        self._teller = Teller(settings.notify, rooms.ledger, self._clock, self._env, name_of(settings.path))
        self._orders = Orders(rooms)

    def _take_new_settings(self) -> None:
        self._notifier.reloading()
        self._port.rest()
        with self._vigil.fed():
            self._clock.wait(threading.Event(), ECHO)
            self._reload = False
            self._change_settings()
            status = self._publish()
        self._notifier.ready(self._line(status))

    def _change_settings(self) -> None:
        old = self._rooms.settings
        try:
            settings = self._load()
            self._locks.take(locked_folders(settings), spare_folders(settings))
        except Gen3SyncError as error:
            self._locks.keep_only(locked_folders(old))
            self._refused(error)
        else:
            self._close_rooms()
            try:
                self._open(settings)
            except Gen3SyncError as error:
                self._open(old)
                self._locks.keep_only(locked_folders(old))
                self._refused(error)
            else:
                self._locks.keep_only(locked_folders(settings))
                self._problem = ""
                self._tell("info", "reload", "the configuration was read again and is in effect")
                log.info("reloaded", extra={"config": str(settings.path)})

    def _refused(self, error: Gen3SyncError) -> None:
        why = " ".join(line.strip() for line in error.what.splitlines() if line.strip())
        self._problem = f"the new configuration was refused and the old one stays in effect: {why}"
        self._tell("error", "reload", self._problem)
        log.error("%s", self._problem)

    def _publish(self) -> Status:
        """Writes status.json and systemd's status line."""
        parts = (self._vigil.problem, self._problem, *self._gone.values(), self._port.problem)
        problem = "; ".join(part for part in parts if part)
        live = self._rooms.live(self._state, self._started_at, problem, self._beats.ages())
        live = replace(live, notify=self._teller.status())
        status = gather(self._rooms.ledger, live, self._clock.now(), self._recall, self._clock.monotonic())
        self._published = self._clock.monotonic()
        # While drops are on their way their progress is worth telling each second, though the ledger stands still.
        self._busy = any(drop.state != "parked" for drop in status.outbox.open)
        status = write_status(self._rooms.settings.state.path, status)
        self._port.show(status, self._obstacles())
        self._teller.hear(status)
        line = self._line(status)
        if line != self._said:
            self._said = line
            self._notifier.status(line)
        return status

    def _obstacles(self) -> tuple[str, ...]:
        """What keeps files from being taken."""
        outbox = self._gone.get(self._rooms.settings.outbox.path, "")
        return tuple(why for why in (outbox, self._rooms.ledger_problem) if why)

    def _line(self, status: Status) -> str:
        now = self._clock.now()
        return status_line(status, judge(status, now, alive=True), now)

    def _finish(self) -> bool:
        self._state = DaemonState.STOPPING
        with suppress(LedgerError):
            self._publish()
        self._port.rest()
        self._notifier.stopping("finishing or handing back what is in flight")
        log.info("stopping")
        clean = self._close_rooms(last_words=True)
        logs.tick(everything=True)
        log.info("stopped" if clean else "stopped with work in flight; it is found out about at the next start")
        return clean

    def _close_rooms(self, *, last_words: bool = False) -> bool:
        end = self._clock.monotonic() + self._stop_within
        clean = self._orders.close(self._stop_within / 2)
        clean = self._rooms.stop(max(1.0, end - self._clock.monotonic())) and clean
        self._beats.clear()
        self._gone.clear()
        with suppress(LedgerError):  # a full disk: it is then told of at the next start, and no harm is done
            end_life(self._rooms.ledger)
        if last_words:
            self._state = DaemonState.STOPPED
            self._publish()
        self._teller.stop()
        self._rooms.close()
        return clean

    @contextmanager
    def _signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield  # a test runs the daemon in a thread and calls stop() and reload() itself
            return
        handlers = {signal.SIGTERM: self._on_stop, signal.SIGINT: self._on_stop, signal.SIGHUP: self._on_reload}
        old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _on_stop(self, number: int, _frame: FrameType | None) -> None:
        if self._stopping:
            os.write(2, b"Stopped at once; whatever was in flight is found out about at the next start.\n")
            os._exit(128 + number)
        self.stop()

    def _on_reload(self, _number: int, _frame: FrameType | None) -> None:
        self.reload()
