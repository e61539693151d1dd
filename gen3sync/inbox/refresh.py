"""One refresh of one node of one project: export, prove, guard, publish, write down.

Whatever goes wrong, the old file stays and the reason says how old it is. Leaves to others: when (`inbox`), whether
anything changed (`detect`), the proof (`proof`). Several mirrors of one node (in two formats, say) share one export.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.replies import Failure
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error, safe_name
from gen3sync.inbox import detect, guards
from gen3sync.inbox.copy import Copy
from gen3sync.inbox.guards import Guarded, Shape
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.outcomes import NotDoneError, fields, new_refresh, what_changed
from gen3sync.inbox.plan import Format, Mirror
from gen3sync.inbox.proof import Proven, Prover, Told
from gen3sync.inbox.publish import Folder, Standing, Unmounted
from gen3sync.inbox.render import TableWriter, base_columns, render
from gen3sync.inbox.work import Task, Work, clean, fresh_copy, index_entry
from gen3sync.ledger import EventLevel, Outcome, Refresh
from gen3sync.names import Project, printable

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task. `failure` is set when the commons was unwell, so that it is left alone for a while."""

    refreshes: tuple[Refresh, ...] = ()
    failure: Failure | None = None


class Refresher:
    """Thread-safe; one node of one project is worked on by one thread at a time."""

    def __init__(
        self,
        prover: Prover,
        catalog: Catalog,
        memory: Memory,
        folder: Folder,
        clock: Clock,
        copies: Path,
        *,
        max_shrink: float,
        horizon: timedelta,
    ) -> None:
        self._prover = prover
        self._catalog = catalog
        self._memory = memory
        self._folder = folder
        self._clock = clock
        self._copies = copies
        self._max_shrink = max_shrink
        self._horizon = horizon
        self._locks: dict[tuple[Project, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def refresh(self, task: Task, told: Told = lambda _node, _rows: None) -> Done:
        """Never raises for what the commons, the disk or the data do; Done says it. StoppedError when stopping."""
        with self._guard:
            lock = self._locks.setdefault((task.project, task.node), threading.Lock())
        with lock:
            started = self._clock.now()
            if not task.accept and all(self._newer(mirror, task.since, started) for mirror in task.mirrors):
                return Done()
            try:
                return Done(self._exported(task, started, told))
            except NotDoneError as error:
                tried = task.before.of(task.node) if task.before is not None else None
                if error.failure is not None:
                    tried = ""  # not the mirror's fault: how long to wait is said by the commons being unwell
                refreshes = [self._kept(m, started, error.outcome, error.reason, tried) for m in task.mirrors]
                return Done(tuple(refreshes), error.failure)

    def hold(self, mirror: Mirror, held: Guarded) -> Refresh:
        """Writes down that a mirror was not even tried."""
        return self._kept(mirror, self._clock.now(), Outcome.GUARDED, str(held))

    def _newer(self, mirror: Mirror, since: datetime, now: datetime) -> bool:
        """Whether another thread exported it meanwhile. One in the future was exported by a clock that was ahead."""
        past = self._memory.of(mirror)
        exported = past.exported_at
        return exported is not None and since < exported <= now and past.last is past.success

    def _exported(self, task: Task, started: datetime, told: Told) -> tuple[Refresh, ...]:
        work = self._opened(task, started)
        try:
            with fresh_copy(work.fresh) as copy:
                proven = self._export(work, copy, told)
                self._judge(work, proven)
                work.difference = copy.since(work.held) if work.held.exists() else None
                refreshes = tuple(self._publish(work, mirror, copy, proven.rows) for mirror in task.mirrors)
            if proven.rows:
                work.fresh.replace(work.held)
            else:
                work.held.unlink(missing_ok=True)
            return refreshes
        except Unmounted:
            raise NotDoneError(Outcome.GUARDED, str(guards.unmounted(self._folder.root))) from None
        except OSError as error:
            told_error = folder_error(f"{task.project}/{task.node} cannot be mirrored", error)
            raise NotDoneError(Outcome.FAILED, str(told_error)) from error
        except sqlite3.Error as error:
            raise NotDoneError(
                Outcome.FAILED,
                f"The table for sorting {printable(task.node)} in {self._copies} cannot be written: {error}. "
                f"Look whether its disk is full.",
            ) from error
        finally:
            clean(work)

    def _export(self, work: Work, copy: Copy, told: Told) -> Proven:
        """The proven export. Its TSV is made while it comes in, which holds where it comes by id, one record each."""
        task, node = work.task, work.type
        if not any(mirror.format is Format.TSV for mirror in task.mirrors):
            return self._prover.export(task.project, task.node, task.before, copy, told, lambda _: None)
        with TableWriter(node, base_columns(Format.TSV, node), work.spool(Format.TSV)) as table:
            proven = self._prover.export(task.project, task.node, task.before, copy, told, table.add)
        if proven.in_order and not table.too_narrow:
            work.rendered[Format.TSV] = table.rendered()
        return proven

    def _opened(self, task: Task, started: datetime) -> Work:
        if not self._folder.mounted:
            raise NotDoneError(Outcome.GUARDED, str(guards.unmounted(self._folder.root)))
        try:
            dictionary = self._catalog.dictionary()
        except Gen3SyncError as error:
            raise NotDoneError(Outcome.FAILED, f"The dictionary cannot be had. {error}") from error
        node_type = dictionary.node(task.node)
        if node_type is None:
            raise NotDoneError(
                Outcome.GUARDED,
                f"The dictionary of the commons no longer has the node type {printable(task.node)}. "
                f"Take it out of the configuration; the file stays.",
            )
        place = self._copies / safe_name(task.project.program) / safe_name(task.project.code)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotDoneError(Outcome.FAILED, str(folder_error(f"{place} cannot be made", error))) from error
        name = safe_name(task.node)
        return Work(task, node_type, dictionary, started, place / f"{name}.new", place / f"{name}.sqlite")

    def _judge(self, work: Work, proven: Proven) -> None:
        if work.task.accept:
            return
        for mirror in work.task.mirrors:
            held = guards.judge(
                self._published(mirror),
                Shape(proven.rows, base_columns(mirror.format, work.type)),
                max_shrink=self._max_shrink,
                doubled=proven.doubled,
                counted=proven.counted,
            )
            if held is not None:
                raise NotDoneError(Outcome.GUARDED, str(held))

    def _published(self, mirror: Mirror) -> Shape | None:
        success = self._memory.of(mirror).success
        if success is None or success.rows is None:
            return None
        entry = self._folder.entry(mirror)
        # `LINK.id` columns come and go with the records that need them.
        columns = tuple(each for each in entry.columns if not each.endswith(".id")) if entry is not None else ()
        return Shape(success.rows, columns)

    def _publish(self, work: Work, mirror: Mirror, copy: Copy, rows: int) -> Refresh:
        task, past = work.task, self._memory.of(mirror)
        made = work.rendered.get(mirror.format)
        if made is None:
            made = render(copy, mirror.format, work.type, work.spool(mirror.format))
            work.rendered[mirror.format] = made
        known = detect.after_export(past.known, task.before, task.node, work.started, horizon=self._horizon)
        success = past.success
        entry = index_entry(work, mirror, made, rows, known.signature)
        previous = success.sha256 if success is not None else None
        put = self._folder.publish(mirror, made, entry, previous=previous, at=work.started)
        reason = ""
        if put.written:
            other = success is not None and success.dictionary_version != work.version
            reason = what_changed(work.difference, rows, first=success is None, dictionary=other)
        if put.kept_aside:
            reason += f" The file had been edited here; that version is kept as {printable(put.kept_aside)}."
            log.warning("local edits kept aside", extra=fields(mirror) | {"kept": put.kept_aside})
            self._memory.tell(EventLevel.WARNING, "local-edits", f"{mirror.name}:{reason}", mirror)
        outcome = Outcome.UPDATED if put.written else Outcome.UNCHANGED
        log.log(
            logging.INFO if put.written else logging.DEBUG,
            outcome.value,
            extra=fields(mirror) | {"rows": rows, "why": task.why.value},
        )
        ended = self._clock.now()
        row = new_refresh(
            mirror,
            work.started,
            outcome,
            reason.strip(),
            ended_at=ended,
            rows=rows,
            bytes=made.text.size,
            sha256=made.text.sha256,
            path=mirror.name,
            dictionary_version=work.version,
        )
        return self._memory.finished(row, known, took=ended - work.started)

    def _kept(
        self, mirror: Mirror, started: datetime, outcome: Outcome, reason: str, tried: str | None = None
    ) -> Refresh:
        past = self._memory.of(mirror)
        since = past.checked_at
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

    def _lacks(self, mirror: Mirror) -> bool:
        try:
            return self._folder.standing(mirror, None) is Standing.MISSING
        except OSError:
            return False
