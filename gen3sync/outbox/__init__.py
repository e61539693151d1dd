"""The way out: what is dropped into the outbox arrives in the right project, proven, or comes back with reasons.

Owns the outbox, sent and rejected folders and the drops in the state folder. Knows nothing of the inbox.

- `engine.py`    `Outbox`: start, stop, retry, push, plan, once, status; `rooms.py` what its parts share, `wishes.py`
                 what people ask for, `errands.py` on whose thread, `state.py` what it tells of itself
- `intake.py`    arrivals: `watch.py` events, `scan.py` the truth, `settle.py` when (pure), `snapshot.py` its bytes,
                 `taking.py` many side by side, `route.py` where to (pure), `routing.py` those without a way
- `lane.py`      the drops of one project, step by step; `work.py` one of them, `index.py` their rows on disk,
                 `journal.py` what they sent
- `reading.py`   snapshot to rows      `planning.py` rows to plans, with `lookup.py` (questions) and `plan.py` (pure);
                 `glance.py`, `stock.py`, `wholenode.py` the cheaper ways of asking for much
- `dispatch.py`  plans to requests, with `sizes.py` (pure); small drops share one      `send.py` sends it
- `flow.py`      what is in flight      `outcome.py`, `proof.py`  what an answer means (pure)
- `answers.py`   what follows from it, `proofs.py` from reading back, `lost.py` and `waits.py` from no answer
- `backoff.py`   when to try again      `side.py` writes to the disk side by side
- `archive.py`   how a drop ends; `receipt.py`, `papers.py` what it leaves      `dry.py` plans without sending

docs/reference/receipt.md says what users can rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gen3sync.outbox.dry import Plan
    from gen3sync.outbox.engine import Outbox
    from gen3sync.outbox.state import OnceSummary, OutboxStatus

__all__ = ["OnceSummary", "Outbox", "OutboxStatus", "Plan"]

_HOMES = {"Plan": "dry", "OnceSummary": "state", "Outbox": "engine", "OutboxStatus": "state"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"gen3sync.outbox.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
