"""The commons as a whole: its store, log, tokens, permissions and faults, and the call that a route works on.

Composition only; the HTTP side is server.py, what each address does is in routes/.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox.authz import Permissions, require
from gen3sync.sandbox.clock import Clock
from gen3sync.sandbox.dictionary import Dictionary
from gen3sync.sandbox.faults import Faults, Kind, Point
from gen3sync.sandbox.message import Request, Response, failure, json_response
from gen3sync.sandbox.pages import service_failure
from gen3sync.sandbox.requestlog import LoggedRequest, RequestLog
from gen3sync.sandbox.store import Project, Store
from gen3sync.sandbox.tokens import Tokens
from gen3sync.sandbox.transactions import TransactionLog

Key = tuple[str, str, str]


class Killed(Exception):  # noqa: N818 - no error: the worker is gone
    """The worker died here; nothing after it happens. `how` is what the client sees."""

    def __init__(self, how: str | int) -> None:
        super().__init__(how)
        self.how = how


class Claims:
    """Keys that running uploads are about to create. A second one waits, as on PostgreSQL's unique index."""

    def __init__(self, changed: threading.Condition) -> None:
        self.changed = changed
        self.taken: dict[Key, int] = {}

    @contextmanager
    def hold(self, owner: int, keys: Iterable[Key], stopped: Callable[[], bool]) -> Any:
        mine = set(keys)
        with self.changed:
            self.changed.wait_for(lambda: stopped() or not any(key in self.taken for key in mine))
            for key in mine:
                self.taken[key] = owner
        try:
            yield
        finally:
            with self.changed:
                for key in mine:
                    self.taken.pop(key, None)
                self.changed.notify_all()


class Gate:
    """So many requests at once as the setting says, the others queue."""

    def __init__(self, faults: Faults, limit: Callable[[], int | None]) -> None:
        self.faults = faults
        self.limit = limit
        self.inside = 0

    @contextmanager
    def enter(self) -> Any:
        with self.faults.changed:
            self.faults.changed.wait_for(
                lambda: self.faults.stopping or (limit := self.limit()) is None or self.inside < limit
            )
            self.inside += 1
        try:
            yield
        finally:
            with self.faults.changed:
                self.inside -= 1
                self.faults.changed.notify_all()


class Commons:
    """Everything behind the HTTP server."""

    def __init__(self, dictionary: Dictionary, username: str, keep_bodies: int) -> None:
        self.dictionary = dictionary
        self.username = username
        self.clock = Clock()
        self.faults = Faults()
        self.store = Store(dictionary)
        self.changed = self.store.changed
        self.log = TransactionLog(self.changed)
        self.tokens = Tokens(self.clock, username)
        self.permissions = Permissions(self.store)
        self.requests = RequestLog(self.changed, keep_bodies)
        self.claims = Claims(self.changed)
        self.submission_gate = Gate(self.faults, lambda: self.faults.settings.workers)
        self.graphql_gate = Gate(self.faults, lambda: self.faults.settings.graphql_workers)
        self.schema_cache: dict[str, Any] = {}

    def stop(self) -> None:
        """Wakes everything that waits."""
        self.faults.stop()
        with self.changed:
            self.changed.notify_all()


@dataclass
class Call:
    """One request being worked on. `abandon` ends the client's side while the work goes on."""

    commons: Commons
    request: Request
    logged: LoggedRequest
    abandon: Callable[[str | int], None]
    reached: list[Point] = field(default_factory=list)

    @property
    def target(self) -> str:
        """Path and query, which faults match."""
        return self.request.path + (f"?{self.request.query}" if self.request.query else "")

    @property
    def direct(self) -> bool:
        """Asked without `/api`: past the proxies, whose replacement of 5xx bodies then does not happen."""
        return self.request.path.startswith("/v0/")

    def crash(self) -> Response:
        """The service fell over."""
        if self.direct:
            response = json_response({"message": "internal server error"}, 500)
            response.close = True
            return response
        return service_failure(500)

    def reach(self, point: Point) -> None:
        """Meets the faults set for this point. Raises Killed."""
        faults = self.commons.faults
        self.reached.append(point)
        method = self.request.method
        while (hold := faults.take(method, self.target, Kind.HOLD, point=point)) is not None:
            self.logged.fault = "hold"
            faults.wait_released(hold)
            if faults.stopping:
                raise Killed("close")  # nothing more may happen in a sandbox that has been stopped
            if hold.released:
                break
        kill = faults.take(method, self.target, Kind.KILL, point=point)
        if kill is not None:
            self.logged.fault = "kill"
            raise Killed(kill.options["how"])
        lost = faults.take(method, self.target, Kind.LOSE, point=point)
        if lost is not None:
            self.logged.fault = "lose"
            self.abandon(lost.options["how"])

    def project(self, program: str, code: str) -> Project:
        """Raises HTTPFailure 404, which comes before any authorisation."""
        if program not in self.commons.store.programs:
            raise failure(404, f"Program {program} not found")
        found = self.commons.store.projects.get((program, code))
        if found is None:
            raise failure(404, f"Project {code} not found")
        return found

    def require(self, program: str, code: str, *methods: str) -> str:
        """The user's name. Raises HTTPFailure 401 or 403."""
        return require(self.request, self.commons.tokens, self.commons.permissions, f"{program}-{code}", *methods)
