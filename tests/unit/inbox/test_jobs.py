"""Wishes for a look at once: one after another, none lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from apscheduler.schedulers.background import BackgroundScheduler

from gen3sync.clock import SystemClock
from gen3sync.inbox.jobs import Jobs


@pytest.fixture
def scheduler() -> Iterator[Any]:
    made = BackgroundScheduler()
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
