"""A few records put in place of a whole export: fetched by id, put into the copy, and the file's blocks made anew.

What may be patched is decided by `touch`; here it is done, or given up for a full export. Given up costs nothing but
the attempt: the copy's changes are undone, and no file was touched. Tests prove it equal to a full export.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from contextlib import ExitStack

from gen3sync.inbox import detect
from gen3sync.inbox.change import Change, Difference, Kind
from gen3sync.inbox.copy import Copy
from gen3sync.inbox.finish import Ended, Finisher
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.outcomes import fields, written_with
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.proof import Prover
from gen3sync.inbox.publish import Folder
from gen3sync.inbox.render import Rendered, painter_of, render
from gen3sync.inbox.text import NotInBlocksError, patch
from gen3sync.inbox.touch import Few, Full, renamed, touched
from gen3sync.inbox.views import blocks_of, forget_others, keep_view, view_of
from gen3sync.inbox.work import Work
from gen3sync.ledger import Refresh
from gen3sync.records.mirrorlines import NarrowError

log = logging.getLogger(__name__)


class GivenUpError(Exception):
    """Only a full export will do; the text says why."""


class Patcher:
    """Thread-safe; one node of one project is worked on by one thread at a time."""

    def __init__(self, prover: Prover, memory: Memory, folder: Folder, finish: Finisher) -> None:
        self._prover = prover
        self._memory = memory
        self._folder = folder
        self._finish = finish

    def patch(self, work: Work) -> tuple[Refresh, ...] | None:
        """The mirrors brought up to date by a few records, or None: export all. Raises Unmounted, OSError."""
        if work.task.journal is None or work.task.before is None:
            return None
        try:
            few = self._few(work)
            if not few.ids and not few.parents:
                return self._still(work)
            if not work.held.exists():
                raise GivenUpError("there is no copy to patch")
            with Copy(work.held, lasting=True) as copy:
                copy.begin()
                ended = self._patched(work, few, copy)
                return self._finish.down(ended) if ended else self._still(work)
        except GivenUpError as reason:
            log.debug("exported whole: %s", reason, extra=fields(work.task.mirrors[0]))
        except (sqlite3.Error, NotInBlocksError, ValueError) as error:
            log.info("the copy cannot be patched: %s", error, extra=fields(work.task.mirrors[0]))
        return None

    def _few(self, work: Work) -> Few:
        """What all mirrors of the task together lack."""
        task = work.task
        assert task.before is not None  # noqa: S101 - see `patch`
        assert task.journal is not None  # noqa: S101
        ids: set[str] = set()
        parents: dict[str, frozenset[str | None]] = {}
        for mirror in task.mirrors:
            found = touched(self._memory.of(mirror).known, task.before, work.type, task.journal)
            if isinstance(found, Full):
                raise GivenUpError(found.reason)
            ids |= found.ids
            for id, names in found.parents.items():
                parents[id] = names | parents.get(id, frozenset())
        return Few(frozenset(ids), parents)

    def _still(self, work: Work) -> tuple[Refresh, ...]:
        """The node's records are what they were, whatever else was written in the project."""
        before = work.task.before
        assert before is not None  # noqa: S101 - see `patch`
        ended = []
        for mirror in work.task.mirrors:
            past = self._memory.of(mirror)
            if past.success is None or past.success.rows != before.count(mirror.node):
                raise GivenUpError("the commons counts other than there are, and nobody wrote any")
            ended.append((mirror, detect.after_patch(past.known, before, mirror.node, work.started)))
        return self._finish.still(ended, work.started)

    def _patched(self, work: Work, few: Few, copy: Copy) -> list[Ended]:
        task = work.task
        assert task.before is not None  # noqa: S101 - see `patch`
        if few.parents and renamed(few, copy.parent_names(few.parents)):
            raise GivenUpError("a parent was renamed")
        records = self._prover.records(task.project, work.type, sorted(few.ids)) if few.ids else []
        if records is None:
            raise GivenUpError("the records were not to be had by id")
        changes = copy.put(records)
        rows = task.before.count(task.node)
        if rows is None or len(copy) != rows:
            raise GivenUpError(f"the copy has {len(copy)} records then, and the commons counts {rows}")
        if not changes:
            copy.commit()
            return []
        work.difference = _counted(changes)
        ended: list[Ended] = []
        with ExitStack() as stack:
            made = {mirror: self._made(work, mirror, copy, changes, stack) for mirror in task.mirrors}
            for mirror, text in made.items():
                known = detect.after_patch(self._memory.of(mirror).known, task.before, task.node, work.started)
                ended.append(self._finish.put(work, mirror, text, rows, known))
                keep_view(copy, mirror.name, text, written_with(work.version, mirror))
        forget_others(copy, tuple(mirror.name for mirror in task.mirrors))
        self._finish.tell(work, rows, changes)
        copy.commit()
        return ended

    def _made(self, work: Work, mirror: Mirror, copy: Copy, changes: Sequence[Change], stack: ExitStack) -> Rendered:
        """The mirror's text with the changes in it."""
        success = self._memory.of(mirror).success
        view = view_of(copy, mirror.name)
        version = written_with(work.version, mirror)
        if success is None or view is None or view.sha256 != success.sha256 or view.version != version:
            raise GivenUpError("the copy is not that of the file")
        opened = self._folder.open_intact(mirror, view.sha256)
        if opened is None:
            raise GivenUpError("the file is not as it was published")
        source, notes = stack.enter_context(opened[0]), opened[1]
        if notes is not None:
            stack.enter_context(notes)
        painter = painter_of(mirror.format, work.type, mirror.columns, view.columns)
        try:
            made = patch(
                blocks_of(copy, mirror.name),
                [change.id for change in changes],
                copy.between,
                painter,
                source,
                notes,
            )
            stack.callback(made.text.close)
            if made.notes is not None:
                stack.callback(made.notes.close)
        except NarrowError:
            return render(copy, mirror.format, work.type, work.spool(mirror), mirror.columns)
        if not self._folder.still_intact(mirror, source):
            raise GivenUpError("the file changed meanwhile")
        return Rendered(made.text, view.columns, made.told, made.notes, patched=made)


def _counted(changes: Sequence[Change]) -> Difference:
    added = sum(change.kind is Kind.ADDED for change in changes)
    return Difference(added, len(changes) - added, 0)
