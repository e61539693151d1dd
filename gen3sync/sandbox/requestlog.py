"""What was asked of the sandbox: one entry a request, in the order of arrival, for tests to read."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LoggedRequest:
    """One request. `started` and `ended` are steps of one counter: `a.started < b.ended and b.started < a.ended`
    means that both were in flight. `written` holds (project_id, node, lower-case submitter_id) that were committed,
    `ids` (project_id, "id", id) of rows that name one.
    """

    number: int
    method: str
    path: str
    query: str
    headers: dict[str, str]
    started: int
    started_at: float
    document_name: str | None = None
    ended: int | None = None
    ended_at: float | None = None
    status: int | None = None
    rows: int = 0
    named: list[tuple[str, str, str]] = field(default_factory=list)
    ids: list[tuple[str, str, str]] = field(default_factory=list)
    written: list[tuple[str, str, str]] = field(default_factory=list)
    transaction_id: int | None = None
    body: bytes | None = None
    bytes_sent: int = 0
    fault: str | None = None

    def overlaps(self, other: LoggedRequest) -> bool:
        """Whether both were in flight at one moment."""
        mine = self.ended if self.ended is not None else float("inf")
        theirs = other.ended if other.ended is not None else float("inf")
        return self.started < theirs and other.started < mine

    def describe(self) -> dict[str, Any]:
        """For the control area: without the body."""
        return {name: value for name, value in vars(self).items() if name not in ("body", "headers")}


class RequestLog:
    """Thread-safe. Bodies are kept up to `keep_bodies` bytes in all, so that a million rows do not fill memory."""

    def __init__(self, changed: threading.Condition, keep_bodies: int) -> None:
        self.changed = changed
        self.keep_bodies = keep_bodies
        self.entries: list[LoggedRequest] = []
        self._step = 0
        self._kept = 0

    def start(self, method: str, path: str, query: str, headers: dict[str, str]) -> LoggedRequest:
        with self.changed:
            self._step += 1
            shown = {k: ("<hidden>" if k == "authorization" else v) for k, v in headers.items()}
            entry = LoggedRequest(len(self.entries) + 1, method, path, query, shown, self._step, time.monotonic())
            entry.document_name = headers.get("x-document-name")
            self.entries.append(entry)
            self.changed.notify_all()
            return entry

    def keep(self, entry: LoggedRequest, body: bytes) -> None:
        with self.changed:
            if self._kept + len(body) <= self.keep_bodies:
                self._kept += len(body)
                entry.body = body

    def end(self, entry: LoggedRequest, status: int | None) -> None:
        with self.changed:
            self._step += 1
            entry.ended = self._step
            entry.ended_at = time.monotonic()
            entry.status = status
            self.changed.notify_all()

    def all(self) -> list[LoggedRequest]:
        with self.changed:
            return list(self.entries)

    def colliding(self) -> list[tuple[LoggedRequest, LoggedRequest, tuple[str, str, str]]]:
        """Pairs of requests in flight at once that named the same record, or the same id, to be written: there must be
        none."""
        last: dict[tuple[str, str, str], list[LoggedRequest]] = {}
        found: list[tuple[LoggedRequest, LoggedRequest, tuple[str, str, str]]] = []
        for entry in self.all():
            for key in {*entry.named, *entry.ids}:
                found += [(other, entry, key) for other in last.setdefault(key, []) if other.overlaps(entry)]
                last[key].append(entry)
        return found
