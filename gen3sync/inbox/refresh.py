"""One refresh of one node of one project: export, prove, guard, publish, write down.

Whatever goes wrong, the old file stays and the reason says how old it is. Leaves to others: when (`inbox`), whether
anything changed (`detect`). Several mirrors of one node (in two formats, say) share one export.
"""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons import replies
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.queries import signature
from gen3sync.commons.replies import Broken, BrokenCause, Busy, Failure, Forbidden, Refused, Unauthorised
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error, safe_name
from gen3sync.inbox import detect, guards
from gen3sync.inbox.copy import Copy, Difference, Record
from gen3sync.inbox.detect import Signature, Why
from gen3sync.inbox.export import NotWholeError, StoppedError, read_export
from gen3sync.inbox.guards import Guarded, Shape
from gen3sync.inbox.index import Entry
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.plan import Format, Mirror
from gen3sync.inbox.publish import Folder, Standing, Unmounted
from gen3sync.inbox.render import Rendered, base_columns, merge, render
from gen3sync.ledger import EventLevel, NewRefresh, Outcome, Refresh
from gen3sync.names import Project, printable
from gen3sync.records.dictionary import Dictionary, NodeType

log = logging.getLogger(__name__)

_TOLD_EVERY = 5000

Told = Callable[[str, int], None]
"""Called with a mirrored node (`DEV/test/case`) and how many of its records have been read so far."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds and guards a refresh; seconds and a share."""

    max_shrink: float = 0.5
    deadline: float = 900.0
    horizon: timedelta = timedelta(seconds=600)


@dataclass(frozen=True, slots=True)
class Task:
    """One node to export and the mirrors that show it. `before`: the signature read before, None where unknown."""

    project: Project
    node: str
    mirrors: tuple[Mirror, ...]
    why: Why
    before: Signature | None = None
    accept: bool = False


@dataclass(frozen=True, slots=True)
class Done:
    """What came of a task. `failure` is set when the commons was unwell, so that it is left alone for a while."""

    refreshes: tuple[Refresh, ...]
    failure: Failure | None = None


class _NotDone(Exception):  # noqa: N818 - carries an outcome
    def __init__(self, outcome: Outcome, reason: str, failure: Failure | None = None) -> None:
        self.outcome, self.reason, self.failure = outcome, reason, failure
        super().__init__(reason)


@dataclass(slots=True)
class _Node:
    """What a task works with."""

    task: Task
    type: NodeType
    dictionary: Dictionary
    started: datetime
    fresh: Path
    held: Path
    difference: Difference | None = None
    rendered: dict[Format, Rendered] = field(default_factory=dict)


