"""What the commons can answer, as data. No bare HTTP response leaves this room.

Every method of `CommonsClient` returns either its success type or one of the failures below; callers `match` on them.
What each one asks of the caller stands in GEN3.md's table "Retry or not":

- `Landed`        the commons says it stored the rows (a claim, not yet a proof: verify)
- `Refused`       it read the request and stored nothing; `kind` says whose fault
- `Unauthorised`  the token was refused twice (a new one was tried): the key is bad
- `Forbidden`     the key lacks the right; a new token would not help
- `Missing`       unknown project, node, record or address
- `TooLarge`      smaller requests
- `Busy`          429 or 503 with Retry-After: wait, without blocking other work
- `Broken`        no answer, or one that means nothing; `may_have_landed` says whether work may have been done
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class EntityError:
    """One error of one entity: the server's type (INVALID_VALUE …), its prose, and the properties it is about.

    `internal`: the server blames the row for its own trouble ("already exists in the DB"); the row may be innocent.
    """

    type: str
    message: str
    keys: tuple[str, ...] = ()
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Entity:
    """What the commons says of one row. There are no row numbers: match by type and submitter_id."""

    valid: bool
    action: str | None
    type: str | None
    id: str | None
    submitter_id: str | None
    project_id: str | None = None
    errors: tuple[EntityError, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def at_fault(self) -> bool:
        """The row itself is wrong, by an error that is not the server's own trouble."""
        return any(not error.internal for error in self.errors)


@dataclass(frozen=True, slots=True)
class Landed:
    """200 and `success: true`: the commons claims to have stored the rows (or, for a dry run, that it would)."""

    transaction_id: int | None
    created: int
    updated: int
    entities: tuple[Entity, ...]
    message: str = ""


class RefusalKind(StrEnum):
    """Whose fault a refusal is."""

    ROWS = "rows"  # entities carry errors: those rows, not the others
    INTERNAL = "internal"  # "Internal server error. Sorry", "already exists in the DB": the request, no named row
    UNREADABLE = "unreadable"  # the body could not be parsed: a message alone, no transaction
    CLOSED = "closed"  # the project's state is not open
    REQUEST = "request"  # transactional errors that name no row, such as twins in the request


@dataclass(frozen=True, slots=True)
class Refused:
    """The commons read the request and says it stored nothing."""

    status: int
    kind: RefusalKind
    message: str
    transaction_id: int | None = None
    entities: tuple[Entity, ...] = ()
    transactional_errors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unauthorised:
    """401, also with a fresh token."""

    message: str


@dataclass(frozen=True, slots=True)
class Forbidden:
    """403."""

    message: str


@dataclass(frozen=True, slots=True)
class Missing:
    """404."""

    message: str


@dataclass(frozen=True, slots=True)
class TooLarge:
    """413, usually nginx's HTML."""

    message: str


@dataclass(frozen=True, slots=True)
class Busy:
    """429, or 503 with Retry-After; `retry_after` in seconds where it was given."""

    message: str
    status: int
    retry_after: float | None = None


class BrokenCause(StrEnum):
    """Where an exchange broke."""

    RESOLVE = "resolve"  # the name has no address
    CONNECT = "connect"  # refused or no route: nothing was sent
    TLS = "tls"  # the certificate was not accepted: nothing was sent
    RESET = "reset"  # the connection ended after the request began
    TIMEOUT = "timeout"  # no answer in time
    STATUS = "status"  # 5xx, or a status nobody expects
    CONTENT = "content"  # an answer that cannot be what was asked: HTML with 200, broken JSON, cut short
    CREDENTIALS = "credentials"  # no token could be had: the key is expired, revoked, unreadable …
    REDIRECT = "redirect"  # the commons sends us to another host; keys and tokens do not follow
    CANCELLED = "cancelled"  # gen3sync is stopping


@dataclass(frozen=True, slots=True)
class Broken:
    """No answer, or one that means nothing. `may_have_landed`: the server may have done the work all the same."""

    message: str
    cause: BrokenCause
    status: int | None = None
    may_have_landed: bool = False
    remedy: str = ""
    """The end of `message`, where that says what to do."""


Failure = Unauthorised | Forbidden | Missing | TooLarge | Busy | Broken
SubmitReply = Landed | Refused | Failure


class TransactionState(StrEnum):
    """States of a transaction in the commons' log. Only SUCCEEDED means stored; PENDING proves nothing."""

    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    ERRORED = "ERRORED"


@dataclass(frozen=True, slots=True)
class Transaction:
    """An entry of the transaction log. `created` as the commons writes it."""

    id: int
    state: TransactionState
    is_dry_run: bool
    created: str
    document_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Version:
    """What `GET /api/_version` says."""

    version: str
    commit: str
    dictionary_version: str
    dictionary_commit: str


@dataclass(frozen=True, slots=True)
class GraphqlData:
    """A GraphQL answer with status 200 and no errors. Zero and [] may also mean *no read access* (GEN3.md)."""

    data: dict[str, object]


class Known(NamedTuple):
    """A record that the commons holds: its id, and its submitter_id as stored (letter case may differ from ours)."""

    id: str
    submitter_id: str


@dataclass(frozen=True, slots=True)
class NodeSignature:
    """One node's part of a signature: its number of records, and id and time of the one updated last."""

    node: str
    count: int
    newest_id: str | None
    newest_updated: str | None


@dataclass(frozen=True, slots=True)
class Pending:
    """A transaction that runs, or that died without saying so. `created` by the commons' clock."""

    id: int
    created: datetime | None


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells whether a project's nodes changed (GEN3.md, "Has anything changed?").

    Compare `ok` and `nodes` by inequality, never by "greater"; `pending` asks for one more refresh later and is no part
    of the comparison. `state` is the project's. `newest` is the id of the newest transaction of any state, 0 where
    there is none, None where the answer does not tell.
    """

    project_id: str
    state: str | None
    ok: int
    nodes: tuple[NodeSignature, ...]
    pending: tuple[Pending, ...] = ()
    newest: int | None = None

    def node(self, name: str) -> NodeSignature | None:
        """The part of one node, or None when it was not asked for."""
        return next((part for part in self.nodes if part.node == name), None)


@dataclass(frozen=True, slots=True)
class Unknown:
    """GraphQL answered 200, but the answer may as well mean "no read access": nothing follows from it."""

    reason: str
