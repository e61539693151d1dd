"""What a record is to a mirror, and what changed between two states of one. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

Record = Mapping[str, Any]


class Kind(StrEnum):
    """What happened to a record."""

    ADDED = "added"
    CHANGED = "changed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """One record that is not as it was. `columns` says of each changed property or link what it was and is."""

    kind: Kind
    id: str
    submitter_id: str
    columns: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """Records of the newer copy against the older: how many came, changed and went."""

    added: int
    changed: int
    removed: int

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def change(old: str | None, new: str | None) -> Change:
    """The change from one canonical body to another; None where there is no record."""
    before: Record = json.loads(old) if old is not None else {}
    after: Record = json.loads(new) if new is not None else {}
    told = after or before
    id, name = str(told.get("id")), str(told.get("submitter_id", ""))
    if old is None or new is None:
        return Change(Kind.ADDED if old is None else Kind.REMOVED, id, name)
    names = sorted(before.keys() | after.keys())
    pairs = {each: (_shown(before.get(each)), _shown(after.get(each))) for each in names}
    return Change(Kind.CHANGED, id, name, {each: pair for each, pair in pairs.items() if _differs(each, before, after)})


def _differs(name: str, before: Record, after: Record) -> bool:
    return json.dumps(before.get(name), sort_keys=True) != json.dumps(after.get(name), sort_keys=True)


def _shown(value: Any) -> Any:
    """A value as people compare it: parents by their names."""
    if isinstance(value, list) and value and all(isinstance(each, dict) and "node_id" in each for each in value):
        return [each.get("submitter_id", each.get("code", each["node_id"])) for each in value]
    return value


_ENCODE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


def canonical(record: Record) -> str:
    """A record as one line of JSON that is the same whatever order the server wrote properties and parents in."""
    for value in record.values():
        if type(value) is list and len(value) > 1:
            return _ENCODE({key: _parents_sorted(one) if type(one) is list else one for key, one in record.items()})
    return _ENCODE(record)


def _parents_sorted(value: list[Any]) -> list[Any]:
    """Links are a set and get an order of ours; lists of values keep theirs, which is data."""
    if len(value) > 1 and all(isinstance(each, dict) and "node_id" in each for each in value):
        unique = {str(each["node_id"]): each for each in value}
        return sorted(unique.values(), key=lambda link: (str(link.get("submitter_id")), str(link["node_id"])))
    return value
