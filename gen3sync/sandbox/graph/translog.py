"""The transaction log as GraphQL shows it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from gen3sync.sandbox.clock import log_time
from gen3sync.sandbox.transactions import State, Transaction

_DEFAULT_LIMIT = 10


def _wanted(entry: Transaction, args: dict[str, Any]) -> bool:
    checks: dict[str, Any] = {
        "id": str(entry.id),
        "quick_search": str(entry.id),
        "is_dry_run": entry.is_dry_run,
        "state": entry.state.value,
        "closed": entry.closed,
        "program": entry.program,
        "project": entry.project,
        "committed_by": str(entry.committed_by),
        "committable": entry.is_dry_run
        and entry.state is State.SUCCEEDED
        and not entry.closed
        and entry.committed_by is None,
        "type": _kind(entry),
    }
    for key, value in args.items():
        if key in checks:
            given = str(value) if key in ("id", "quick_search", "committed_by") else value
            if checks[key] != given:
                return False
        elif (key == "project_id" and entry.project_id not in (value if isinstance(value, list) else [value])) or (
            key == "entities" and not any(item.entity_id in value for item in entry.snapshots)
        ):
            return False
    return True


def _kind(entry: Transaction) -> str:
    return "upload" if entry.role in ("update", "create") else entry.role


def _sort_key(attribute: str) -> Callable[[Transaction], Any]:
    if attribute == "id":
        return lambda entry: entry.id
    return lambda entry: str(getattr(entry, attribute))


def select(entries: list[Transaction], readable: set[str], args: dict[str, Any]) -> list[Transaction]:
    """Entries of readable projects. `last: N` gives the newest first; `first` is 10 unless told, 0 is all."""
    found = [entry for entry in entries if entry.project_id in readable and _wanted(entry, args)]
    for name in ("order_by_asc", "order_by_desc"):
        key = args.get(name)
        if key in ("id", "submitter", "role", "program", "project", "created_datetime", "project_id"):
            attribute = "created" if key == "created_datetime" else str(key)
            found.sort(key=_sort_key(attribute), reverse=name == "order_by_desc")
    offset = max(0, int(args.get("offset") or 0))
    if "last" in args:
        found.sort(key=lambda entry: -entry.id)
        return found[offset : offset + int(args["last"])]
    first = int(args.get("first", _DEFAULT_LIMIT))
    return found[offset : offset + first] if first > 0 else found[offset:]


def jsonb(value: Any) -> Any:
    """With keys in the order in which PostgreSQL keeps them: short ones first."""
    if isinstance(value, dict):
        return {key: jsonb(value[key]) for key in sorted(value, key=lambda name: (len(name), name))}
    if isinstance(value, list):
        return [jsonb(item) for item in value]
    return value


def as_dict(entry: Transaction) -> dict[str, Any]:
    """All that may be asked of one entry. A document without answer yet says `null` as text."""
    return {
        "id": str(entry.id),
        "is_dry_run": entry.is_dry_run,
        "closed": entry.closed,
        "committed_by": None if entry.committed_by is None else str(entry.committed_by),
        "state": entry.state.value,
        "type": _kind(entry),
        "submitter": entry.submitter,
        "role": entry.role,
        "program": entry.program,
        "project": entry.project,
        "project_id": entry.project_id,
        "created_datetime": log_time(entry.created),
        "related_cases": [],
        "documents": [
            {
                "id": str(document.id),
                "transaction_id": str(entry.id),
                "doc_format": document.doc_format,
                "doc_size": document.size,
                "name": document.name,
                "response_json": json.dumps(jsonb(document.response)),
                "response": document.response,
            }
            for document in entry.documents
        ],
        "snapshots": [
            {
                "id": str(item.id),
                "transaction_id": entry.id,
                "action": item.action,
                "old_props": str(jsonb(item.old)),
                "new_props": str(jsonb(item.new)),
            }
            for item in entry.snapshots
        ],
    }
