"""One refresh of one node of one project: a few records or an export, prove, guard, publish, write down.

Whatever goes wrong, the old file stays and the reason says how old it is. Leaves to others: when (`inbox`), whether
anything changed (`detect`), the proof (`proof`), a few records in place of all (`patch`), the end (`finish`). Several
mirrors of one node (in two formats, say) share one export.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from gen3sync.catalog import Catalog
from gen3sync.clock import Clock
from gen3sync.commons.replies import Failure
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error
from gen3sync.inbox import detect, guards
from gen3sync.inbox.change import Change, Difference
from gen3sync.inbox.copy import Copy
from gen3sync.inbox.finish import Finisher
from gen3sync.inbox.guards import Guarded, Shape
from gen3sync.inbox.held import Holding, stand_for
from gen3sync.inbox.making import Making
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.outcomes import NotDoneError, same_columns, written_with
from gen3sync.inbox.patch import Patcher
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.proof import Proven, Prover, Told
from gen3sync.inbox.publish import Folder, Unmounted
from gen3sync.inbox.render import Rendered, base_columns, render
from gen3sync.inbox.views import keep_view, take_over
from gen3sync.inbox.work import Task, Work, clean, copy_of, fresh_copy, hold
from gen3sync.ledger import Outcome, Refresh
from gen3sync.life import Workers, unwatched
from gen3sync.names import Project, printable


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
        holding: Holding,
        *,
        max_shrink: float,
        horizon: timedelta,
        worker: Workers = unwatched,
    ) -> None:
        self._prover = prover
        self._catalog = catalog
        self._memory = memory
        self._folder = folder
        self._clock = clock
        self._copies = copies
        self._finish = Finisher(memory, folder, clock, copies)
        self._holding = holding
        self._patcher = Patcher(prover, memory, folder, self._finish, holding, self._held_back)
        self._max_shrink = max_shrink
        self._horizon = horizon
        self._worker = worker
        self._locks: dict[tuple[Project, str], threading.Lock] = {}
        self._guard = threading.Lock()

    def refresh(self, task: Task, told: Told = lambda _node, _rows: None) -> Done:
        """Never raises for what the commons, the disk or the data do; Done says it. StoppedError when stopping."""
        with self._guard:
            lock = self._locks.setdefault((task.project, task.node), threading.Lock())
        with lock, self._worker(f"export {task.project}/{task.node}").at_work():
            started = self._clock.now()
            if not task.accept and all(self._newer(mirror, task.since, started) for mirror in task.mirrors):
                return Done()
            try:
                return Done(self._refreshed(task, started, told))
            except NotDoneError as error:
                before = task.asked()
                tried = before.of(task.node) if before is not None else None
                if error.failure is not None:
                    tried = ""  # not the mirror's fault: how long to wait is said by the commons being unwell
                refreshes = [self._finish.kept(m, started, error.outcome, error.reason, tried) for m in task.mirrors]
                return Done(tuple(refreshes), error.failure)

    def hold(self, mirror: Mirror, held: Guarded) -> Refresh:
        """Writes down that a mirror was not even tried."""
        return self._finish.kept(mirror, self._clock.now(), Outcome.GUARDED, str(held))

    def _newer(self, mirror: Mirror, since: datetime, now: datetime) -> bool:
        """Whether another thread exported it meanwhile. One in the future was exported by a clock that was ahead."""
        past = self._memory.of(mirror)
        exported = past.known.refreshed_at
        return exported is not None and since < exported <= now and past.last is past.success

    def _refreshed(self, task: Task, started: datetime, told: Told) -> tuple[Refresh, ...]:
        work = self._opened(task, started)
        try:
            patched = self._patcher.patch(work)
            if patched is not None or task.paced:
                return patched or ()
            return self._exported(work, told)
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

    def _exported(self, work: Work, told: Told) -> tuple[Refresh, ...]:
        task = work.task
        with fresh_copy(work.fresh) as copy:
            proven = self._export(work, copy, told)
            self._judge(work, proven)
            work.difference, changes = self._changes(work, copy, proven.rows)
            ended = []
            # Mirrors that are looked at apart may have waited for other transactions; this export covers the same.
            known = self._memory.of(task.mirrors[0]).known
            known = detect.after_export(known, task.seen(proven.rows), task.node, work.started, horizon=self._horizon)
            for mirror in task.mirrors:
                made = self._render(work, mirror, copy)
                keep_view(copy, mirror.name, made, written_with(work.version, mirror))
                ended.append(self._finish.put(work, mirror, made, proven.rows, known))
            if work.difference is not None and not work.difference:
                take_over(copy, work.held)  # other mirrors of this node show these very records
            if not proven.doubled and proven.counted is None:
                stand_for(copy, known)
            if work.difference or (changes is None and proven.rows):
                self._finish.tell(work, proven.rows, changes)
        if proven.rows:
            hold(work)
        else:
            work.held.unlink(missing_ok=True)
        self._holding.forget(task.project, task.node)
        return self._finish.down(ended, took=self._clock.now() - work.started)

    def _export(self, work: Work, copy: Copy, told: Told) -> Proven:
        """The proven export. Its texts are made while it comes in."""
        task = work.task
        looks = {(mirror.format, mirror.columns): work.spool(mirror) for mirror in task.mirrors}
        with Making(work.type, [*looks.items()]) as making:
            proven = self._prover.export(task.project, task.node, task.seen, copy, told, making)
        work.rendered.update(making.rendered())
        return proven

    def _render(self, work: Work, mirror: Mirror, copy: Copy) -> Rendered:
        look = (mirror.format, mirror.columns)
        if look not in work.rendered:
            work.rendered[look] = render(copy, mirror.format, work.type, work.spool(mirror), mirror.columns)
        return work.rendered[look]

    def _changes(self, work: Work, copy: Copy, rows: int) -> tuple[Difference | None, Iterable[Change] | None]:
        """What the export changed, counted and one by one; None where nothing is known of before."""
        if work.held.exists():
            found = copy.since(work.held)
            return found, None if found is None else copy.changes(work.held)
        successes = [self._memory.of(mirror).success for mirror in work.task.mirrors]
        if any(success is not None and success.rows == 0 for success in successes):
            return Difference(rows, 0, 0), copy.every()
        return None, None

    def _opened(self, task: Task, started: datetime) -> Work:
        if self._folder.refused is not None:
            told = folder_error(f"{task.project}/{task.node} cannot be mirrored", self._folder.refused)
            raise NotDoneError(Outcome.FAILED, str(told))
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
        held = copy_of(self._copies, task.project, task.node)
        try:
            held.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotDoneError(Outcome.FAILED, str(folder_error(f"{held.parent} cannot be made", error))) from error
        return Work(task, node_type, dictionary, started, held.with_suffix(".new"), held)

    def _judge(self, work: Work, proven: Proven) -> None:
        for mirror in () if work.task.accept else work.task.mirrors:
            held = self._held_back(work, mirror, proven)
            if held is not None:
                raise NotDoneError(Outcome.GUARDED, str(held))

    def _held_back(self, work: Work, mirror: Mirror, proven: Proven) -> Guarded | None:
        """The guard that holds these records back from this mirror."""
        return guards.judge(
            self._published(work, mirror),
            Shape(proven.rows, base_columns(mirror.format, work.type, mirror.columns)),
            max_shrink=self._max_shrink,
            doubled=proven.doubled,
            counted=proven.counted,
        )

    def _published(self, work: Work, mirror: Mirror) -> Shape | None:
        """What the folder holds, as the ledger knows it; after a ledger was lost, as the index beside the file does."""
        success, entry = self._memory.of(mirror).success, self._folder.entry(mirror)
        if success is not None and success.rows is not None:
            rows, version = success.rows, success.dictionary_version
        elif entry is not None:
            rows, version = entry.rows, entry.dictionary_version
        else:
            return None
        if not same_columns(version, written_with(work.version, mirror)):
            return Shape(rows)
        # `LINK.id` columns come and go with the records that need them.
        columns = tuple(each for each in entry.columns if not each.endswith(".id")) if entry is not None else ()
        return Shape(rows, columns)
