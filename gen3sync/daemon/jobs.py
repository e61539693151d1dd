"""The daemon's own regular work: the pulses of scheduler and ledger, tokens, a look at the commons, housekeeping.

The inbox hangs its mirrors into the same scheduler; what is due there is its own matter.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from gen3sync.clock import Clock
from gen3sync.daemon.look import EVERY
from gen3sync.daemon.memory import give_back
from gen3sync.errors import LedgerError
from gen3sync.ledger import Ledger
from gen3sync.life import Worker

log = logging.getLogger(__name__)

Task = Callable[[], None]

_PULSE = 20.0
_DAY = 86_400.0
_SERVANTS = 5
"""Threads for the daemon's own jobs: one that waits for the commons must not hold up the others."""


class Jobs:
    """What runs again and again while the daemon lives."""

    def __init__(self, ledger: Ledger, clock: Clock, worker: Callable[[str], Worker]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._worker = worker
        self.scheduler: Any = None
        self.ledger_problem = ""

    def make(self) -> Any:
        """The scheduler, before it runs."""
        self.scheduler = _scheduler()
        return self.scheduler

    def start(
        self, *, renew_token: Callable[[], None], look: Callable[[], None], keep_house: Callable[[], None]
    ) -> None:
        """Everything that is due by the clock, from now on."""
        now = self._clock.now()
        self._every("pulse", self._pulse, _PULSE, now)
        self._every("ledger", self._write_ledger, _PULSE, now)
        later = now + timedelta(minutes=10)
        self._every("tokens", self._at_work(renew_token, "tokens"), _PULSE, now)
        self._every("look", self._at_work(look, "look"), EVERY, now)
        self._every("housekeeping", self._at_work(keep_house, "housekeeping"), _DAY, later)
        self._every("memory", self._at_work(give_back, "memory"), 600.0, later)
        self.scheduler.start()

    def pause(self) -> None:
        """Nothing more becomes due."""
        if self.scheduler is not None and self.scheduler.running:
            self.scheduler.pause()

    def stop(self) -> None:
        """Ends the scheduler; what is under way ends by itself."""
        if self.scheduler is not None and self.scheduler.running:
            self.scheduler.remove_all_jobs()  # waits for a look at them that is under way; shutdown alone trips it up
            self.scheduler.shutdown(wait=False)

    def _every(self, name: str, run: Task, seconds: float, first: datetime) -> None:
        self.scheduler.add_job(run, "interval", seconds=seconds, id=name, next_run_time=first, executor="daemon")

    def _at_work(self, run: Task, name: str) -> Task:
        def watched() -> None:
            with self._worker(f"job {name}").at_work():
                run()

        return watched

    def _pulse(self) -> None:
        self._worker("scheduler").alive()

    def _write_ledger(self) -> None:
        """A ledger that refuses (a full disk) is alive and is told; one that hangs is missed."""
        try:
            self._ledger.notes.set("pulse", self._clock.now().isoformat(timespec="seconds"))
        except LedgerError as error:
            if not self.ledger_problem:
                log.error("%s", error.what)  # noqa: TRY400 - a sentence, not a traceback
            self.ledger_problem = error.what
        else:
            self.ledger_problem = ""
        self._worker("ledger").alive()


def _scheduler() -> Any:
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    # APScheduler's own defaults drop jobs that are a second late and queue runs of one job behind each other.
    return BackgroundScheduler(
        executors={"daemon": ThreadPoolExecutor(_SERVANTS)},
        job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        timezone="UTC",
        daemon=True,
    )
