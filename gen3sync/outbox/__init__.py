"""The way out: what is dropped into the outbox arrives in the right project, proven, or comes back with reasons.

Owns the outbox, sent and rejected folders and the drops in the state folder. Knows nothing of the inbox.

- `engine.py`    `Outbox`: start, stop, retry, push, plan, once, status; `rooms.py` what its parts share
- `intake.py`    arrivals: `watch.py` events, `scan.py` the truth, `settle.py` when (pure), `snapshot.py` its bytes,
                 `route.py` where to (pure)
- `lane.py`      the drops of one project, step by step; `work.py` one of them, `index.py` their rows on disk,
                 `journal.py` what they sent
- `reading.py`   snapshot to rows      `planning.py` rows to plans, with `lookup.py` (questions) and `plan.py` (pure)
- `dispatch.py`  plans to requests, with `sizes.py` (pure)      `send.py` one request and its proof
- `outcome.py`, `proof.py`  what an answer means (pure)      `answers.py` what follows      `lost.py` no answer
- `backoff.py`   when to try again
- `archive.py`   how a drop ends; `receipt.py`, `papers.py` what it leaves      `dry.py` plans without sending

docs/reference/receipt.md says what users can rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gen3sync.outbox.dry import Plan
    from gen3sync.outbox.engine import OnceSummary, Outbox, OutboxStatus

__all__ = ["OnceSummary", "Outbox", "OutboxStatus", "Plan"]

_HOMES = {"Plan": "dry", "OnceSummary": "engine", "Outbox": "engine", "OutboxStatus": "engine"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"gen3sync.outbox.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
