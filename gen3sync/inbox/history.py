"""What changed in each node of each project, refresh by refresh: for people, for scripts.

Two tellings of the same: `NODE.history` in the state folder (every value before and after; what `gen3sync history`
and `gen3sync diff` read) and `changes.jsonl` beside the mirrors (a line a record, for scripts; appended only). A crash
while they are written means that a refresh is told twice, never that one is left out. Neither is needed to be right
about the mirrors: what cannot be written is logged, and what cannot be read begins anew.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from gen3sync.files import safe_name
from gen3sync.inbox.change import Change, Kind
from gen3sync.inbox.plan import CHANGES
from gen3sync.names import Project

KEPT_FOR = timedelta(days=400)
_FORMAT = 1
# As one, and not flushed by itself: what is then written into it is, and an empty one that a power cut spoils begins
# anew.
_SCHEMA = f"""
PRAGMA synchronous=OFF;
BEGIN IMMEDIATE;
CREATE TABLE run(at INTEGER PRIMARY KEY, rows INTEGER NOT NULL, whole INTEGER NOT NULL);
CREATE TABLE change(at INTEGER, kind TEXT, id TEXT, submitter_id TEXT, columns TEXT, PRIMARY KEY(at, id)) WITHOUT ROWID;
PRAGMA user_version={_FORMAT};
COMMIT;
PRAGMA synchronous=NORMAL;
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One refresh that found something new. `whole`: it was the first, so its records are not listed one by one."""

    at: datetime
    rows: int
    whole: bool


def place_of(copies: Path, project: Project) -> Path:
    """The folder of a project's copies and histories in the state folder."""
    return copies / safe_name(project.program) / safe_name(project.code)


def history_of(copies: Path, project: Project, node: str) -> Path:
    """The file of one node's history."""
    return place_of(copies, project) / f"{safe_name(node)}.history"


def write_down(
    path: Path,
    folders: Iterable[Path],
    project: Project,
    node: str,
    at: datetime,
    rows: int,
    changes: Iterable[Change] | None,
) -> None:
    """Writes down what a refresh found. `changes` None: all records are new to us. Raises OSError, sqlite3.Error."""
    about = {"at": at.isoformat(), "program": project.program, "project": project.code, "node": node}
    moment = _stored(at)
    with contextlib.ExitStack() as stack:
        db = stack.enter_context(contextlib.closing(_opened(path)))
        outs = [stack.enter_context(_appending(folder / CHANGES)) for folder in dict.fromkeys(folders)]
        db.execute("BEGIN IMMEDIATE")
        for table in ("run", "change"):
            db.execute(f"DELETE FROM {table} WHERE at = ? OR at < ?", (moment, _stored(at - KEPT_FOR)))  # noqa: S608
        db.execute("INSERT INTO run VALUES (?, ?, ?)", (moment, rows, changes is None))
        if changes is None:
            _say(outs, about | {"change": "all", "records": rows})
        for one in changes or ():
            said: dict[str, Any] = {"change": one.kind.value, "id": one.id, "submitter_id": one.submitter_id}
            _say(outs, about | said | ({"columns": [*one.columns]} if one.columns else {}))
            values = json.dumps(dict(one.columns), ensure_ascii=False) if one.columns else ""
            db.execute(
                "INSERT OR REPLACE INTO change VALUES (?, ?, ?, ?, ?)",
                (moment, one.kind.value, one.id, one.submitter_id, values),
            )
        for out in outs:
            out.flush()
            os.fsync(out.fileno())
        db.execute("COMMIT")


def runs(path: Path, since: datetime | None = None) -> tuple[Run, ...]:
    """The refreshes that found something new, oldest first. Raises sqlite3.Error."""
    with _reading(path) as db:
        if db is None:
            return ()
        found = db.execute("SELECT at, rows, whole FROM run WHERE at >= ? ORDER BY at", (_stored(since),))
        return tuple(Run(_moment(at), rows, bool(whole)) for at, rows, whole in found)


