"""When a verb that waits for drops has waited long enough."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gen3sync.clock import Clock
from gen3sync.ledger.pause import Pause, read, waiting

if TYPE_CHECKING:
    from gen3sync.ledger import Drop, Ledger

_IDLE = ("parents", "behind")
"""Waiting for a parent, or behind another drop that does or is parked. What the outbox calls that
(`outbox.standing`); its imports are not wanted here."""
QUIET = 1.0
"""Seconds without a change after which what is parked counts as parked: a child waits until its parent has landed."""


class Rest:
    """True when all drops have ended; or when those left are parked (they, or their project) or wait for a parent that
    nobody has dropped yet, or behind such a drop, and stay so for a moment.

    True as well when `timeout` seconds are over. With `asked_at`, when somebody asked for a look, also when those left
    wait for what became of a lost answer, or for a commons that was asked in vain since then: he has had his look. With
    `only_ends` all of these are waited for like the rest.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        timeout: float | None = None,
        *,
        asked_at: datetime | None = None,
        only_ends: bool = False,
    ) -> None:
        self._ledger = ledger
        self._asked_at, self._only_ends = asked_at, only_ends
        self._clock = clock
        self._seen: object = None
        self._since = clock.monotonic()
        self._end = None if timeout is None else clock.monotonic() + timeout

    @property
    def over(self) -> bool:
        """The time given is up."""
        return self._end is not None and self._clock.monotonic() >= self._end

    def __call__(self, drops: tuple[Drop, ...]) -> bool:
        if self.over or all(drop.state == "ended" for drop in drops):
            return True
        if self._only_ends:
            return False
        now, pause = self._clock.monotonic(), read(self._ledger)
        seen = [pause, *((drop.id, drop.state, drop.updated_at) for drop in drops)]
        if seen != self._seen:
            self._seen, self._since = seen, now
        parked = {(one.program, one.project) for one in self._ledger.projects.all() if one.next_look_at is not None}
        silent = self._asked_in_vain(pause)
        waiting = all(
            drop.state in ("ended", "parked")
            or (drop.program, drop.project) in parked
            or silent
            or (
                drop.state == "waiting"
                and drop.reason != ""
                and (self._asked_at is not None or drop.error_class in _IDLE)
            )
            for drop in drops
        )
        return waiting and now - self._since >= QUIET

    def _asked_in_vain(self, pause: Pause | None) -> bool:
        """Whether the look that was asked for has been had: the commons is to be asked again later, and that was said
        since. A pause of before stands in the ledger until a lane comes to the wish, however long that takes."""
        if self._asked_at is None or pause is None or pause.until <= self._clock.now():
            return False
        return pause.until - timedelta(seconds=pause.seconds) >= self._asked_at

    def told(self, drop: Drop) -> Drop:
        """The drop with what it waits for, if it has not ended: itself, its project, or the commons."""
        if drop.reason or drop.state == "ended":
            return drop
        return waiting(drop, read(self._ledger), self._ledger.projects.all())
