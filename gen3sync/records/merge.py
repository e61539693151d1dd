"""Puts together what the commons exports in pieces: a record with several links comes as several records of one id.

sheepdog `export_all` joins all link tables and groups consecutive rows only, so nodes with two or more link types come
as scattered records, each with part of the links, and link entries may repeat (GEN3.md, "Exporting").
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from gen3sync.errors import CommonsError
from gen3sync.records.convert import same_value


class ContradictionError(CommonsError):
    """An export holds one id twice with different values."""

    def __init__(self, id: str, columns: tuple[str, ...]) -> None:
        self.id = id
        self.columns = columns
        super().__init__(
            f"The export holds the record {id} twice with different values of {', '.join(columns)}.",
            "The record may have been written meanwhile; it is exported again.",
        )


def merge(records: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One record per id, in the order of first appearance. Raises ContradictionError."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for record in records:
        groups.setdefault(str(record.get("id")), []).append(record)
    return [merge_group(group) for group in groups.values()]


def merge_group(group: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One record out of all pieces of one id, the same whatever their order: links united and sorted, values alike.

    Raises ContradictionError where two pieces give a property different values.
    """
    merged: dict[str, Any] = {}
    links: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    wrong: set[str] = set()
    for piece in group:
        for name, value in piece.items():
            if _is_links(value):
                found = links.setdefault(name, {})
                for entry in value:
                    found.setdefault(_link_key(entry), dict(entry))
            elif value is None:
                continue
            elif name not in merged:
                merged[name] = value
            elif not same_value(merged[name], value):
                wrong.add(name)
    wrong |= {name for name in links.keys() & merged.keys() if merged[name] != []}
    if wrong:
        raise ContradictionError(str(merged.get("id")), tuple(sorted(wrong)))
    for name, found in links.items():
        merged[name] = [found[key] for key in sorted(found)]
    return merged


def _is_links(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _link_key(entry: Mapping[str, Any]) -> tuple[str, str]:
    others = sorted(f"{key}={value}" for key, value in entry.items() if key != "node_id")
    return ("\n".join(others), str(entry.get("node_id", "")))
