"""From the snapshot into the lane's index, a slice at a time, so that a huge file does not hold up small ones: a large
one is looked through (`open_table`) beside the lane's other work, and its slices take turns with that.

Owns what happens to rows that cannot be used and to files that cannot be read. Reading itself is `records.table`'s.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace

from gen3sync.files import folder_error
from gen3sync.ledger.rows import Drop
from gen3sync.names import Project
from gen3sync.outbox.earlier import NOW_ALLOWED, bad_earlier, done_earlier, note_bad
from gen3sync.outbox.index import NewRow, RowIndex
from gen3sync.outbox.journal import IN_FLIGHT
from gen3sync.outbox.lost import sent_name
from gen3sync.outbox.model import Action, Json, Reason, RowState, mark_of
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.rules import reason_of
from gen3sync.outbox.side import beside
from gen3sync.outbox.work import Stage, Work, cells_of
from gen3sync.pglower import pg_lower
from gen3sync.records.dictionary import Dictionary
from gen3sync.records.problems import Problem, TableError
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import Table, open_table

_log = logging.getLogger("gen3sync.outbox")
SLICE = 5000
_GONE = "What was taken of the file is no longer in the state folder."
LARGE = 1_000_000
"""Bytes beyond which reading a file may hold up others."""
_TRIES = 3
"""Times that a file is read over which gen3sync itself stumbles: it must not hold up others for ever."""
_PACKED = 10
"""Times that a gzip file is commonly longer than it looks."""


def is_large(drop: Drop) -> bool:
    """Whether reading it may hold up others."""
    return drop.size > (LARGE // _PACKED if drop.path.lower().endswith(".gz") else LARGE)


def read_some(
    rooms: Rooms, index: RowIndex, work: Work, project: Project, dictionary: Dictionary, wake: Callable[[], None]
) -> bool:
    """Reads the next slice; at the end of the file the drop's stage becomes WORK, for an unusable file ARCHIVE. False
    while a large file is being opened; `wake` is called when it is open."""
    try:
        if work.reader is None:
            table = _open(rooms, work, project, dictionary, wake)
            if table is None:
                return False
            index.forget(work.id)
            work.last_line = (0, 0)
            work.rows_read = work.bad_rows = work.overwritten = work.compared = 0
            work.proofs.clear()
            work.table, work.reader = table, iter(table)
        rows = list(itertools.islice(work.reader, SLICE))
        if _strange(work, rows) and work.table and rooms.catalog.dictionary_changed(work.table.dictionary):
            work.reader = None  # by the dictionary as it is now, from the start
            return True
    except TableError as error:
        return _unusable(index, work, *map(_fault, error.problems))
    except FileNotFoundError:
        # Somebody cleared the state folder. The project's other drops must not wait for what never comes.
        work.folder.mkdir(parents=True, exist_ok=True)
        return _unusable(index, work, Reason("NO_SNAPSHOT", _GONE, None, "Drop the file again."))
    except Exception as error:
        # What has raised seems to be at its end when it is asked once more, and rows would be missing: begin anew.
        work.reader = None
        if isinstance(error, OSError):
            raise folder_error(f"The snapshot of {work.drop.path} cannot be read", error) from error
        work.stumbles += 1
        if work.stumbles < _TRIES:
            raise
        _log.exception("the file cannot be read", extra={"drop": work.id, "project": str(project)})
        said = f"gen3sync stumbled over the file ({type(error).__name__}) each time; the log has the details."
        return _unusable(index, work, Reason("UNREADABLE", said, None, "Tell the makers of gen3sync about it."))
    try:
        index.add(work.id, _new_rows(work, rows, dictionary))
    except BaseException:
        work.reader = None  # these rows were read and are nowhere: begin anew
        raise
    if not work.rows_read and rows:
        work.rank = dictionary.place(rows[0].node or "")
    work.rows_read += len(rows)
    nodes = {row.node for row in rows if isinstance(row, Row)}
    work.file_nodes |= {node for node in nodes if dictionary.nodes[node].is_file}
    if len(rows) < SLICE:
        work.reader = None
        if work.journal.exists():
            never_sent(rooms, work)
            index.remember_sent(work.id, _sent(work))
            index.remember_refused(work.id, _refused(work))
            index.end_refused(work.id, (RowState.NEW,))  # a newer drop of the record may have gone by
            index.remember_done(work.id, done_earlier(work))
        if work.bad_rows:
            note_bad(index, work)
        work.stage = Stage.WORK
        rooms.failpoint("read: done")
    return True


def _strange(work: Work, rows: list[Row | BadRow]) -> bool:
    """Whether something was refused or left out because the dictionary does not have it: it may be there since that was
    last read."""
    if any(isinstance(row, BadRow) and row.unknown for row in rows):
        return True
    return len(rows) < SLICE and work.table is not None and work.table.left_out_unknown


def _unusable(index: RowIndex, work: Work, *faults: Reason) -> bool:
    """The drop ends with these faults of the file as a whole."""
    work.faults = faults
    index.forget(work.id)
    work.stage = Stage.ARCHIVE
    return True


def _open(rooms: Rooms, work: Work, project: Project, dictionary: Dictionary, wake: Callable[[], None]) -> Table | None:
    """The drop's file, looked through to its end; None while that goes on."""
    path, name = rooms.state / work.drop.snapshot, work.drop.path.rsplit("/", 1)[-1]
    if not is_large(work.drop):
        return open_table(path, name=name, dictionary=dictionary, project=project)
    if work.opening is None:

        def opened() -> Table:
            with rooms.watched(f"reading {project} {work.id}"):
                return open_table(path, name=name, dictionary=dictionary, project=project)

        work.opening = beside(opened, wake)
    if not work.opening.done():
        return None
    opening, work.opening = work.opening, None
    return opening.result()


