"""What each row of a drop asks of the commons: create, update, unchanged, erase, wait or reject.

Pure and lazy: rows, what is stored, and whether parents are there come in; plans go out one by one. Dry runs, the
outbox and tests use the same decision. Asking the commons is `lookup.py`'s, acting on plans `planning.py`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum

from gen3sync.config import Blanks, Send
from gen3sync.outbox.missing import PARENT_NAME, advice
from gen3sync.outbox.model import Action, ColumnChange, IndexedRow, Parent, Reason, RowPlan
from gen3sync.outbox.namedids import elsewhere
from gen3sync.outbox.rules import reason_of
from gen3sync.pglower import pg_lower
from gen3sync.records.codec import Desired
from gen3sync.records.compare import Change, Comparison, compare, identity_problem
from gen3sync.records.dictionary import NodeType

_URLS = "urls"


class ParentState(Enum):
    """Whether a parent is there."""

    STORED = "stored"
    COMING = "coming"  # on its way in this lane
    MISSING = "missing"
    UNSEEN = "unseen"  # cannot be looked up: the commons will say


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A row, and what the commons would understand by it."""

    row: IndexedRow
    desired: Desired


@dataclass(frozen=True, slots=True)
class Rules:
    """What the configuration and people decide. `blind`: nothing of the project can be read."""

    blanks: Blanks = Blanks.GUARD
    send: Send = Send.CHANGES
    erase_allowed: bool = False
    blind: bool = False


def plan_rows(
    rows: Iterable[PlanRow],
    stored: Mapping[str, Mapping[str, object]],
    parent_state: Callable[[Parent], ParentState],
    node_type: NodeType,
    rules: Rules,
    named: Mapping[str, Mapping[str, object]] | None = None,
) -> Iterator[RowPlan]:
    """Plans for rows of one node type, in their order. `stored` holds the commons' records by key, `named` by id those
    that rows name by an id alone known (see `ids_to_ask`)."""
    for one in rows:
        by_id = (named or {}).get(one.desired.id or "")
        yield plan_row(one, stored.get(one.row.key), parent_state, node_type, rules, by_id)


def ids_to_ask(rows: Iterable[PlanRow], stored: Mapping[str, Mapping[str, object]]) -> list[str]:
    """Ids that rows name though nothing is stored under their submitter_id: they may belong to other records, also of
    other projects, and then the commons would say 200 and store nothing (GEN3.md, lie 10)."""
    return [one.desired.id for one in rows if one.desired.id is not None and one.row.key not in stored]


def plan_row(
    one: PlanRow,
    record: Mapping[str, object] | None,
    parent_state: Callable[[Parent], ParentState],
    node_type: NodeType,
    rules: Rules,
    by_id: Mapping[str, object] | None = None,
) -> RowPlan:
    """The plan for one row. `record` is stored under its submitter_id, `by_id` under its id."""
    row, desired = one.row, one.desired
    if desired.problems:
        reasons = tuple(map(reason_of, desired.problems))
        return RowPlan(row.line, row.node, row.key, row.submitter_id, Action.REJECT, problems=reasons)
    found = None if record is None else compare(desired, record, node_type)
    other = (elsewhere(desired, by_id) or identity_problem(desired, None, by_id)) if record is None else None
    wrong = found.problems if found is not None else (other,) if other is not None else ()
    if wrong:
        reasons = tuple(map(reason_of, wrong))
        return RowPlan(row.line, row.node, row.key, row.submitter_id, Action.REJECT, problems=reasons)
    parents = {parent: parent_state(parent) for parent in needed_parents(desired, found, node_type)}
    waiting = tuple(p for p, state in parents.items() if state in (ParentState.COMING, ParentState.MISSING))
    changes = _changes([*found.changes, *([found.renamed] if found.renamed else [])]) if found else ()
    if found and _URLS in desired.unseen:
        changes = (*changes, ColumnChange(_URLS, None, desired.unseen[_URLS]))
    erased = _changes(found.erased) if found else ()
    action = _action(desired, found, rules)
    problems: tuple[Reason, ...] = ()
    if action is Action.REJECT:
        columns = ", ".join([change.column for change in erased] or sorted(desired.blanks))
        problems = (
            Reason(
                "WOULD_ERASE",
                f"Blank cells would erase stored values of {columns}.",
                erased[0].column if erased else None,
                "Fill them in, or leave the columns out to keep what is stored.",
            ),
        )
    elif waiting and action is not Action.UNCHANGED:
        action = Action.WAIT
        if told := advice(row, [(parent.node, parent.submitter_id or "") for parent in waiting], node_type):
            problems = (Reason(PARENT_NAME, told),)
    if rules.blanks is Blanks.KEEP and not rules.erase_allowed:
        erased = ()
    return RowPlan(
        row.line,
        row.node,
        row.key,
        row.submitter_id,
        action,
        changes,
        erased,
        tuple(dict.fromkeys(link.column for link in found.links_not_removed)) if found else (),
        waiting if action is Action.WAIT else (),
        problems,
        str(record["id"]) if record is not None and record.get("id") else None,
        tuple(parent for parent, state in parents.items() if state is ParentState.UNSEEN),
        found.equal if found else 0,
    )


def needed_parents(desired: Desired, found: Comparison | None, node_type: NodeType) -> tuple[Parent, ...]:
    """Parents that must be there before the row can be sent: all of a new record, else only newly linked ones.

    Parents given by id, and those that no project stores (`projects.code`), are the commons' to check.
    """
    changed = None if found is None else {change.column.partition(".")[0] for change in found.changes}
    out: list[Parent] = []
    for name, references in desired.links.items():
        link = node_type.link.get(name)
        if link is None or link.key != "submitter_id" or (changed is not None and name not in changed):
            continue
        out.extend(Parent(link.target, r.submitter_id) for r in references if r.id is None and r.submitter_id)
    return tuple(out)


def parent_key(parent: Parent) -> tuple[str, str]:
    """How parents are compared: in any letter case."""
    return parent.node, pg_lower(parent.submitter_id or "")


def _action(desired: Desired, found: Comparison | None, rules: Rules) -> Action:
    # Where nothing can be read, any blank cell may erase something.
    erases = bool(found.erased) if found is not None else rules.blind and bool(desired.blanks)
    # Where the data lies is kept in the file index and not read back: it may be new, so it is sent.
    changes = found is None or bool(found.changes or found.renamed or _URLS in desired.unseen)
    if erases and not rules.erase_allowed:
        match rules.blanks:
            case Blanks.GUARD:
                return Action.ERASE
            case Blanks.REFUSE:
                return Action.REJECT
            case Blanks.KEEP:
                erases = False
            case Blanks.ERASE:
                pass
    if found is None:
        return Action.UPDATE if rules.blind else Action.CREATE
    return Action.UPDATE if changes or erases or rules.send is Send.ALL else Action.UNCHANGED


def _changes(changes: Iterable[Change]) -> tuple[ColumnChange, ...]:
    return tuple(ColumnChange(change.column, change.old, change.new) for change in changes)
