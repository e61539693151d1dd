"""How well a project can be seen: through GraphQL and exports, by exports alone, or not at all.

Owns the answer of one lane and how long it holds. Whether GraphQL answers at all is `graphql.py`'s.
"""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from enum import StrEnum

from gen3sync.clock import Clock
from gen3sync.commons import queries
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Failure,
    Forbidden,
    Missing,
    Refused,
    Signature,
    Unknown,
)
from gen3sync.names import Project
from gen3sync.outbox.backoff import LOOK_AGAIN
from gen3sync.outbox.graphql import Graphql, GraphqlWatch

Nothing = Refused | Failure


class Sight(StrEnum):
    """How well a project can be seen."""

    FULL = "full"  # GraphQL and exports
    EXPORTS = "exports"  # no GraphQL: by exports of whole nodes
    BLIND = "blind"  # no read permission: nothing can be compared or proven


@dataclass(frozen=True, slots=True)
class _Seen:
    sight: Sight
    why: str
    until: float
    """Monotonic: when to look again, where sight is less than full."""
    given_up: bool = False
    """It is what it is only because GraphQL does not answer."""


class Sights:
    """Of one project. Thread-safe."""

    def __init__(
        self, client: CommonsClient, project: Project, pool: Executor, clock: Clock, watch: GraphqlWatch
    ) -> None:
        self._client, self._project, self._pool, self._clock, self._watch = client, project, pool, clock, watch
        self.asks = Graphql(client, project, watch, clock)
        self._lock = threading.Lock()
        self._seen: _Seen | None = None
        self._counted: tuple[str, int] | None = None
        self.newest: int | None = None
        """The newest transaction when the project was first seen; None where that was not told."""

    @property
    def why(self) -> str:
        """Why sight is less than full."""
        with self._lock:
            return self._seen.why if self._seen is not None else ""

    @property
    def seen(self) -> bool:
        """Whether it is known how well the project can be seen."""
        with self._lock:
            return self._seen is not None

    @property
    def sure(self) -> bool:
        """So it is, and the last question was answered."""
        return self.seen and not self._watch.doubted

    def sight(self, node: str | None = None) -> Sight | Nothing:
        """How well the project can be seen: asked once and kept; less than full, looked at again every few minutes,
        beside other work. `node` is counted in the same question."""
        with self._lock:
            seen = self._seen
        if node is not None:
            self._counted = None  # what was counted for an earlier plan, and not used by it
        if seen is None or (seen.given_up and not self._watch.given_up):
            return self._look(node)
        if seen.sight is Sight.FULL:
            return self._look(node) if self._watch.doubted or self._watch.given_up else seen.sight
        if self._clock.monotonic() >= seen.until and (not seen.given_up or self._watch.may_look()):
            self._look_beside(seen)
        return seen.sight

    def shown_only(self) -> bool:
        """An export was forbidden: whether that is because GraphQL shows the project to everybody (its availability is
        Open) and the key may not read it. Then nothing of it can be compared or proven."""
        permissions = self._client.permissions()
        if isinstance(permissions, Refused | Failure) or not permissions.known or permissions.may_read(self._project):
            return False
        if not isinstance(queries.signature(self.asks, self._project, []), Signature):
            return False
        why = f"the key may not read {self._project}, though GraphQL shows it to everybody"
        self._set(_Seen(Sight.BLIND, why, self._clock.monotonic() + LOOK_AGAIN))
        return True

    def forget(self) -> None:
        """Permissions or services may have changed."""
        with self._lock:
            self._seen = None

    def counted(self, node: str) -> int | None:
        """How many records the node had when it was last looked at; told once."""
        counted, self._counted = self._counted, None
        return counted[1] if counted is not None and counted[0] == node else None

    def _look(self, node: str | None) -> Sight | Nothing:
        watch = self._watch
        if watch.given_up:
            return self._less(watch.given_up, given_up=True)
        if watch.doubted:
            if (early := watch.pause()) is not None:
                return early
            # A commons that is down as a whole is probed by one request.
            if (down := self.asks.commons_down()) is not None:
                return down
        return self._asked(node)

    def _asked(self, node: str | None) -> Sight | Nothing:
        seen = queries.signature(self.asks, self._project, [node] if node else [])
        match seen:
            case Signature():
                self.newest = seen.newest
                part = seen.node(node) if node else None
                self._counted = (node, part.count) if node and part else None
                return self._set(_Seen(Sight.FULL, "", 0.0))
            case Unknown(reason):
                return self._less(reason)
            case Missing(message) | Forbidden(message):
                return self._less(f"no GraphQL: {message}")
            case Refused(message=message) | Broken(cause=BrokenCause.CONTENT, message=message):
                return self._less(f"GraphQL does not work: {message}")
            case _ if self._watch.given_up:
                return self._less(self._watch.given_up, given_up=True)
            case _:
                return seen

    def _look_beside(self, seen: _Seen) -> None:
        """Looks again on a thread of the readers; until that has found something, all stays as it is."""
        with self._lock:
            if self._seen is not seen:
                return
            self._seen = replace(seen, until=self._clock.monotonic() + LOOK_AGAIN)
        with contextlib.suppress(RuntimeError):  # the pool is closed: gen3sync is stopping
            self._pool.submit(self._asked, None)

    def _less(self, why: str, *, given_up: bool = False) -> Sight | Nothing:
        """By exports where the key may read, blind where it may not."""
        permissions = self._client.permissions()
        if isinstance(permissions, Refused | Failure):
            return permissions
        may = permissions.may_read(self._project) or not permissions.known
        until = self._clock.monotonic() + LOOK_AGAIN
        return self._set(_Seen(Sight.EXPORTS if may else Sight.BLIND, why, until, given_up))

    def _set(self, seen: _Seen) -> Sight:
        with self._lock:
            self._seen = seen
        return seen.sight
