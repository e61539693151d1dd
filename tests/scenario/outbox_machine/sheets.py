"""What a dropped file says, read without gen3sync: plain csv and json, and the sandbox's small dictionary by hand.

Owns the meaning of cells: what the commons must hold when a row has landed.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from gen3sync.sandbox.store import pg_lower

OURS = ("_line", "_error_type", "_errors")
SEXES = ("female", "male", "other", "unknown")
Value = Any
"""What a property may be: text, number, boolean, list, or None for a blank."""


def _list(cell: str) -> list[str]:
    return cell.split(",")


def _flag(cell: str) -> bool:
    return {"true": True, "false": False}[cell.lower()]


def _number(cell: str) -> Value:
    try:
        return float(cell)
    except ValueError:
        return cell


@dataclass(frozen=True)
class Node:
    """One node type. `link` names its parents, `parent` their node type; `many`: a PUT adds to them, never removes."""

    link: str
    parent: str
    props: Mapping[str, Callable[[str], Value]]
    many: bool = False


NODES = {
    "study": Node(
        "projects", "project", {"title": str, "planned_subjects": _number, "keywords": _list, "is_public": _flag}
    ),
    "subject": Node("studies", "study", {"sex": str, "species": str, "height_cm": _number, "consent_codes": _list}),
    "visit": Node("subjects", "subject", {"visit_number": _number, "notes": str}),
    "publication": Node("studies", "study", {"doi": str, "year": _number, "authors": _list}, many=True),
}


@dataclass(frozen=True)
class Row:
    """One row. `props` are those it names, None where it blanks them; `parents` as it names them."""

    line: int
    node: str
    submitter_id: str
    id: str | None
    props: Mapping[str, Value]
    parents: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return self.node, pg_lower(self.submitter_id)

    @property
    def bad(self) -> bool:
        """The commons must refuse it, whatever is stored."""
        number, sex = self.props.get("visit_number", 0), self.props.get("sex")
        return isinstance(number, str) or (sex is not None and sex not in SEXES)


@dataclass(frozen=True)
class Sheet:
    """A file's rows, in its order."""

    rows: tuple[Row, ...] = field(default=())

    def twins(self, row: Row) -> bool:
        """Whether another row names the same record, or the same id."""
        others = [one for one in self.rows if one is not row]
        return any(one.key == row.key or (row.id and one.id == row.id) for one in others)


def read(name: str, data: bytes) -> Sheet:
    """The rows of a file by its name's ending, which may add `.gz`."""
    path = PurePosixPath(name)
    if path.suffix == ".gz":
        path, data = PurePosixPath(path.stem), gzip.decompress(data)
    text = data.decode("utf-8-sig")
    match path.suffix:
        case ".json":
            first = 1 if text.startswith("[{") else 2  # one record a line
            return Sheet(tuple(_record(number, one) for number, one in enumerate(json.loads(text), first)))
        case ".jsonl":
            return Sheet(tuple(_record(number, json.loads(one)) for number, one in enumerate(text.splitlines(), 1)))
        case ".csv":
            return Sheet(tuple(_cells(text, ",", "#")))
    return Sheet(tuple(_cells(text, "\t", ",")))


def _cells(text: str, comma: str, between: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(text), delimiter=comma)
    columns = [column.strip().lstrip("*") for column in next(lines)]
    for cells in lines:
        said = {column: cell.strip() for column, cell in zip(columns, cells, strict=False)}
        node = NODES[said["type"]]
        props: dict[str, Value] = {}
        for name, convert in node.props.items():
            if name in said:
                props[name] = None if said[name] in ("", "null") else convert(said[name])
        named = said.get(f"{node.link}.submitter_id", said.get(f"{node.link}.code", ""))
        parents = tuple(one.strip() for one in named.split(between)) if named else ()
        yield Row(lines.line_num, said["type"], said["submitter_id"], said.get("id") or None, props, parents)


def _record(line: int, record: Mapping[str, Value]) -> Row:
    node = NODES[record["type"]]
    props = {name: record[name] for name in node.props if name in record}
    named = record.get(node.link) or []
    listed = named if isinstance(named, list) else [named]
    parents = tuple(one.get("submitter_id") or one.get("code") or one["id"] for one in listed)
    return Row(line, record["type"], record["submitter_id"], record.get("id"), props, parents)


__all__ = ["NODES", "OURS", "Row", "Sheet", "read"]
