"""Which records of a node the newest transactions wrote, and whether that is surely all that changed. Pure.

What a patch of few records stands on. Let S0 be the signature the file was made with and S1 the one read now; then

1. the transactions that succeeded between them are those that were pending at S0 and those begun later, and there are
   exactly as many of them as the count of succeeded ones grew; else a full export;
2. each has a document that names every record it wrote; else a full export;
3. a transaction touches the node types of its records. A deletion also takes links out of their children, and an update
   may rename (GEN3.md, lie 9), which changes the link cells of children: so a deletion asks for a full export of its
   node type and of those that link to it, and updated parents are compared with what the copy calls them;
4. the newest record by `updated_datetime` is the one it was, or one of those written; else somebody else wrote;
5. after the patch there are as many records as S1 counts; else a full export.

Records written after S1 may be in the patch already, as they may be in an export: S1 is what is stored, so the next
look sees them again. What commits without ever being logged is the pending rule's (`detect`), whose exports are full.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gen3sync.commons.journal import Journal, Written
from gen3sync.inbox.detect import Known, Signature
from gen3sync.records.dictionary import NodeType

# Reading more answers than these would cost the commons as much as an export of a usual node.
MOST_TRANSACTIONS = 20
# A record by id costs the commons about fifteen times what it costs within an export.
_SHARE = 20
_FEW = 20
_WRITES = frozenset({"create", "update"})


@dataclass(frozen=True, slots=True)
class Full:
    """Only an export tells; `reason` for the log."""

    reason: str


@dataclass(frozen=True, slots=True)
class Few:
    """Only these records of the node were written. `parents` are updated records it may link to, by id, with the names
    given to them: a name that the copy does not know is a rename."""

    ids: frozenset[str] = frozenset()
    parents: Mapping[str, frozenset[str | None]] = field(default_factory=dict)


def limit(rows: int) -> int:
    """How many of `rows` records are few."""
    return max(_FEW, rows // _SHARE)


def worth_asking(known: Known, seen: Signature, node: str) -> bool:
    """Whether the log may tell what changed in few words. Costs nothing."""
    grown = None if known.ok is None else seen.ok - known.ok
    count = seen.count(node)
    return (
        known.newest is not None
        and grown is not None
        and 0 < grown <= MOST_TRANSACTIONS
        and count is not None
        and known.count is not None
        and 0 <= count - known.count <= limit(count)
    )


def waited_for(known: Known, seen: Signature) -> frozenset[int]:
    """Transactions that were pending when the file was made and are no longer."""
    ended = (known.pending.keys() | known.forgotten) - seen.pending
    return frozenset(int(each) for each in ended if each.isdigit())


def named(known: Known, seen: Signature, journal: Journal) -> list[Written]:
    """Transactions of the journal that have succeeded since the file was made."""
    late = waited_for(known, seen)
    return [one for one in journal.written if one.id in late or (known.newest is not None and one.id > known.newest)]


def names_all(known: Known, seen: Signature, journal: Journal) -> bool:
    """Whether they are all there are, so that nothing more need be asked."""
    return known.ok is not None and journal.ok == seen.ok and len(named(known, seen, journal)) == seen.ok - known.ok


def touched(known: Known, seen: Signature, node_type: NodeType, journal: Journal) -> Few | Full:
    """What to fetch so that the records are those of `seen`."""
    node = node_type.name
    if not worth_asking(known, seen, node) or known.newest is None:
        return Full("more was written than is worth asking for")
    if journal.ok != seen.ok:
        return Full("something was written meanwhile")
    new = named(known, seen, journal)
    if len(new) != seen.ok - (known.ok or 0):
        return Full(f"{seen.ok - (known.ok or 0)} transactions succeeded, and {len(new)} of them can be named")
    found = _touched(new, node_type)
    if isinstance(found, Full):
        return found
    if len(found.ids) > limit(seen.count(node) or 0):
        return Full(f"{len(found.ids)} records were written")
    if seen.newest_of(node) != known.newest_record and not any(
        seen.newest_of(node).startswith(f"{id}@") for id in found.ids
    ):
        return Full("a record was written by no transaction in the log")
    return found


def _touched(new: Iterable[Written], node_type: NodeType) -> Few | Full:
    above = {link.target for link in node_type.links}
    ids: set[str] = set()
    parents: dict[str, set[str | None]] = {}
    for one in new:
        if one.touches is None:
            return Full(f"transaction {one.id} does not tell what it wrote")
        if one.role not in (*_WRITES, "delete"):
            return Full(f"transaction {one.id} is of another kind")
        for touch in one.touches:
            if touch.node != node_type.name and touch.node not in above:
                continue
            if touch.action not in _WRITES or one.role == "delete":
                return Full(f"transaction {one.id} deleted")
            if touch.node == node_type.name:
                ids.add(touch.id)
            if touch.node in above and touch.action == "update":
                parents.setdefault(touch.id, set()).add(touch.submitter_id)
    return Few(frozenset(ids), {id: frozenset(names) for id, names in parents.items()})


def renamed(few: Few, names: Mapping[str, frozenset[str]]) -> bool:
    """Whether an updated parent got a name that not all records call it by. `names` are those they call them by."""
    return any(len(few.parents[id] | called) > 1 for id, called in names.items())
