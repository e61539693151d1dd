"""What a row would change in a stored record, and whether a stored record is what a row asked for.

Values are compared after the commons' own conversions (`codec.desired`); `stored` is a record of its JSON export, in
which null properties are left out. System properties, times and `urls` are not compared: they are the commons' own, or
cannot be read back. The same comparison plans a drop and verifies it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gen3sync.names import printable
from gen3sync.pglower import pg_lower
from gen3sync.records.codec import Desired, LinkRef
from gen3sync.records.convert import is_nothing, plain, same_value
from gen3sync.records.dictionary import Link, NodeType
from gen3sync.records.problems import Problem, ProblemKind


@dataclass(frozen=True, slots=True)
class Change:
    """A column with the value stored and the value wanted (None: nothing)."""

    column: str
    old: object
    new: object


@dataclass(frozen=True, slots=True)
class KeptLink:
    """A parent that the row no longer names. PUT does not unlink: it stays (GEN3.md, lie 11)."""

    column: str
    submitter_id: str | None
    id: str | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """The difference between a row and the stored record.

    `changes` are values and links to be set; `erased` values that blank cells would remove; `renamed` the submitter_id
    where only its letter case differs (a PUT would rename the record); `links_not_removed` parents that stay though the
    row does not name them; `problems` what a PUT cannot do. `equal` counts the values of the row that are stored as it
    says: properties, blank cells where nothing is stored, and parents it names.
    """

    changes: tuple[Change, ...] = ()
    erased: tuple[Change, ...] = ()
    links_not_removed: tuple[KeptLink, ...] = ()
    renamed: Change | None = None
    problems: tuple[Problem, ...] = ()
    equal: int = 0

    @property
    def unchanged(self) -> bool:
        """Whether the commons holds what the row says: nothing to send, or sent and verified."""
        return not (self.changes or self.erased or self.renamed or self.problems)


def compare(desired: Desired, stored: Mapping[str, Any], node_type: NodeType) -> Comparison:
    """Compares a row with the stored record of the same id (or submitter_id in any letter case)."""
    changes: list[Change] = []
    kept: list[KeptLink] = []
    problems: list[Problem] = []
    for name, value in desired.properties.items():
        old = plain(stored.get(name))
        if not same_value(value, old):
            changes.append(Change(name, old, value))
    erased = [
        Change(name, plain(stored[name]), None) for name in sorted(desired.blanks) if not is_nothing(stored.get(name))
    ]
    equal = len(desired.properties) - len(changes) + len(desired.blanks) - len(erased)
    for name, refs in desired.links.items():
        equal += _links(desired, node_type.link[name], refs, stored.get(name) or (), changes, kept, problems)
    for name in sorted(desired.unlinked):
        parents = stored.get(name) or ()
        equal += not parents
        if parents:
            old = tuple(_named(entry, node_type.link[name]) for entry in parents)
            erased.append(Change(node_type.link[name].column, old, None))
    renamed = None
    old_id = stored.get("submitter_id")
    if old_id != desired.submitter_id:
        renamed = Change("submitter_id", old_id, desired.submitter_id)
    if problem := identity_problem(desired, stored):
        problems.append(problem)
        renamed = None
    return Comparison(tuple(changes), tuple(erased), tuple(kept), renamed, tuple(problems), equal)


def _links(
    desired: Desired,
    link: Link,
    refs: Sequence[LinkRef],
    parents: Sequence[Mapping[str, Any]],
    changes: list[Change],
    kept: list[KeptLink],
    problems: list[Problem],
) -> int:
    """Notes what differs in one link, and answers how many of the parents that the row names are stored."""
    missing = [ref for ref in refs if not any(_is_parent(ref, entry, link) for entry in parents)]
    unnamed = [entry for entry in parents if not any(_is_parent(ref, entry, link) for ref in refs)]
    old = tuple(_named(entry, link) for entry in parents)
    if missing and parents and link.to_one:
        new = printable(", ".join(str(ref) for ref in missing), 80)
        text = (
            f"The parent in '{link.name}' is '{printable(', '.join(old), 80)}' and cannot be changed to '{new}' by PUT."
        )
        remedy = "Keep the stored parent, or delete the record in the commons and send it again."
        problems.append(Problem(ProblemKind.OTHER_PARENT, text, remedy, desired.line, link.column))
        return 0
    if missing:
        changes.append(Change(link.column, old or None, tuple(dict.fromkeys([*old, *(str(ref) for ref in missing)]))))
    kept += (KeptLink(link.column, entry.get(link.key), entry.get("node_id")) for entry in unnamed)
    return len(refs) - len(missing)


def _is_parent(ref: LinkRef, entry: Mapping[str, Any], link: Link) -> bool:
    if ref.id is not None and ref.id != entry.get("node_id"):
        return False
    name = entry.get(link.key)
    if ref.id is not None and (ref.submitter_id is None or name is None):
        return True
    return name is not None and ref.submitter_id is not None and pg_lower(ref.submitter_id) == pg_lower(name)


def _named(entry: Mapping[str, Any], link: Link) -> str:
    name = entry.get(link.key)
    return str(name) if name is not None else f"id {entry.get('node_id')}"


def identity_problem(
    desired: Desired, stored: Mapping[str, Any] | None, by_id: Mapping[str, Any] | None = None
) -> Problem | None:
    """Whether `id` and `submitter_id` of a row contradict what is stored (GEN3.md, lie 10).

    `stored` is the record found by the row's submitter_id, `by_id` the one found by its id; either may be None.
    """
    remedy = "Delete the cell 'id', or correct one of the two."
    if desired.id is None:
        return None
    if stored is not None and stored.get("id") not in (None, desired.id):
        sid = printable(stored.get("submitter_id"), 80)
        text = f"The id is {printable(desired.id, 80)}, but the record '{sid}' in the commons has id {stored['id']}."
        if pg_lower(str(stored.get("submitter_id"))) == pg_lower(desired.submitter_id):
            return Problem(ProblemKind.OTHER_ID, text, remedy, desired.line, "id")
    for record in (by_id, stored):
        if record is None or record.get("id") != desired.id:
            continue
        name = str(record.get("submitter_id"))
        if record.get("type", desired.node) != desired.node:
            text = (
                f"The id {printable(desired.id, 80)} belongs to a {printable(record.get('type'), 80)} in the commons."
            )
            return Problem(ProblemKind.OTHER_ID, text, remedy, desired.line, "id")
        if pg_lower(name) != pg_lower(desired.submitter_id):
            text = (
                f"The id {printable(desired.id, 80)} belongs to '{printable(name, 80)}' in the commons, "
                f"not to '{printable(desired.submitter_id, 80)}'; the commons would say 200 and store nothing."
            )
            return Problem(ProblemKind.OTHER_ID, text, remedy, desired.line, "id")
    return None


def same_id(wanted: str, found: Sequence[str]) -> str | None:
    """The submitter_id of `found` that the commons would take `wanted` for: the very one, else one in another case."""
    if wanted in found:
        return wanted
    key = pg_lower(wanted)
    return next((one for one in sorted(found) if pg_lower(one) == key), None)
