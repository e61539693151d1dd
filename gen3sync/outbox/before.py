"""What stood in the commons before a row was sent, as journal and index keep it for the undo files.

Cells by column, as a TSV says them. Where TSV cannot say one of the values exactly, the record as JSON says it is kept
as well, under `WHOLE`; which file a row goes to is `papers.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gen3sync.outbox.model import IndexedRow, Json, RowPlan
from gen3sync.records.convert import plain
from gen3sync.records.dictionary import Link, NodeType
from gen3sync.records.mirror import mirror_row, untellable

WHOLE = ""
"""No column has an empty name: a file whose header has one is refused."""
ADDED = "."
"""Columns of links in which the row named parents that were not linked, and which cannot be unlinked again. No column
is called so either."""
ERASED = "-"
"""Columns whose stored values the row's blank cells erase. Nor so."""
MOST_TABLES = 20
"""Sets of columns that records of one JSON drop may have before further ones are kept as JSON: each is a file."""


def values_before(
    record: Mapping[str, Json],
    node_type: NodeType,
    columns: tuple[str, ...],
    row: IndexedRow,
    plan: RowPlan,
    tables: set[tuple[str, ...]],
) -> Json:
    """Of a stored record: the values of a row's `columns`; of a JSON row, which has none, those of its own keys. The
    commons took the row with just those. `tables` are the sets of columns of the drop's JSON rows so far."""
    cells = mirror_row(record, node_type)
    wanted = columns or tuple(column for column in cells if column.partition(".")[0] in row.cells)
    before: dict[str, Json] = {column: cells[column] for column in wanted if column in cells}
    names = {column.partition(".")[0] for column in before}
    linked = [change.column for change in plan.changes if "." in change.column]
    links = {column: node_type.link[column.partition(".")[0]] for column in linked}
    # A JSON null unlinks all parents, where the dictionary allows that there are none; no PUT unlinks some of them.
    alone = {link.name for link in links.values() if not link.required and not record.get(link.name)}
    one_more = not columns and wanted not in tables
    if (
        alone
        or untellable({name: value for name, value in record.items() if name in names}, node_type)
        or (one_more and len(tables) >= MOST_TABLES)
    ):
        before[WHOLE] = dict(_as_json(record, node_type, columns or tuple(row.cells))) | dict.fromkeys(alone)
    elif one_more:
        tables.add(wanted)
    if added := [column for column, link in links.items() if link.name not in alone]:
        before[ADDED] = added
    if plan.erased:
        before[ERASED] = [change.column for change in plan.erased]
    return before


def _as_json(record: Mapping[str, Json], node_type: NodeType, columns: tuple[str, ...]) -> Iterator[tuple[str, Json]]:
    yield "type", node_type.name
    yield "submitter_id", record.get("submitter_id")
    for column in columns:
        name = column.partition(".")[0]
        if name in node_type.link:
            yield name, [_parent(entry, node_type.link[name]) for entry in record.get(name) or ()]
        elif column in node_type.columns and column not in ("type", "submitter_id", "project_id"):
            yield column, plain(record.get(column))


def _parent(entry: Mapping[str, Json], link: Link) -> dict[str, Json]:
    return {link.key: entry[link.key]} if entry.get(link.key) else {"id": entry.get("node_id")}
