"""Whether the daemon lives, told to systemd and to people.

Feeds systemd's watchdog while every loop shows life; when one does not, says which, once, in the journal and in the
history. And it knows whether the daemon's last life ended as it should: a killed one cannot say so itself.
What a heartbeat is, and how long each may be silent, is `heartbeats.py`'s.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from gen3sync.clock import Clock
from gen3sync.daemon.heartbeats import Heartbeats
from gen3sync.ledger import EventLevel, Ledger
from gen3sync.systemd import Notifier

log = logging.getLogger(__name__)

_LIFE = "daemon:life"
_LONGEST_REST = 300.0
"""Seconds for which the watchdog is fed on trust while rooms are closed and opened again."""


class Vigil:
    """Of one daemon. All but `fed` are called by the daemon's main thread."""

    def __init__(self, notifier: Notifier, beats: Heartbeats, clock: Clock) -> None:
        self._notifier = notifier
        self._beats = beats
        self._clock = clock
        self._fed: float | None = None
        self._silent: tuple[str, ...] = ()

    @property
    def problem(self) -> str:
        """Which loops show no life, as a sentence; empty when all do."""
        return f"no sign of life from {', '.join(self._silent)}" if self._silent else ""

    def look(self, tell: Callable[[str, str, str], None]) -> None:
        """Feeds the watchdog if it is time and all are alive; tells once of those that are not, and of their return."""
        silent = self._beats.overdue()
        if silent != self._silent:
            self._silent, before = silent, self._silent
            if silent:
                expected = ": systemd will start gen3sync anew" if self._notifier.watchdog else ""
                text = f"no sign of life from {', '.join(silent)}{expected}"
                log.error("%s", text)
                if "ledger" not in silent:  # what hangs there would hang the teller as well
                    tell("error", "life", text)
            else:
                text = f"{', '.join(before)} shows life again"
                log.warning("%s", text)
                tell("info", "life", text)
        if not silent:
            self._feed()

    @contextmanager
    def fed(self, seconds: float = _LONGEST_REST) -> Iterator[None]:
        """Feeds the watchdog during a reload, when nobody beats; for so long at most."""
        if self._notifier.watchdog is None:
            yield
            return
        done, end = threading.Event(), self._clock.monotonic() + seconds
        every = self._notifier.watchdog / 4

        def feed() -> None:
            self._notifier.alive()
            while not self._clock.wait(done, every) and self._clock.monotonic() < end:
                self._notifier.alive()

        feeder = threading.Thread(target=feed, name="watchdog", daemon=True)
        feeder.start()
        try:
            yield
        finally:
            done.set()
            feeder.join()

    def _feed(self) -> None:
        if self._notifier.watchdog is None:
            return
        now = self._clock.monotonic()
        if self._fed is None or now - self._fed >= self._notifier.watchdog / 4:
            self._fed = now
            self._notifier.alive()


def begin_life(ledger: Ledger, since: str) -> None:
    """Remembers that a daemon works on this ledger; tells when the one before did not end by itself."""
    before = ledger.notes.get(_LIFE)
    if before:
        text = (
            f"the daemon that ran since {before} did not end by itself: it was killed, it crashed, or systemd's "
            "watchdog ended it. What was in flight is found out about"
        )
        log.warning("%s", text)
        ledger.events.add(EventLevel.WARNING, "life", text)
    ledger.notes.set(_LIFE, since)


def end_life(ledger: Ledger) -> None:
    """It ends as it should."""
    ledger.notes.forget(_LIFE)
