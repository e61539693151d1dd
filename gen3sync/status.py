"""What status.json says: the shape, and reading and writing it. How well that is, `health.py` says.

The daemon writes the file; `gen3sync status` and any script read it, also when the daemon is down. Imports nothing
heavy on purpose: reading a status must be cheap enough for a monitor that asks every minute. Gathering the facts is
the daemon's business, showing them the command line's. docs/reference/status.md documents every field.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from gen3sync.errors import NotFoundError, UnreadableError

SCHEMA = 1
FILE = "status.json"


class DaemonState(StrEnum):
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Writer(StrEnum):
    """Who wrote a status."""

    DAEMON = "daemon"
    ONCE = "once"
    """`gen3sync once`, at the end of its pass: no daemon runs here, and none is missed."""


@dataclass(frozen=True, slots=True)
class DaemonStatus:
    state: DaemonState
    pid: int
    host: str
    started_at: str
    version: str
    config: str
    problem: str = ""
    """Why the last reload was refused, or which loop has no fresh heartbeat."""
    heartbeats: dict[str, float] = field(default_factory=dict)
    """Seconds since each loop last showed life."""
    by: Writer = Writer.DAEMON
    pass_every: float | None = None
    """Of `once`: the longest time between two of its last passes, in seconds. None after the first."""


@dataclass(frozen=True, slots=True)
class CommonsStatus:
    url: str
    reachable: bool | None = None
    """None until it was asked."""
    since: str | None = None
    """Since when it is reachable, or is not."""
    problem: str = ""
    version: str = ""
    dictionary: str = ""


@dataclass(frozen=True, slots=True)
class KeyStatus:
    user: str = ""
    key_expires_at: str | None = None
    token_expires_at: str | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class DropStatus:
    """A drop that has not ended."""

    drop: int
    path: str
    project: str | None
    state: str
    since: str
    reason: str = ""
    attempts: int = 0
    next_attempt_at: str | None = None
    rows: int | None = None
    done: int | None = None
    left: float | None = None
    """Seconds until it is through, by the pace of the last minutes; None where nobody can say."""
    error_class: str = ""


@dataclass(frozen=True, slots=True)
class RefusalStatus:
    """Rows that were refused for one reason."""

    rows: int
    message: str
    column: str | None = None


@dataclass(frozen=True, slots=True)
class EndedStatus:
    """A drop that has ended, newest first."""

    drop: int
    path: str
    project: str | None
    verdict: str
    arrived_at: str
    counts: dict[str, int] = field(default_factory=dict)
    reason: str = ""
    receipt: str | None = None
    ended_at: str | None = None
    refusals: tuple[RefusalStatus, ...] = ()
    """Why rows were refused, the most frequent reasons first."""
    rejects: str | None = None
    """The file that holds the refused rows, to be corrected and dropped again."""


@dataclass(frozen=True, slots=True)
class ParkedStatus:
    """A project that takes nothing at the moment; `next_look_at` is None while it is being looked at."""

    project: str
    reason: str
    since: str
    next_look_at: str | None = None
    error_class: str = ""
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class PauseStatus:
    """The commons is left alone, since it does not answer or asked for it (Retry-After): nothing is sent."""

    reason: str
    error_class: str
    since: str
    attempts: int
    next_attempt_at: str


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    path: str
    settling: int = 0
    """Files that are still being written."""
    open: tuple[DropStatus, ...] = ()
    open_total: int = 0
    """All drops that have not ended; `open` holds the first hundred."""
    states: dict[str, int] = field(default_factory=dict)
    """All drops that have not ended, by state."""
    oldest: dict[str, str] = field(default_factory=dict)
    """When the oldest of them arrived, by state."""
    ended: tuple[EndedStatus, ...] = ()
    today: dict[str, int] = field(default_factory=dict)
    """Drops that ended in the last 24 hours, by verdict."""
    refused: tuple[EndedStatus, ...] = ()
    """Those of the last 24 hours of which something was refused or is not proven; the newest twenty."""
    parked_projects: tuple[ParkedStatus, ...] = ()
    pause: PauseStatus | None = None
    watch: str = ""
    """How arrivals are noticed: inotify, poll or off."""


@dataclass(frozen=True, slots=True)
class MirrorStatus:
    mirror: str
    project: str
    node: str
    format: str
    outcome: str
    """Of the last refresh: unchanged, updated, guarded, failed; or "never"."""
    checked_at: str | None = None
    """When the commons was last known to hold exactly this."""
    rows: int | None = None
    bytes: int | None = None
    path: str | None = None
    next_run_at: str | None = None
    reason: str = ""
    stale: bool = False
    """Older than `max_age`, or than two looks and a little more."""
    changed_at: str | None = None
    change: str = ""
    """When a refresh last found something else than before, and what."""


@dataclass(frozen=True, slots=True)
class InboxStatus:
    path: str
    mirrors: tuple[MirrorStatus, ...] = ()
    problems: tuple[str, ...] = ()
    """What keeps mirrors from being known at all, such as projects that match nothing."""


@dataclass(frozen=True, slots=True)
class NotifyStatus:
    """Messages to people who are not looking."""

    targets: int = 0
    """Addresses they go to; 0 where none is configured."""
    waiting: int = 0
    """Messages that have not reached every target."""
    last_at: str | None = None
    """When a message last reached a target."""
    problem: str = ""
    """Why messages do not get through."""


@dataclass(frozen=True, slots=True)
class EventStatus:
    at: str
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class Status:
    written_at: str
    daemon: DaemonStatus
    commons: CommonsStatus
    key: KeyStatus
    outbox: OutboxStatus
    inbox: InboxStatus
    notify: NotifyStatus = field(default_factory=NotifyStatus)
    events: tuple[EventStatus, ...] = ()
    schema: int = SCHEMA

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), ensure_ascii=False, indent=1).encode() + b"\n"

    @classmethod
    def from_json(cls, raw: bytes) -> Status:
        """Raises ValueError for what is not a status of this schema; what a newer gen3sync added is skipped."""
        try:
            data = json.loads(raw)
            if data["schema"] != SCHEMA:
                raise ValueError(f"schema {data['schema']!r}")
            daemon, outbox, inbox = data["daemon"], data["outbox"], data["inbox"]
            states = {"state": DaemonState(daemon["state"]), "by": Writer(daemon.get("by", Writer.DAEMON))}
            lists = {name: tuple(map(_ended, outbox.get(name, ()))) for name in ("ended", "refused")}
            lists |= {"open": _each(DropStatus, outbox["open"])}
            pause = {"pause": _one(PauseStatus, outbox["pause"]) if outbox.get("pause") else None}
            lists |= {"parked_projects": _each(ParkedStatus, outbox["parked_projects"])}
            mirrors = _each(MirrorStatus, inbox["mirrors"])
            return cls(
                written_at=data["written_at"],
                daemon=_one(DaemonStatus, daemon | states),
                commons=_one(CommonsStatus, data["commons"]),
                key=_one(KeyStatus, data["key"]),
                outbox=_one(OutboxStatus, outbox | lists | pause),
                inbox=_one(InboxStatus, inbox | {"mirrors": mirrors, "problems": tuple(inbox["problems"])}),
                notify=_one(NotifyStatus, data.get("notify", {})),
                events=_each(EventStatus, data["events"]),
            )
        except KeyError as error:
            raise ValueError(f"it has no {error}") from None
        except (AttributeError, TypeError):
            raise ValueError("its parts have another form") from None


def _one(kind: type[Any], item: dict[str, Any]) -> Any:
    known = {each.name for each in fields(kind)}
    return kind(**{name: value for name, value in item.items() if name in known})


def _each(kind: type[Any], items: list[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(_one(kind, item) for item in items)


def _ended(item: dict[str, Any]) -> EndedStatus:
    found: EndedStatus = _one(EndedStatus, item | {"refusals": _each(RefusalStatus, item.get("refusals", []))})
    return found


def read_status(state: Path) -> Status:
    """The last status written into the state folder. Raises NotFoundError when there is none that can be read."""
    path = state / FILE
    try:
        return Status.from_json(path.read_bytes())
    except FileNotFoundError:
        raise NotFoundError(
            f"No daemon has run here yet: {path} does not exist.", "Start one with `gen3sync run`."
        ) from None
    except OSError as error:
        raise UnreadableError(
            f"{path} cannot be read: {error.strerror}.", "Run the command as the daemon's user or as one of its group."
        ) from None
    except ValueError as error:
        raise NotFoundError(
            f"{path} is not a status of this version ({error}).", "Restart the daemon; it writes the file anew."
        ) from None


def moment(text: str) -> datetime:
    """The time a status field names; always aware."""
    value = datetime.fromisoformat(text)
    return value if value.tzinfo else value.replace(tzinfo=UTC)
