"""How stored records become rows of a mirror, such that dropping the mirror changes nothing.

Records are in the form of the commons' JSON export. Sorting, writing and publishing are the inbox's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gen3sync.records.convert import is_nothing, plain, same_value, text_to_value, value_to_text
from gen3sync.records.delimited import quote
from gen3sync.records.dictionary import Link, NodeType, Property
from gen3sync.records.rowchecks import is_blank
from gen3sync.records.separators import find_separator, separator_name

MAX_CELL = 131_072


@dataclass(frozen=True, slots=True)
class Untellable:
    """A value that TSV cannot say: dropping the mirror's row would change it. `reason` completes 'it …'."""

    column: str
    reason: str


def mirror_row(record: Mapping[str, Any], node_type: NodeType) -> dict[str, str]:
    """The cells of a record, by column: all of `node_type.columns`, and `LINK.id` where a parent must be named by id.

    A parent is named by id where its submitter_id cannot stand in a link cell, as when it holds a comma.
    """
    cells: dict[str, str] = {}
    for column in node_type.columns:
        if "." not in column:
            cells[column] = value_to_text(record.get(column), node_type.properties.get(column))
    cells["type"] = str(record.get("type", node_type.name))
    for link in node_type.links:
        names, ids = _parents(record, link)
        cells[link.column] = ",".join(names)
        if ids:
            cells[f"{link.name}.id"] = ",".join(ids)
    return {column: cells[column] for column in mirror_columns(node_type, cells)}


def mirror_columns(node_type: NodeType, seen: Iterable[str] = ()) -> tuple[str, ...]:
    """The header of a mirror: `node_type.columns`, with `LINK.id` before a link's column if it is among `seen`.

    `seen` are the columns that `mirror_row` gave for any record of the mirror.
    """
    extra = set(seen) - set(node_type.columns)
    columns: list[str] = []
    for column in node_type.columns:
        by_id = f"{column.partition('.')[0]}.id"
        if "." in column and by_id in extra:
            columns.append(by_id)
        columns.append(column)
    return tuple(columns)


def mirror_line(columns: Sequence[str], cells: Mapping[str, str]) -> str:
    """One line of a mirror, quoted where it must be, ending in LF."""
    return "\t".join(quote(cells.get(column, "")) for column in columns) + "\n"


def untellable(record: Mapping[str, Any], node_type: NodeType) -> tuple[Untellable, ...]:
    """What TSV cannot say of a record: found by reading each cell back as the commons would."""
    return tuple(_untellable(record, node_type))


def _untellable(record: Mapping[str, Any], node: NodeType) -> Iterator[Untellable]:
    for name, value in record.items():
        if name in ("type", "id", "project_id") or name in node.link or value is None:
            continue
        prop = node.properties.get(name)
        if prop is None or name not in node.columns:
            if name not in node.system:
                yield Untellable(name, "is not in the dictionary")
        elif reason := _lost(plain(value), prop):
            yield Untellable(name, reason)
    for link in node.links:
        for entry in record.get(link.name) or ():
            if not entry.get("node_id") and not _fits_link(entry.get(link.key)):
                yield Untellable(link.column, "names a parent that has no id and cannot be named in a cell")


def _lost(value: object, prop: Property) -> str:
    """Why a cell cannot say `value`; '' when it can."""
    cell = value_to_text(value, prop)
    read = read_back(cell, prop)
    if same_value(read, value):
        return ""
    if len(cell) > MAX_CELL:
        return f"is longer than {MAX_CELL:,} characters"
    if is_nothing(value):
        return "is an empty text or list, which a cell cannot tell from no value"
    if found := find_separator(cell):
        return f"holds a character that the commons takes for a line end ({separator_name(found)})"
    if "\r" in cell:
        return "holds a carriage return, which the commons reads as a line feed"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        if any("," in item for item in value):
            return "has a list item with a comma in it"
        if any(item != item.strip() for item in value):
            return "has a list item with spaces at its ends"
    if cell.strip() == "null":
        return "is the word null, which a cell cannot tell from no value"
    if cell != cell.strip():
        return "has spaces or line ends at its ends, which the commons trims"
    return f"is not of the dictionary's type ({prop.kind.value}) and would be read as something else"


def read_back(cell: str, prop: Property) -> object:
    """What the commons stores when a mirror's cell is sent in quotes."""
    if len(cell) > MAX_CELL:
        return None
    text = "\n".join(cell.splitlines()).strip()
    return None if is_blank(text) else text_to_value(text, prop)


def _parents(record: Mapping[str, Any], link: Link) -> tuple[list[str], list[str]]:
    """Parents to be named by their key and by id, each in a stable order."""
    names: set[str] = set()
    ids: set[str] = set()
    for entry in record.get(link.name) or ():
        name, known_id = entry.get(link.key), entry.get("node_id")
        if _fits_link(name) or not known_id:
            names.add(str(name or ""))
        else:
            ids.add(str(known_id))
    return sorted(names), sorted(ids)


def _fits_link(name: object) -> bool:
    """Whether a parent's key survives in a link cell."""
    if not isinstance(name, str) or "," in name or is_blank(name) or name != name.strip() or "\r" in name:
        return False
    return find_separator(name) is None
