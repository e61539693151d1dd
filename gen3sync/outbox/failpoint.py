"""Named steps at which a test may stand for a power cut, a kill or a broken disk.

Every step that a crash could tear calls `failpoint(NAME)`; in life that does nothing. The names are one list, so that a
crash test can visit each, and another test can say that none is missing.
"""

from __future__ import annotations

from collections.abc import Callable

FailPoint = Callable[[str], None]
"""Called with the name of a step; a test raises from it."""

STEPS = (
    "intake: seen",
    "intake: snapshot made",
    "intake: drop added",
    "read: done",
    "plan: batch",
    "plan: done",
    "send: written in the journal",
    "send: written in the ledger",
    "send: answered",
    "send: answer written",
    "verify: done",
    "archive: composed",
    "archive: snapshot placed",
    "archive: papers placed",
    "archive: original aside",
    "archive: original removed",
    "archive: ledger written",
    "archive: work folder removed",
)


def no_failpoint(step: str) -> None:
    """The failpoint of everyday life."""
    del step
