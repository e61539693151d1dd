"""A few records put in place of a whole export: fetched by id, put into the copy, and the file's blocks made anew.

What may be patched is decided by `touch`; here it is done, or given up for a full export. Given up costs nothing but
the attempt: the copy's changes are undone, and no file was touched. Tests prove it equal to a full export.

What is brought up to date is the node's copy, which all mirrors of it share (`held`). A file that shows the copy as it
was gets the changes put in; one that is behind the copy, because it is looked at less often, is written from it anew. A
file to which nothing was written since it was made is left alone whatever the copy is.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import reduce

from gen3sync.inbox import detect
from gen3sync.inbox.change import Change, Difference, Kind
from gen3sync.inbox.copy import Copy
from gen3sync.inbox.detect import Known, Signature
from gen3sync.inbox.finish import Ended, Finisher
from gen3sync.inbox.guards import Guarded
from gen3sync.inbox.held import Held, Holding, later, stand_for, stood_for
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.outcomes import fields, written_with
from gen3sync.inbox.plan import Mirror
from gen3sync.inbox.proof import Proven, Prover
from gen3sync.inbox.publish import Folder
from gen3sync.inbox.render import Rendered, painter_of, render
from gen3sync.inbox.text import NotInBlocksError, patch
from gen3sync.inbox.touch import Few, Full, renamed, touched
from gen3sync.inbox.views import blocks_of, forget_others, keep_view, view_of
from gen3sync.inbox.work import Work
from gen3sync.ledger import Outcome, Refresh
from gen3sync.records.mirrorlines import NarrowError

log = logging.getLogger(__name__)

Judge = Callable[[Work, Mirror, Proven], Guarded | None]


class GivenUpError(Exception):
    """Only a full export will do; the text says why."""


class Patcher:
    """Thread-safe; one node of one project is worked on by one thread at a time."""

    def __init__(
        self, prover: Prover, memory: Memory, folder: Folder, finish: Finisher, holding: Holding, judge: Judge
    ) -> None:
        self._prover = prover
        self._memory = memory
        self._folder = folder
        self._finish = finish
        self._holding = holding
        self._judge = judge

    def patch(self, work: Work) -> tuple[Refresh, ...] | None:
        """The mirrors brought up to date by a few records, or None: export all. Raises Unmounted, OSError."""
        task = work.task
        if not task.few or task.before is None:
            return None
        # What is fetched is what had been written by then, however long the task has waited for its turn.
        started, work.started = work.started, task.since
        try:
            return self._brought_up(work, task.before)
        except GivenUpError as reason:
            log.debug("exported whole: %s", reason, extra=fields(task.mirrors[0]))
        except (sqlite3.Error, NotInBlocksError, ValueError) as error:
            log.info("the copy cannot be patched: %s", error, extra=fields(task.mirrors[0]))
        work.started = started
        work.difference = None
        work.rendered.clear()
        self._holding.forget(task.project, task.node)
        return None

    def _brought_up(self, work: Work, before: Signature) -> tuple[Refresh, ...]:
        task = work.task
        still = [mirror for mirror in task.mirrors if self._is_still(work, before, mirror)]
        rest = [mirror for mirror in task.mirrors if mirror not in still]
        refreshes: tuple[Refresh, ...] = ()
        if rest:
            held = self._holding.of(task.project, task.node)
            if held is None or not work.held.exists():
                raise GivenUpError("there is no copy to patch")
            base = self._base(held, rest)
            few = self._touched(base, before, work)
            with Copy(work.held, lasting=True) as copy:
                copy.begin()
                if stood_for(copy) != held.stored:
                    raise GivenUpError("the copy is another than it was")
                refreshes, unmoved = self._written(work, before, rest, held, base, few, copy)
            still += unmoved
        return refreshes + self._still(work, before, still)

    def _is_still(self, work: Work, before: Signature, mirror: Mirror) -> bool:
        """Whether nothing was written to the node's records since the file was made, whatever else in the project."""
        past = self._memory.of(mirror)
        if before.count(mirror.node) == 0 and past.success is not None and past.success.rows == 0:
            return True  # none then and none now, whatever the log says
        found = self._told(past.known, before, work)
        if isinstance(found, Full) or found.ids or found.parents:
            return False
        if past.success is None or past.success.rows != before.count(mirror.node):
            raise GivenUpError("the commons counts other than there are, and nobody wrote any")
        return True

    def _base(self, held: Held, mirrors: Sequence[Mirror]) -> Known:
        """What the copy stands for: a file that shows it may have been found unchanged since."""
        pasts = [(mirror, self._memory.of(mirror)) for mirror in mirrors]
        return reduce(later, (past.known for mirror, past in pasts if held.shows(mirror, past.success)), held.known)

    def _told(self, known: Known, before: Signature, work: Work) -> Few | Full:
        """What was written since `known`."""
        if known.signature == before.of(work.task.node):
            return Few()
        if work.task.journal is None:
            return Full("the log was not asked")
        return touched(known, before, work.type, work.task.journal)

    def _touched(self, base: Known, before: Signature, work: Work) -> Few:
        found = self._told(base, before, work)
        if isinstance(found, Full):
            raise GivenUpError(found.reason)
        return found

    def _written(
        self,
        work: Work,
        before: Signature,
        mirrors: Sequence[Mirror],
        held: Held,
        base: Known,
        few: Few,
        copy: Copy,
    ) -> tuple[tuple[Refresh, ...], list[Mirror]]:
        """Brings the copy up to date and the files to it; and the mirrors whose files are so already."""
        task = work.task
        changes = self._put(work, before, few, copy)
        rows = len(copy)
        known = detect.after_patch(base, before, task.node, task.since)
        shown = [each for each in mirrors if held.shows(each, self._memory.of(each).success)]
        others = [(each, self._held_back(work, each, rows)) for each in mirrors if each not in shown]
        guarded = [(each, found) for each, found in others if found is not None]
        behind = [each for each, found in others if found is None]
        if not changes and not behind:
            copy.commit()  # it may know its parents' names now
            kept = tuple(self._kept(work, before, mirror, found) for mirror, found in guarded)
            return kept, shown
        ended: list[Ended] = []
        with ExitStack() as stack:
            made = {mirror: self._made(work, mirror, copy, changes, stack) for mirror in shown} if changes else {}
            made |= {mirror: self._anew(work, mirror, copy) for mirror in behind}
            for mirror, text in made.items():
                # How a file that is behind differs from the copy is not known, only that it does.
                work.difference = _counted(changes) if mirror in shown else None
                ended.append(self._finish.put(work, mirror, text, rows, known))
                keep_view(copy, mirror.name, text, written_with(work.version, mirror))
        if changes:
            forget_others(copy, tuple(mirror.name for mirror in made))
            self._finish.tell(work, rows, changes)
        stand_for(copy, known)
        copy.commit()
        self._holding.forget(task.project, task.node)
        kept = tuple(self._kept(work, before, mirror, found) for mirror, found in guarded)
        return kept + self._finish.down(ended), [] if changes else shown

    def _put(self, work: Work, before: Signature, few: Few, copy: Copy) -> tuple[Change, ...]:
        """Brings the copy up to date."""
        if few.parents and renamed(few, copy.parent_names(few.parents)):
            raise GivenUpError("a parent was renamed")
        records = self._prover.records(work.task.project, work.type, sorted(few.ids)) if few.ids else []
        if records is None:
            raise GivenUpError("the records were not to be had by id")
        changes = copy.put(records)
        rows = before.count(work.task.node)
        if rows is None or len(copy) != rows:
            raise GivenUpError(f"the copy has {len(copy)} records then, and the commons counts {rows}")
        return changes

    def _still(self, work: Work, before: Signature, mirrors: Sequence[Mirror]) -> tuple[Refresh, ...]:
        """Writes down that these files are what the commons holds."""
        task = work.task
        ended = []
        held = self._holding.of(task.project, task.node)
        for mirror in mirrors:
            past = self._memory.of(mirror)
            shows = held is not None and held.shows(mirror, past.success)
            known = later(past.known, held.known) if held is not None and shows else past.known
            known = detect.after_patch(known, before, mirror.node, task.since)
            ended.append((mirror, known))
            if shows:
                self._holding.moved(task.project, task.node, known)
        return self._finish.still(ended, task.since) if ended else ()

    def _held_back(self, work: Work, mirror: Mirror, rows: int) -> Guarded | None:
        """Whether what the copy has become since a guard would hold back from this file."""
        return None if work.task.accept else self._judge(work, mirror, Proven(rows, ()))

    def _kept(self, work: Work, before: Signature, mirror: Mirror, found: Guarded) -> Refresh:
        return self._finish.kept(mirror, work.started, Outcome.GUARDED, str(found), before.of(mirror.node))

    def _anew(self, work: Work, mirror: Mirror, copy: Copy) -> Rendered:
        """The mirror's text, all of it from the copy."""
        look = (mirror.format, mirror.columns)
        if look not in work.rendered:
            work.rendered[look] = render(copy, mirror.format, work.type, work.spool(mirror), mirror.columns)
        return work.rendered[look]

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
            return self._anew(work, mirror, copy)
        if not self._folder.still_intact(mirror, source):
            raise GivenUpError("the file changed meanwhile")
        return Rendered(made.text, view.columns, made.told, made.notes, patched=made)


def _counted(changes: Sequence[Change]) -> Difference:
    added = sum(change.kind is Kind.ADDED for change in changes)
    return Difference(added, len(changes) - added, 0)
