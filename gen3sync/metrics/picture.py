"""What the daemon last showed of itself, and what follows from it: alive, ready, how well.

Alive: the main loop says how things are, and every loop shows life as often as it must. Ready: a file dropped now would
be taken. A commons that does not answer, a parked project or a failed mirror is neither: that is `degraded`, as
`gen3sync status` says (`health.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from gen3sync.clock import Clock
from gen3sync.health import STALE_AFTER, Health, Judgement, judge
from gen3sync.status import DaemonState, Status, moment

MAIN = "main"
"""The name of the loop that gathers the status."""


class Pulse(Protocol):
    """Who shows life; the daemon's `Heartbeats`."""

    def ages(self) -> dict[str, float]:
        """Seconds since each last sign of life."""
        ...

    def overdue(self) -> tuple[str, ...]:
        """Those that should have shown life by now."""
        ...


@dataclass(frozen=True, slots=True)
class View:
    """A status, what keeps drops from being taken, and when (monotonic) this was shown."""

    status: Status
    obstacles: tuple[str, ...]
    at: float


class Picture:
    """Shown by the daemon's main thread, looked at by any."""

    def __init__(self, clock: Clock, pulse: Pulse) -> None:
        self._clock = clock
        self._pulse = pulse
        self._view: View | None = None
        self._due = clock.monotonic() + STALE_AFTER

    @property
    def view(self) -> View | None:
        """None before the first."""
        return self._view

    def show(self, status: Status, obstacles: tuple[str, ...]) -> None:
        """How things are now; the next picture is due within a minute."""
        now = self._clock.monotonic()
        self._view = View(status, obstacles, now)
        self._due = now + STALE_AFTER

    def expect(self, seconds: float) -> None:
        """The main loop is busy with itself (a reload) for so long at most."""
        self._due = self._clock.monotonic() + seconds

    def ages(self) -> dict[str, float]:
        """Seconds since each loop showed life, the main one included."""
        view = self._view
        ages = self._pulse.ages()
        return ages if view is None else {**ages, MAIN: self._clock.monotonic() - view.at}

    def silent(self) -> tuple[str, ...]:
        """Loops that should have shown life by now."""
        late = (MAIN,) if self._clock.monotonic() > self._due else ()
        return (*late, *self._pulse.overdue())

    def unready(self) -> tuple[str, ...]:
        """Why a file dropped now would not be taken; nothing when it would be."""
        view = self._view
        if view is None:
            return ("the daemon is starting",)
        silent = self.silent()
        reasons = [f"no sign of life from {', '.join(silent)}"] if silent else []
        if view.status.daemon.state is not DaemonState.RUNNING:
            reasons.append(f"the daemon is {view.status.daemon.state}")
        return (*reasons, *view.obstacles)

    def judgement(self) -> Judgement:
        """As `gen3sync status` weighs it. Its age is told by the clock that nobody sets."""
        view = self._view
        if view is None:
            return Judgement(Health.DOWN, 0.0, ("the daemon is starting",))
        age = timedelta(seconds=self._clock.monotonic() - view.at)
        return judge(view.status, moment(view.status.written_at) + age, alive=True)
