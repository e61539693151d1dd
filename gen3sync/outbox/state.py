"""What the outbox tells of itself: what only the running one knows, and what one pass did."""

from __future__ import annotations

from dataclasses import dataclass, field

from gen3sync.ledger.rows import Drop


@dataclass(frozen=True, slots=True)
class OutboxStatus:
    """What only the running outbox knows; the rest is in the ledger."""

    settling: int
    watch: str
    problem: str = ""
    progress: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Rows done and rows in all, by drop."""
    graphql: str = ""
    """Why GraphQL is done without for the time being; empty while it answers."""


@dataclass(frozen=True, slots=True)
class OnceSummary:
    """What one pass did: drops that ended, and those that wait, as they were at its end."""

    ended: tuple[Drop, ...]
    waiting: tuple[Drop, ...]
    settling: int = 0
