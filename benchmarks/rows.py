"""Made-up rows for any dictionary: the parents a node needs, and as many records of it as wanted.

Only what is required is filled, and a few properties more, so that rows look like people's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gen3sync.names import Project
from gen3sync.records.dictionary import Dictionary, Link, NodeType
from gen3sync.records.schema import Kind, Property

_MORE = 4
"""Optional properties that are filled as well."""
_WORDS = ("alpha", "beta", "gamma", "delta", "epsilon")


class UnfitError(Exception):
    """The node cannot be made up; the text says why."""


@dataclass(frozen=True)
class Sheet:
    """A file of made-up rows of one node type."""

    node: str
    columns: tuple[str, ...]
    fixed: tuple[str, ...]
    prefix: str
    editable: str

    def cells(self, number: int, *, edited: bool = False) -> tuple[str, ...]:
        """One row. `edited` differs in one cell."""
        cells = [*self.fixed]
        cells[1] = f"{self.prefix}-{number:07d}"
        if edited:
            place = self.columns.index(self.editable)
            cells[place] = f"{cells[place]} edited" if not cells[place].isdigit() else str(int(cells[place]) + 1)
        return tuple(cells)

    def lines(self, rows: int, edited: frozenset[int] = frozenset()) -> Iterator[str]:
        """The file's lines."""
        yield "\t".join(self.columns) + "\n"
        for number in range(rows):
            yield "\t".join(self.cells(number, edited=number in edited)) + "\n"

    def write(self, path: Path, rows: int, edited: frozenset[int] = frozenset()) -> Path:
        """Writes the file."""
        with path.open("w", encoding="utf-8") as out:
            out.writelines(self.lines(rows, edited))
        return path


def sheets(dictionary: Dictionary, node: str, project: Project, prefix: str) -> list[Sheet]:
    """Sheets to submit in this order: one parent each up to the project, then `node` itself.

    Raises UnfitError for a node that cannot be made up.
    """
    made: dict[str, Sheet] = {}
    _add(dictionary, node, project, prefix, made, ())
    return list(made.values())


def _add(
    dictionary: Dictionary, node: str, project: Project, prefix: str, made: dict[str, Sheet], path: tuple[str, ...]
) -> None:
    node_type = dictionary.submittable(node)
    if node_type is None:
        raise UnfitError(f"{node} is no node type that can be submitted")
    if node_type.is_file:
        raise UnfitError(f"{node} is a file node: each row writes to the commons' file index")
    links: dict[str, str] = {}
    for link in _links(node_type):
        if link.target in path:
            continue
        if link.key == "code":
            links[link.column] = project.code
            continue
        if link.target not in made:
            _add(dictionary, link.target, project, prefix, made, (*path, node))
        links[link.column] = made[link.target].cells(0)[1]
    values = {one.name: _value(one) for one in _properties(node_type)}
    editable = [
        one.name
        for one in _properties(node_type)
        if not one.enum and one.kind in (Kind.STRING, Kind.INTEGER, Kind.NUMBER)
    ]
    if not editable:
        raise UnfitError(f"{node} has no plain property to edit")
    made[node] = Sheet(
        node,
        ("type", "submitter_id", *links, *values),
        (node, "", *links.values(), *values.values()),
        f"{prefix}-{node}",
        editable[0],
    )


def _links(node_type: NodeType) -> list[Link]:
    required = [link for link in node_type.links if link.required]
    return required or list(node_type.links[:1])


def _properties(node_type: NodeType) -> list[Property]:
    required = [one for one in node_type.values if one.name in node_type.required]
    optional = [one for one in node_type.values if one.name not in node_type.required and _fits(one)]
    return required + optional[:_MORE]


def _fits(one: Property) -> bool:
    return bool(one.enum) or one.kind in (Kind.STRING, Kind.INTEGER, Kind.NUMBER, Kind.BOOLEAN)


def _value(one: Property) -> str:
    if one.enum:
        return str(one.enum[0])
    if one.kind is Kind.BOOLEAN:
        return "true"
    if one.kind in (Kind.INTEGER, Kind.NUMBER):
        return "42" if "year" not in one.name else "1980"
    return _WORDS[len(one.name) % len(_WORDS)]
