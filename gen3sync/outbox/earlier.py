"""Rows that are done with, in the journal of their drop: a restart reads the drop again, and they stay done.

A newer drop, or somebody else, may have written over them since; comparing them once more would put the old value back.
The same holds for rows that could not be used when the file was read first: the dictionary may allow them since.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

from gen3sync.outbox.index import EndedRow, RowIndex
from gen3sync.outbox.model import IndexedRow, Json, Reason, RowState
from gen3sync.outbox.proof import Proof
from gen3sync.outbox.work import Work

NOW_ALLOWED = Reason(
    "REFUSED_BEFORE",
    "By the dictionary that the commons had when the file was read first, this row could not be used.",
    None,
    "Where it is still wanted, drop the rejects file: newer rows of the record may have been stored since.",
)
_BAD, _PORTION = "bad", 5000
_DONE = "done"
_MARKS = "marks"
"""In a note: that it tells rows on one line apart. Notes of a gen3sync before that, which an upgrade finds, do not."""


def note_done(index: RowIndex, work: Work, rows: Sequence[IndexedRow], **facts: Json) -> None:
    """Writes down how these rows have ended, after the index was told. `facts` are for the receipt: `proof`, `why_not`,
    `overwritten`, `compared`.

    Not flushed to the disk: a kill takes nothing of it, and after a power cut the rows are compared again.
    """
    alike: dict[tuple[RowState, int | None, tuple[str, ...]], list[int]] = {}
    for row in index.as_ended(rows):
        alike.setdefault((row.state, row.values, row.links_kept), []).append(row.line)
    for (state, values, kept), lines in alike.items():
        how = {"state": int(state), "values": values, "kept": list(kept), _MARKS: True}
        work.journal.note(_DONE, flush=False, **how, lines=_ranges(lines), **facts)
        facts = {name: value for name, value in facts.items() if not isinstance(value, int)}  # counts are told once


def done_earlier(work: Work) -> Iterator[EndedRow]:
    """Rows that an earlier life was done with; what it counted for the receipt is counted again on the way."""
    for note in work.journal.notes(_DONE):
        if work.crowded and _MARKS not in note:
            continue  # nobody can tell which rows are meant: they are compared again
        lines = list(_lines(note))
        if "proof" in note:
            work.proofs[Proof(note["proof"])] += len(lines)
            work.proof_problem = work.proof_problem or note["why_not"]
        work.overwritten += note.get("overwritten", 0)
        work.compared += note.get("compared", 0)
        for line in lines:
            yield EndedRow(line, RowState(note["state"]), note["values"], tuple(note["kept"]))


def note_bad(index: RowIndex, work: Work) -> None:
    """Writes down which rows of the file cannot be used, but for those that an earlier life refused. Not flushed, as
    above."""
    found = index.newly_rejected(work.id)
    while lines := list(itertools.islice(found, _PORTION)):
        work.journal.note(_BAD, flush=False, lines=_ranges(lines))


def bad_earlier(work: Work) -> Iterator[int]:
    """Lines that could not be used in an earlier life."""
    for note in work.journal.notes(_BAD):
        yield from _lines(note)


def _lines(note: Mapping[str, Json]) -> Iterator[int]:
    for first, last in note["lines"]:
        yield from range(first, last + 1)


def _ranges(lines: Iterable[int]) -> list[list[int]]:
    found: list[list[int]] = []
    for line in sorted(lines):
        if found and found[-1][1] + 1 == line:
            found[-1][1] = line
        else:
            found.append([line, line])
    return found
