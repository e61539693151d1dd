"""The inbox's jobs in APScheduler: one a group, first runs from the past, a rest while the commons is unwell."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from gen3sync.clock import Clock
from gen3sync.commons.replies import Busy, Failure
from gen3sync.inbox.following import Group
from gen3sync.inbox.schedule import Timing, first_run, trigger

log = logging.getLogger(__name__)

_EXECUTOR = "inbox"
_FIRST_REST = 15.0
_LONGEST_REST = 900.0
_OPTIONS = {"executor": _EXECUTOR, "misfire_grace_time": None, "coalesce": True, "max_instances": 1}


class Jobs:
    """Thread-safe. `run` is called with the group that is due; `missed` with a sentence when a job failed."""

    def __init__(
        self,
        scheduler: Any,
        clock: Clock,
        parallel: int,
        run: Callable[[Group], None],
        looked_at: Callable[[Group], datetime | None],
        missed: Callable[[str], None],
    ) -> None:
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES, EVENT_JOB_MISSED
        from apscheduler.executors.pool import ThreadPoolExecutor

        self._scheduler = scheduler
        self._clock = clock
        self._run = run
        self._looked_at = looked_at
        self._missed = missed
        self._lock = threading.Lock()
        self._groups: dict[Group, Timing] = {}
        self._wished: set[str] = set()
        self._running: set[str] = set()
        self._failures = 0
        self._rest_until: float | None = None
        scheduler.add_executor(ThreadPoolExecutor(parallel), _EXECUTOR)
        scheduler.add_listener(self._heard, EVENT_JOB_ERROR | EVENT_JOB_MISSED | EVENT_JOB_MAX_INSTANCES)

    def follow(self, groups: Mapping[Group, Timing]) -> None:
        """Makes the jobs those of `groups`; jobs that stay keep their next run."""
        with self._lock:
            gone = set(self._groups) - set(groups)
            new = {group: timing for group, timing in groups.items() if self._groups.get(group) != timing}
            self._groups = dict(groups)
        for group in gone:
            self._remove(group)
        for group, timing in new.items():
            self._add(group, timing)

    def again(self, groups: Mapping[Group, Timing]) -> None:
        """Counts all next runs anew: the clock was set, or the machine slept."""
        for group, timing in groups.items():
            self._add(group, timing)
        self._scheduler.wakeup()

    def at_once(self, name: str, run: Callable[[], None]) -> None:
        """Runs once, now, in the inbox's threads; a second wish before that is the same wish.

        A wish that comes while it runs makes it run once more after that: APScheduler alone would skip it.
        """
        with self._lock:
            self._wished.add(name)
            if name in self._running:
                return
            self._running.add(name)
        self._scheduler.add_job(self._while_wished, args=[name, run], id=name, replace_existing=True, **_OPTIONS)

    def _while_wished(self, name: str, run: Callable[[], None]) -> None:
        while self._take(name):
            try:
                run()
            except BaseException:
                with self._lock:
                    self._running.discard(name)
                raise

    def _take(self, name: str) -> bool:
        with self._lock:
            wished = name in self._wished
            self._wished.discard(name)
            if not wished:
                self._running.discard(name)
            return wished

    def backs_off(self, group: Group) -> bool:
        """Whether the commons is being left alone; the group then runs when that ends."""
        with self._lock:
            left = 0.0 if self._rest_until is None else self._rest_until - self._clock.monotonic()
        if left <= 0:
            return False
        self._move(group, left)
        return True

    def ended(self, group: Group, failure: Failure | None) -> None:
        """How a group's run went: a commons that was unwell is left alone, longer each time, then tried again."""
        with self._lock:
            if failure is None:
                self._failures, self._rest_until = 0, None
                return
            self._failures += 1
            rest = min(_FIRST_REST * 2 ** (self._failures - 1), _LONGEST_REST)
            if isinstance(failure, Busy) and failure.retry_after:
                rest = max(rest, failure.retry_after)
            self._rest_until = self._clock.monotonic() + rest
        self._move(group, rest)

    def next_runs(self) -> dict[Group, datetime]:
        with self._lock:
            groups = tuple(self._groups)
        found = {}
        for group in groups:
            job = self._scheduler.get_job(_id(group))
            # A job has no next run before the scheduler has started.
            due = getattr(job, "next_run_time", None) if job is not None else None
            if due is not None:
                found[group] = due.astimezone(UTC)
        return found

    def close(self) -> None:
        """Removes what is the inbox's from the scheduler. What runs, runs on."""
        from apscheduler.schedulers import SchedulerNotRunningError

        self._scheduler.remove_listener(self._heard)
        with self._lock:
            groups, self._groups = tuple(self._groups), {}
        for group in groups:
            self._remove(group)
        with contextlib.suppress(KeyError, SchedulerNotRunningError):
            self._scheduler.remove_executor(_EXECUTOR, shutdown=False)

    def _add(self, group: Group, timing: Timing) -> None:
        now = self._clock.now()
        due = first_run(timing, self._looked_at(group), now)
        self._scheduler.add_job(
            self._run,
            trigger(timing, due),
            args=[group],
            id=_id(group),
            name=f"mirrors {group}",
            next_run_time=due,
            replace_existing=True,
            **_OPTIONS,
        )

    def _move(self, group: Group, seconds: float) -> None:
        """Moves the group's next run: not before the rest has ended, and no later."""
        from apscheduler.jobstores.base import JobLookupError

        due = self._clock.now() + timedelta(seconds=seconds)
        with contextlib.suppress(JobLookupError):
            self._scheduler.modify_job(_id(group), next_run_time=due)

    def _remove(self, group: Group) -> None:
        from apscheduler.jobstores.base import JobLookupError

        with contextlib.suppress(JobLookupError):
            self._scheduler.remove_job(_id(group))

    def _heard(self, event: Any) -> None:
        from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_MAX_INSTANCES

        if not str(event.job_id).startswith("inbox "):
            return
        if event.code == EVENT_JOB_MAX_INSTANCES:
            log.debug("still busy with the run before", extra={"job": event.job_id})
        elif event.code == EVENT_JOB_ERROR:
            self._missed(f"A look at {event.job_id.removeprefix('inbox ')} failed: {event.exception!r}")
        else:
            self._missed(f"A look at {event.job_id.removeprefix('inbox ')} was missed.")


def _id(group: Group) -> str:
    return f"inbox {group}"
