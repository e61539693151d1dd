"""What one refresh works with: the wish, the node, and its files in the state folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from gen3sync.commons.journal import Journal
from gen3sync.files import safe_name
from gen3sync.inbox.change import Difference
from gen3sync.inbox.copy import Copy
from gen3sync.inbox.detect import Known, Signature, Why
from gen3sync.inbox.history import place_of
from gen3sync.inbox.index import Entry
from gen3sync.inbox.outcomes import version_of
from gen3sync.inbox.plan import Format, Mirror
from gen3sync.inbox.render import Rendered
from gen3sync.life import resting
from gen3sync.names import Project
from gen3sync.records.dictionary import Dictionary, NodeType


@dataclass(frozen=True, slots=True)
class Task:
    """One node to export and the mirrors that show it. `before`: the signature read before, None where unknown;
    `since`: when the wish arose, before that, so that an export begun after it by another thread will do. `few`:
    perhaps a few records will do, or none; `journal`: what the newest transactions wrote, where it was asked. `paced`:
    an export of all is to wait, the last was just made. `asking`: the signature is asked for while the export begins;
    None comes of it where it is not as good as one read before."""

    project: Project
    node: str
    mirrors: tuple[Mirror, ...]
    why: Why
    since: datetime
    before: Signature | None = None
    accept: bool = False
    few: bool = False
    journal: Journal | None = None
    paced: bool = False
    asking: Future[Signature | None] | None = None

    def asked(self) -> Signature | None:
        """The signature, whichever way it was asked for. Waits for it."""
        if self.asking is None:
            return self.before
        with resting():  # whoever asks is watched
            return self.asking.result()

    def seen(self, rows: int) -> Signature | None:
        """The signature to be remembered of an export of so many records. Waits for it.

        One that was asked for meanwhile may count what was stored after the export had read, and is logged later yet.
        """
        found = self.asked()
        together = self.asking is not None
        return None if together and found is not None and found.count(self.node) != rows else found


@dataclass(slots=True)
class Work:
    """What a task works with. `fresh` becomes `held`, the copy of what is published, when all went well."""

    task: Task
    type: NodeType
    dictionary: Dictionary
    started: datetime
    fresh: Path
    held: Path
    difference: Difference | None = None
    rendered: dict[tuple[Format, tuple[str, ...]], Rendered] = field(default_factory=dict)
    spools: list[Path] = field(default_factory=list)
    _looks: list[tuple[Format, tuple[str, ...]]] = field(default_factory=list)

    @property
    def version(self) -> str:
        return version_of(self.dictionary)

    def spool(self, mirror: Mirror) -> Path:
        """A file for a text on its way, the same for mirrors that show the same."""
        look = (mirror.format, mirror.columns)
        if look not in self._looks:
            self._looks.append(look)
            self.spools.append(self.fresh.with_suffix(f".{len(self._looks)}.{mirror.format.value}"))
        return self.spools[self._looks.index(look)]


def copy_of(copies: Path, project: Project, node: str) -> Path:
    """The file of a node's copy."""
    return place_of(copies, project) / f"{safe_name(node)}.sqlite"


def index_entry(work: Work, mirror: Mirror, made: Rendered, rows: int, known: Known) -> Entry:
    """What the index is to say of a mirror."""
    return Entry(
        mirror=mirror.group,
        program=mirror.project.program,
        project=mirror.project.code,
        node=mirror.node,
        format=mirror.format.value,
        rows=rows,
        bytes=made.text.size,
        sha256="",  # told by the folder, when it is known
        columns=made.columns,
        dictionary_version=work.version,
        exported_at=(known.exported_at or work.started).isoformat(),
        checked_at=work.started.isoformat(),
        signature=known.signature,
        untellable=made.untellable,
    )


@contextlib.contextmanager
def fresh_copy(path: Path) -> Iterator[Copy]:
    """An empty copy. Raises OSError, sqlite3.Error."""
    path.unlink(missing_ok=True)
    with Copy(path) as copy:
        yield copy


def hold(work: Work) -> None:
    """Makes the fresh copy the one that is held. Raises OSError."""
    # Reading the old copy has rolled back what a kill left of a patch. A journal that is still there belongs to a copy
    # that is gone or unreadable, and SQLite would roll it back into the new one.
    work.held.with_name(f"{work.held.name}-journal").unlink(missing_ok=True)
    with work.fresh.open("rb") as file:
        os.fsync(file.fileno())  # now: else the next small patch would wait for all of it
    work.fresh.replace(work.held)


def sweep(copies: Path) -> None:
    """Removes what refreshes left that were killed on their way. Not while a refresh runs."""
    left = {".new", ".notes", *(f".{format.value}" for format in Format)}
    for path in copies.rglob("*"):
        if path.suffix in left and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()


def clean(work: Work) -> None:
    """Removes what a refresh made on its way."""
    for path in (work.fresh, *work.spools, *(spool.with_name(f"{spool.name}.notes") for spool in work.spools)):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
