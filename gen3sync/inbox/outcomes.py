"""How a refresh ends, in words: reasons, ledger rows, log fields."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime

from gen3sync.commons.replies import Broken, BrokenCause, Busy, Failure, Forbidden, Unauthorised
from gen3sync.commons.troubles import error_of
from gen3sync.inbox.change import Difference
from gen3sync.inbox.export import StoppedError
from gen3sync.inbox.plan import Mirror
from gen3sync.ledger import NewRefresh, Outcome
from gen3sync.records.dictionary import Dictionary


class NotDoneError(Exception):
    """The refresh ends without touching the file. `failure` is set when the commons was unwell."""

    def __init__(self, outcome: Outcome, reason: str, failure: Failure | None = None) -> None:
        self.outcome, self.reason, self.failure = outcome, reason, failure
        super().__init__(reason)


def not_done(failure: Failure) -> NotDoneError:
    """What a failure of the commons means for a mirror. Raises StoppedError when it was us who broke off."""
    match failure:
        case Broken(cause=BrokenCause.CANCELLED):
            raise StoppedError
        case Forbidden():
            remedy = "The key has no read permission on the project (any more): ask for it again."
            return NotDoneError(Outcome.FAILED, f"{_ended(failure.message)} {remedy}")
        case Broken():
            return NotDoneError(Outcome.FAILED, _ended(failure.message), failure)
        case Unauthorised() | Busy():
            # The server's own words ("no", "Not Found") do not say what was asked: these do.
            return NotDoneError(Outcome.FAILED, _told(failure), failure)
        case _:
            return NotDoneError(Outcome.FAILED, _told(failure))


def _told(failure: Failure) -> str:
    error = error_of(failure, "the export")
    return f"{_ended(error.what)} {error.remedy}".strip()


def _ended(text: str) -> str:
    """As a sentence of its own: servers seldom write the full stop, and more is to follow."""
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def new_refresh(mirror: Mirror, started: datetime, outcome: Outcome, reason: str, **more: object) -> NewRefresh:
    """A row for the ledger."""
    project = mirror.project
    return NewRefresh(
        mirror.name,
        project.program,
        project.code,
        mirror.node,
        mirror.format.value,
        started_at=started,
        outcome=outcome,
        reason=reason,
        **more,  # type: ignore[arg-type]
    )


def what_changed(difference: Difference | None, rows: int, *, first: bool, dictionary: bool) -> str:
    """The reason of an update. `dictionary`: it is another one than at the last export."""
    anew = "The dictionary of the commons has changed. " if dictionary and not first else ""
    if first:
        return f"First export: {rows} record{'s' * (rows != 1)}."
    if difference is None:
        return f"{anew}{rows} records."
    counts = ((difference.added, "added"), (difference.changed, "changed"), (difference.removed, "removed"))
    parts = [f"{count} {word}" for count, word in counts if count]
    return f"{anew}{', '.join(parts)}." if parts else f"{anew}The same records, written differently."


def version_of(dictionary: Dictionary) -> str:
    """How a dictionary is told apart: a commons may leave its version unchanged, or say none."""
    return f"{dictionary.version or '?'}+{dictionary.digest[:12]}"


def written_with(version: str, mirror: Mirror) -> str:
    """What a mirror's file depends on besides its records: the dictionary, and the columns it is to have."""
    if not mirror.columns:
        return version
    return f"{version}~{hashlib.sha256(json.dumps(mirror.columns).encode()).hexdigest()[:8]}"


def same_columns(one: str | None, other: str | None) -> bool:
    """Whether two files were written with the same `columns`."""
    return (one or "").partition("~")[2] == (other or "").partition("~")[2]


def fields(mirror: Mirror) -> dict[str, object]:
    """What every log line about a mirror carries."""
    return {"mirror": mirror.name, "project": str(mirror.project), "node": mirror.node}
