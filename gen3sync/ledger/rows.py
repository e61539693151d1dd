"""What the ledger holds, as data: one frozen class per kind of row, enums for states.

Owns shapes and words, no SQL and no SQLAlchemy, so any room may import it at no cost. Times are aware datetimes in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, TypedDict

Json = Any
"""What JSON can say: None, bool, int, float, str, lists and string-keyed dicts of these."""


class DropState(StrEnum):
    """How far a drop has come."""

    WAITING = "waiting"  # settled and snapshotted
    PLANNING = "planning"
    SENDING = "sending"
    VERIFYING = "verifying"
    PARKED = "parked"  # waits for a person or an outside change; `reason` says for what
    ENDED = "ended"  # `verdict` says how


class Verdict(StrEnum):
    """How a drop ended."""

    LANDED = "landed"  # the commons holds the values of the file (also when nothing had to be sent)
    PARTLY = "partly"  # some rows landed, some are rejects
    REJECTED = "rejected"  # no row landed
    SUPERSEDED = "superseded"  # a newer arrival at the same path took its place
    WITHDRAWN = "withdrawn"  # somebody took it back before it was sent whole
    UNVERIFIED = "unverified"  # accepted, but the proof was not to be had


class RequestState(StrEnum):
    """What is known of one PUT."""

    IN_FLIGHT = "in_flight"
    LANDED = "landed"
    REFUSED = "refused"
    LOST = "lost"  # no answer: may or may not have landed; its records stay locked
    SETTLED = "settled"  # was lost, and is known by now, or the server's horizon has passed


UNSETTLED = (RequestState.IN_FLIGHT, RequestState.LOST)


class Outcome(StrEnum):
    """How a refresh of a mirror went."""

    UNCHANGED = "unchanged"
    UPDATED = "updated"
    GUARDED = "guarded"  # a guard kept the old file; waits for `pull --accept`
    FAILED = "failed"


SUCCESSES = (Outcome.UNCHANGED, Outcome.UPDATED)


class EventLevel(StrEnum):
    """How loud a line of history is."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class NewDrop:
    """A drop about to be written down. `path` is relative to the outbox (or the name of a pushed file), `snapshot`
    relative to the state folder, `sha256` and `size` are those of the snapshot."""

    path: str
    sha256: str
    size: int
    snapshot: str
    arrived_at: datetime | None = None  # now, if not given
    program: str | None = None
    project: str | None = None
    state: DropState = DropState.WAITING
    verdict: Verdict | None = None
    reason: str = ""
    error_class: str = ""
    attempts: int = 0
    next_attempt_at: datetime | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    receipt: str | None = None
    source: str = "outbox"  # or "push"
    allow_erase: bool = False  # a person said `retry --erase`


@dataclass(frozen=True, slots=True)
class Drop:
    """One arrival of a file."""

    id: int
    path: str
    sha256: str
    size: int
    snapshot: str
    arrived_at: datetime
    program: str | None
    project: str | None
    state: DropState
    verdict: Verdict | None
    reason: str
    error_class: str
    attempts: int
    next_attempt_at: datetime | None
    counts: Mapping[str, int]
    receipt: str | None
    source: str
    allow_erase: bool
    updated_at: datetime
    ended_at: datetime | None  # set by the ledger when the state becomes ENDED


class DropFields(TypedDict, total=False):
    """What `Drops.update` can change."""

    program: str | None
    project: str | None
    state: DropState
    verdict: Verdict | None
    reason: str
    error_class: str
    attempts: int
    next_attempt_at: datetime | None
    snapshot: str
    counts: Mapping[str, int]
    receipt: str | None
    allow_erase: bool


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A PUT about to be sent. `keys` are the records it writes, each `NODE lower(submitter_id)`; `log_mark` is the
    id of the project's newest transaction known before sending, where the search for a lost answer starts."""

    drop_id: int
    document_name: str
    program: str
    project: str
    node: str
    chunk: int
    rows: int
    keys: tuple[str, ...]
    log_mark: int | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One PUT, written down before it is sent. `uptime` is that of the machine then, in seconds, where it tells."""

    id: int
    drop_id: int
    document_name: str
    program: str
    project: str
    node: str
    chunk: int
    rows: int
    keys: tuple[str, ...]
    log_mark: int | None
    state: RequestState
    transaction_id: int | None
    started_at: datetime
    ended_at: datetime | None
    uptime: float | None


@dataclass(frozen=True, slots=True)
class MirrorKey:
    """Which mirrored file a refresh is of."""

    mirror: str
    program: str
    project: str
    node: str
    format: str


@dataclass(frozen=True, slots=True)
class NewRefresh:
    """One run of a mirror about to be written down. `path` is relative to the inbox."""

    mirror: str
    program: str
    project: str
    node: str
    format: str
    started_at: datetime
    outcome: Outcome
    ended_at: datetime | None = None  # now, if not given
    rows: int | None = None
    bytes: int | None = None
    sha256: str | None = None
    path: str | None = None
    reason: str = ""
    signature: str | None = None
    dictionary_version: str | None = None

    @property
    def key(self) -> MirrorKey:
        return MirrorKey(self.mirror, self.program, self.project, self.node, self.format)


@dataclass(frozen=True, slots=True)
class Refresh:
    """One run of one mirror over one node of one project.

    Runs that found nothing changed, one after another, share one row: it tells of the newest of them, and `times` and
    `since` (when the first began) of all. A mirror looked at every ten seconds would fill the disk otherwise.
    """

    id: int
    mirror: str
    program: str
    project: str
    node: str
    format: str
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    rows: int | None
    bytes: int | None
    sha256: str | None
    path: str | None
    reason: str
    signature: str | None
    dictionary_version: str | None
    since: datetime
    times: int

    @property
    def key(self) -> MirrorKey:
        return MirrorKey(self.mirror, self.program, self.project, self.node, self.format)


@dataclass(frozen=True, slots=True)
class Event:
    """A line of history."""

    id: int
    at: datetime
    level: EventLevel
    kind: str
    drop_id: int | None
    mirror: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Order:
    """A wish from the command line to a daemon that is alive."""

    id: int
    at: datetime
    verb: str
    arguments: Mapping[str, Json]
    taken_at: datetime | None
    done_at: datetime | None
    result: str | None


@dataclass(frozen=True, slots=True)
class ParkedProject:
    """A project nothing is sent to until somebody or something outside changes. It stays one while it is looked at
    again (`next_look_at` is None then), until that found it open; `attempts` counts what was in vain."""

    program: str
    project: str
    reason: str
    error_class: str
    since: datetime
    next_look_at: datetime | None
    attempts: int = 1


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows `Ledger.prune` removed."""

    drops: int
    requests: int
    events: int
    refreshes: int
    orders: int
