"""How long to wait before trying again. Who may try while the commons is down is decided in `gate.py`."""

from __future__ import annotations

import random

FIRST = 2.0
LONGEST = 300.0
LEAST = 0.1
"""Seconds that are waited in any case: full jitter may say none at all, again and again."""
LOOK_AGAIN = 180.0
"""Seconds between looks at a parked project or an unknown one."""


def delay(
    attempt: int, rng: random.Random, *, first: float = FIRST, longest: float = LONGEST, least: float = LEAST
) -> float:
    """Seconds to wait after attempt number `attempt`: full jitter, which is anything between nothing (`least`) and a
    ceiling that doubles. Machines that lost the commons at the same moment do not come back at the same moment."""
    ceiling = min(longest, first * 2 ** min(max(attempt, 1) - 1, 30))
    return max(least, rng.uniform(0.0, ceiling))
