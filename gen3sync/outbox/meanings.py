"""What rows mean to the commons, kept from planning to sending: working it out is most of what a row costs here.

Scratch of one lane's thread, and bounded: a large file is planned long before its rows are sent, and worked out again.
"""

from __future__ import annotations

from gen3sync.outbox.model import IndexedRow, line_of
from gen3sync.outbox.work import Work, row_of
from gen3sync.records.codec import Desired, desired
from gen3sync.records.dictionary import NodeType
from gen3sync.records.rows import Row

MOST = 2000
"""Rows; beyond that all are forgotten at once."""


class Meanings:
    """See the module."""

    def __init__(self) -> None:
        self._kept: dict[tuple[int, int, str], tuple[NodeType, Row, Desired]] = {}

    def of(self, work: Work, row: IndexedRow, node_type: NodeType) -> tuple[Row, Desired]:
        """The row as `records` knows it, and what the commons would understand by it."""
        name = (row.drop_id, row.id, row.key)  # ids are used again once a drop was forgotten
        kept = self._kept.get(name)
        if kept is not None and kept[0] is node_type:
            return kept[1], kept[2]
        again = row_again(work, row)
        wanted = desired(again, node_type)
        if len(self._kept) >= MOST:
            self._kept.clear()
        self._kept[name] = (node_type, again, wanted)
        return again, wanted


def row_again(work: Work, row: IndexedRow) -> Row:
    """The row as `records` knows it."""
    return row_of(work, line_of(row.line), row.end_line, row.node, row.submitter_id, row.shape, row.cells)
