"""Parents that were refused themselves: rows that wait for one are told so, at once and when they are given up.

Drops end, and what is known of their rows goes with them; this is remembered longer, and in the journals of the drops
that wait, for a restart.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from gen3sync.names import printable
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.missing import WAITING, keys_of
from gen3sync.outbox.model import RowState
from gen3sync.outbox.work import Work

_NOTE = "parent refused"
_MOST = 10_000
"""Refused records that are remembered, and rows of a drop that are looked at."""
_Key = tuple[str, str]
"""Node and key of a record."""


@dataclass
class RefusedParents:
    """Of one lane. One thread."""

    index: RowIndex
    _known: dict[_Key, tuple[str, int]] = field(default_factory=dict)
    """By record: the file and line that were refused."""

    def ended(self, work: Work, others: Iterable[Work]) -> list[Work]:
        """A drop ends: its refused records are remembered. Returns those of `others` of which rows wait for one."""
        if not self.index.counts(work.id)[RowState.REJECTED]:
            return []
        rejected = [row for row in itertools.islice(self.index.rejected(work.id), _MOST) if row.submitter_id]
        found = {key: row.line for row in rejected for key in keys_of([(row.node, row.submitter_id)])}
        self._remember({key: (work.drop.path, line) for key, line in found.items()})
        told: list[Work] = []
        for other in others:
            if other is not work and self.index.counts(other.id)[RowState.WAITING]:
                awaited = self._awaited(other) & found.keys()
                self._note(other, awaited)
                told += [other] if awaited else []
        return told

    def keep(self, work: Work) -> None:
        """A drop begins to wait: what was refused before it was read is known in the next life, too."""
        if self._known and (awaited := self._awaited(work) & self._known.keys()):
            with contextlib.suppress(OSError):
                noted = {(note["node"], note["key"]) for note in work.journal.notes(_NOTE)}
                self._note(work, awaited - noted)

    def recall(self, work: Work) -> None:
        """A drop was read again: what an earlier life knew."""
        notes = list(itertools.islice(work.journal.notes(_NOTE), _MOST))
        self._remember({(note["node"], note["key"]): (note["path"], note["line"]) for note in notes})

    def landed(self, node: str, keys: Collection[str]) -> None:
        """Records are there all the same."""
        if self._known:
            for key in keys:
                self._known.pop((node, key), None)

    def told(self, node: str, key: str, works: Mapping[int, Work]) -> str:
        """Where the record was refused, in words; nothing where it was not."""
        where: tuple[str, int] | None = self._known.get((node, key))
        if (own := self.index.rejected_in(node, key)) is not None:
            other = works.get(own[0])
            where = (other.drop.path if other else "another file", own[1])
        return f" It was itself refused: line {where[1]} of {printable(where[0])}." if where else ""

    def _awaited(self, work: Work) -> set[_Key]:
        waiting = itertools.islice(self.index.rows(work.id, RowState.WAITING), _MOST)
        return {key for row in waiting for key in keys_of(row.detail.get(WAITING, ()))}

    def _note(self, work: Work, awaited: set[_Key]) -> None:
        with contextlib.suppress(OSError):  # only words would be lost, and only by a restart
            for node, key in sorted(self._known.keys() & awaited):
                path, line = self._known[node, key]
                work.journal.note(_NOTE, flush=False, node=node, key=key, path=path, line=line)

    def _remember(self, found: Mapping[_Key, tuple[str, int]]) -> None:
        self._known.update(found)
        for key in list(itertools.islice(self._known, max(0, len(self._known) - _MOST))):
            del self._known[key]
