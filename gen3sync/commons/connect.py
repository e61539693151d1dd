"""Builds a client from settings: the one place where the parts of this room are put together."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from gen3sync.clock import Clock, SystemClock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.credentials import CredentialsSource
from gen3sync.commons.metered import MeteredTransport
from gen3sync.commons.tokens import TokenManager
from gen3sync.commons.transport import Timeouts
from gen3sync.observe import NOBODY, Observer


class CommonsLike(Protocol):
    """The settings that a client needs; `config.CommonsSettings` has them."""

    @property
    def url(self) -> str | None: ...
    @property
    def credentials(self) -> Path | None: ...
    @property
    def connect_timeout(self) -> float: ...
    @property
    def read_timeout(self) -> float: ...
    @property
    def deadline(self) -> float: ...
    @property
    def ca_file(self) -> Path | None: ...


def open_commons(
    settings: CommonsLike, env: Mapping[str, str], clock: Clock | None = None, observer: Observer = NOBODY
) -> CommonsClient:
    """A client for the settings. Reads no key and opens no connection yet; raises ConfigError for a bad address."""
    timeouts = Timeouts(settings.connect_timeout, settings.read_timeout, settings.deadline)
    transport = MeteredTransport(observer, timeouts=timeouts, ca_file=settings.ca_file)
    source = CredentialsSource(settings.credentials, env)
    tokens = TokenManager(transport, source, clock or SystemClock(), settings.url)
    return CommonsClient(transport, tokens)