def changes_at(path: Path, at: datetime, limit: int = -1) -> tuple[Change, ...]:
    """What one refresh found. Raises sqlite3.Error."""
    with _reading(path) as db:
        if db is None:
            return ()
        asked = "SELECT kind, id, submitter_id, columns FROM change WHERE at = ? ORDER BY id LIMIT ?"
        return tuple(_change(row) for row in db.execute(asked, (_stored(at), limit)))


def net(path: Path, since: datetime | None) -> Iterator[Change]:
    """What all refreshes since `since` come to, by id: what was changed back is no change. Raises sqlite3.Error."""
    with _reading(path) as db:
        if db is None:
            return
        asked = "SELECT kind, id, submitter_id, columns FROM change WHERE at >= ? ORDER BY id, at"
        last: list[Change] = []
        for row in db.execute(asked, (_stored(since),)):
            one = _change(row)
            if last and last[0].id != one.id:
                yield from _folded(last)
                last = []
            last.append(one)
        yield from _folded(last)


def _folded(steps: list[Change]) -> Iterator[Change]:
    """The steps of one record as one change, or none."""
    if not steps:
        return
    first, last = steps[0], steps[-1]
    was, now = first.kind is not Kind.ADDED, last.kind is not Kind.REMOVED
    if not was or not now:
        if was or now:
            yield Change(Kind.ADDED if now else Kind.REMOVED, last.id, last.submitter_id)
        return
    columns: dict[str, tuple[Any, Any]] = {}
    for step in steps:
        for name, (old, new) in step.columns.items():
            columns[name] = (columns[name][0] if name in columns else old, new)
    left: Mapping[str, tuple[Any, Any]] = {name: pair for name, pair in columns.items() if pair[0] != pair[1]}
    # Removed and added again: which values it had before is not known, only that it is there again.
    if left or any(step.kind is not Kind.CHANGED for step in steps):
        yield Change(Kind.CHANGED, last.id, last.submitter_id, left)


def _change(row: tuple[str, str, str, str]) -> Change:
    kind, id, name, columns = row
    return Change(Kind(kind), id, name, {key: (old, new) for key, (old, new) in json.loads(columns or "{}").items()})


def _opened(path: Path) -> sqlite3.Connection:
    """For writing. One that cannot be read is put aside."""
    try:
        return _connected(path)
    except sqlite3.DatabaseError:
        path.replace(path.with_name(f"{path.name}.broken"))
        return _connected(path)


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, timeout=30)
    try:
        db.executescript("PRAGMA journal_mode=DELETE; PRAGMA synchronous=NORMAL;")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if not version:
            db.executescript(_SCHEMA)
        elif version != _FORMAT:
            raise sqlite3.DatabaseError(f"history format {version}")
    except sqlite3.Error:
        db.close()
        raise
    return db


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection | None]:
    if not path.exists():
        yield None
        return
    with contextlib.closing(sqlite3.connect(path, timeout=30)) as db:
        yield db


@contextlib.contextmanager
def _appending(path: Path) -> Iterator[BinaryIO]:
    """For appending lines. Half a line that a crash left at the end is cut off: its refresh is told again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o640), "r+b") as out:
        size = out.seek(0, os.SEEK_END)
        if size and os.pread(out.fileno(), 1, size - 1) != b"\n":
            start = max(0, size - (1 << 16))
            tail = os.pread(out.fileno(), 1 << 16, start)
            out.truncate(start + tail.rfind(b"\n") + 1)
            out.seek(0, os.SEEK_END)
        yield out


def _say(outs: Iterable[BinaryIO], line: Mapping[str, Any]) -> None:
    data = json.dumps(line, ensure_ascii=False).encode() + b"\n"
    for out in outs:
        out.write(data)


def _stored(at: datetime | None) -> int:
    """Microseconds, as exact as the ledger's."""
    return 0 if at is None else round(at.timestamp() * 1_000_000)


def _moment(stored: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=stored)
