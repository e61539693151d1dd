"""The sandbox's clock: real time plus an offset that tests may move, never twice the same microsecond."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta


class Clock:
    """Thread-safe. `offset` in seconds moves the Date header, token validity and all timestamps."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = 0
        self.offset = 0.0

    def time(self) -> float:
        """Seconds since the epoch, with the offset."""
        return time.time() + self.offset

    def stamp(self) -> datetime:
        """A moment strictly after the one given before: the commons tells transactions apart by microseconds."""
        with self._lock:
            now = max(int(self.time() * 1_000_000), self._last + 1)
            self._last = now
        return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=now)


def iso(moment: datetime) -> str:
    """As records carry it: `2026-11-23T00:45:19.460930+00:00`."""
    return moment.isoformat(timespec="microseconds")


def log_time(moment: datetime) -> str:
    """As the transaction log carries it: the same with a space."""
    return moment.isoformat(sep=" ", timespec="microseconds")
