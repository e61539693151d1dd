"""The texts of one export, made while it comes in: what is left to do at its end is little.

Records that come by id, one each, go straight into the texts. A node type with several links comes in pieces and out of
order (GEN3.md); then the lines are made as the records come and kept beside them, and put in order when all are there.
Leaves to others: what a line says (`render`), sorting and merging (`copy`).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

from gen3sync.inbox.change import Record
from gen3sync.inbox.render import Look, Rendered, finished, painter_of
from gen3sync.inbox.text import Painter, TextWriter
from gen3sync.records.dictionary import NodeType
from gen3sync.records.mirrorlines import NarrowError

_BETWEEN = "\0"  # no record holds one: PostgreSQL cannot store it


class Making:
    """Made by one thread, used by that thread, closed as a context: then `rendered` tells what came of it."""

    def __init__(self, node_type: NodeType, looks: Iterable[tuple[Look, Path]]) -> None:
        self._painters: dict[Look, Painter] = {look: painter_of(look[0], node_type, look[1]) for look, _ in looks}
        self._spools = dict(looks)
        self._stack = ExitStack()
        self._writers: dict[Look, TextWriter] = {}
        self._sorted = False
        # One text's lines are kept beside scattered records: that of a table, which takes longest to make.
        self._kept = next((look for look, painter in self._painters.items() if painter.columns), None)

    def came(self, record: Record, body: str) -> None:
        """A record that came by id. Raises OSError."""
        for look, writer in [*self._writers.items()]:
            try:
                writer.add(record, body, record["id"])
            except NarrowError:
                del self._writers[look]

    def line(self, record: Record, body: str) -> str | None:
        """The line of a record that came out of order, to be handed to `settled` if the record stays what it is."""
        if self._kept is None:
            return None
        try:
            line, told = self._painters[self._kept].row(record, body, False)
        except NarrowError:
            self._kept = None
            return None
        return None if _BETWEEN in line or _BETWEEN in told else f"{line}{_BETWEEN}{told}"

    def settled(self, id: str, body: str, line: str | None) -> None:
        """The next record by id, after all came in whatever order. Raises OSError."""
        if not self._sorted:
            self._sorted = True
            self._open()  # what was written before records came out of order is of no use
        for look, writer in [*self._writers.items()]:
            try:
                if line is not None and look == self._kept:
                    writer.put(id, *line.split(_BETWEEN))
                else:
                    writer.add(None, body, id)
            except NarrowError:
                del self._writers[look]

    def rendered(self) -> dict[Look, Rendered]:
        """The texts that are whole, after closing. The others need further columns."""
        return {look: finished(writer, self._painters[look]) for look, writer in self._writers.items()}

    def _open(self) -> None:
        self._stack.close()
        self._stack = ExitStack()
        self._writers = {
            look: self._stack.enter_context(TextWriter(painter, self._spools[look]))
            for look, painter in self._painters.items()
        }

    def __enter__(self) -> Making:
        self._open()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.__exit__(*error)  # type: ignore[arg-type]
