"""A transport that tells an observer of each exchange: what kind it was, how it ended, how long it took.

An exchange counts once, with its redirects and its body, when it has ended. One that was never begun, because there is
no token, does not count.
"""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

from gen3sync.commons.replies import Broken, BrokenCause
from gen3sync.commons.transport import Request, Stream, Timeouts, Transport
from gen3sync.observe import Observer


class Kind(StrEnum):
    """What is asked of the commons."""

    SUBMIT = "submit"
    DRY_RUN = "dry_run"
    EXPORT = "export"
    GRAPHQL = "graphql"
    TOKEN = "token"  # noqa: S105 - a kind, not a secret
    DICTIONARY = "dictionary"
    VERSION = "version"
    USER = "user"
    OTHER = "other"  # lists of programs and projects, templates


def kind_of(method: str, url: str) -> Kind:
    """By the shape of the address; programs and projects may have any name."""
    match urlsplit(url).path.strip("/").split("/"):
        case ["api", "v0", "submission", "_dictionary", *_]:
            return Kind.DICTIONARY
        case ["api", "v0", "submission", "graphql"] if method == "POST":
            return Kind.GRAPHQL
        case ["api", "v0", "submission", _, _] if method == "PUT":
            return Kind.SUBMIT
        case ["api", "v0", "submission", _, _, "_dry_run"]:
            return Kind.DRY_RUN
        case ["api", "v0", "submission", _, _, "export"]:
            return Kind.EXPORT
        case ["user", *_, "access_token"]:
            return Kind.TOKEN
        case ["api", "_version"]:
            return Kind.VERSION
        case ["user", "user"] | ["authz", "mapping"]:
            return Kind.USER
    return Kind.OTHER


class MeteredTransport(Transport):
    """As `Transport`, with somebody looking on."""

    def __init__(self, observer: Observer, *, timeouts: Timeouts | None = None, ca_file: Path | None = None) -> None:
        super().__init__(timeouts=timeouts, ca_file=ca_file)
        self.observer = observer

    def open(self, request: Request, *, timeouts: Timeouts | None = None) -> Stream | Broken:
        exchange = _Exchange(self.observer, kind_of(request.method, request.url))
        stream = super().open(request, timeouts=timeouts)
        if isinstance(stream, Stream):
            stream.at_end = lambda: exchange.ended(_result(stream))
        elif stream.cause is not BrokenCause.CREDENTIALS:
            exchange.ended(stream.cause.value)
        return stream


class _Exchange:
    """Ends once, however often it is said."""

    def __init__(self, observer: Observer, kind: Kind) -> None:
        self._observer: Observer | None = observer
        self._kind = kind
        self._started = time.monotonic()

    def ended(self, result: str) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.asked(self._kind.value, result, time.monotonic() - self._started)


def _result(stream: Stream) -> str:
    broken = stream.body.broken
    return broken.cause.value if broken is not None else str(stream.status)
