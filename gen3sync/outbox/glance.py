"""Rows compared by what GraphQL shows of them, at a tenth of the price of reading them by an export.

An edited file names many records that are as the file says, and reading a thousand of them by id takes a second. What
GraphQL shows of texts, numbers and booleans is what an export shows; of other kinds it is not (lists of texts, null in
unions), and the parents of each record are dear. So a row is trusted to a glance only when all of it can be told:

1. its columns are of kinds that both show alike, and its numbers are small enough to be exact as floats;
2. it names one parent in each link it has, links are to one, and parents are so few that they can be asked for theirs;
3. it was not sent before: what was sent more than once is proven by an export.

Every other row is read by an export as ever. What was sent just now is proven so, too, where all that a glance shows is
as it was sent: what differs, or is not there, is read by an export before anybody says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gen3sync.commons import queries
from gen3sync.commons.asking import Asks, Nothing
from gen3sync.commons.queries import Children
from gen3sync.names import Project
from gen3sync.outbox.stock import Record
from gen3sync.pglower import pg_lower
from gen3sync.records.dictionary import Kind, Link, NodeType

if TYPE_CHECKING:
    from gen3sync.outbox.plan import PlanRow

_ALIKE = frozenset({Kind.STRING, Kind.ENUM, Kind.BOOLEAN, Kind.INTEGER, Kind.NUMBER})
_EXACT = 2**53
Later = Callable[[Callable[[], dict[str, Children] | Nothing]], "Future[dict[str, Children] | Nothing]"]
FEW_ROWS = 50
"""Fewer are read by an export: one question more costs as much."""
MOST_PARENTS = 3
"""By link: each parent is asked for all the rows."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What to ask: `properties` of records of `node`, and for each link the parents that rows name, by link name."""

    node: NodeType
    properties: tuple[str, ...]
    parents: Mapping[str, tuple[str, ...]]
    rows: Mapping[str, Mapping[str, str]]
    """The trusted rows by key: the parent of each, by link name."""

    def links(self) -> Iterable[tuple[Link, tuple[str, ...]]]:
        return ((self.node.link[name], named) for name, named in self.parents.items())


def glance(rows: Sequence[PlanRow], node: NodeType) -> Glance | None:
    """What a glance can tell of these rows; None when that is not worth a question."""
    trusted: dict[str, dict[str, str]] = {}
    properties: dict[str, None] = {}
    for one in rows:
        parents = _parents(one, node)
        if parents is not None:
            trusted[one.row.key] = parents
            properties.update(dict.fromkeys([*one.desired.properties, *sorted(one.desired.blanks)]))
    named: dict[str, dict[str, None]] = {}
    for parents in trusted.values():
        for link, name in parents.items():
            named.setdefault(link, {})[name] = None
    if len(trusted) < FEW_ROWS or any(len(names) > MOST_PARENTS for names in named.values()):
        return None
    return Glance(node, tuple(properties), {link: tuple(names) for link, names in named.items()}, trusted)


def _parents(one: PlanRow, node: NodeType) -> dict[str, str] | None:
    """The parent that a row names in each of its links; None when a glance cannot tell all of the row."""
    row, wanted = one.row, one.desired
    strange = wanted.problems or wanted.unlinked or wanted.unseen or row.sent is not None or isinstance(row.cells, dict)
    if strange or node.is_file or not all(_alike(name, node) for name in (*wanted.properties, *wanted.blanks)):
        return None
    if not all(_exact(value) for value in wanted.properties.values()):
        return None
    parents: dict[str, str] = {}
    for name, refs in wanted.links.items():
        link = node.link[name]
        if not link.to_one or not link.backref or len(refs) != 1 or refs[0].id is not None:
            return None
        parents[name] = refs[0].submitter_id or ""
    return parents


def look_at(
    look: Glance, asks: Asks, project: Project, later: Later, names: Sequence[str], ids: Sequence[str] | None = None
) -> tuple[dict[str, Record], dict[str, str]] | None:
    """Asks, the questions side by side (`later` puts one on another thread): the records that were told whole, by key,
    and the ids of all that are there. By name, in the usual spellings, or by `ids`. None where GraphQL does not answer,
    or not as the dictionary says."""
    node = look.node.name
    asked = {
        link.name: later(partial(queries.children, asks, project, link.target, link.backref, parents, names))
        for link, parents in look.links()
    }
    if ids is None:
        shown = queries.shown(asks, project, node, names, look.properties)
    else:
        shown = queries.shown_by_id(asks, project, node, ids, look.properties)
    answers = {name: answer.result() for name, answer in asked.items()}
    families = {name: answer for name, answer in answers.items() if isinstance(answer, dict)}
    if not isinstance(shown, list) or len(families) < len(answers):
        return None
    there = {pg_lower(str(one.get("submitter_id"))): str(one.get("id")) for one in shown}
    return records(look, shown, families, project.id), there


def records(
    asked: Glance, rows: Iterable[Mapping[str, object]], families: Mapping[str, Mapping[str, Children]], project_id: str
) -> dict[str, Record]:
    """The records that a glance has told whole (as far as the rows are concerned), by key, in the form of an export.
    `families` are the children of parents by link name and parent."""
    found: dict[str, Record] = {}
    listed = [(pg_lower(str(shown.get("submitter_id"))), shown) for shown in rows]
    times = Counter(key for key, _ in listed)
    for key, shown in listed:
        parents = asked.rows.get(key)
        if parents is None or times[key] > 1:  # some databases keep names apart that differ by letter case
            continue
        id, name = str(shown.get("id")), str(shown.get("submitter_id"))
        record: dict[str, object] = {"id": id, "submitter_id": name, "type": asked.node.name, "project_id": project_id}
        whole = True
        for prop in asked.properties:
            value = shown.get(prop)
            whole = whole and _exact(value)
            if value is not None:
                record[prop] = int(value) if isinstance(value, float) and value.is_integer() else value
        for link, parent in parents.items():
            family = families.get(link, {}).get(parent)
            if family is None or id not in family.kids:
                whole = False
                break
            record[link] = [{"node_id": family.id, asked.node.link[link].key: parent}]
        if whole:
            found[key] = record
    return found


def _alike(name: str, node: NodeType) -> bool:
    known = node.properties.get(name)
    return known is not None and known.kind in _ALIKE


def _exact(value: object) -> bool:
    return not isinstance(value, int | float) or abs(value) < _EXACT
