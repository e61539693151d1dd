"""The outbox's hand on the ledger's note of the pause (`ledger/pause.py`): a full disk keeps nobody from working."""

from __future__ import annotations

import logging
from collections.abc import Callable

from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import Broken, BrokenCause, Busy, Failure, Unauthorised
from gen3sync.errors import Gen3SyncError, LedgerError
from gen3sync.ledger import Ledger
from gen3sync.ledger.pause import Pause, read, write
from gen3sync.outbox.gate import CommonsGate

_log = logging.getLogger("gen3sync.outbox")

UNREACHABLE, BUSY, UNAUTHORISED, BROKEN = "unreachable", "busy", "unauthorised", "broken"
_FAR = (BrokenCause.RESOLVE, BrokenCause.CONNECT, BrokenCause.TLS, BrokenCause.REDIRECT)


def class_of(failure: Failure) -> str:
    """What kind of trouble the commons is in, in one word."""
    match failure:
        case Busy():
            return BUSY
        case Unauthorised() | Broken(cause=BrokenCause.CREDENTIALS):
            return UNAUTHORISED
        case Broken(cause=cause) if cause in _FAR:
            return UNREACHABLE
        case _:
            return BROKEN


def keeper(ledger: Ledger) -> Callable[[Pause | None], None]:
    """What the gate remembers its pauses with."""

    def keep(pause: Pause | None) -> None:
        try:
            write(ledger, pause)
        except LedgerError as error:
            _log.warning("how long the commons is left alone cannot be written down: %s", error.what)

    return keep


def address(client: CommonsClient) -> str:
    """Which commons a pause concerns; a life that is configured for another one is not bound by it."""
    try:
        return client.url
    except Gen3SyncError:
        return ""


def resume(gate: CommonsGate, ledger: Ledger, *, own: bool = True, asked: bool = True) -> None:
    """At a start: goes on with what is left of an earlier life's pause, and with its count. Where not `own`, a pause of
    our own making is over at once, and where not `asked`, one that the commons asked for: somebody waits.

    A bad key is looked at at once: whoever starts gen3sync may just have laid down a good one.
    """
    pause = read(ledger)
    if pause is not None:
        mended = pause.error_class == UNAUTHORISED and not pause.asked
        gate.resume(pause, at_once=mended or not (asked if pause.asked else own))
