"""Requests without an answer: what became of them.

Their records stay locked until it is known, or until the server can no longer be at it (`[commons] horizon`). Then they
are planned again, and what differs is sent. Also what a crash left in flight.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum

from gen3sync.clock import Clock
from gen3sync.commons.journal import Touch
from gen3sync.commons.replies import Transaction, TransactionState
from gen3sync.ledger.rows import Request
from gen3sync.outbox.backoff import delay
from gen3sync.outbox.journal import UnseenRow
from gen3sync.outbox.model import Action
from gen3sync.pglower import pg_lower

_SHARED = "+"
FIRST_LOOK = 0.5
LONGEST_PAUSE = 30.0
LOST = "lost"
"""Why a drop waits, in one word: the answer to a request of it is missing."""
_FEW = 4


class Fate(Enum):
    """What is known of a lost request."""

    LANDED = "landed"
    NOT_STORED = "not stored"
    UNKNOWN = "unknown"
    EXPIRED = "expired"  # the horizon has passed: only comparing values tells


@dataclass(slots=True)
class LostRequest:
    """One of them. Times are of the monotonic clock."""

    request: Request
    next_look: float
    since: float
    """When it was lost, or when this life of the daemon began."""
    earlier: bool = False
    """An earlier life sent it."""
    looks: int = 0
    """How often it was looked for, also by earlier lives."""
    looked: bool = False
    """By this one."""


def ledger_name(document_name: str, drop_id: int | None) -> str:
    """What the ledger calls a drop's part of a request: names are unique there, and a request may carry several drops'
    rows. `drop_id` is None for the first of them."""
    return document_name if drop_id is None else f"{document_name}{_SHARED}{drop_id}"


def sent_name(name: str) -> str:
    """The document name that the commons knows."""
    return name.partition(_SHARED)[0]


def fate(entry: Transaction | None, age: timedelta, horizon: float) -> Fate:
    """What the commons' log says of a request that was sent `age` ago. Pure.

    PENDING proves nothing, and neither does no entry at all: the request may still stand in the server's queue
    (GEN3.md, "Finding out afterwards").
    """
    if entry is not None and not entry.is_dry_run:
        match entry.state:
            case TransactionState.SUCCEEDED:
                return Fate.LANDED
            case TransactionState.FAILED | TransactionState.ERRORED:
                return Fate.NOT_STORED
            case TransactionState.PENDING:
                pass
    return Fate.EXPIRED if age.total_seconds() >= horizon else Fate.UNKNOWN


def done_unseen(request: Request, unseen: Sequence[UnseenRow], told: Sequence[Touch]) -> dict[Action, list[int]]:
    """By what was done: lines of a request's rows that were sent unseen. `told` is what the commons' log keeps of the
    answer. A record that it says was updated may have been created by an earlier request of ours."""
    records = [lock for lock in request.keys if not lock.startswith("id ")]  # in the order of its rows
    did = {f"{touch.node} {pg_lower(touch.submitter_id or '')}": touch.action for touch in told}
    found: dict[Action, list[int]] = {}
    for row in unseen:
        said = did.get(records[row.place])
        if said == Action.CREATE or (said == Action.UPDATE and row.first):
            found.setdefault(Action(said), []).append(row.line)
    return found


@dataclass
class LostRequests:
    """Those of one lane."""

    clock: Clock
    rng: random.Random
    requests: list[LostRequest] = field(default_factory=list)

    def add(self, request: Request) -> None:
        """One whose answer this life has missed."""
        if not any(one.request.id == request.id for one in self.requests):
            now = self.clock.monotonic()
            self.requests.append(LostRequest(request, now + FIRST_LOOK, now))

    def take_over(self, request: Request, looks: int) -> None:
        """One of an earlier life, which has looked for it so often. It is looked for at once: that is one question,
        and only while the commons answers. But the count goes on, and so does the pace."""
        now = self.clock.monotonic()
        self.requests.append(LostRequest(request, now + FIRST_LOOK, now, earlier=True, looks=looks))

    def age(self, one: LostRequest) -> timedelta:
        """For how long at least nothing was heard of it. Setting the clock forward must not make a request look dead
        that the commons is still at: the wall clock is asked only where the machine does not say how long it is up."""
        elapsed = timedelta(seconds=self.clock.monotonic() - one.since)
        if not one.earlier:
            return elapsed
        then, now = one.request.uptime, self.clock.uptime()
        if then is None or now is None:
            return max(elapsed, self.clock.now() - one.request.started_at)
        # If the machine was started anew since, the request is at least as old as that.
        return max(elapsed, timedelta(seconds=now - then if now >= then else now))

    def due(self) -> LostRequest | None:
        now = self.clock.monotonic()
        return next((one for one in self.requests if one.next_look <= now), None)

    def looked(self, one: LostRequest) -> None:
        """It was looked for and is still unknown; so are the parts of other drops in it."""
        looks = max(part.looks for part in self.parts(one)) + 1
        wait = delay(looks, self.rng, first=2 * FIRST_LOOK, longest=LONGEST_PAUSE, least=FIRST_LOOK)
        for part in self.parts(one):
            part.looks, part.looked = looks, True
            part.next_look = self.clock.monotonic() + wait

    def parts(self, one: LostRequest) -> list[LostRequest]:
        """The parts of all drops in the same request."""
        name = sent_name(one.request.document_name)
        return [other for other in self.requests if sent_name(other.request.document_name) == name]

    def of_drop(self, drop_id: int) -> list[LostRequest]:
        return [one for one in self.requests if one.request.drop_id == drop_id]

    def settled(self, one: LostRequest) -> None:
        self.requests.remove(one)

    def look_again(self) -> None:
        """Somebody cannot wait: all of them are due."""
        for one in self.requests:
            one.next_look = self.clock.monotonic()

    def ends(self, drop_id: int, horizon: float) -> float | None:
        """Seconds until none of a drop's lost requests can be at work any more."""
        return max((max(0.0, horizon - self.age(one).total_seconds()) for one in self.of_drop(drop_id)), default=None)

    def next_due(self) -> float | None:
        return min((one.next_look for one in self.requests), default=None)

    def soon(self) -> bool:
        """Whether one of them was looked for only a few times yet, so that waiting a moment may settle it."""
        return any(one.looks < _FEW or not one.looked for one in self.requests)

    def keys(self) -> dict[str, int]:
        """What is locked (`IndexedRow.locks`) and the drop that holds each."""
        return {key: one.request.drop_id for one in self.requests for key in one.request.keys}
