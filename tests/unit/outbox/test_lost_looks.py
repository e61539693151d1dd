"""When what became of a lost request is looked for: with full jitter, counted, the count going on over a restart."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from gen3sync.clock import ManualClock
from gen3sync.ledger import Request, RequestState
from gen3sync.outbox.lost import FIRST_LOOK, LONGEST_PAUSE, LostRequests

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def request(id: int, name: str = "", uptime: float | None = None) -> Request:
    lost = RequestState.LOST
    return Request(id, id, name or f"r{id}", "DEV", "test", "case", 1, 2, (), None, lost, None, NOW, None, uptime)


def waits(looks: int, seed: int) -> float:
    """Seconds until the look after so many."""
    clock = ManualClock(NOW)
    lost = LostRequests(clock, random.Random(seed))
    lost.take_over(request(1), looks - 1)
    lost.looked(lost.requests[0])
    due = lost.next_due()
    assert due is not None
    return due - clock.monotonic()


def test_looks_become_seldom_with_full_jitter() -> None:
    assert {waits(1, seed) <= 2 * FIRST_LOOK for seed in range(50)} == {True}
    late = [waits(20, seed) for seed in range(2000)]
    assert min(late) < 0.1 * LONGEST_PAUSE
    assert max(late) > 0.9 * LONGEST_PAUSE
    assert all(FIRST_LOOK <= wait <= LONGEST_PAUSE for wait in late)
    assert 0.45 < sum(wait < LONGEST_PAUSE / 2 for wait in late) / len(late) < 0.55


def test_a_new_life_looks_at_once_and_counts_on() -> None:
    clock = ManualClock(NOW)
    lost = LostRequests(clock, random.Random(1))
    lost.take_over(request(1), 7)
    assert lost.soon()  # a pass of `once` looks at least once, however often earlier ones did
    clock.advance(FIRST_LOOK)
    one = lost.due()
    assert one is not None
    lost.looked(one)
    assert one.looks == 8
    assert not lost.soon()


def test_all_parts_of_a_request_are_looked_for_together() -> None:
    clock = ManualClock(NOW)
    lost = LostRequests(clock, random.Random(1))
    lost.take_over(request(1, "r"), 3)
    lost.take_over(request(2, "r+2"), 0)
    lost.add(request(3))
    lost.add(request(3))
    lost.looked(lost.requests[0])
    first, second, other = lost.requests
    assert (first.looks, second.looks, other.looks) == (4, 4, 0)
    assert first.next_look == second.next_look
    assert lost.soon()


def age_after_a_restart(uptime: float | None, *, up: float = 0.0, jump: float = 0.0) -> float:
    """Of a request sent when the machine had been up for `uptime` seconds; now it is for `up` more."""
    clock = ManualClock(NOW)
    clock.advance(uptime or 0.0)
    clock.jump(-(uptime or 0.0))  # the wall clock stood at NOW when it was sent
    clock.advance(up)
    clock.jump(jump)
    lost = LostRequests(clock, random.Random(1))
    lost.take_over(request(1, uptime=uptime), 0)
    return lost.age(lost.requests[0]).total_seconds()


def test_a_clock_that_is_set_makes_no_request_older_or_younger() -> None:
    assert age_after_a_restart(5000.0, up=30, jump=3600) == 30
    assert age_after_a_restart(5000.0, up=30, jump=-3600) == 30


def test_without_the_machines_word_the_wall_clock_tells() -> None:
    assert age_after_a_restart(None, up=30, jump=3600) == 3630


def test_a_request_is_at_least_as_old_as_the_machines_last_start() -> None:
    clock = ManualClock(NOW)
    clock.advance(40)
    lost = LostRequests(clock, random.Random(1))
    lost.take_over(request(1, uptime=90_000.0), 0)
    assert lost.age(lost.requests[0]).total_seconds() == 40
    clock.advance(5)
    assert lost.age(lost.requests[0]).total_seconds() == 45
