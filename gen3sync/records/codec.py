"""What a row means: the values, erasures and links the commons would understand it to ask for.

Reading files is `table`'s, comparing with stored records `compare`'s, sending `wire`'s, rendering records `mirror`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from gen3sync.names import printable
from gen3sync.pglower import pg_lower
from gen3sync.records.convert import is_finite, text_to_value
from gen3sync.records.dictionary import Link, NodeType
from gen3sync.records.mirror import mirror_row, untellable
from gen3sync.records.problems import Problem, ProblemKind
from gen3sync.records.rowchecks import is_blank
from gen3sync.records.rows import Form, Row
from gen3sync.records.wire import wire_json, wire_tsv

__all__ = ["Desired", "LinkRef", "desired", "mirror_row", "untellable", "wire_json", "wire_tsv"]


@dataclass(frozen=True, slots=True)
class LinkRef:
    """A parent as a row names it: by `submitter_id` (for projects the code) or by `id`."""

    submitter_id: str | None = None
    id: str | None = None

    def __str__(self) -> str:
        return self.submitter_id if self.submitter_id is not None else f"id {self.id}"


@dataclass(frozen=True, slots=True)
class Desired:
    """A record as a row wants it.

    `properties` are values to be stored; `blanks` are properties whose cells are blank, which erases what is stored;
    a property in neither keeps its stored value. `links` holds every link the row has a column for, by link name, with
    no entries where the cell is blank (which unlinks nothing); `unlinked` are links that a JSON null removes.
    `unseen` is sent but cannot be read back (`urls`, values of system properties). `problems` are reasons not to send.
    """

    node: str
    submitter_id: str
    id: str | None
    properties: Mapping[str, object]
    blanks: frozenset[str]
    links: Mapping[str, tuple[LinkRef, ...]]
    problems: tuple[Problem, ...] = ()
    unlinked: frozenset[str] = frozenset()
    unseen: Mapping[str, object] = field(default_factory=dict)
    project_id: str | None = None
    line: int | None = None

    @property
    def key(self) -> tuple[str, str]:
        """`(node, lower(submitter_id))`."""
        return (self.node, pg_lower(self.submitter_id))


def desired(row: Row, node_type: NodeType) -> Desired:
    """What the commons would understand `row` to ask for, by the conversions of the row's form."""
    values: dict[str, object] = {}
    blanks: set[str] = set()
    unseen: dict[str, object] = {}
    problems: list[Problem] = []
    known_id: str | None = None
    project_id: str | None = None
    for name, value in _values(row, node_type):
        if name == "id":
            known_id = str(value) if value is not None else None
        elif name == "project_id":
            project_id = str(value) if value is not None else None
        elif name in ("type", "submitter_id"):
            continue
        elif (name == "urls" and name not in node_type.properties) or name in node_type.system:
            if value is not None:
                unseen[name] = value
        elif value is None:
            blanks.add(name)
        else:
            if not is_finite(value):
                problems.append(_not_finite(row, name))
            values[name] = value
    links, unlinked = _links(row, node_type)
    for name, refs in links.items():
        if node_type.link[name].to_one and (problem := _two_parents(row, node_type.link[name], refs)):
            problems.append(problem)
    return Desired(
        row.node,
        row.submitter_id,
        known_id,
        values,
        frozenset(blanks),
        links,
        tuple(problems),
        unlinked,
        unseen,
        project_id,
        row.line,
    )


def _values(row: Row, node: NodeType) -> Iterator[tuple[str, object]]:
    """Properties by name, None for those that erase."""
    if row.record is not None:
        for name, value in row.record.items():
            if name not in node.link:
                yield name, value
        return
    for name, text in row.cells.items():
        if "." not in name:
            yield name, None if is_blank(text) else text_to_value(text, node.properties.get(name))


def _links(row: Row, node: NodeType) -> tuple[dict[str, tuple[LinkRef, ...]], frozenset[str]]:
    found: dict[str, list[LinkRef]] = {}
    unlinked: set[str] = set()
    if row.record is not None:
        for name in node.link:
            value = row.record.get(name, ())
            if name in row.record and value is None:
                unlinked.add(name)
            elif isinstance(value, list):
                key = node.link[name].key
                found[name] = [LinkRef(entry.get(key), entry.get("id")) for entry in value]
    else:
        for column, text in row.cells.items():
            name, dot, key = column.partition(".")
            if dot and name in node.link:
                refs = found.setdefault(name, [])
                refs += (LinkRef(id=one) if key == "id" else LinkRef(one) for one in split_links(text, row.form))
    return {name: tuple(dict.fromkeys(refs)) for name, refs in found.items()}, frozenset(unlinked)


def split_links(cell: str, form: Form) -> list[str]:
    """The parents that a link cell names: split at `,` in TSV and at `#` in CSV (sheepdog `value_to_list_value`)."""
    parts = cell.split("#" if form is Form.CSV else ",")
    return [part.strip() for part in parts if not is_blank(part) and part.strip()]


def _two_parents(row: Row, link: Link, refs: Iterable[LinkRef]) -> Problem | None:
    """One `id` beside one `submitter_id` may be the same parent, which only the commons knows."""
    ids = {ref.id for ref in refs if ref.id is not None}
    names = {pg_lower(ref.submitter_id): ref.submitter_id for ref in refs if ref.submitter_id is not None}
    if len(ids) < 2 and len(names) < 2:
        return None
    shown = printable(", ".join(sorted(names.values()) or sorted(ids)), 200)
    text = f"A {row.node} has one parent in '{link.name}', but the row names {max(len(ids), len(names))}: {shown}."
    remedy = "Keep one of them."
    if row.form.delimited:
        sign = "In CSV a '#'" if row.form is Form.CSV else "A comma"
        remedy = f"{remedy} {sign} separates parents; one whose id contains it is named by its id."
    return Problem(ProblemKind.TWO_PARENTS, text, remedy, row.line, link.column)


def _not_finite(row: Row, name: str) -> Problem:
    what = "is not a finite number (NaN, infinity, or larger than 1e308)"
    text = f"'{name}' {what}; the commons fails on it without naming the row."
    return Problem(ProblemKind.NOT_FINITE, text, "Leave the cell blank if the value is unknown.", row.line, name)