class Refresher:
    """Thread-safe; one node of one project is worked on by one thread at a time."""

    def __init__(
        self,
        client: CommonsClient,
        catalog: Catalog,
        memory: Memory,
        folder: Folder,
        clock: Clock,
        copies: Path,
        limits: Limits,
        stopped: Callable[[], bool],
    ) -> None:
        self._client = client
        self._catalog = catalog
        self._memory = memory
        self._folder = folder
        self._clock = clock
        self._copies = copies
        self._limits = limits
        self._stopped = stopped
        self._locks: dict[tuple[Project, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def refresh(self, task: Task, told: Told = lambda _node, _rows: None) -> Done:
        """Never raises for what the commons, the disk or the data do; Done says it. StoppedError when stopping."""
        with self._guard:
            lock = self._locks.setdefault((task.project, task.node), threading.Lock())
        with lock:
            started = self._clock.now()
            try:
                return Done(self._exported(task, started, told))
            except _NotDone as error:
                tried = task.before.of(task.node) if task.before is not None else None
                if error.failure is not None:
                    tried = ""  # not the mirror's fault: how long to wait is said by the commons being unwell
                refreshes = [self._kept(m, started, error.outcome, error.reason, tried) for m in task.mirrors]
                return Done(tuple(refreshes), error.failure)

    def hold(self, mirror: Mirror, held: Guarded) -> Refresh:
        """Writes down that a mirror was not even tried."""
        return self._kept(mirror, self._clock.now(), Outcome.GUARDED, str(held))

    def fail(self, mirror: Mirror, reason: str) -> Refresh:
        """Writes down that a mirror could not be tried."""
        return self._kept(mirror, self._clock.now(), Outcome.FAILED, reason)

    def _exported(self, task: Task, started: datetime, told: Told) -> tuple[Refresh, ...]:
        node = self._opened(task, started)
        try:
            with _fresh_copy(node.fresh) as copy:
                self._export(node, copy, told)
                self._judge(node, copy)
                node.difference = copy.since(node.held) if node.held.exists() else None
                refreshes = tuple(self._publish(node, mirror, copy) for mirror in task.mirrors)
                rows = len(copy)
            if rows:
                node.fresh.replace(node.held)
            else:
                node.held.unlink(missing_ok=True)
            return refreshes
        except Unmounted:
            raise _NotDone(Outcome.GUARDED, str(guards.unmounted(self._folder.root))) from None
        except OSError as error:
            told_error = folder_error(f"{task.project}/{task.node} cannot be mirrored", error)
            raise _NotDone(Outcome.FAILED, str(told_error)) from error
        except sqlite3.Error as error:
            raise _NotDone(
                Outcome.FAILED,
                f"The table for sorting {printable(task.node)} in {self._copies} cannot be written: {error}. "
                f"Look whether its disk is full.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                node.fresh.unlink(missing_ok=True)
                for made in node.rendered.values():
                    for text in (made.text, made.notes):
                        if text is not None:
                            text.path.unlink(missing_ok=True)

    def _opened(self, task: Task, started: datetime) -> _Node:
        if not self._folder.mounted:
            raise _NotDone(Outcome.GUARDED, str(guards.unmounted(self._folder.root)))
        try:
            dictionary = self._catalog.dictionary()
        except Gen3SyncError as error:
            raise _NotDone(Outcome.FAILED, f"The dictionary cannot be had. {error}") from error
        node_type = dictionary.node(task.node)
        if node_type is None:
            raise _NotDone(
                Outcome.GUARDED,
                f"The dictionary of the commons no longer has the node type {printable(task.node)}. "
                f"Take it out of the configuration; the file stays.",
            )
        place = self._copies / safe_name(task.project.program) / safe_name(task.project.code)
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _NotDone(Outcome.FAILED, str(folder_error(f"{place} cannot be made", error))) from error
        held = place / f"{safe_name(task.node)}.sqlite"
        return _Node(task, node_type, dictionary, started, held.with_suffix(".new"), held)

    def _export(self, node: _Node, copy: Copy, told: Told) -> None:
        task = node.task
        answer = self._client.export_node(task.project, task.node, deadline=self._limits.deadline)
        if isinstance(answer, Refused):
            raise _NotDone(Outcome.FAILED, f"The commons refuses the export: {printable(answer.message)}")
        if not isinstance(answer, NodeExport):
            raise _failed(answer)
        name = f"{task.project}/{task.node}"
        try:
            with answer as stream:
                records = read_export(stream, task.project, task.node, stopped=self._stopped)
                copy.fill(_counted(records, lambda rows: told(name, rows)), merge)
        except ExportBroken as error:
            raise _failed(error.broken) from error
        except NotWholeError as error:
            broken = Broken(f"The export {error}.", BrokenCause.CONTENT, 200)
            raise _NotDone(Outcome.FAILED, broken.message, broken) from error
        told(name, len(copy))

    def _judge(self, node: _Node, copy: Copy) -> None:
        task, rows = node.task, len(copy)
        if not rows and task.before is None:  # with a signature the project itself was seen
            self._exists(task.project)
        counted = self._counted(task, rows)
        for mirror in task.mirrors:
            if task.accept:
                return
            held = guards.judge(
                self._published(mirror),
                Shape(rows, base_columns(mirror.format, node.type)),
                max_shrink=self._limits.max_shrink,
                doubled=tuple(copy.doubled),
                counted=counted,
            )
            if held is not None:
                raise _NotDone(Outcome.GUARDED, str(held))

    def _exists(self, project: Project) -> None:
        """An unknown project exports as 200 without records (GEN3.md), so no records must be proven to be none."""
        found = self._client.projects(project.program)
        if not isinstance(found, tuple):
            raise _failed(found)
        if project not in found:
            raise _NotDone(Outcome.GUARDED, str(guards.vanished(project)))

    def _counted(self, task: Task, rows: int) -> int | None:
        """The commons' count when it contradicts the export and nothing changed meanwhile."""
        before = task.before.count(task.node) if task.before is not None else None
        if task.before is None or before is None or before == rows:
            return None
        after = signature(self._client, task.project, [task.node])
        if not isinstance(after, replies.Signature):
            return None
        return before if Signature.read(after).of(task.node) == task.before.of(task.node) else None

    def _published(self, mirror: Mirror) -> Shape | None:
        success = self._memory.of(mirror).success
        if success is None or success.rows is None:
            return None
        entry = self._folder.entry(mirror)
        # `LINK.id` columns come and go with the records that need them.
        columns = tuple(each for each in entry.columns if not each.endswith(".id")) if entry is not None else ()
        return Shape(success.rows, columns)

    def _publish(self, node: _Node, mirror: Mirror, copy: Copy) -> Refresh:
        task, past = node.task, self._memory.of(mirror)
        made = node.rendered.get(mirror.format)
        if made is None:
            spool = node.fresh.with_suffix(f".{mirror.format.value}")
            made = node.rendered[mirror.format] = render(copy, mirror.format, node.type, spool)
        known = detect.after_export(past.known, task.before, task.node, node.started, horizon=self._limits.horizon)
        rows = len(copy)
        version = node.dictionary.version or node.dictionary.digest[:12]
        entry = Entry(
            mirror=mirror.group,
            program=mirror.project.program,
            project=mirror.project.code,
            node=mirror.node,
            format=mirror.format.value,
            rows=rows,
            bytes=made.text.size,
            sha256=made.text.sha256,
            columns=made.columns,
            dictionary_version=version,
            exported_at=node.started.isoformat(),
            checked_at=node.started.isoformat(),
            signature=known.signature,
            untellable=made.untellable,
        )
        previous = past.success.sha256 if past.success is not None else None
        put = self._folder.publish(mirror, made, entry, previous=previous, at=node.started)
        outcome = Outcome.UPDATED if put.written else Outcome.UNCHANGED
        reason = _what_changed(node.difference, rows, first=past.success is None) if put.written else ""
        if put.kept_aside:
            reason += f" The file had been edited here; that version is kept as {printable(put.kept_aside)}."
        refresh = self._memory.finished(
            _new(
                mirror,
                node.started,
                outcome,
                reason.strip(),
                ended_at=self._clock.now(),
                rows=rows,
                bytes=made.text.size,
                sha256=made.text.sha256,
                path=mirror.name,
                dictionary_version=version,
            ),
            known,
        )
        level = logging.INFO if put.written else logging.DEBUG
        log.log(level, outcome.value, extra=_fields(mirror) | {"rows": rows, "why": task.why.value})
        if put.kept_aside:
            log.warning("local edits kept aside", extra=_fields(mirror) | {"kept": put.kept_aside})
        return refresh

    def _kept(
        self, mirror: Mirror, started: datetime, outcome: Outcome, reason: str, tried: str | None = None
    ) -> Refresh:
        past = self._memory.of(mirror)
        since = past.checked_at
        if self._folder_lacks(mirror):
            tail = "There is no file yet." if past.success is None else "Its file is missing."
        elif since is None:
            tail = "How old the file is, is not known."
        else:
            tail = f"The file shows what the commons held at {since:%Y-%m-%d %H:%M} UTC."
        again = past.last is not None and past.last.outcome is outcome
        # Said once as a warning, then only remembered: a mirror may be looked at every few seconds.
        log.log(logging.DEBUG if again else logging.WARNING, "%s: %s", outcome.value, reason, extra=_fields(mirror))
        if not again:
            self._memory.tell(EventLevel.WARNING, outcome.value, f"{mirror.name}: {reason}", mirror)
        return self._memory.finished(
            _new(mirror, started, outcome, f"{reason} {tail}", ended_at=self._clock.now()), tried=tried
        )

    def _folder_lacks(self, mirror: Mirror) -> bool:
        try:
            return self._folder.standing(mirror, None) is Standing.MISSING
        except OSError:
            return False


@contextlib.contextmanager
def _fresh_copy(path: Path) -> Iterator[Copy]:
    path.unlink(missing_ok=True)
    with Copy(path) as copy:
        yield copy


def _counted(records: Iterator[Record], told: Callable[[int], None]) -> Iterator[Record]:
    for rows, record in enumerate(records):
        if rows % _TOLD_EVERY == 0:
            told(rows)
        yield record


def _failed(failure: Failure) -> _NotDone:
    match failure:
        case Broken(cause=BrokenCause.CANCELLED):
            raise StoppedError
        case Forbidden():
            remedy = "The key has no read permission on the project (any more): ask for it again."
            return _NotDone(Outcome.FAILED, f"{failure.message} {remedy}")
        case Unauthorised() | Broken() | Busy():
            return _NotDone(Outcome.FAILED, failure.message, failure)
        case _:
            return _NotDone(Outcome.FAILED, failure.message)


def _new(mirror: Mirror, started: datetime, outcome: Outcome, reason: str, **more: object) -> NewRefresh:
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


def _what_changed(difference: Difference | None, rows: int, *, first: bool) -> str:
    if first:
        return f"First export: {rows} records."
    if difference is None:
        return f"{rows} records."
    parts = [
        f"{count} {word}"
        for count, word in (
            (difference.added, "added"),
            (difference.changed, "changed"),
            (difference.removed, "removed"),
        )
        if count
    ]
    return f"{', '.join(parts)}." if parts else "The same records, written differently."


def _fields(mirror: Mirror) -> dict[str, object]:
    return {"mirror": mirror.name, "project": str(mirror.project), "node": mirror.node}
