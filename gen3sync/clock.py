"""The one source of time.

Everything but APScheduler's wake-ups asks a `Clock`, so tests and soaks can make time short.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time, elapsed time and interruptible waiting."""

    def now(self) -> datetime:
        """Wall time, aware, UTC. May jump when the machine's clock is set."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; the origin means nothing."""
        ...

    def uptime(self) -> float | None:
        """Seconds since the machine was started, sleep included, the same for all processes; None where the machine
        does not tell. Nobody can set it."""
        ...

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        """Blocks until `event` is set (True) or `seconds` have passed (False)."""
        ...


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def uptime(self) -> float | None:
        boottime = getattr(time, "CLOCK_BOOTTIME", None)  # Linux
        return None if boottime is None else time.clock_gettime(boottime)

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(seconds)


class ManualClock:
    """A clock that stands still until told to move; for tests. Waiting threads wake when time is advanced past them."""

    def __init__(self, start: datetime | None = None) -> None:
        self._now = start or datetime(2026, 1, 1, tzinfo=UTC)
        self._elapsed = 0.0
        self._moved = threading.Condition()

    def now(self) -> datetime:
        with self._moved:
            return self._now

    def monotonic(self) -> float:
        with self._moved:
            return self._elapsed

    def uptime(self) -> float | None:
        return self.monotonic()

    def advance(self, seconds: float) -> None:
        """Moves wall and elapsed time forward together."""
        with self._moved:
            self._now += timedelta(seconds=seconds)
            self._elapsed += seconds
            self._moved.notify_all()

    def jump(self, seconds: float) -> None:
        """Sets the wall clock forward or back, as an administrator or NTP would; elapsed time does not move."""
        with self._moved:
            self._now += timedelta(seconds=seconds)
            self._moved.notify_all()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        deadline = None if seconds is None else self.monotonic() + seconds
        while not event.is_set():
            if deadline is not None and self.monotonic() >= deadline:
                return False
            with self._moved:
                # The event is not tied to this condition, so look at it now and then in real time.
                self._moved.wait(0.01)
        return True
