"""A clock for tests that runs faster than the machine's, can be put forward, and agrees between processes.

World time is a function of the machine's clock and of how far it was put forward, so what one process writes down can
be compared with what another one saw.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

SLICE = 0.01
"""Real seconds after which a waiting thread looks whether the clock was put forward."""


@dataclass
class SwiftClock:
    """See the module. `origin` is the machine's time (seconds since the epoch) at which both clocks agree."""

    origin: float
    speed: float
    ahead: float = 0.0
    off: float = 0.0
    """By how much it is set wrong, for whoever asks what time it is."""

    def seconds(self) -> float:
        """World time since the epoch."""
        return self.origin + (time.time() - self.origin) * self.speed + self.ahead

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds() + self.off, UTC)

    def monotonic(self) -> float:
        return (time.monotonic()) * self.speed + self.ahead

    def uptime(self) -> float | None:
        return self.monotonic()

    def advance(self, seconds: float) -> None:
        self.ahead += seconds

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        end = None if seconds is None else self.monotonic() + seconds
        while True:
            left = SLICE if end is None else min(SLICE, max((end - self.monotonic()) / self.speed, 0.002))
            if event.wait(left):
                return True
            if end is not None and self.monotonic() >= end:
                return False
