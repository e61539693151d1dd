"""How long the commons is left alone, since it does not answer or asked for it: one fact about the commons, kept once.

The outbox writes it, one note each time the commons was asked in vain, however many drops wait: ten thousand of them
would be ten thousand rows written at each try, and as many to be put right when it answers. What is shown of a drop
that waits for nothing else is made of the note when it is shown (`waiting`). Imports no SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Protocol

from gen3sync.ledger.rows import Drop, DropState, ParkedProject

NOTE = "outbox: the commons is left alone"
"""Where in the ledger's notes it stands."""
_AT_WORK = (DropState.WAITING, DropState.PLANNING, DropState.SENDING)
"""One that is verified needs nothing more of the commons."""


@dataclass(frozen=True, slots=True)
class Pause:
    """See the module. `seconds` is how long the pause was meant to be when it began, `attempts` how often the commons
    was asked in vain, `asked` that it asked for the pause itself (Retry-After)."""

    commons: str
    reason: str
    error_class: str
    attempts: int
    since: datetime
    until: datetime
    seconds: float
    asked: bool = False

    @property
    def told(self) -> str:
        """Why drops wait, as a sentence."""
        what = "asked to be left alone for a while" if self.asked else "does not answer"
        said = f"The commons {what}: {self.reason}".rstrip(": ")
        return said if said.endswith(".") else f"{said}."


class _Notes(Protocol):
    def get(self, key: str, default: Any = None) -> Any: ...

    def set(self, key: str, value: Any) -> None: ...

    def forget(self, key: str) -> bool: ...


class _Ledger(Protocol):
    @property
    def notes(self) -> _Notes: ...


def write(ledger: _Ledger, pause: Pause | None) -> None:
    """Remembers a pause, or that there is none. Raises LedgerError."""
    if pause is None:
        ledger.notes.forget(NOTE)
        return
    times = {"since": pause.since.isoformat(), "until": pause.until.isoformat()}
    ledger.notes.set(NOTE, asdict(pause) | times)


def read(ledger: _Ledger) -> Pause | None:
    """The pause at this moment. What cannot be understood is none. Raises LedgerError."""
    noted = ledger.notes.get(NOTE)
    if not isinstance(noted, dict):
        return None
    try:
        times = {name: datetime.fromisoformat(noted[name]) for name in ("since", "until")}
        pause = Pause(**(noted | times))
    except (KeyError, TypeError, ValueError):
        return None
    return pause if all(at.tzinfo is not None for at in (pause.since, pause.until)) else None


def waiting(drop: Drop, pause: Pause | None, projects: Iterable[ParkedProject] = ()) -> Drop:
    """The drop as it is to be shown: one that waits for the commons alone, or for its project among the parked
    `projects`, says why, how often that was looked at in vain, and when it is looked at again."""
    if drop.reason or drop.state not in _AT_WORK or drop.program is None:
        return drop
    mine = next((one for one in projects if (one.program, one.project) == (drop.program, drop.project)), None)
    if mine is not None and (mine.next_look_at is not None or pause is None):
        drop = replace(drop, state=DropState.WAITING)
        return _told(drop, mine.reason, mine.error_class, mine.attempts, mine.next_look_at)
    return drop if pause is None else _told(drop, pause.told, pause.error_class, pause.attempts, pause.until)


def _told(drop: Drop, reason: str, error_class: str, attempts: int, again: datetime | None) -> Drop:
    return replace(drop, reason=reason, error_class=error_class, attempts=attempts, next_attempt_at=again)
