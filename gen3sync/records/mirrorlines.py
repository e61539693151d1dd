"""Lines of a mirror, made fast: `mirror_row`, `mirror_line` and `untellable` in one pass for the usual record.

Owns no rule. What a cell may say is `mirror`'s, which is asked for every record that is not plainly the usual case: a
value of another type than the dictionary's, a quote, a line end, spaces at an end, the word `null`, a comma in an item
or a parent's name. A property test holds the two against each other. Prepared once a node type, used for each record.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gen3sync.records.dictionary import NodeType
from gen3sync.records.mirror import MAX_CELL, Untellable, mirror_columns, mirror_line, mirror_row, untellable
from gen3sync.records.schema import Kind, Property

_EXACT = 2**53
# Whatever needs quotes or is read back as something else; \x1f is a space to Python's strip.
_ODD = re.compile('["\r\n\x0b\x0c\x1c-\x1f\x85\u2028\u2029]')
_EDGE = re.compile(r"(?:\A|\t)[^\S\t]|[^\S\t](?:\t|\Z)")
_NULL = re.compile(r"(?:\A|\t)null(?:\t|\Z)")
_TEXTS = frozenset({Kind.STRING, Kind.ENUM, Kind.UNKNOWN, Kind.OPAQUE})
_CONVERTED = frozenset({Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN, Kind.OPAQUE})


class NarrowError(Exception):
    """A record needs columns that the mirror has not: `LINK.id` for a parent with a comma in its name."""

    def __init__(self, columns: frozenset[str]) -> None:
        self.columns = columns
        super().__init__(", ".join(sorted(columns)))


class LineMaker:
    """Makes the lines of one mirror. `columns` are those of the file, None for all that the node type has.

    `wants` says of a further column whether the mirror is to have it where a record needs it.
    """

    def __init__(
        self,
        node_type: NodeType,
        columns: Sequence[str] | None = None,
        wants: Callable[[str], bool] = lambda _column: True,
    ) -> None:
        self._wants = wants
        self.columns = mirror_columns(node_type) if columns is None else tuple(columns)
        self._node = node_type
        own = node_type.columns
        self._whole = self.columns == own
        self._plain = [(name, _kind(node_type.properties.get(name))) for name in own if "." not in name]
        self._links = [(name, key) for name, _, key in (one.partition(".") for one in own if "." in one)]
        links = {link.name for link in node_type.links}
        self._usual = frozenset({"type", "id", "project_id", *(name for name, _ in self._plain), *links})
        self._places = None if self._whole else self._chosen(own)
        self._head = frozenset({"type", "id", "project_id"})

    @property
    def header(self) -> str:
        """The first line."""
        return mirror_line(self.columns, {column: column for column in self.columns})

    def line(self, record: Mapping[str, Any]) -> tuple[str, tuple[Untellable, ...]]:
        """A record's line and what it cannot say. Raises NarrowError."""
        usual = self._fast(record)
        if usual is not None:
            return usual, ()
        cells = mirror_row(record, self._node)
        further = frozenset(filter(self._wants, cells.keys() - set(self._node.columns) - set(self.columns)))
        if further:
            raise NarrowError(further)
        told = untellable(record, self._node)
        if not self._whole:
            kept = {column.partition(".")[0] for column in self.columns}
            told = tuple(one for one in told if one.column.partition(".")[0] in kept)
        return mirror_line(self.columns, cells), told

    def _chosen(self, own: Sequence[str]) -> list[int]:
        """For each column of the file its place among the node type's; -1 for a further one, which is blank mostly."""
        places = {column: place for place, column in enumerate(own)}
        return [places.get(column, -1) for column in self.columns]

    def _fast(self, record: Mapping[str, Any]) -> str | None:
        """The line of a usual record, None where `mirror` must be asked."""
        if not record.keys() <= self._usual:
            return None
        get = record.get
        cells: list[str] = []
        add = cells.append
        for name, kind in self._plain:
            value = get(name)
            if value is None:
                add("")
                continue
            kinds = type(value)
            if kinds is str:
                # Not the empty text: a cell cannot tell it from nothing.
                if not value or (kind not in _TEXTS and name not in self._head):
                    return None
                add(value)
            elif kinds is bool:
                if kind is not Kind.BOOLEAN:
                    return None
                add("true" if value else "false")
            elif kinds is int:
                if (kind is not Kind.INTEGER and kind is not Kind.NUMBER) or not -_EXACT < value < _EXACT:
                    return None
                add(str(value))
            elif kinds is float:
                if kind is not Kind.NUMBER or not -_EXACT < value < _EXACT:
                    return None
                add(str(value))
            elif kinds is list and kind is Kind.ARRAY and value:
                joined = _joined(value)
                if joined is None:
                    return None
                add(joined)
            else:
                return None
        for name, key in self._links:
            parents = get(name)
            if not parents:
                add("")
                continue
            joined = _joined([parent.get(key) for parent in parents])
            if joined is None:
                return None
            add(joined if len(parents) == 1 else ",".join(sorted(set(joined.split(",")))))
        if cells[0] == "":  # a record without a type gets its node's name
            return None
        if self._places is not None:
            cells = [cells[place] if place >= 0 else "" for place in self._places]
        text = "\t".join(cells)
        return text + "\n" if _is_usual(text, len(cells) - 1) else None


def _is_usual(text: str, tabs: int) -> bool:
    """Whether every cell of a joined line says just itself."""
    if _ODD.search(text) or text.count("\t") != tabs or len(text) > MAX_CELL:
        return False
    if "null" in text and _NULL.search(text):
        return False
    if text.isascii():
        return not ("\t " in text or " \t" in text or text[:1] == " " or text[-1:] == " ")
    return not _EDGE.search(text)


def _joined(items: list[Any]) -> str | None:
    """Items as one cell, None where the commas between them would not tell them apart again."""
    for item in items:
        if type(item) is not str or not item or "," in item or item == "null" or item != item.strip():
            return None
    return items[0] if len(items) == 1 else ",".join(items)


def _kind(prop: Property | None) -> Kind | None:
    """How a column is read; None for lists whose items are converted, which `mirror` is asked about."""
    if prop is None:
        return Kind.STRING
    return None if prop.kind is Kind.ARRAY and prop.item_kind in _CONVERTED else prop.kind
