"""How long to wait before trying again, and who may try while the commons is down.

Owns delays and the gate. Leaves deciding what an answer means to `outcome.py`.
"""

from __future__ import annotations

import random
import threading
from dataclasses import dataclass

from gen3sync.clock import Clock

FIRST = 2.0
LONGEST = 300.0
LOOK_AGAIN = 180.0
"""Seconds between looks at a parked project or an unknown one."""


def delay(attempt: int, rng: random.Random, *, first: float = FIRST, longest: float = LONGEST) -> float:
    """Seconds to wait after attempt number `attempt`: full jitter below an exponential ceiling, at least a tenth."""
    ceiling = min(longest, first * 2 ** min(max(attempt, 1) - 1, 30))
    return rng.uniform(ceiling * 0.1, ceiling)


@dataclass(frozen=True, slots=True)
class Down:
    """The commons does not answer: why, how often it was asked since, and when (monotonic) to ask again."""

    reason: str
    attempts: int
    next_at: float


class CommonsGate:
    """Lets work through while the commons answers; while it is down, one probe at a time. Thread-safe.

    1. `enter()` is True: go on, and report with `ok()` or `failed()` in any case.
    2. While down, `enter()` is False until the next attempt is due; then it is True for exactly one caller.
    3. A probe that hangs keeps others waiting for `patience` seconds; then another one may.
    """

    def __init__(self, clock: Clock, rng: random.Random, patience: float = 20.0) -> None:
        self._clock, self._rng, self._patience = clock, rng, patience
        self._lock = threading.Lock()
        self._down: Down | None = None
        self._probing = False
        self._since = 0.0

    @property
    def down(self) -> Down | None:
        with self._lock:
            return self._down

    def enter(self) -> bool:
        with self._lock:
            if self._down is None:
                return True
            now = self._clock.monotonic()
            if now < self._down.next_at or (self._probing and now - self._since < self._patience):
                return False
            self._probing, self._since = True, now
            return True

    def left(self) -> None:
        """Who entered had nothing to ask after all."""
        with self._lock:
            self._probing = False

    def wait_time(self) -> float:
        """Seconds until somebody may ask again; 0 when open."""
        with self._lock:
            if self._down is None:
                return 0.0
            left = self._down.next_at - self._clock.monotonic()
            return max(left, 1.0 if self._probing else 0.0)

    def ok(self) -> bool:
        """The commons answered. True when it was down before."""
        with self._lock:
            was, self._down, self._probing = self._down, None, False
            return was is not None

    def failed(self, reason: str, retry_after: float | None = None) -> Down:
        """The commons did not answer, or asked to be left alone for `retry_after` seconds."""
        with self._lock:
            now = self._clock.monotonic()
            before = self._down
            # Requests that were already on their way when it went down are one failure, not many.
            if before is not None and not self._probing and before.next_at > now:
                attempts, next_at = before.attempts, before.next_at
            else:
                attempts = (before.attempts if before else 0) + 1
                next_at = now + delay(attempts, self._rng)
            if retry_after is not None:
                next_at = max(next_at, now + retry_after)
            self._down = Down(reason, attempts, next_at)
            self._probing = False
            return self._down

    def keep_closed(self, reason: str, attempts: int, seconds: float) -> None:
        """What an earlier life was asked for."""
        with self._lock:
            self._down = Down(reason, attempts, self._clock.monotonic() + seconds)

    def knock(self) -> None:
        """Somebody asked to try at once."""
        with self._lock:
            if self._down is not None:
                self._down = Down(self._down.reason, self._down.attempts, self._clock.monotonic())