def _fault(problem: Problem) -> Reason:
    """A problem of the file as a whole: no rejects file says its line, so the sentence does."""
    return Reason(problem.kind.value.upper(), problem.where + problem.message, None, problem.remedy)


def detail_of(reasons: tuple[Reason, ...]) -> dict[str, Json]:
    """Reasons as the index keeps them."""
    return {"why": [[r.type, r.message, r.column, r.remedy, *([r.rule] if r.rule else [])] for r in reasons]}


def reasons_in(detail: dict[str, Json]) -> tuple[Reason, ...]:
    return tuple(Reason(*why) for why in detail.get("why", ()))


def _new_rows(work: Work, rows: list[Row | BadRow], dictionary: Dictionary) -> Iterator[NewRow]:
    for row in rows:
        sid = row.submitter_id or ""
        node = row.node or ""
        line, before = work.last_line
        work.last_line = (row.line, before + 1 if row.line == line else 0)
        mark = mark_of(*work.last_line)
        work.crowded = work.crowded or mark != row.line
        if isinstance(row, BadRow):
            work.bad_rows += 1
            detail = detail_of(tuple(reason_of(problem) for problem in row.problems))
            rank = dictionary.place(node)
            yield NewRow(
                mark, row.end_line, rank, node, pg_lower(sid), sid, 0, None, row.raw, RowState.REJECTED, detail
            )
        else:
            shape = work.shape_of(() if row.record is not None else row.columns)
            rank = dictionary.place(node)
            cells, key = cells_of(row), pg_lower(sid)
            yield NewRow(mark, row.end_line, rank, node, key, sid, shape, cells, row.raw, named=row.named)


def never_sent(rooms: Rooms, work: Work) -> None:
    """Requests of which the ledger knows nothing: when they were written down and not yet sent, a crash came, or the
    disk was full."""
    unknown = [chunk for chunk in work.journal.chunks() if chunk.state == IN_FLIGHT]
    known = {sent_name(one.document_name) for one in rooms.ledger.requests.of_drop(work.id)} if unknown else set()
    for chunk in unknown:
        if chunk.document_name not in known:
            now = rooms.clock.now().isoformat()
            why = "it was written down, and gen3sync could not go on to send it"
            work.journal.answered(replace(chunk, ended_at=now, state="not sent", message=why))


def _refused(work: Work) -> Iterator[tuple[int, Json]]:
    yield from ((line, detail_of((NOW_ALLOWED,))) for line in bad_earlier(work))
    for line, reasons in work.journal.refusals():
        work.heard(reasons)
        yield line, detail_of(reasons) if reasons else None


def _sent(work: Work) -> Iterator[tuple[int, str, str | None]]:
    unseen = set[int]()
    for row in work.journal.sent():
        if row.action is Action.WRITE:
            unseen.add(row.line)
        yield row.line, row.action.value, None if row.before is None else json.dumps(row.before, ensure_ascii=False)
    work.existed = 0
    for action, lines in work.journal.corrections():
        work.existed += len(set(lines) - unseen) if action is Action.UPDATE else 0
        yield from ((line, action.value, "") for line in lines)
