"""Who looks on while the rooms work: told what happens, in the rooms' own words, and asked nothing.

The rooms take an `Observer` as an argument and tell it at the few places where all work of a kind passes. What becomes
of it (metrics, `gen3sync/metrics/`) is not theirs to know. Telling must cost next to nothing, and never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol


class Observer(Protocol):
    """Thread-safe."""

    def asked(self, kind: str, result: str, seconds: float) -> None:
        """An exchange with the commons ended. `result`: its HTTP status, or what it broke by (`BrokenCause`)."""
        ...

    def token_exchanged(self, outcome: str) -> None:
        """An API key was exchanged for a token: `renewed`, `refused` (for a person) or `unreachable` (later)."""
        ...

    def arrived(self, size: int) -> None:
        """A file of so many bytes became a drop."""
        ...

    def chunk(self, outcome: str, rows: int, size: int) -> None:
        """A chunk of so many rows and bytes was sent. `outcome`: what follows from its answer (`outcome.Step`)."""
        ...

    def retried(self, reason: str) -> None:
        """A chunk is sent again at once, because the commons was `busy` or could not be reached (`BrokenCause`)."""
        ...

    def parked(self, what: str, reason: str) -> None:
        """A `drop` or a `project` waits for a person or for an outside change; `reason` is its error class."""
        ...

    def drop_ended(self, verdict: str, rows: Mapping[str, int], seconds: float) -> None:
        """A drop has its receipt, so long after it arrived. `rows`: how many came to what end."""
        ...

    def refreshed(self, outcome: str) -> None:
        """A mirror was looked at."""
        ...


class Nobody:
    """Looks on where nobody does."""

    def asked(self, kind: str, result: str, seconds: float) -> None:
        """Nothing."""

    def token_exchanged(self, outcome: str) -> None:
        """Nothing."""

    def arrived(self, size: int) -> None:
        """Nothing."""

    def chunk(self, outcome: str, rows: int, size: int) -> None:
        """Nothing."""

    def retried(self, reason: str) -> None:
        """Nothing."""

    def parked(self, what: str, reason: str) -> None:
        """Nothing."""

    def drop_ended(self, verdict: str, rows: Mapping[str, int], seconds: float) -> None:
        """Nothing."""

    def refreshed(self, outcome: str) -> None:
        """Nothing."""


NOBODY: Observer = Nobody()
