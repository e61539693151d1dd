"""All names of a node, kept on disk: for many missing names that no search can find in every letter case.

Made by one export of the node, then brought up to date by a question for what was written since: so often that it keeps
the commons busy a twentieth of the time at most. What others have made meanwhile may be missed, what this lane has made
is not. One thread; scratch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from gen3sync.clock import Clock
from gen3sync.commons import queries
from gen3sync.commons.asking import Asks
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import Known, Signature
from gen3sync.names import Project
from gen3sync.outbox.fresh import StaleAnswer
from gen3sync.outbox.scratch import all_or_nothing, discard, open_scratch, portions
from gen3sync.outbox.stock import Record, key_of
from gen3sync.outbox.wholenode import whole

MOST = 1_000_000
"""Records of a node whose names are listed: an export of so many takes a commons about a minute."""
SINCE = 4
"""A node is exported anew where more than this part of it was written since."""
_REST = 20
"""How many times as long as it took, a listing is left as it is."""
OVERLAP = timedelta(minutes=15)
"""The time of a record is when its transaction began, and it may be seen this much later."""
_AGAIN = 3600.0
"""Seconds until a node is tried again that could not be listed."""
_TABLE = "CREATE TABLE name(node TEXT, key TEXT, id TEXT, sid TEXT, PRIMARY KEY(node, key)) WITHOUT ROWID;"


@dataclass
class Listings:
    """The names of one project's nodes."""

    client: CommonsClient
    asks: Asks
    project: Project
    path: Path
    clock: Clock
    _db: sqlite3.Connection | None = None
    _newest: dict[str, datetime] = field(default_factory=dict)
    """By node that is listed: the newest time of a record, by the commons' clock."""
    _most_since: dict[str, int] = field(default_factory=dict)
    _due: dict[str, float] = field(default_factory=dict)
    """By node: when to ask again."""
    _given_up: set[str] = field(default_factory=set)
    """Nodes that could not be listed, until they are due."""

    def names(self, node: str, wanted: Collection[str]) -> dict[str, Known] | None:
        """Those of `wanted` (keys) that are stored, in whatever letter case; None where that cannot be had."""
        due = self.clock.monotonic() >= self._due.get(node, 0.0)
        if due and not self._renewed(node):
            return None
        if node in self._given_up:
            return None
        found = self._found(node, wanted)
        if not due and not all(one.id for one in found.values()):
            if not self._renewed(node):
                return None
            found = self._found(node, wanted)
        return {key: known for key, known in found.items() if known.id}

    def grew(self, node: str, keys: Collection[str]) -> None:
        """Records were made. Their ids are asked for when somebody wants them."""
        if node in self._newest:
            self._add("INSERT OR IGNORE", node, ((key, Known("", "")) for key in keys))

    def _renewed(self, node: str) -> bool:
        began = self.clock.monotonic()
        done = self._topped_up(node) if node in self._newest else self._listed(node)
        now = self.clock.monotonic()
        if done:
            self._given_up.discard(node)
            self._due[node] = now + _REST * (now - began)
        else:
            self._newest.pop(node, None)
            self._given_up.add(node)
            self._due[node] = now + _AGAIN
        return done

    def close(self) -> None:
        """Forgets everything."""
        if self._db is not None:
            self._db.close()
            self._db = None
            discard(self.path)
        self._newest.clear()

    def _listed(self, node: str) -> bool:
        seen = queries.signature(self.asks, self.project, [node])
        part = seen.node(node) if isinstance(seen, Signature) else None
        if part is None or part.count > MOST:
            return False
        if whole(self.client, self.project, node, partial(self._fill, node)) is not True:
            return False
        newest = _moment(part.newest_updated)
        if newest is not None:  # else it is listed anew each time
            self._newest[node], self._most_since[node] = newest, max(1, part.count // SINCE)
        return True

    def _topped_up(self, node: str) -> bool:
        newest = self._newest[node]
        since = (newest - OVERLAP).replace(tzinfo=None).isoformat()
        most = self._most_since[node]
        rows = queries.written_since(self.asks, self.project, node, since, most + 1)
        if isinstance(rows, StaleAnswer):
            return True  # it is asked for again soon
        if not isinstance(rows, list):
            return False
        if len(rows) > most:
            return self._listed(node)
        self._add("INSERT OR REPLACE", node, ((key, known) for key, known, _ in rows))
        times = [moment for _, _, time in rows if (moment := _moment(time)) is not None]
        self._newest[node] = max([newest, *times])
        return True

    def _fill(self, node: str, pieces: Iterable[Record]) -> bool:
        db = self._open()
        with all_or_nothing(db):
            db.execute("DELETE FROM name WHERE node=?", (node,))
            rows = ((key_of(one), Known(str(one["id"]), str(one["submitter_id"]))) for one in pieces)
            self._insert("INSERT OR REPLACE", node, rows)
        return True

    def _add(self, how: str, node: str, rows: Iterable[tuple[str, Known]]) -> None:
        with all_or_nothing(self._open()):
            self._insert(how, node, rows)

    def _insert(self, how: str, node: str, rows: Iterable[tuple[str, Known]]) -> None:
        values = ((node, key, known.id, known.submitter_id) for key, known in rows)
        self._open().executemany(f"{how} INTO name VALUES (?,?,?,?)", values)

    def _found(self, node: str, wanted: Collection[str]) -> dict[str, Known]:
        db, found = self._open(), dict[str, Known]()
        for part in portions(wanted):
            marks = ",".join("?" * len(part))
            query = f"SELECT key, id, sid FROM name WHERE node=? AND key IN ({marks})"  # noqa: S608 - question marks only
            found.update((key, Known(id, sid)) for key, id, sid in db.execute(query, (node, *part)))
        return found

    def _open(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = open_scratch(self.path, _TABLE)
        return self._db


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
