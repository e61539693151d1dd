"""Gets one node's export from the commons and proves it before anything is published.

Whole by its end (`export`), of a project that exists, and of as many records as the commons counts where nothing
changed meanwhile. Raises NotDoneError with the reason; whether it may replace what is there is `guards`' to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gen3sync.clock import Clock
from gen3sync.commons import replies
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.queries import signature
from gen3sync.commons.replies import Broken, BrokenCause, Refused
from gen3sync.inbox import guards
from gen3sync.inbox.change import Record
from gen3sync.inbox.copy import Contradiction, Copy, Met
from gen3sync.inbox.detect import Signature
from gen3sync.inbox.export import NotWholeError, read_export
from gen3sync.inbox.outcomes import NotDoneError, not_done
from gen3sync.inbox.render import merge
from gen3sync.ledger import Outcome
from gen3sync.names import Project, printable
from gen3sync.records.dictionary import NodeType

_TOLD_EVERY = 5000
# Many nodes of a project are empty; that it exists is asked once for all of them.
_EXISTS_FOR = 20.0

Told = Callable[[str, int], None]
"""Called with a mirrored node (`DEV/test/case`) and how many of its records have been read so far."""


@dataclass(frozen=True, slots=True)
class Proven:
    """What is known of a whole export. `counted`: the commons' count where it contradicts it though nothing changed."""

    rows: int
    doubled: tuple[str, ...]
    counted: int | None = None


class Prover:
    """Thread-safe."""

    def __init__(self, client: CommonsClient, clock: Clock, deadline: float, stopped: Callable[[], bool]) -> None:
        self._client = client
        self._clock = clock
        self._deadline = deadline
        self._stopped = stopped
        self._seen: dict[Project, float] = {}
        self._lock = threading.Lock()

    def export(
        self,
        project: Project,
        node: str,
        seen: Callable[[int], Signature | None],
        copy: Copy,
        told: Told,
        met: Met,
    ) -> Proven:
        """Fills `copy`; `met` hears of records that come by id. `seen` tells, given the number of records,
        the signature to be remembered.

        Raises NotDoneError, StoppedError, sqlite3.Error, and what `met` raises.
        """
        self._read(project, node, copy, told, met)
        rows = len(copy)
        before = seen(rows)
        if not rows and before is None:  # with a signature the project itself was seen
            self._exists(project)
        return Proven(rows, tuple(copy.doubled), self._counted(project, node, before, rows))

    def records(self, project: Project, node: NodeType, ids: Sequence[str]) -> list[Record] | None:
        """Some records as an export shows them; None where the commons does not answer with just those.

        By id it tells nulls and links without parents, which an export leaves out.
        """
        answer = self._client.export_records(project, ids)
        if not isinstance(answer, tuple):
            return None
        found: dict[str, list[Record]] = {id: [] for id in ids}
        for record in answer:
            id = record.get("id")
            if id not in found or record.get("type") != node.name or record.get("project_id") != project.id:
                return None
            found[id].append(_as_exported(record, node))
        try:
            return [merge(pieces) if len(pieces) > 1 else pieces[0] for _, pieces in sorted(found.items())]
        except (IndexError, Contradiction):  # one of them is gone, or was written between its pieces
            return None

    def _read(self, project: Project, node: str, copy: Copy, told: Told, met: Met) -> None:
        answer = self._client.export_node(project, node, deadline=self._deadline)
        if isinstance(answer, Refused):
            raise NotDoneError(
                Outcome.FAILED, f"The commons refuses the export: {printable(answer.message).rstrip('.')}."
            )
        if not isinstance(answer, NodeExport):
            raise not_done(answer)
        name = f"{project}/{node}"
        try:
            with answer as stream:
                records = read_export(stream, project, node, stopped=self._stopped)
                copy.fill(_counted(records, lambda rows: told(name, rows)), merge, met)
        except ExportBroken as error:
            raise not_done(error.broken) from error
        except NotWholeError as error:
            broken = Broken(f"The export {error}.", BrokenCause.CONTENT, 200)
            raise NotDoneError(Outcome.FAILED, broken.message, broken) from error
        told(name, len(copy))

    def _exists(self, project: Project) -> None:
        """An unknown project exports as 200 without records (GEN3.md), so no records must be proven to be none."""
        now = self._clock.monotonic()
        with self._lock:
            if now - self._seen.get(project, -_EXISTS_FOR) < _EXISTS_FOR:
                return
        found = self._client.projects(project.program)
        if not isinstance(found, tuple):
            raise not_done(found)
        if project not in found:
            raise NotDoneError(Outcome.GUARDED, str(guards.vanished(project)))
        with self._lock:
            self._seen[project] = now

    def _counted(self, project: Project, node: str, before: Signature | None, rows: int) -> int | None:
        count = before.count(node) if before is not None else None
        if before is None or count is None or count == rows:
            return None
        after = signature(self._client, project, [node])
        if not isinstance(after, replies.Signature):
            raise NotDoneError(
                Outcome.FAILED,
                f"The export holds {rows} records where the commons counted {count}, and why cannot be found out now.",
            )
        return count if Signature.read(after).of(node) == before.of(node) else None


def _as_exported(record: Record, node: NodeType) -> Record:
    """A record as an export by node shows it."""
    made: dict[str, Any] = {}
    for name, value in record.items():
        if name in node.link:
            parents = [{key: one for key, one in parent.items() if one is not None} for parent in value or ()]
            if parents:
                made[name] = parents
        elif value is not None:
            made[name] = value
    return made


def _counted(records: Iterator[Record], told: Callable[[int], None]) -> Iterator[Record]:
    for rows, record in enumerate(records):
        if rows % _TOLD_EVERY == 0:
            told(rows)
        yield record
