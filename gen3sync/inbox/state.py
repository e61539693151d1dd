"""How the mirrors are, as data for status.json and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gen3sync.inbox.following import Following, Group
from gen3sync.inbox.memory import Memory, key_of
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.schedule import Timing, period
from gen3sync.ledger import MirrorKey, Outcome

# More than this in the future, a check was made by a clock that was ahead since: nobody knows how old the mirror is.
_AHEAD = 60.0
# A mirror is stale when it missed two looks and a little more, unless `max_age` says otherwise.
_GRACE = 900.0


@dataclass(frozen=True, slots=True)
class MirrorState:
    """One mirror. `file` is below the inbox; `age` is seconds since the commons was last known to hold just this.

    `age` is None when that never was, or when it cannot be told because the clock has been set back since.
    """

    mirror: Mirror
    file: str
    rows: int | None
    bytes: int | None
    exported_at: datetime | None
    checked_at: datetime | None
    age: float | None
    outcome: Outcome | None
    reason: str
    next_run: datetime | None
    stale: bool

    @property
    def key(self) -> MirrorKey:
        """Its key in the ledger."""
        return key_of(self.mirror)


@dataclass(frozen=True, slots=True)
class InboxStatus:
    """All mirrors, and what about the configuration could not be followed."""

    path: Path
    mirrors: tuple[MirrorState, ...]
    problems: tuple[str, ...]


def inbox_status(
    path: Path, following: Following, memory: Memory, next_runs: Mapping[Group, datetime], now: datetime
) -> InboxStatus:
    """Puts together what is known. Asks nobody."""
    limits = {name: following.max_ages.get(name) or _limit(timing, now) for name, timing in following.timings.items()}
    mirrors = tuple(_state(mirror, memory, next_runs, limits, now) for mirror in following.every())
    return InboxStatus(path, mirrors, following.problems())


def _limit(timing: Timing, now: datetime) -> float:
    return 2 * period(timing, now) + _GRACE


def _state(
    mirror: Mirror,
    memory: Memory,
    next_runs: Mapping[Group, datetime],
    limits: Mapping[str, float],
    now: datetime,
) -> MirrorState:
    past = memory.of(mirror)
    last, success, noted = past.last, past.success, past.noted
    checked = past.checked_at or _moment(noted.checked_at if noted else None)
    age = (now - checked).total_seconds() if checked is not None else None
    age = None if age is None or age < -_AHEAD else max(0.0, age)
    return MirrorState(
        mirror,
        mirror.name,
        success.rows if success else noted.rows if noted else None,
        success.bytes if success else noted.bytes if noted else None,
        past.exported_at or _moment(noted.exported_at if noted else None),
        checked,
        age,
        last.outcome if last else None,
        last.reason if last else "",
        next_runs.get(Group(mirror.group, mirror.project)),
        age is None or age > limits.get(mirror.group, float("inf")),
    )


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if text else None
    except ValueError:
        return None
