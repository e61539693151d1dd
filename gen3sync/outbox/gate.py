"""Who may ask the commons while it does not answer, and how long it is left alone.

Owns the pause: why, since when, how often the commons was asked in vain, and until when; it is written down each time
(`pause.py`), so that a restart goes on where it was. What an answer means is `outcome.py`'s.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType

from gen3sync.clock import Clock
from gen3sync.ledger.pause import Pause
from gen3sync.outbox.backoff import LEAST, delay

Keep = Callable[[Pause | None], None]
"""Remembers a pause, or that there is none; raises nothing."""


def _forgetful(_pause: Pause | None) -> None:
    """Keeps nothing."""


def _nobody() -> None:
    """Nobody waits."""


@dataclass(frozen=True, slots=True)
class Down:
    """The commons is left alone. `next_at` is of the monotonic clock, which nobody can set; `pause` what is told."""

    pause: Pause
    next_at: float

    @property
    def attempts(self) -> int:
        return self.pause.attempts


class Ticket:
    """Leave to ask the commons, good for one word: `ok` or `failed` of the gate. Also a context: whoever ends it
    without a word (it failed for a reason of ours, say) had nothing to ask, and another one may."""

    __slots__ = ("_gate", "probe", "turn", "used")

    def __init__(self, gate: CommonsGate, turn: int, *, probe: bool) -> None:
        self._gate, self.turn, self.probe = gate, turn, probe
        self.used = False

    def __enter__(self) -> Ticket:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._gate.left(self)


class CommonsGate:
    """Lets work through while the commons answers; while it does not, one probe at a time. Thread-safe.

    1. `enter()` gives a ticket: ask, and say with it how that went. None: not now.
    2. Once a question has failed, `enter()` gives none until the next attempt is due, and then one: the probe.
    3. Only an answer to a question begun since then opens the gate. One to an older question says what the commons was
       like before it went down, or before it asked to be left alone.
    4. Questions that were on their way together when it went down are one failure, not many.
    5. A probe that hangs keeps others waiting for `patience` seconds; then another one may.
    6. The pause is full jitter below a ceiling that doubles, or what the commons asked for where that is longer. An
       earlier life's is kept (`resume`): what is left of it, and never more than it was, however the clock was set.
    """

    def __init__(
        self,
        clock: Clock,
        rng: random.Random,
        patience: float = 20.0,
        keep: Keep = _forgetful,
        *,
        commons: str = "",
    ) -> None:
        self._clock, self._rng, self._patience, self._keep, self._commons = clock, rng, patience, keep, commons
        self._lock = threading.Lock()
        self._turn = 0
        self._down: Down | None = None
        self._probe: Ticket | None = None
        self._probing_since = 0.0
        self._tried = False
        """This life has asked in vain, since it was last answered."""
        self._wake: Callable[[], None] = _nobody
        self._kept: Pause | None = None
        self._keeping = False

    def listen(self, wake: Callable[[], None]) -> None:
        """`wake` is called when somebody who was turned away may come again sooner than he was told."""
        self._wake = wake

    @property
    def down(self) -> Down | None:
        with self._lock:
            return self._down

    @property
    def shut(self) -> bool:
        """Whether it is idle to wait for the commons now. A pause of an earlier life that is over is none until this
        one has asked, too."""
        with self._lock:
            return self._down is not None and (self._tried or self._left(self._down) > 0)

    def enter(self) -> Ticket | None:
        with self._lock:
            if self._down is None:
                return Ticket(self, self._turn, probe=False)
            now = self._clock.monotonic()
            if now < self._down.next_at or (self._probe is not None and now - self._probing_since < self._patience):
                return None
            self._probe, self._probing_since = Ticket(self, self._turn, probe=True), now
            return self._probe

    def holds(self, ticket: Ticket) -> bool:
        """Whether the leave still stands: nothing has failed since it was given."""
        with self._lock:
            return ticket.turn == self._turn

    def wait_time(self) -> float:
        """Seconds until somebody may ask again; 0 when open."""
        with self._lock:
            if self._down is None:
                return 0.0
            left = self._down.next_at - self._clock.monotonic()
            return max(left, 1.0 if self._probe is not None else 0.0)

    # --- words

    def ok(self, ticket: Ticket) -> Pause | None:
        """The commons answered. The pause that this ends, if it does."""
        with self._lock:
            if not self._take(ticket) or self._down is None or ticket.turn != self._turn:
                return None
            ended, self._down, self._tried = self._down.pause, None, False
        self._write_down()
        self._wake()
        return ended

    def failed(self, ticket: Ticket, reason: str, error_class: str, retry_after: float | None = None) -> Pause | None:
        """The commons did not answer, or asked to be left alone for `retry_after` seconds. The pause that follows, if
        this is a failure of its own."""
        with self._lock:
            if not self._take(ticket):
                return None
            before, fresh = self._down, ticket.turn == self._turn
            if not fresh and (retry_after is None or (before is not None and self._left(before) >= retry_after)):
                return None
            attempts = before.attempts if before is not None else 0
            wait = delay(attempts + 1, self._rng) if fresh else 0.0
            asked = retry_after is not None and retry_after >= wait
            seconds = max(wait, retry_after or 0.0)
            now = self._clock.now()
            since = before.pause.since if before is not None else now
            count = attempts + 1 if fresh or before is None else attempts
            until = now + timedelta(seconds=seconds)
            pause = Pause(self._commons, reason, error_class, count, since, until, seconds, asked)
            self._down, self._tried = Down(pause, self._clock.monotonic() + seconds), True
            self._turn += 1
        self._write_down()
        return pause

    def left(self, ticket: Ticket) -> None:
        """Who entered had nothing to ask after all. The next probe goes in a moment: nobody is to turn in circles."""
        with self._lock:
            if not self._take(ticket) or not ticket.probe or self._down is None:
                return
            soon = self._clock.monotonic() + LEAST
            self._down = replace(self._down, next_at=max(self._down.next_at, soon))
        self._wake()

    def knock(self) -> None:
        """Somebody asked to try at once: one probe may."""
        with self._lock:
            if self._down is None:
                return
            pause = replace(self._down.pause, until=self._clock.now(), seconds=0.0, asked=False)
            self._down = Down(pause, self._clock.monotonic())
        self._write_down()
        self._wake()

    def resume(self, pause: Pause | None, *, at_once: bool = False) -> None:
        """At a start: an earlier life's pause goes on, `at_once` with an attempt. One of another commons does not."""
        if pause is None or pause.commons != self._commons:
            return
        left = 0.0 if at_once else min((pause.until - self._clock.now()).total_seconds(), pause.seconds)
        with self._lock:
            self._turn += 1
            self._kept = pause
            self._down = Down(pause, self._clock.monotonic() + max(0.0, left))

    # --- within

    def _take(self, ticket: Ticket) -> bool:
        if ticket.used:
            return False
        ticket.used = True
        if ticket is self._probe:
            self._probe = None
        return True

    def _left(self, down: Down) -> float:
        return down.next_at - self._clock.monotonic()

    def _write_down(self) -> None:
        """Outside the lock, for a disk takes its time; by one thread at once, until what is kept is true."""
        with self._lock:
            if self._keeping:
                return  # who is at it now writes this, too
            self._keeping = True
        try:
            while True:
                with self._lock:
                    pause = self._down.pause if self._down is not None else None
                    if pause == self._kept:
                        self._keeping = False
                        return
                    self._kept = pause
                self._keep(pause)
        except BaseException:
            with self._lock:
                self._keeping = False
            raise
