"""What the parts of the outbox share: the other rooms, settings, time, chance and the two gates to the commons."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.config import Settings
from gen3sync.errors import Gen3SyncError
from gen3sync.ledger import Drop, Ledger
from gen3sync.life import Workers, unwatched
from gen3sync.names import Project
from gen3sync.observe import NOBODY, Observer
from gen3sync.outbox.crew import Crew
from gen3sync.outbox.failpoint import FailPoint
from gen3sync.outbox.gate import CommonsGate
from gen3sync.outbox.graphql import GraphqlWatch
from gen3sync.outbox.idlocks import IdLocks
from gen3sync.outbox.left import Left

Landed = Callable[[Project, set[str]], None]
"""Told which nodes of a project changed."""


@dataclass(frozen=True)
class Rooms:
    """Handed to every part; made once, by `Outbox`. `pool` sends the requests that write, `readers` those
    that read; `provers` wait for these."""

    settings: Settings
    client: CommonsClient
    catalog: Catalog
    ledger: Ledger
    clock: Clock
    rng: random.Random
    gate: CommonsGate
    pool: Crew
    readers: Executor
    provers: Executor
    on_landed: Landed
    failpoint: FailPoint
    host: str
    left: Left
    graphql: GraphqlWatch
    worker: Workers = unwatched
    """Makes those who show signs of life."""
    stop: threading.Event = field(default_factory=threading.Event)
    observer: Observer = NOBODY
    ids: IdLocks = field(default_factory=IdLocks)
    arriving: threading.Event = field(default_factory=threading.Event)
    """Files lie in the outbox that are not taken yet, or nobody has looked in this life."""

    def watched(self, name: str) -> AbstractContextManager[None]:
        """Work on a thread of its own: missed when it takes longer than it can by right."""
        return self.worker(name).at_work()

    @property
    def state(self) -> Path:
        return self.settings.state.path

    @property
    def submitter(self) -> str:
        """Whom the key belongs to; '' where that was never known."""
        try:
            return self.catalog.user().username
        except Gen3SyncError:
            return ""


def tell_ended(rooms: Rooms, drop: Drop) -> None:
    """Whoever looks on hears of a drop that has ended."""
    verdict = drop.verdict.value if drop.verdict is not None else ""
    lasted = (drop.ended_at or drop.arrived_at) - drop.arrived_at
    rooms.observer.drop_ended(verdict, drop.counts, lasted.total_seconds())


def host_name() -> str:
    """Of this machine, as document names carry it."""
    name = socket.gethostname().split(".")[0]
    return "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in name)[:40] or "host"
