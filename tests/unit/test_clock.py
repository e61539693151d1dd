"""The clock of tests behaves like the machine's."""

from __future__ import annotations

import threading
from datetime import UTC, timedelta

import pytest

from gen3sync.clock import Clock, ManualClock, SystemClock


def test_the_system_clock_is_aware_and_grows() -> None:
    clock = SystemClock()
    assert clock.now().tzinfo is UTC
    assert clock.monotonic() <= clock.monotonic()


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()])
def test_waiting_ends_with_the_event(clock: Clock) -> None:
    event = threading.Event()
    event.set()
    assert clock.wait(event, None)
    assert clock.wait(event, 1000)


def test_no_time_to_wait_is_no_wait() -> None:
    assert not ManualClock().wait(threading.Event(), 0)


def test_advancing_moves_both_and_jumping_moves_the_wall_only() -> None:
    clock = ManualClock()
    start = clock.now()
    clock.advance(60)
    clock.jump(-3600)
    assert clock.now() - start == timedelta(seconds=60 - 3600)
    assert clock.monotonic() == 60


def test_advancing_wakes_who_waits() -> None:
    clock, outcome = ManualClock(), []
    waiter = threading.Thread(target=lambda: outcome.append(clock.wait(threading.Event(), 5)))
    waiter.start()
    clock.advance(5)
    # The waiter may have begun before or after the advance; a second one ends it either way.
    clock.advance(5)
    waiter.join(1)
    while waiter.is_alive():
        clock.advance(5)
        waiter.join(0.01)
    assert outcome == [False]
