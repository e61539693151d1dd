"""What is remembered between two pictures of how things are, so that a picture each second costs next to nothing.

Which drops ended lately and why rows of them were refused, what last changed in each mirror, how fast drops move. All
of it is found again after a restart: from the ledger's history, from receipts, by looking for a while. Not thread-safe.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gen3sync.errors import LedgerError
from gen3sync.files import read_regular
from gen3sync.ledger import Drop, DropState, Event, MirrorKey, Refresh, Verdict

if TYPE_CHECKING:
    from gen3sync.ledger import Ledger

ENDED = 20
REASONS = 5
_DAY = timedelta(days=1)
_VERDICTS = {verdict.value: verdict for verdict in Verdict}
_REFUSED = (Verdict.PARTLY, Verdict.REJECTED, Verdict.UNVERIFIED)
_LARGEST = 20_000_000
"""Bytes of a receipt that is read for its reasons."""
_RECEIPT = ".receipt.json"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why rows of a drop were refused: number, reason and column, the most frequent first; and where they are."""

    reasons: tuple[tuple[int, str, str | None], ...] = ()
    rejects: Path | None = None


def refusal_of(receipt: str | None) -> Refusal:
    """From the receipt's path. A receipt that is gone or cannot be read says nothing."""
    if not receipt or not receipt.endswith(_RECEIPT):
        return Refusal()
    path = Path(receipt)
    try:
        paper = json.loads(read_regular(path, _LARGEST))
        groups = [(int(one["rows"]), str(one["message"]), one["column"]) for one in paper["rejects"]]
        names = [str(name) for name in paper["papers"] if str(name).startswith("rejects")]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return Refusal()
    archived = path.name.removesuffix(_RECEIPT)
    return Refusal(tuple(groups[:REASONS]), path.with_name(f"{archived}.{names[0]}") if names else None)


class Pace:
    """How fast one drop moves, from when its rows were seen to be through."""

    WINDOW = 180.0
    PATIENCE = 60.0

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def left(self, done: int, rows: int, now: float) -> float | None:
        """Seconds until all rows are through; None before it is known how fast they go, and when they do not."""
        seen = self._seen
        if seen and done < seen[-1][1]:
            seen.clear()  # planned anew: what was through is looked at again
        if not seen or done > seen[-1][1]:
            seen.append((now, done))
        while len(seen) > 2 and seen[1][0] < now - self.WINDOW:
            seen.popleft()
        took, moved = seen[-1][0] - seen[0][0], seen[-1][1] - seen[0][1]
        if len(seen) < 2 or took <= 0 or done >= rows:
            return None
        still = now - seen[-1][0]
        if still > max(self.PATIENCE, 3 * took / (len(seen) - 1)):
            return None
        return max(1.0, (rows - done) * took / moved - still)


@dataclass
class Recall:
    """Of one ledger."""

    _event: int | None = None
    _ended: deque[Drop] = field(default_factory=lambda: deque(maxlen=ENDED))
    _refused: deque[Drop] = field(default_factory=lambda: deque(maxlen=ENDED))
    _verdicts: deque[tuple[datetime, Verdict]] = field(default_factory=deque)
    _refusals: dict[int, Refusal] = field(default_factory=dict)
    _changes: dict[MirrorKey, Refresh] = field(default_factory=dict)
    _change: int = 0
    _paces: dict[int, Pace] = field(default_factory=dict)

    def look(self, ledger: Ledger, now: datetime) -> None:
        """Takes in what happened since the last look. Raises LedgerError."""
        if self._event is None:
            self._begin(ledger, now)
        else:
            while news := ledger.events.after(self._event):
                self._event = news[-1].id
                for event in news:
                    self._take(ledger, event)
        while self._verdicts and now - self._verdicts[0][0] >= _DAY:
            self._verdicts.popleft()
        while self._refused and (at := self._refused[0].ended_at) is not None and now - at >= _DAY:
            self._refusals.pop(self._refused.popleft().id, None)
        for refresh in ledger.refreshes.changes(self._change):
            self._changes[refresh.key] = refresh
            self._change = max(self._change, refresh.id)

    @property
    def ended(self) -> tuple[Drop, ...]:
        """The drops that ended last, newest first."""
        return tuple(reversed(self._ended))

    @property
    def refused(self) -> tuple[Drop, ...]:
        """Those of the last day that did not land whole and proven, newest first."""
        return tuple(reversed(self._refused))

    @property
    def today(self) -> dict[str, int]:
        """How many ended in the last day, by verdict."""
        return {str(verdict): number for verdict, number in Counter(verdict for _, verdict in self._verdicts).items()}

    def refusal(self, drop: Drop) -> Refusal:
        """Why rows of it were refused; read once."""
        if drop.verdict not in _REFUSED:
            return Refusal()
        if drop.id not in self._refusals:
            while len(self._refusals) > 4 * ENDED:
                del self._refusals[next(iter(self._refusals))]
            self._refusals[drop.id] = refusal_of(drop.receipt)
        return self._refusals[drop.id]

    def change(self, key: MirrorKey) -> Refresh | None:
        """The refresh that last found the mirror changed."""
        return self._changes.get(key)

    def left(self, drop: int, done: int, rows: int, now: float) -> float | None:
        """Seconds until a drop is through. See `Pace`."""
        return self._paces.setdefault(drop, Pace()).left(done, rows, now)

    def forget_paces(self, but: set[int]) -> None:
        """Drops that are not on their way any more."""
        self._paces = {drop: pace for drop, pace in self._paces.items() if drop in but}

    def _begin(self, ledger: Ledger, now: datetime) -> None:
        self._event = ledger.events.newest()
        lately = [drop for drop in ledger.drops.recent(500) if drop.state is DropState.ENDED]
        lately.sort(key=lambda drop: (drop.ended_at or drop.updated_at, drop.id))
        self._ended.extend(lately)
        for event in reversed(ledger.events.recent(20_000, since=now - _DAY)):
            if event.id <= self._event and event.kind in _VERDICTS and event.drop_id is not None:
                self._verdicts.append((event.at, _VERDICTS[event.kind]))
        self._refused.extend(drop for drop in lately if self._counts(drop, now))

    def _counts(self, drop: Drop, now: datetime) -> bool:
        return drop.verdict in _REFUSED and drop.ended_at is not None and now - drop.ended_at < _DAY

    def _take(self, ledger: Ledger, event: Event) -> None:
        if event.kind not in _VERDICTS or event.drop_id is None:
            return
        try:
            drop = ledger.drops.get(event.drop_id)
        except LedgerError:
            return  # forgotten meanwhile
        if drop.state is not DropState.ENDED:
            return
        self._verdicts.append((event.at, _VERDICTS[event.kind]))
        self._ended.append(drop)
        if drop.verdict in _REFUSED:
            self._refused.append(drop)
