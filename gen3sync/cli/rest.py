"""When a verb that waits for drops has waited long enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gen3sync.clock import Clock

if TYPE_CHECKING:
    from gen3sync.ledger import Drop, Ledger

_IDLE = ("parents", "behind")
"""Waiting for a parent, or behind another drop that does or is parked. What the outbox calls that
(`outbox.steps`); its imports are not wanted here."""
QUIET = 1.0
"""Seconds without a change after which what is parked counts as parked: a child waits until its parent has landed."""


class Rest:
    """True when all drops have ended; or when those left are parked (they, or their project) or wait for a parent that
    nobody has dropped yet, or behind such a drop, and stay so for a moment.

    True as well when `timeout` seconds are over. With `only_look` also when those left wait for what became of a lost
    answer: whoever asked for a look has had it. With `only_ends` all of these are waited for like the rest.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        timeout: float | None = None,
        *,
        only_look: bool = False,
        only_ends: bool = False,
    ) -> None:
        self._ledger = ledger
        self._only_look, self._only_ends = only_look, only_ends
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
        now, seen = self._clock.monotonic(), [(drop.id, drop.state, drop.updated_at) for drop in drops]
        if seen != self._seen:
            self._seen, self._since = seen, now
        parked = self.parked_projects()
        waiting = all(
            drop.state in ("ended", "parked")
            or (drop.program, drop.project) in parked
            or (drop.state == "waiting" and drop.reason != "" and (self._only_look or drop.error_class in _IDLE))
            for drop in drops
        )
        return waiting and now - self._since >= QUIET

    def parked_projects(self) -> dict[tuple[str | None, str | None], str]:
        """Why projects are parked."""
        return {(each.program, each.project): each.reason for each in self._ledger.projects.all()}

    def reason(self, drop: Drop) -> str:
        """What a drop that has not ended waits for."""
        return drop.reason or self.parked_projects().get((drop.program, drop.project), "")
