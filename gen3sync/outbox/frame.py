"""The frame of every receipt: all its fields, who and what it speaks of, and nothing yet of rows.

What became of rows is put into it by `receipt.py`; a drop that never had a project has no more than this.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gen3sync import __version__
from gen3sync.errors import Gen3SyncError
from gen3sync.ledger.rows import Drop, Verdict
from gen3sync.outbox.rooms import Rooms

SCHEMA = 2
ALWAYS = ("read", "created", "updated", "unchanged", "rejected", "waiting")
"""Words for rows that every receipt has a number for."""
_PROOFS = (
    *("rows_proven", "values", "values_unchanged"),
    *("rows_accepted_unverified", "overwritten_since", "urls_sent_not_proven"),
)


@dataclass(frozen=True, slots=True)
class About:
    """Address of the commons, user of the key now in use, versions."""

    commons: str
    submitter: str
    versions: dict[str, str]


def about(rooms: Rooms) -> About:
    """As of now; '' for what was never known."""
    catalog = rooms.catalog
    versions = {
        "gen3sync": __version__,
        "commons": _known(lambda: catalog.version().version or catalog.version().commit),
        "dictionary": _known(lambda: catalog.dictionary().version or catalog.dictionary().digest[:12]),
    }
    return About(_known(lambda: rooms.client.url), rooms.submitter, versions)


def frame(drop: Drop, verdict: Verdict, reason: str, about: About, ended_at: datetime) -> dict[str, Any]:
    """All fields, with what is known of a drop of which nothing was read."""
    return {
        "schema": SCHEMA,
        "verdict": verdict.value,
        "reason": reason,
        "commons": about.commons,
        "submitter": about.submitter,
        "program": drop.program or "",
        "project": drop.project or "",
        "file": drop.path,
        "drop": drop.id,
        "source": drop.source,
        "sha256": drop.sha256,
        "bytes": drop.size,
        "route": "",
        "arrived_at": drop.arrived_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "rows": dict.fromkeys(ALWAYS, 0),
        "nodes": {},
        "problems": [],
        "rejects": [],
        "rejects_total": 0,
        "erased": {},
        "links_not_removed": {},
        "existed_before": 0,
        "letter_case_not_searched": 0,
        "renamed": [],
        "renamed_total": 0,
        "mends": [],
        "chunks": [],
        "untried": [],
        "verification": {"method": "nothing to prove", "verified": True, **dict.fromkeys(_PROOFS, 0), "why_not": ""},
        "versions": about.versions,
        "undo": {"restores": 0, "files": {}, "cannot": []},
        "papers": [],
    }


def _known(ask: Callable[[], str]) -> str:
    try:
        return ask()
    except Gen3SyncError:
        return ""
