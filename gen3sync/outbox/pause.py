"""How long the commons asked to be left alone, remembered over restarts: a new life must not begin by asking again.

Only what a commons asks for itself (429, 503 with Retry-After) is kept. One that is merely down may be well again by
the time somebody starts gen3sync; the gate's one probe finds out.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from gen3sync.clock import Clock
from gen3sync.errors import LedgerError
from gen3sync.ledger import Ledger
from gen3sync.outbox.backoff import CommonsGate

_log = logging.getLogger("gen3sync.outbox")
NOTE = "outbox: the commons asked for a pause"
"""Where in the ledger's notes it stands."""
WORTH = 5.0
"""Seconds from which on a pause is remembered."""


def remember(ledger: Ledger, clock: Clock, seconds: float, reason: str, attempts: int) -> None:
    """The commons asked for so long a pause."""
    if seconds < WORTH:
        return
    until = clock.now() + timedelta(seconds=seconds)
    try:
        ledger.notes.set(NOTE, {"until": until.isoformat(), "seconds": seconds, "reason": reason, "attempts": attempts})
    except LedgerError as error:
        _log.warning("a pause that the commons asked for cannot be written down: %s", error.what)


def forget(ledger: Ledger) -> None:
    """It answered, or somebody wants it to be asked at once."""
    try:
        ledger.notes.forget(NOTE)
    except LedgerError as error:
        _log.warning("a pause that is over cannot be struck: %s", error.what)


def resume(gate: CommonsGate, ledger: Ledger, clock: Clock) -> None:
    """At a start: keeps what is left of the pause, never more than was asked for however the clock was set."""
    noted: Any = ledger.notes.get(NOTE)
    match noted:
        case {
            "until": str(until),
            "seconds": int() | float() as seconds,
            "reason": str(reason),
            "attempts": int(tries),
        }:
            left = min((datetime.fromisoformat(until) - clock.now()).total_seconds(), seconds)
            if left > 0:
                gate.keep_closed(reason, tries, left)
