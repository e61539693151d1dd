"""Puts the rooms together from settings, starts and stops them. `push`, `pull` and `once` use them without a daemon."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.connect import open_commons
from gen3sync.config import Settings
from gen3sync.daemon.gather import Live, Progress
from gen3sync.daemon.heartbeats import Heartbeats
from gen3sync.daemon.look import CommonsLook
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error
from gen3sync.inbox import Inbox
from gen3sync.ledger import EventLevel, Ledger, Refresh, open_ledger
from gen3sync.outbox import Outbox
from gen3sync.status import DaemonState, KeyStatus

log = logging.getLogger(__name__)

_PULSE = 20.0
_HOUSEKEEPING = timedelta(days=1)
_HISTORY = timedelta(days=365)
"""How long the ledger remembers when `[outbox] keep` says nothing shorter."""


def build(settings: Settings, clock: Clock, env: Mapping[str, str]) -> Rooms:
    """Makes the rooms; nothing is started and the commons is not asked. The folders' locks are the caller's.

    Raises ConfigError, FolderError, LedgerError.
    """
    for folder in (settings.state.path, settings.outbox.path, settings.inbox.path):
        _make(folder)
    client = open_commons(settings.commons, env, clock)
    try:
        ledger = open_ledger(settings.state.ledger, clock)
    except Gen3SyncError:
        client.close()
        raise
    return Rooms(settings, clock, client, ledger)


class Rooms:
    """The rooms of one configuration, built, and started where a daemon runs them."""

    def __init__(self, settings: Settings, clock: Clock, client: CommonsClient, ledger: Ledger) -> None:
        self.settings = settings
        self.clock = clock
        self.client = client
        self.ledger = ledger
        self.catalog = Catalog(client, clock, settings.state.path)
        self._beats: Heartbeats | None = None
        self._wake: threading.Event | None = None
        self._scheduler: Any = None
        self._look = CommonsLook(client, self.catalog, clock)
        self.inbox = Inbox(settings, client, self.catalog, ledger, clock, heartbeat=self._beat)
        self.outbox = Outbox(
            settings,
            client,
            self.catalog,
            ledger,
            clock,
            rng=random.Random(),  # noqa: S311 (jitter)
            on_landed=self.inbox.touched,
            heartbeat=self._beat,
        )
