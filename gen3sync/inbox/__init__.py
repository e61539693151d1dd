"""The way in: chosen nodes of the commons as files in the inbox, always current, never partial, never silently stale.

Owns the inbox folder and the copies of its records in the state folder. Knows nothing of the outbox.

- `inbox.py`      `Inbox`: start, stop, run once, accept, status
- `following.py`  which mirrors are followed now; `plan.py` what the configuration asks for (pure)
- `jobs.py`       jobs in APScheduler, rest while the commons is unwell; `schedule.py` when a mirror is due (pure)
- `rounds.py`     the mirrors of one project looked at with one query: `look.py` asks, `decide.py` says which are
                  refreshed, by the rules of `detect.py` (pure)
- `refresh.py`    one node: guard, publish, write down; `guards.py` what is not believed (pure)
- `patch.py`      a few records in place of an export; `touch.py` when they will do (pure)
- `work.py`       what one refresh works with
- `proof.py`      gets an export and proves it; `outcomes.py`, `finish.py` how a refresh ends
- `export.py`     reads a stream and proves it whole; `copy.py` the on-disk table that sorts, merges, compares
- `held.py`       what the copies stand for, and `views.py` which files are made from them; `change.py` what differs
- `making.py`     texts made while an export comes in; `render.py` records as text, `text.py`, `pieces.py` in blocks
- `publish.py`    files in the folder, `versions.py` earlier ones; `index.py` what is known of them
- `history.py`    what changed, refresh by refresh
- `memory.py`     the past of each mirror, from the ledger; `state.py` how mirrors are, as data
- `knowing.py`    what is known of the commons, where anything is

docs/reference/mirror.md says what of this users can rely on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gen3sync.inbox.inbox import Inbox
    from gen3sync.inbox.state import InboxStatus, MirrorState

__all__ = ["Inbox", "InboxStatus", "MirrorState"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"gen3sync.inbox.{'inbox' if name == 'Inbox' else 'state'}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
