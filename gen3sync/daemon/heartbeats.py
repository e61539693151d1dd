"""Who is alive: every loop beats, the watchdog is fed only while all beats are fresh."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from gen3sync.clock import Clock


@dataclass(frozen=True, slots=True)
class _Beat:
    at: float
    within: float


class Heartbeats:
    """Thread-safe. A loop that has never beaten is not expected to; one that says goodbye is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beats: dict[str, _Beat] = {}
        self._lock = threading.Lock()

    def beat(self, name: str, within: float) -> None:
        """`name` lives now and will beat again within so many seconds."""
        with self._lock:
            self._beats[name] = _Beat(self._clock.monotonic(), within)

    def goodbye(self, name: str) -> None:
        """`name` ended as it should."""
        with self._lock:
            self._beats.pop(name, None)

    def clear(self) -> None:
        with self._lock:
            self._beats.clear()

    def ages(self) -> dict[str, float]:
        """Seconds since each last beat."""
        now = self._clock.monotonic()
        with self._lock:
            return {name: round(now - beat.at, 1) for name, beat in sorted(self._beats.items())}

    def overdue(self) -> tuple[str, ...]:
        """Those that should have beaten by now."""
        now = self._clock.monotonic()
        with self._lock:
            return tuple(sorted(name for name, beat in self._beats.items() if now - beat.at > beat.within))
