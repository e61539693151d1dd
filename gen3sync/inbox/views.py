"""What a copy knows of the files made from it: of which text each is, and where in it the records are.

A file can be patched only when it is exactly the text the copy remembers: a copy and a file that have come apart (a
crash between the two, two mirrors of one node refreshed at different times) are noticed here, and exported again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from gen3sync.inbox.copy import Copy
from gen3sync.inbox.render import Rendered
from gen3sync.inbox.text import Block


@dataclass(frozen=True, slots=True)
class View:
    """A file as the copy remembers it. `version` is what it was written with: see `work.version_for`."""

    sha256: str
    version: str
    columns: tuple[str, ...]


def view_of(copy: Copy, name: str) -> View | None:
    """What is remembered of the mirror `name`. Raises sqlite3.Error."""
    found = copy.db.execute("SELECT sha256, version, columns FROM view WHERE name = ?", (name,)).fetchone()
    return None if found is None else View(found[0], found[1], tuple(json.loads(found[2])))


def views_of(copy: Copy) -> dict[str, tuple[str, str]]:
    """SHA-256 and version of every text that is remembered, by mirror. Raises sqlite3.Error."""
    return {
        name: (sha256, version) for name, sha256, version in copy.db.execute("SELECT name, sha256, version FROM view")
    }


def take_over(copy: Copy, older: Path) -> None:
    """Remembers of a copy of the same records the files that are not made from this one, where it can be read."""
    with contextlib.suppress(sqlite3.Error):
        copy.db.execute("ATTACH ? AS older", (str(older),))
        try:
            names = "SELECT name FROM main.view"
            copy.db.execute(f"INSERT INTO block SELECT * FROM older.block WHERE view NOT IN ({names})")  # noqa: S608
            copy.db.execute(f"INSERT INTO view SELECT * FROM older.view WHERE name NOT IN ({names})")  # noqa: S608
        finally:
            copy.db.execute("DETACH older")


def blocks_of(copy: Copy, name: str) -> list[Block]:
    """Where its records are. Raises sqlite3.Error."""
    asked = "SELECT first, size, told_size, told FROM block WHERE view = ? ORDER BY first"
    return [Block(*row) for row in copy.db.execute(asked, (name,))]


def keep_view(copy: Copy, name: str, made: Rendered, version: str) -> None:
    """Remembers a text that was put at `name`. Raises sqlite3.Error."""
    row = (name, made.text.sha256, version, json.dumps(made.columns))
    copy.db.execute("INSERT OR REPLACE INTO view VALUES (?, ?, ?, ?)", row)
    if made.patched is None:
        copy.db.execute("DELETE FROM block WHERE view = ?", (name,))
        blocks = made.blocks
    else:
        copy.db.executemany(
            "DELETE FROM block WHERE view = ? AND first = ?", [(name, one) for one in made.patched.gone]
        )
        blocks = made.patched.made
    copy.db.executemany("INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?, ?)", [(name, *block) for block in blocks])


def forget_others(copy: Copy, names: tuple[str, ...]) -> None:
    """Forgets the files that are not rewritten though the records change. Raises sqlite3.Error."""
    marks = ",".join("?" * len(names))
    copy.db.execute(f"DELETE FROM view WHERE name NOT IN ({marks})", names)  # noqa: S608 - only question marks
    copy.db.execute(f"DELETE FROM block WHERE view NOT IN ({marks})", names)  # noqa: S608
