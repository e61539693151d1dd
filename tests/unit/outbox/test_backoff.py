"""Waiting before another try."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from gen3sync.outbox.backoff import FIRST, LEAST, LONGEST, delay


@given(st.integers(0, 10_000), st.integers(0, 1000))
def test_delays_lie_below_a_growing_ceiling(attempt: int, seed: int) -> None:
    ceiling = min(LONGEST, FIRST * 2 ** min(max(attempt, 1) - 1, 30))
    assert LEAST <= delay(attempt, random.Random(seed)) <= ceiling


def test_the_jitter_is_full() -> None:
    """Each tenth between nothing and the ceiling comes as often as the others."""
    chance = random.Random(1)
    tenths = [int(delay(30, chance) / LONGEST * 10) for _ in range(10_000)]
    assert all(900 < tenths.count(tenth) < 1100 for tenth in range(10))
