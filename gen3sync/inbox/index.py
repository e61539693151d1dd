"""`.gen3sync.json`: what gen3sync knows of the mirrors in a folder, for scripts and for itself.

docs/reference/mirror.md documents every field. An index that cannot be read is no obstacle: the ledger holds the same
facts, and the next refresh writes it anew.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from gen3sync.files import read_regular, write_atomic

INDEX = ".gen3sync.json"
_SCHEMA = 1
_LARGEST = 64 << 20
"""Bytes of an index; the group may write here, and who knows what."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One mirrored file. Times are ISO 8601 in UTC; `columns` is empty for JSON.

    `exported_at` is when the commons held exactly this; `checked_at` when it was last known to hold it still. `next`
    is the sha256 of a file that was about to be put in place: after a crash either may be found there.
    """

    mirror: str
    program: str
    project: str
    node: str
    format: str
    rows: int
    bytes: int
    sha256: str
    columns: tuple[str, ...]
    dictionary_version: str
    exported_at: str
    checked_at: str
    signature: str = ""
    untellable: int = 0
    followed: bool = True
    next: str = ""


def read_index(folder: Path) -> dict[str, Entry]:
    """The entries by file name; empty when there is no index, or none that can be read."""
    try:
        raw = json.loads(read_regular(folder / INDEX, _LARGEST))
        files = raw["files"]
        return {str(name): _entry(each) for name, each in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def write_index(folder: Path, commons: str, entries: dict[str, Entry]) -> None:
    """Replaces the index. Raises OSError."""
    files = {name: asdict(entry) for name, entry in sorted(entries.items())}
    text = json.dumps({"gen3sync": _SCHEMA, "commons": commons, "files": files}, ensure_ascii=False, indent=1)
    write_atomic(folder / INDEX, text.encode() + b"\n")


_FIELDS = {field.name for field in fields(Entry)}
_KINDS = {"rows": int, "bytes": int, "untellable": int, "followed": bool, "columns": tuple}
_KINDS |= dict.fromkeys(_FIELDS - _KINDS.keys(), str)


def _entry(raw: dict[str, Any]) -> Entry:
    """Raises ValueError, KeyError, TypeError for what no `write_index` wrote."""
    known = {key: value for key, value in raw.items() if key in _FIELDS}
    entry = Entry(**{**known, "columns": tuple(known["columns"])})
    for name, kind in _KINDS.items():
        if type(getattr(entry, name)) is not kind:
            raise TypeError(name)
    for moment in (entry.exported_at, entry.checked_at):
        if datetime.fromisoformat(moment).tzinfo is None:
            raise ValueError(moment)
    if not all(isinstance(column, str) for column in entry.columns):
        raise TypeError("columns")
    return entry
