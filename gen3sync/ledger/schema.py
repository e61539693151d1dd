"""The tables of today's schema, as SQLAlchemy sees them.

Owns names, types and indexes. How they came about is in `migrations.py`; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

from gen3sync.ledger import rows

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """Aware datetimes as whole microseconds since 1970, UTC: they sort, and no time zone can slip in."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        del dialect
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("the ledger takes aware datetimes only")
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        del dialect
        return None if value is None else _EPOCH + timedelta(microseconds=value)


class Word(TypeDecorator[StrEnum]):
    """A member of a StrEnum as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else self.words(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> StrEnum | None:
        del dialect
        return None if value is None else self.words(value)


def _identity() -> Column[int]:
    # AUTOINCREMENT: ids are never used again, also after pruning; receipts and logs name them for years.
    return Column("id", Integer, primary_key=True, autoincrement=True)


metadata = MetaData()
_NEVER_REUSE: dict[str, Any] = {"sqlite_autoincrement": True}

drops = Table(
    "drops",
    metadata,
    _identity(),
    Column("path", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("snapshot", Text, nullable=False),
    Column("arrived_at", Moment, nullable=False),
    Column("program", Text),
    Column("project", Text),
    Column("state", Word(rows.DropState), nullable=False),
    Column("verdict", Word(rows.Verdict)),
    Column("reason", Text, nullable=False),
    Column("error_class", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt_at", Moment),
    Column("counts", JSON, nullable=False),
    Column("receipt", Text),
    Column("source", Text, nullable=False),
    Column("allow_erase", Boolean, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Column("ended_at", Moment),
    CheckConstraint("(state = 'ended') = (ended_at IS NOT NULL)", name="ended_when_ended"),
    Index("drops_by_path", "path", "id"),
    Index("drops_by_state", "state", "id"),
    **_NEVER_REUSE,
)

requests = Table(
    "requests",
    metadata,
    _identity(),
    Column("drop_id", Integer, ForeignKey("drops.id"), nullable=False),
    Column("document_name", Text, nullable=False, unique=True),
    Column("program", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("chunk", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("keys", JSON, nullable=False),
    Column("log_mark", BigInteger),
    Column("state", Word(rows.RequestState), nullable=False),
    Column("transaction_id", BigInteger),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("uptime", Float),
    Index("requests_by_drop", "drop_id", "id"),
    Index("requests_by_state", "state", "id"),
    **_NEVER_REUSE,
)

refreshes = Table(
    "refreshes",
    metadata,
    _identity(),
    Column("mirror", Text, nullable=False),
    Column("program", Text, nullable=False),
    Column("project", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("ended_at", Moment, nullable=False),
    Column("outcome", Word(rows.Outcome), nullable=False),
    Column("rows", BigInteger),
    Column("bytes", BigInteger),
    Column("sha256", Text),
    Column("path", Text),
    Column("reason", Text, nullable=False),
    Column("signature", Text),
    Column("dictionary_version", Text),
    Column("since", Moment, nullable=False),
    Column("times", Integer, nullable=False),
    Index("refreshes_by_key", "mirror", "program", "project", "node", "format", "id"),
    Index("refreshes_by_end", "ended_at"),
    **_NEVER_REUSE,
)

# The newest refresh and the newest successful one of each mirrored file, so that asking costs the same after years.
latest_refreshes = Table(
    "latest_refreshes",
    metadata,
    Column("mirror", Text, primary_key=True),
    Column("program", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("node", Text, primary_key=True),
    Column("format", Text, primary_key=True),
    Column("refresh_id", Integer, ForeignKey("refreshes.id"), nullable=False),
    Column("success_id", Integer, ForeignKey("refreshes.id")),
)

events = Table(
    "events",
    metadata,
    _identity(),
    Column("at", Moment, nullable=False),
    Column("level", Word(rows.EventLevel), nullable=False),
    Column("kind", Text, nullable=False),
    Column("drop_id", Integer, ForeignKey("drops.id")),
    Column("mirror", Text),
    Column("text", Text, nullable=False),
    Index("events_by_at", "at"),
    Index("events_by_drop", "drop_id", "id"),
    **_NEVER_REUSE,
)

orders = Table(
    "orders",
    metadata,
    _identity(),
    Column("at", Moment, nullable=False),
    Column("verb", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("taken_at", Moment),
    Column("done_at", Moment),
    Column("result", Text),
    Index("orders_by_taken", "taken_at", "id"),
    **_NEVER_REUSE,
)

parked_projects = Table(
    "parked_projects",
    metadata,
    Column("program", Text, primary_key=True),
    Column("project", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("error_class", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("next_look_at", Moment),
    Column("attempts", Integer, nullable=False, server_default=text("1")),
)

# One row a version this file has had, the newest being what it is now.
schema_version = Table(
    "schema_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", Moment, nullable=False),
    Column("gen3sync", Text, nullable=False),
)

notes = Table(
    "notes",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", JSON, nullable=False),
)
