"""Each record equals the newest green drop that named it, property by property; and no row was refused for nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gen3sync.sandbox.store import pg_lower
from tests.scenario.outbox_machine.ended import Ended
from tests.scenario.outbox_machine.sheets import NODES, Row
from tests.scenario.outbox_machine.town import PROJECTS, Town
from tests.scenario.outbox_machine.witness import Key

_ABSENT = object()
_LONG = 2 * 3600.0


def records_are_right(town: Town, drops: Sequence[Ended]) -> None:
    """A value stands as the newest green drop that named it says, unless a later drop that is not green may have stored
    another, or somebody else did. What nobody named is not there."""
    for project in PROJECTS:
        for node in NODES:
            stored = {pg_lower(r["submitter_id"]): r for r in town.sandbox.records(project, node)}
            assert len(stored) == town.sandbox.count(project, node), f"{project}: a {node} is there twice"
            names = {row.key[1] for d in drops if d.project == project for row in d.sheet.rows if row.node == node}
            for name in names | stored.keys():
                _record(town, drops, (project, node, name))


def _record(town: Town, drops: Sequence[Ended], key: Key) -> None:
    now = town.witness.stored(key)
    named: list[tuple[Ended, Row]] = []
    for drop in drops:
        if drop.project == key[0]:
            named += [(drop, row) for row in drop.held if drop.key(row) == key]
    surely = [(drop, row) for drop, row in named if drop.green]
    since = surely[-1][0].known.since if surely else 0.0
    deleted = any(write.now is None for write in town.witness.foreign(key, since))
    if now is None:
        assert not surely or deleted, f"{key} of {surely[-1][0]} is not stored"
        return
    assert named or town.witness.foreign(key, 0.0), f"{key} was asked for by nobody: {now}"
    for name in ("submitter_id", *NODES[key[1]].props):
        allowed = _allowed(town, key, named, name)
        value = now.submitter_id if name == "submitter_id" else now.props.get(name)
        assert value in allowed, f"{key}: {name} is {value!r}, it may be {allowed}; {[str(d) for d, _ in named]}"
    if surely and not deleted and NODES[key[1]].parent != "project":
        wanted = frozenset(map(pg_lower, surely[-1][1].parents))
        assert now.parents >= wanted, f"{key}: its parents are {now.parents}, {surely[-1][0]} says {wanted}"


def _allowed(town: Town, key: Key, named: Sequence[tuple[Ended, Row]], name: str) -> list[Any]:
    """What a property may be in the end."""
    values: list[Any] = [None]
    since = 0.0
    for drop, row in named:
        said = row.submitter_id if name == "submitter_id" else row.props.get(name, _ABSENT)
        if said is _ABSENT or (said is None and drop.keeps):
            continue
        if drop.green:
            values, since = [said], drop.known.since
        else:
            values.append(said)
    for write in town.witness.foreign(key, since):
        if write.now is None:
            values.append(None)
        elif name in (write.named or ()):
            values.append(write.now.submitter_id if name == "submitter_id" else write.now.props.get(name))
    return values


def refusals_are_fair(town: Town, drops: Sequence[Ended]) -> None:
    """No row is refused for the commons' troubles; and one that the commons must refuse is never held to be stored."""
    for drop in drops:
        for row in drop.sheet.rows:
            types = drop.refused.get((row.node, row.submitter_id))
            if types is None:
                assert not (row.bad and drop.green), f"{drop}: {row} is bad and was not refused"
            elif not row.bad:
                for kind in types:
                    why = f"{drop}: {row} was refused for nothing: {types}"
                    assert _fair(town, drop, row, kind), why


def _fair(town: Town, drop: Ended, row: Row, kind: str) -> bool:
    key, since, until = drop.key(row), drop.known.since, drop.until
    seen = [record for record in town.witness.between(key, since, until) if record is not None]
    match kind:
        case "TWIN" | "SAME_ID":
            return drop.sheet.twins(row)
        case "OTHER_ID" | "NOT_UNIQUE" | "ERROR":  # without sight the commons finds it out ("already exists in the DB")
            return row.id is not None and (
                any(record.id != row.id for record in seen) or bool(town.witness.holder(row.id) - {key})
            )
        case "OTHER_PARENT":
            return any(record.parents != frozenset(map(pg_lower, row.parents)) for record in seen)
        case "WOULD_ERASE":
            blanks = [name for name, value in row.props.items() if value is None]
            erases = any(record.props.get(name) is not None for record in seen for name in blanks)
            blind = town.struck.get("read", 0.0) >= since or "read" in town.struck
            return town.blanks == "refuse" and bool(blanks) and (erases or blind)
        case "MISSING_PARENT":
            return not all(_there(town, drop, row, parent) for parent in row.parents)
        case "NOT_SENT":
            return any("NOT_SENT" not in others for others in drop.refused.values())
        case "TOO_LARGE":
            return "413" in town.struck
        case "NO_ANSWER":
            return "lost" in town.struck
        case "REFUSED":  # an id that a record of another project or of another drop has taken meanwhile
            return row.id is not None and bool(town.witness.holder(row.id) - {key})
    return False


def _there(town: Town, drop: Ended, row: Row, parent: str) -> bool:
    """Whether the parent had been stored for long when the drop ended: where nothing can be seen it is looked for (by
    sending the row) once an hour at least."""
    node = NODES[row.node].parent
    writes = town.witness.history.get((drop.project, node, pg_lower(parent)), [])
    return bool(writes) and writes[0].at < drop.known.open_at - _LONG
