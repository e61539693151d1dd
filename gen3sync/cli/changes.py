"""How changed records of a mirror are said: to people a line each, to programs as data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import click

from gen3sync.names import printable

if TYPE_CHECKING:
    from gen3sync.inbox.change import Change

_SIGNS = {"added": ("+", "green"), "changed": ("~", "yellow"), "removed": ("-", "red")}
_SHOWN = 60


def line(change: Change) -> str:
    """`~ CASE-001  age: 7 → 8; sex: none → "male"`."""
    sign, colour = _SIGNS[change.kind.value]
    name = printable(change.submitter_id or change.id, 80)
    told = "; ".join(f"{printable(column, 60)}: {_value(old)} → {_value(new)}" for column, (old, new) in _pairs(change))
    return f"{click.style(sign, fg=colour)} {name}{'  ' + told if told else ''}"


def data(changes: Iterable[Change]) -> dict[str, list[dict[str, Any]]]:
    """By what happened; of changed records each column with its old and new value."""
    made: dict[str, list[dict[str, Any]]] = {kind: [] for kind in _SIGNS}
    for change in changes:
        one: dict[str, Any] = {"id": change.id, "submitter_id": change.submitter_id}
        if change.kind.value == "changed":
            one["columns"] = {column: {"old": old, "new": new} for column, (old, new) in _pairs(change)}
        made[change.kind.value].append(one)
    return made


def _pairs(change: Change) -> Iterator[tuple[str, tuple[Any, Any]]]:
    yield from sorted(change.columns.items())


def _value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list):
        return printable(", ".join(map(str, value)), _SHOWN) or "none"
    return printable(json.dumps(value, ensure_ascii=False), _SHOWN)
