"""The inbox's jobs in APScheduler: one a group, first runs from the past, a rest while the commons is unwell."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gen3sync.clock import Clock
from gen3sync.commons.replies import Busy, Failure
from gen3sync.inbox.following import Group
from gen3sync.inbox.schedule import Timing, due, first_run, trigger

log = logging.getLogger(__name__)

_EXECUTOR = "inbox"
_FIRST_REST = 15.0
_LONGEST_REST = 900.0
# A group comes along that would be due within this share of its interval.
_SOON = 0.1
_ALONG = 30.0
_OPTIONS = {"executor": _EXECUTOR, "misfire_grace_time": None, "coalesce": True, "max_instances": 1}


@dataclass(slots=True)
class _Look:
    """The last look at a group: when it began, by the monotonic clock, whether another group took it along, and with
    which it is under way."""

    at: float = float("-inf")
    along: bool = False
    busy: tuple[Group, ...] | None = None


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
        self._looks: dict[Group, _Look] = {}
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
        self._add_all(new)

    def again(self, groups: Mapping[Group, Timing]) -> None:
        """Counts all next runs anew: the clock was set, or the machine slept."""
        self._add_all(groups)
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

    def take(self, group: Group) -> tuple[Group, ...]:
        """The groups to look at now that `group` is due; `done` ends that.

        With it come those of the same project that are about to be due: what they ask the commons is the same. None
        where it was taken along itself just now, or the look before has not ended.
        """
        now = self._clock.monotonic()
        with self._lock:
            mine = self._looks.setdefault(group, _Look())
            along, mine.along = mine.along, False
            if mine.busy is not None or (along and now - mine.at < _just(self._groups.get(group))):
                return ()
            others = [each for each in self._groups if each.project == group.project and each != group]
            taken = [each for each in others if self._comes_along(each, group, now)]
            together = (group, *taken)
            for each in together:
                look = self._looks.setdefault(each, _Look())
                look.at, look.busy, look.along = now, together, each != group
        for each in taken:
            timing = self._groups.get(each)
            if timing is not None and timing.every is not None:
                self._move(each, timing.every)
        return together

    def _comes_along(self, other: Group, group: Group, now: float) -> bool:
        look, theirs, mine = self._looks.get(other, _Look()), self._groups[other], self._groups.get(group)
        if look.busy is not None or mine is None:
            return False
        if theirs.every is None:
            return (theirs.cron, theirs.timezone) == (mine.cron, mine.timezone) and now - look.at >= _just(theirs)
        if theirs.every == mine.every:
            return now - look.at >= theirs.every / 2
        return now - look.at >= theirs.every - min(theirs.every * _SOON, mine.every or theirs.every)

    def done(self, together: tuple[Group, ...], some: Iterable[Group] | None = None) -> None:
        """The look at these, which `take` gave together, has ended; or at `some` of them."""
        with self._lock:
            for group in together if some is None else some:
                look = self._looks.setdefault(group, _Look())
                if look.busy is together:  # else it has ended before, and the next may have begun
                    look.busy = None

    def backs_off(self, group: Group) -> bool:
        """Whether the commons is being left alone; the group then runs when that ends."""
        with self._lock:
            left = 0.0 if self._rest_until is None else self._rest_until - self._clock.monotonic()
        if left <= 0:
            return False
        self._move(group, left)
        return True

    def ended(self, groups: Sequence[Group], failure: Failure | None) -> None:
        """How a run of groups went: a commons that was unwell is left alone, longer each time, then tried again."""
        with self._lock:
            if failure is None:
                self._failures, self._rest_until = 0, None
                return
            self._failures += 1
            rest = min(_FIRST_REST * 2 ** (self._failures - 1), _LONGEST_REST)
            if isinstance(failure, Busy) and failure.retry_after:
                rest = max(rest, failure.retry_after)
            self._rest_until = self._clock.monotonic() + rest
        for group in groups:
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

    def _add_all(self, groups: Mapping[Group, Timing]) -> None:
        """What is overdue runs at once, what has waited longest first: APScheduler hands jobs out by their time."""
        now = self._clock.now()
        looks = {group: self._looked_at(group) for group in groups}
        order = sorted(groups, key=lambda group: due(groups[group], looks[group], now))
        for rank, group in enumerate(order):
            first = max(first_run(groups[group], looks[group], now), now + rank * timedelta(microseconds=1))
            self._add(group, groups[group], looks[group], first)

    def _add(self, group: Group, timing: Timing, looked: datetime | None, first: datetime) -> None:
        now = self._clock.now()
        with self._lock:
            ago = float("inf") if looked is None else max(0.0, (now - looked).total_seconds())
            look = self._looks.setdefault(group, _Look())
            look.at = max(look.at, self._clock.monotonic() - ago)
        self._scheduler.add_job(
            self._run,
            trigger(timing, first),
            args=[group],
            id=_id(group),
            name=f"mirrors {group}",
            next_run_time=first,
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


def _just(timing: Timing | None) -> float:
    """Seconds for which a group that was taken along need not be looked at for itself."""
    return _ALONG if timing is None or timing.every is None else min(timing.every / 2, _ALONG)


def _id(group: Group) -> str:
    return f"inbox {group}"
