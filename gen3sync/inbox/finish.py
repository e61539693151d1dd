"""How a refresh of one node ends: files put, changes told, rows in the ledger; or the old file kept, and why.

The order is what makes a crash harmless. Files first; then what changed is told (`history`); then the copy becomes that
of the new files (`refresh`, `patch`); then the ledger. A crash between two of them leaves a file, a copy and a ledger
that do not agree by hash, which asks for a full export at the next look.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gen3sync.clock import Clock
from gen3sync.files import folder_error
from gen3sync.inbox.change import Change
from gen3sync.inbox.detect import Known
from gen3sync.inbox.guards import named
from gen3sync.inbox.history import history_of, write_down
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.outcomes import fields, new_refresh, same_columns, what_changed, written_with
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.publish import Folder, Standing
from gen3sync.inbox.render import Rendered
from gen3sync.inbox.work import Work, index_entry
from gen3sync.ledger import EventLevel, NewRefresh, Outcome, Refresh
from gen3sync.names import printable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Ended:
    """A mirror whose file is as it should be, to be written down."""

    row: NewRefresh
    known: Known


class Finisher:
    """Thread-safe; one node of one project is worked on by one thread at a time."""

    def __init__(self, memory: Memory, folder: Folder, clock: Clock, copies: Path) -> None:
        self._memory = memory
        self._folder = folder
        self._clock = clock
        self._copies = copies

    def put(self, work: Work, mirror: Mirror, made: Rendered, rows: int, known: Known) -> Ended:
        """Makes the mirror's file what was rendered. Raises Unmounted, OSError."""
        success = self._memory.of(mirror).success
        entry = index_entry(work, mirror, made, rows, known)
        previous = success.sha256 if success is not None else None
        put = self._folder.publish(mirror, made, entry, previous=previous, at=work.started)
        version = written_with(work.version, mirror)
        reason = ""
        if put.written:
            before = success.dictionary_version if success is not None else None
            again = success is not None and not same_columns(before, version)
            other = success is not None and before != version and not again
            reason = what_changed(work.difference, rows, first=success is None, dictionary=other)
            reason = f"Its columns were chosen anew. {reason}" if again else reason
        if put.kept_aside:
            reason += f" The file had been edited here; that version is kept as {printable(put.kept_aside)}."
            log.warning("local edits kept aside", extra=fields(mirror) | {"kept": put.kept_aside})
            self._memory.tell(EventLevel.WARNING, "local-edits", f"{mirror.name}:{reason}", mirror)
        outcome = Outcome.UPDATED if put.written else Outcome.UNCHANGED
        log.log(
            logging.INFO if put.written else logging.DEBUG,
            outcome.value,
            extra=fields(mirror) | {"rows": rows, "why": work.task.why.value},
        )
        row = new_refresh(
            mirror,
            work.started,
            outcome,
            reason.strip(),
            ended_at=self._clock.now(),
            rows=rows,
            bytes=made.text.size,
            sha256=made.text.sha256,
            path=mirror.name,
            dictionary_version=version,
        )
        return Ended(row, known)

    def tell(self, work: Work, rows: int, changes: Iterable[Change] | None) -> None:
        """Tells what changed; None: nothing is known of before. A mirror does not fail because this does."""
        task = work.task
        folders = [self._folder.path(mirror).parent for mirror in task.mirrors]
        path = history_of(self._copies, task.project, task.node)
        try:
            write_down(path, folders, task.project, task.node, work.started, rows, changes)
        except (OSError, sqlite3.Error, ValueError) as error:
            for mirror in task.mirrors:
                log.warning("what changed cannot be written down: %s", error, extra=fields(mirror))

    def down(self, ended: Sequence[Ended], *, took: timedelta | None = None) -> tuple[Refresh, ...]:
        """Writes mirrors into the ledger. `took`: how long their export took."""
        return self._memory.finished_all(((one.row, one.known) for one in ended), took=took)

    def still(self, mirrors: Sequence[tuple[Mirror, Known]], at: datetime) -> tuple[Refresh, ...]:
        """Writes down that the files are what the commons holds. What cannot be written into an index waits."""
        try:
            self._folder.checked([(mirror, known.signature) for mirror, known in mirrors], at)
        except OSError as error:
            names = ",".join(mirror.name for mirror, _ in mirrors)
            log.warning("%s", folder_error("An index cannot be written", error).what, extra={"mirror": names})
        rows = ((self._memory.unchanged(mirror, known, at, always=True), known) for mirror, known in mirrors)
        return self._memory.finished_all([(row, known) for row, known in rows if row is not None])

    def kept(
        self, mirror: Mirror, started: datetime, outcome: Outcome, reason: str, tried: str | None = None
    ) -> Refresh:
        """Writes down that the old file stays, and why."""
        reason = named(reason, mirror.name)
        past = self._memory.of(mirror)
        since = past.checked_at or self._noted(mirror)
        if self._lacks(mirror):
            tail = "There is no file yet." if past.success is None else "Its file is missing."
        elif since is None:
            tail = "How old the file is, is not known."
        else:
            tail = f"The file shows what the commons held at {since:%Y-%m-%d %H:%M} UTC."
        # Said once as a warning, then only remembered: a mirror may be looked at every few seconds.
        again = past.last is not None and past.last.outcome is outcome
        log.log(logging.DEBUG if again else logging.WARNING, "%s: %s", outcome.value, reason, extra=fields(mirror))
        if not again:
            self._memory.tell(EventLevel.WARNING, outcome.value, f"{mirror.name}: {reason}", mirror)
        row = new_refresh(mirror, started, outcome, f"{reason} {tail}", ended_at=self._clock.now())
        return self._memory.finished(row, tried=tried)

    def _noted(self, mirror: Mirror) -> datetime | None:
        """When the index last knew the file to be true: for a ledger that was lost."""
        entry = self._folder.entry(mirror)
        try:
            return datetime.fromisoformat(entry.checked_at) if entry is not None else None
        except ValueError:
            return None

    def _lacks(self, mirror: Mirror) -> bool:
        try:
            return self._folder.standing(mirror, None) is Standing.MISSING
        except OSError:
            return False
