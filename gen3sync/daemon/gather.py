"""What status.json says, gathered from the ledger and from what the running rooms tell. Decides nothing."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gen3sync import __version__
from gen3sync.inbox.state import InboxStatus as InboxState
from gen3sync.inbox.state import MirrorState
from gen3sync.ledger import Drop, DropState
from gen3sync.status import (
    CommonsStatus,
    DaemonState,
    DaemonStatus,
    DropStatus,
    EndedStatus,
    EventStatus,
    InboxStatus,
    KeyStatus,
    MirrorStatus,
    OutboxStatus,
    ParkedStatus,
    Status,
)

if TYPE_CHECKING:
    from gen3sync.ledger import Ledger

_OPEN = 100
_ENDED = 20
_EVENTS = 20
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a drop has come: rows done of rows in all."""

    done: int
    rows: int


@dataclass(frozen=True, slots=True)
class Live:
    """What only the running daemon knows."""

    state: DaemonState
    started_at: datetime
    config: str
    outbox: str
    inbox: InboxState
    problem: str = ""
    heartbeats: dict[str, float] = field(default_factory=dict)
    commons: CommonsStatus = field(default_factory=lambda: CommonsStatus(""))
    key: KeyStatus = field(default_factory=KeyStatus)
    settling: int = 0
    watch: str = ""
    progress: dict[int, Progress] = field(default_factory=dict)


def gather(ledger: Ledger, live: Live, now: datetime) -> Status:
    """One consistent-enough picture: each part is true at the moment it was read."""
    open_drops = ledger.drops.open()
    return Status(
        written_at=_iso(now),
        daemon=DaemonStatus(
            state=live.state,
            pid=os.getpid(),
            host=socket.gethostname(),
            started_at=_iso(live.started_at),
            version=__version__,
            config=live.config,
            problem=live.problem,
            heartbeats=live.heartbeats,
        ),
        commons=live.commons,
        key=live.key,
        outbox=_outbox(ledger, live, open_drops, now),
        inbox=_inbox(live.inbox),
        events=tuple(
            EventStatus(_iso(event.at), str(event.level), event.text) for event in ledger.events.recent(_EVENTS)
        ),
    )


def _outbox(ledger: Ledger, live: Live, open_drops: tuple[Drop, ...], now: datetime) -> OutboxStatus:
    ended = [drop for drop in ledger.drops.recent(500) if drop.state is DropState.ENDED]
    today = Counter(str(drop.verdict) for drop in ended if drop.ended_at and now - drop.ended_at < _DAY)
    return OutboxStatus(
        path=live.outbox,
        settling=live.settling,
        open=tuple(_open(drop, live.progress.get(drop.id)) for drop in open_drops[:_OPEN]),
        open_total=len(open_drops),
        ended=tuple(_ended(drop) for drop in ended[:_ENDED]),
        today=dict(today),
        parked_projects=tuple(
            ParkedStatus(f"{p.program}/{p.project}", p.reason, _iso(p.since), _iso_or_none(p.next_look_at))
            for p in ledger.projects.all()
        ),
        watch=live.watch,
    )


def _open(drop: Drop, progress: Progress | None) -> DropStatus:
    return DropStatus(
        drop=drop.id,
        path=drop.path,
        project=_project(drop),
        state=str(drop.state),
        since=_iso(drop.arrived_at),
        reason=drop.reason,
        attempts=drop.attempts,
        next_attempt_at=_iso_or_none(drop.next_attempt_at),
        rows=progress.rows if progress else None,
        done=progress.done if progress else None,
    )


def _ended(drop: Drop) -> EndedStatus:
    return EndedStatus(
        drop=drop.id,
        path=drop.path,
        project=_project(drop),
        verdict=str(drop.verdict),
        arrived_at=_iso(drop.arrived_at),
        counts=dict(drop.counts),
        reason=drop.reason,
        receipt=drop.receipt,
    )


def _project(drop: Drop) -> str | None:
    return f"{drop.program}/{drop.project}" if drop.program and drop.project else None


def _inbox(state: InboxState) -> InboxStatus:
    return InboxStatus(str(state.path), tuple(_mirror(mirror) for mirror in state.mirrors), state.problems)


def _mirror(state: MirrorState) -> MirrorStatus:
    return MirrorStatus(
        mirror=state.mirror.name,
        project=str(state.mirror.project),
        node=state.mirror.node,
        format=str(state.mirror.format),
        outcome=str(state.outcome) if state.outcome else "never",
        checked_at=_iso_or_none(state.checked_at),
        rows=state.rows,
        bytes=state.bytes,
        path=state.file,
        next_run_at=_iso_or_none(state.next_run),
        reason=state.reason,
        stale=state.stale,
    )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _iso_or_none(at: datetime | None) -> str | None:
    return None if at is None else _iso(at)
