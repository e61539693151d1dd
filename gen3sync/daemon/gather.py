"""What status.json says, gathered from the ledger and from what the running rooms tell. Decides nothing."""

from __future__ import annotations

import os
import socket
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from gen3sync import __version__
from gen3sync.daemon.recall import Recall
from gen3sync.inbox.state import InboxStatus as InboxState
from gen3sync.inbox.state import MirrorState
from gen3sync.ledger import Drop, DropState
from gen3sync.ledger.pause import Pause, waiting
from gen3sync.ledger.pause import read as read_pause
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
    NotifyStatus,
    OutboxStatus,
    ParkedStatus,
    PauseStatus,
    RefusalStatus,
    Status,
    Writer,
)

if TYPE_CHECKING:
    from gen3sync.ledger import Ledger

_OPEN = 100
_EVENTS = 20


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
    notify: NotifyStatus = field(default_factory=NotifyStatus)
    by: Writer = Writer.DAEMON
    pass_every: float | None = None


def gather(ledger: Ledger, live: Live, now: datetime, recall: Recall | None = None, elapsed: float = 0.0) -> Status:
    """One consistent-enough picture: each part is true at the moment it was read.

    `recall` is what was remembered since the picture before; without it everything is looked up. `elapsed` is the
    clock's monotonic time, for the pace of drops.
    """
    recall = Recall() if recall is None else recall
    recall.look(ledger, now)
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
            by=live.by,
            pass_every=live.pass_every,
        ),
        commons=live.commons,
        key=live.key,
        outbox=_outbox(ledger, live, open_drops, recall, elapsed),
        inbox=_inbox(live.inbox, recall),
        notify=live.notify,
        events=tuple(
            EventStatus(_iso(event.at), str(event.level), event.text) for event in ledger.events.recent(_EVENTS)
        ),
    )


def _outbox(ledger: Ledger, live: Live, drops: tuple[Drop, ...], recall: Recall, elapsed: float) -> OutboxStatus:
    recall.forget_paces(set(live.progress))
    pause, projects = read_pause(ledger), ledger.projects.all()
    shown = [
        _open(waiting(drop, pause, projects), live.progress.get(drop.id), recall, elapsed)
        # Those on their way before those that wait: the hundred oldest may all be parked.
        for drop in sorted(drops, key=lambda drop: (drop.id not in live.progress, drop.id))[:_OPEN]
    ]
    return OutboxStatus(
        path=live.outbox,
        settling=live.settling,
        open=tuple(sorted(shown, key=lambda drop: drop.drop)),
        open_total=len(drops),
        states=dict(Counter(str(drop.state) for drop in drops)),
        # The oldest come first, so what is left of each state is its first.
        oldest={str(drop.state): _iso(drop.arrived_at) for drop in reversed(drops)},
        ended=tuple(_ended(drop, recall) for drop in recall.ended),
        today=recall.today,
        refused=tuple(_ended(drop, recall) for drop in recall.refused),
        parked_projects=tuple(
            ParkedStatus(
                f"{p.program}/{p.project}",
                p.reason,
                _iso(p.since),
                _iso_or_none(p.next_look_at),
                p.error_class,
                p.attempts,
            )
            for p in projects
        ),
        pause=_pause(pause),
        watch=live.watch,
    )


def _pause(pause: Pause | None) -> PauseStatus | None:
    if pause is None:
        return None
    since, until = _iso(pause.since), _iso(pause.until)
    return PauseStatus(pause.told, pause.error_class, since, pause.attempts, until)


def _open(drop: Drop, progress: Progress | None, recall: Recall, elapsed: float) -> DropStatus:
    moving = progress is not None and drop.state in (DropState.SENDING, DropState.VERIFYING)
    left = recall.left(drop.id, progress.done, progress.rows, elapsed) if progress and moving else None
    return DropStatus(
        drop=drop.id,
        path=drop.path,
        project=_project(drop),
        state=str(drop.state),
        since=_iso(drop.arrived_at),
        reason=drop.reason,
        error_class=drop.error_class,
        attempts=drop.attempts,
        next_attempt_at=_iso_or_none(drop.next_attempt_at),
        rows=progress.rows if progress else None,
        done=progress.done if progress else None,
        left=None if left is None else round(left, 1),
    )


def _ended(drop: Drop, recall: Recall) -> EndedStatus:
    refusal = recall.refusal(drop)
    return EndedStatus(
        drop=drop.id,
        path=drop.path,
        project=_project(drop),
        verdict=str(drop.verdict),
        arrived_at=_iso(drop.arrived_at),
        counts=dict(drop.counts),
        reason=drop.reason,
        receipt=drop.receipt,
        ended_at=_iso_or_none(drop.ended_at),
        refusals=tuple(RefusalStatus(rows, message, column) for rows, message, column in refusal.reasons),
        rejects=str(refusal.rejects) if refusal.rejects else None,
    )


def _project(drop: Drop) -> str | None:
    return f"{drop.program}/{drop.project}" if drop.program and drop.project else None


def _inbox(state: InboxState, recall: Recall) -> InboxStatus:
    return InboxStatus(str(state.path), tuple(_mirror(mirror, recall) for mirror in state.mirrors), state.problems)


def _mirror(state: MirrorState, recall: Recall) -> MirrorStatus:
    change = recall.change(state.key)
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
        changed_at=_iso(change.started_at) if change else None,
        change=change.reason if change else "",
    )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def _iso_or_none(at: datetime | None) -> str | None:
    return None if at is None else _iso(at)
