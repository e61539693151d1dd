"""Who is alive: every loop and every worker beats; systemd's watchdog is fed only while all beats are fresh.

Owns the book and how patient one is with whom. What a sign of life is, is `life.py`'s; what follows from silence,
`vigil.py`'s.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from gen3sync.clock import Clock
from gen3sync.life import Worker

SHORT = 120.0
"""Seconds for what has nothing to wait for: the scheduler's pulse, a line in the ledger, a look at the commons."""
LONG = 900.0
"""Seconds a step of those may take who handle people's files: a large one on a slow disk is copied that long."""
_PATIENCE = {
    "scheduler": SHORT,
    "ledger": SHORT,
    "job look": SHORT,
    "job tokens": SHORT,
    "job memory": SHORT,
    "job housekeeping": 6 * 3600.0,  # years of archives on a network disk
    "watch": math.inf,  # the outbox's loop looks after it, and says so when it cannot be mended
}


def patience(name: str) -> float:
    """Seconds that `name` may be silent. While it waits for the commons it gets `[commons] deadline` on top."""
    return _PATIENCE.get(name, LONG)


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


class Shift:
    """Those who work in one set of rooms. Nothing of them is written down before it begins and after it has ended: what
    still hangs then is found out about at the next start."""

    def __init__(self) -> None:
        self._book: Heartbeats | None = None

    def begin(self, book: Heartbeats) -> None:
        self._book = book

    def end(self) -> None:
        self._book = None

    def worker(self, name: str) -> Worker:
        """Somebody new; expected from its first sign of life on."""
        return Worker(name, patience(name), self)

    def beat(self, name: str, within: float) -> None:
        if (book := self._book) is not None:
            book.beat(name, within)

    def goodbye(self, name: str) -> None:
        if (book := self._book) is not None:
            book.goodbye(name)
