"""Has anything changed? The rules of GEN3.md on a commons' signature of a project. Pure.

The commons is asked one GraphQL query a project (`commons.queries.signature`). Leaves to others: asking, exporting.

1. A signature is believed only when the project itself is seen; everything else is *unknown*, and unknown means keep.
2. Signatures are compared by inequality, never by "greater", and the one stored is the one read **before** the export:
   any interleaving is then one refresh too many, never one too few.
3. A PENDING transaction may still commit, or never end. Each one seen at an export is waited for once, for the server's
   horizon, by our own clock (so the server's may be wrong); then one more export, and it is forgotten.
4. Changes made by SQL show in no signature, so every mirror is exported unconditionally now and then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from gen3sync.commons import replies


@dataclass(frozen=True, slots=True)
class Signature:
    """What one query saw of a project. `nodes` maps a node type to (count, newest record's id and time)."""

    ok: int
    pending: frozenset[str]
    nodes: Mapping[str, tuple[int, str]]
    newest: int | None = None  # the id of the newest transaction of any state

    @classmethod
    def read(cls, told: replies.Signature) -> Signature:
        """From the commons' own words."""
        marks = {part.node: (part.count, f"{part.newest_id}@{part.newest_updated}") for part in told.nodes}
        return cls(told.ok, frozenset(str(each.id) for each in told.pending), marks, told.newest)

    def count(self, node: str) -> int | None:
        """How many records the commons counts."""
        mark = self.nodes.get(node)
        return None if mark is None else mark[0]

    def newest_of(self, node: str) -> str:
        """The newest record, as id@time; "" where the query did not tell."""
        mark = self.nodes.get(node)
        return "" if mark is None else mark[1]

    def of(self, node: str) -> str | None:
        """The signature of one node type as text, None where the query did not tell."""
        mark = self.nodes.get(node)
        return None if mark is None else f"{self.ok}:{mark[0]}:{mark[1]}"


class Why(StrEnum):
    """Why a mirror is exported, or is not."""

    UNCHANGED = "unchanged"
    FIRST = "first"  # never exported, or its file is not what was published
    CHANGED = "changed"
    SETTLED = "settled"  # a transaction that was pending at the last export has had its time
    FULL = "full"  # the unconditional refresh of rule 4
    BACKWARDS = "backwards"  # the commons counts fewer transactions than before: restored from a backup?
    BLIND = "blind"  # there is no GraphQL to ask
    TOUCHED = "touched"  # we wrote to it ourselves
    ASKED = "asked"  # a person asked
    DICTIONARY = "dictionary"  # it has changed, so the file's columns may


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a mirror's last export. `pending` maps transaction ids to when each was first seen.

    `patched_at`: when a few records were put in place since. `newest`: the newest transaction's id at `signature`.
    """

    signature: str = ""
    exported_at: datetime | None = None
    pending: Mapping[str, datetime] = field(default_factory=dict)
    forgotten: frozenset[str] = frozenset()
    patched_at: datetime | None = None
    newest: int | None = None

    @property
    def ok(self) -> int | None:
        """The count of succeeded transactions in the remembered signature."""
        head = self.signature.partition(":")[0]
        return int(head) if head.isdigit() else None

    @property
    def count(self) -> int | None:
        """The count of records in it."""
        parts = self.signature.split(":", 2)
        return int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else None

    @property
    def newest_record(self) -> str:
        """The newest record in it, as id@time."""
        return self.signature.partition(":")[2].partition(":")[2]

    @property
    def refreshed_at(self) -> datetime | None:
        """When the records were last asked for, all or some."""
        return self.patched_at or self.exported_at

    def to_json(self) -> dict[str, Any]:
        return {
            "signature": self.signature,
            "exported_at": self.exported_at.isoformat() if self.exported_at else None,
            "pending": {key: seen.isoformat() for key, seen in self.pending.items()},
            "forgotten": sorted(self.forgotten),
            "patched_at": self.patched_at.isoformat() if self.patched_at else None,
            "newest": self.newest,
        }

    @classmethod
    def from_json(cls, raw: Any) -> Known:
        """Reads what `to_json` wrote; anything else is nothing known, which costs one export."""
        try:
            return cls(
                str(raw["signature"]),
                datetime.fromisoformat(raw["exported_at"]) if raw["exported_at"] else None,
                {str(key): datetime.fromisoformat(seen) for key, seen in raw["pending"].items()},
                frozenset(str(each) for each in raw["forgotten"]),
                datetime.fromisoformat(raw["patched_at"]) if raw.get("patched_at") else None,
                raw["newest"] if isinstance(raw.get("newest"), int) else None,
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            return cls()


def decide(
    known: Known, seen: Signature | None, node: str, now: datetime, *, horizon: timedelta, full_every: timedelta
) -> Why:
    """Whether `node` must be exported, and why. `seen` is None where there is no GraphQL (not: where it is unknown)."""
    if known.exported_at is None:
        return Why.FIRST
    if seen is not None and _went_back(known, seen):
        return Why.BACKWARDS
    if now - known.exported_at >= full_every or known.exported_at > now + horizon:
        return Why.FULL  # the second: exported by a clock that was ahead; its age means nothing
    fresh = seen.of(node) if seen is not None else None
    if seen is None or fresh is None:
        return Why.BLIND
    waited = (key for key, since in known.pending.items() if now - since >= horizon)
    if any(key in seen.pending for key in waited):
        return Why.SETTLED  # before CHANGED, which a few records may answer: only a full export covers these
    return Why.CHANGED if fresh != known.signature else Why.UNCHANGED


def covers(copy: Known, known: Known, *, horizon: timedelta) -> bool:
    """Whether the export that a copy comes from was made after all that `known` waits for had had its time."""
    made = copy.exported_at
    return made is not None and all(made - since >= horizon for since in known.pending.values())


def _went_back(known: Known, seen: Signature) -> bool:
    fewer = known.ok is not None and seen.ok < known.ok
    return fewer or (known.newest is not None and seen.newest is not None and seen.newest < known.newest)


def after_export(known: Known, before: Signature | None, node: str, started: datetime, *, horizon: timedelta) -> Known:
    """What to remember of an export that was published. `before` is the signature read before it, `started` the moment
    before that the export began."""
    if before is None:
        return Known("", started)
    # What was pending long enough at an earlier export is covered by this one.
    done = {key for key, since in known.pending.items() if started - since >= horizon}
    forgotten = (known.forgotten | done) & before.pending
    pending = _since(known, before.pending - forgotten, started)
    return Known(before.of(node) or "", started, pending, forgotten, newest=before.newest)


def after_patch(known: Known, before: Signature, node: str, looked: datetime) -> Known:
    """What to remember when a few records were put in place, or none: what was looked for is what had been written
    `looked`, before the signature was read. Covers no pending transaction, which none of them is."""
    forgotten = known.forgotten & before.pending
    pending = _since(known, before.pending - forgotten, looked)
    return Known(before.of(node) or "", known.exported_at, pending, forgotten, looked, before.newest)


def _since(known: Known, pending: frozenset[str], now: datetime) -> dict[str, datetime]:
    """When each was first seen. Not later than now: a clock that was ahead would have it waited for too long."""
    return {key: min(known.pending.get(key, now), now) for key in pending}


def after_look(known: Known, seen: Signature, now: datetime) -> Known:
    """What to remember of a look that changed nothing: pending transactions met for the first time wait from now.

    One that is new since the export need not be waited for: when it succeeds `ok` moves. It is waited for all the same,
    because a server that dies after the commit never says so (GEN3.md: the two misses of the signature).
    """
    fresh = dict.fromkeys(seen.pending - known.forgotten - set(known.pending), now)
    kept = {key: since for key, since in known.pending.items() if key in seen.pending}
    if not fresh and len(kept) == len(known.pending):
        return known
    return replace(known, pending=kept | fresh, forgotten=known.forgotten & seen.pending)
