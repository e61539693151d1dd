"""Waiting before another try, and one probe while the commons is down."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from gen3sync.clock import ManualClock
from gen3sync.outbox.backoff import FIRST, LONGEST, CommonsGate, delay


@given(st.integers(0, 10_000), st.integers(0, 1000))
def test_delays_are_jittered_below_a_growing_ceiling(attempt: int, seed: int) -> None:
    ceiling = min(LONGEST, FIRST * 2 ** min(max(attempt, 1) - 1, 30))
    assert ceiling * 0.1 <= delay(attempt, random.Random(seed)) <= ceiling


def gate() -> tuple[CommonsGate, ManualClock]:
    clock = ManualClock()
    return CommonsGate(clock, random.Random(1)), clock


def test_while_down_one_caller_probes_at_a_time() -> None:
    it, clock = gate()
    assert it.enter()
    it.failed("no route")
    assert not it.enter()
    clock.advance(FIRST)
    assert it.enter()
    assert not it.enter()
    it.failed("no route")
    assert it.down is not None
    assert it.down.attempts == 2
    clock.advance(2 * FIRST)
    assert it.enter()
    assert it.ok()
    assert it.enter()
    assert it.enter()


def test_requests_that_were_on_their_way_count_as_one_failure() -> None:
    it, _ = gate()
    for _number in range(5):
        it.failed("reset")
    assert it.down is not None
    assert it.down.attempts == 1


def test_retry_after_is_kept_and_a_knock_opens() -> None:
    it, clock = gate()
    it.failed("busy", retry_after=120)
    clock.advance(100)
    assert not it.enter()
    it.knock()
    assert it.enter()


def test_a_probe_that_had_nothing_to_ask_leaves_the_door_to_others() -> None:
    it, clock = gate()
    it.failed("no route")
    clock.advance(FIRST)
    assert it.enter()
    it.left()
    assert it.enter()
