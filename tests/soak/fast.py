"""A day in ten minutes: a clock that runs 144 times as fast, for a daemon, its scheduler and the commons it speaks to.

`clock.py` is the one source of time for everything but APScheduler's wake-ups and the network's own timeouts. Here
APScheduler gets the same clock, and what must not run faster than the machine (the daemon's turns, its patience with
hung workers) is stretched again.
"""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

SCALE = 144.0


class FastClock:
    """Wall time from `epoch` (seconds since 1970) on; every process that is given the same one sees the same time."""

    def __init__(self, epoch: float, scale: float = SCALE) -> None:
        self._epoch = epoch
        self._scale = scale

    def time(self) -> float:
        return self._epoch + (time.time() - self._epoch) * self._scale

    def now(self) -> datetime:
        return datetime.fromtimestamp(0, UTC) + timedelta(seconds=self.time())

    def monotonic(self) -> float:
        return time.monotonic() * self._scale

    def uptime(self) -> float | None:
        return self.monotonic()

    def wait(self, event: threading.Event, seconds: float | None) -> bool:
        return event.wait(None if seconds is None else seconds / self._scale)


def hurry_scheduler(clock: FastClock, scale: float = SCALE) -> None:
    """Lets APScheduler of this process live by `clock`."""
    from apscheduler.schedulers import background, base

    class FastDatetime(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return clock.now().astimezone(tz)

    class FastEvent(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            return super().wait(None if timeout is None else timeout / scale)

    base.datetime = FastDatetime
    background.Event = FastEvent


def stretch_daemon(scale: float = SCALE) -> None:
    """Gives back the time that the machine itself needs."""
    from gen3sync.daemon import heartbeats, jobs, loop

    loop.TURN *= scale / 4
    loop.PUBLISH *= scale / 10
    jobs._PULSE *= scale / 20
    patience = heartbeats.patience
    heartbeats.patience = lambda name: patience(name) * scale
