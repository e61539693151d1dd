"""Wishes for a look at once: one after another, none lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.inbox.following import Group
from gen3sync.inbox.jobs import Jobs
from gen3sync.inbox.schedule import Timing
from gen3sync.names import Project


@pytest.fixture
def scheduler() -> Iterator[Any]:
    made = BackgroundScheduler(timezone=UTC)
    made.start()
    yield made
    # As the daemon does: a look at the jobs that is under way ends before the scheduler does.
    made.pause()
    made.remove_all_jobs()
    made.shutdown(wait=True)


def test_a_wish_that_comes_while_the_last_is_served_is_served_after_it(scheduler: Any) -> None:
    missed: list[str] = []
    jobs = Jobs(scheduler, SystemClock(), 2, lambda _: None, lambda _: None, missed.append)
    begun, go_on, twice = threading.Event(), threading.Event(), threading.Event()
    runs: list[int] = []

    def run() -> None:
        runs.append(len(runs))
        begun.set()
        if len(runs) == 2:
            twice.set()
        assert go_on.wait(60)

    jobs.at_once("inbox touched DEV/a", run)
    assert begun.wait(60)
    for _ in range(3):
        jobs.at_once("inbox touched DEV/a", run)
    go_on.set()
    assert twice.wait(60)
    jobs.close()
    assert runs == [0, 1], "three wishes in the meantime are one"
    assert missed == []


def test_a_wish_after_a_failure_is_served(scheduler: Any) -> None:
    failed, served = threading.Event(), threading.Event()
    jobs = Jobs(scheduler, SystemClock(), 2, lambda _: None, lambda _: None, lambda _: failed.set())

    def fail() -> None:
        raise ValueError("on purpose")

    jobs.at_once("inbox touched DEV/a", fail)
    assert failed.wait(60)
    jobs.at_once("inbox touched DEV/a", served.set)
    assert served.wait(60)
    jobs.close()


PROJECT = Project("DEV", "test")


class Paused:
    """A scheduler that never runs, jobs of these intervals (a text is a cron), and a clock of ours."""

    def __init__(self, **timings: float | str) -> None:
        self.clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
        self.scheduler: Any = BackgroundScheduler(timezone=UTC)
        self.scheduler.start(paused=True)
        self.jobs = Jobs(self.scheduler, self.clock, 2, lambda _: None, lambda _: None, lambda _: None)
        self.jobs.follow(
            {
                Group(name, PROJECT): Timing(cron=when) if isinstance(when, str) else Timing(every=when)
                for name, when in timings.items()
            }
        )

    def take(self, name: str, after: float = 0) -> set[str]:
        self.clock.advance(after)
        found = self.jobs.take(Group(name, PROJECT))
        self.jobs.done(found)
        return {group.name for group in found}

    def due(self, name: str) -> float:
        """Seconds until a group's own next run."""
        return (self.jobs.next_runs()[Group(name, PROJECT)] - self.clock.now()).total_seconds()


@pytest.fixture
def paused() -> Iterator[Callable[..., Paused]]:
    made: list[Paused] = []

    def make(**timings: float | str) -> Paused:
        made.append(Paused(**timings))
        return made[-1]

    yield make
    for each in made:
        each.scheduler.remove_all_jobs()
        each.scheduler.shutdown(wait=False)


def test_what_is_due_together_is_looked_at_together(paused: Callable[..., Paused]) -> None:
    p = paused(a=10, b=10)
    assert p.take("a") == {"a", "b"}
    assert p.take("b") == set(), "its own job was in hand already"
    assert p.due("b") == 10
    assert p.take("b", after=10) == {"a", "b"}


def test_equal_intervals_fall_into_step_and_others_keep_theirs(paused: Callable[..., Paused]) -> None:
    p = paused(a=10, b=10, hourly=3600)
    p.take("a")
    assert p.take("b", after=10) == {"a", "b"}
    for _ in range(357):
        assert p.take("a", after=10) == {"a", "b"}
    assert p.take("a", after=10) == {"a", "b", "hourly"}, "it would be due before the next look"
    assert p.due("hourly") == 3600


def test_a_look_that_has_not_ended_is_not_overlapped(paused: Callable[..., Paused]) -> None:
    p = paused(a=10, b=10)
    a, b = (Group(name, PROJECT) for name in "ab")
    first = p.jobs.take(a)
    assert set(first) == {a, b}
    p.clock.advance(1000)
    assert p.jobs.take(b) == ()
    assert p.jobs.take(a) == ()
    p.jobs.done(first, [b])
    again = p.jobs.take(b)
    assert again == (b,), "the other is still under way"
    p.jobs.done(first)
    assert p.jobs.take(b) == (), "what ended before is not ended by that"
    p.jobs.done(again)
    p.clock.advance(1000)
    assert set(p.jobs.take(b)) == {a, b}


def test_cron_goes_with_the_same_cron_only(paused: Callable[..., Paused]) -> None:
    p = paused(night="0 3 * * *", again="0 3 * * *", noon="0 12 * * *", often=10)
    assert p.take("night") == {"night", "again", "often"}
    assert p.take("again") == set()
    assert p.take("noon", after=60) == {"noon", "often"}
    assert p.take("again", after=86400) == {"night", "again", "often"}


def test_what_has_waited_longest_is_caught_up_first() -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    ago = {"young": 2.0, "new": None, "old": 900.0, "middle": 50.0, "rested": 0.1}
    looked = {name: None if days is None else clock.now() - timedelta(days=days) for name, days in ago.items()}
    scheduler: Any = BackgroundScheduler(timezone=UTC)
    scheduler.start(paused=True)
    jobs = Jobs(scheduler, clock, 2, lambda _: None, lambda group: looked[group.name], lambda _: None)
    jobs.follow({Group(name, PROJECT): Timing(every=86400) for name in ago})
    runs = jobs.next_runs()
    assert [group.name for group in sorted(runs, key=lambda group: runs[group])] == [
        "old",
        "middle",
        "young",
        "new",
        "rested",
    ]
    assert sum(run - clock.now() < timedelta(seconds=1) for run in runs.values()) == 4
    scheduler.shutdown(wait=False)
