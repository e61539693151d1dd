"""What the inbox remembers of its mirrors: the last run, the last success, and what `detect` needs.

The ledger is the truth; this is its copy in memory, so that a look every few seconds at an unchanged mirror costs no
disk. Such looks reach the ledger once in LEDGER_EVERY.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from gen3sync.inbox.detect import Known
from gen3sync.inbox.index import Entry
from gen3sync.inbox.plan import Format, Mirror
from gen3sync.ledger import EventLevel, Ledger, MirrorKey, NewRefresh, Outcome, Refresh
from gen3sync.names import Project
from gen3sync.observe import NOBODY, Observer

LEDGER_EVERY = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Past:
    """A mirror's past. `checked_at`: when the commons was last known to hold exactly what the file holds."""

    known: Known = field(default_factory=Known)
    last: Refresh | None = None
    success: Refresh | None = None
    checked_at: datetime | None = None
    tried: str | None = None  # the signature with which it was last held back or failed
    tried_at: datetime | None = None
    took: timedelta = timedelta()  # the last export
    noted: Entry | None = None  # what the index says of a file that the ledger knows nothing of

    @property
    def exported_at(self) -> datetime | None:
        return self.known.exported_at


def key_of(mirror: Mirror) -> MirrorKey:
    """The mirror's key in the ledger."""
    return MirrorKey(mirror.name, mirror.project.program, mirror.project.code, mirror.node, mirror.format.value)


def mirror_of(refresh: Refresh, group: str = "") -> Mirror:
    """The mirror a row of the ledger is about."""
    project = Project(refresh.program, refresh.project)
    return Mirror(refresh.mirror, project, refresh.node, Format(refresh.format), group)


def signature_text(known: Known) -> str:
    """What goes into the ledger's `signature`."""
    return json.dumps(known.to_json(), separators=(",", ":"))


class Memory:
    """Thread-safe."""

    def __init__(self, ledger: Ledger, observer: Observer = NOBODY) -> None:
        self._ledger = ledger
        self._observer = observer
        self._lock = threading.Lock()
        self._pasts: dict[str, Past] = {}
        successes = {each.mirror: each for each in ledger.refreshes.latest_all(success_only=True)}
        for last in ledger.refreshes.latest_all():
            success = successes.get(last.mirror)
            known = Known.from_json(_loads(success.signature)) if success else Known()
            checked = success.started_at if success else None
            self._pasts[last.mirror] = Past(known, last, success, checked)

    def tell(self, level: EventLevel, kind: str, text: str, mirror: Mirror | None = None) -> None:
        """A line of history."""
        self._ledger.events.add(level, kind, text, mirror=mirror.name if mirror else None)

    def once(self, what: str) -> bool:
        """True the first time ever for `what`."""
        return self._ledger.notes.once(f"inbox:{what}")

    def of(self, mirror: Mirror) -> Past:
        with self._lock:
            return self._pasts.get(mirror.name, Past())

    def is_new(self, mirror: Mirror) -> bool:
        """Whether nothing is known of the mirror."""
        with self._lock:
            return mirror.name not in self._pasts

    def note(self, mirror: Mirror, entry: Entry) -> None:
        """Keeps what the index says until a refresh has succeeded."""
        with self._lock:
            self._pasts.setdefault(mirror.name, Past(noted=entry))

    def followed(self) -> tuple[Mirror, ...]:
        """Every mirror that was ever refreshed."""
        with self._lock:
            return tuple(mirror_of(past.last) for past in self._pasts.values() if past.last is not None)

    def looked_at(self, mirrors: Iterable[Mirror]) -> datetime | None:
        """When the one of `mirrors` that was looked at least lately was; None when one never succeeded."""
        found = [self.of(mirror).checked_at for mirror in mirrors]
        return None if None in found or not found else min(each for each in found if each is not None)

    def finished(
        self, new: NewRefresh, known: Known | None = None, *, tried: str | None = None, took: timedelta | None = None
    ) -> Refresh:
        """Writes a run down. `known` is what a success leaves for the next look, `tried` with what it failed."""
        return self.finished_all([(new, known)], tried=tried, took=took)[0]

    def finished_all(
        self,
        runs: Iterable[tuple[NewRefresh, Known | None]],
        *,
        tried: str | None = None,
        took: timedelta | None = None,
    ) -> tuple[Refresh, ...]:
        """Writes several runs down at the price of one."""
        runs = tuple(runs)
        made = self._ledger.refreshes.add_all(
            new if known is None else replace(new, signature=signature_text(known)) for new, known in runs
        )
        with self._lock:
            for refresh, (_, known) in zip(made, runs, strict=True):
                before = self._pasts.get(refresh.mirror, Past())
                if refresh.outcome in (Outcome.UPDATED, Outcome.UNCHANGED):
                    time = before.took if took is None else took
                    past = Past(known or before.known, refresh, refresh, refresh.started_at, took=time)
                else:
                    past = replace(before, last=refresh, tried=tried, tried_at=refresh.started_at)
                self._pasts[refresh.mirror] = past
        for refresh in made:
            self._observer.refreshed(refresh.outcome.value)
        return made

    def unchanged(self, mirror: Mirror, known: Known, at: datetime, *, always: bool) -> NewRefresh | None:
        """A look that found nothing new. Returns the row to write down, `always` or when it is time to."""
        with self._lock:
            past = self._pasts[mirror.name]
            success = past.success
            assert success is not None  # noqa: S101 - nothing is unchanged that was never published
            recent = timedelta() <= at - success.ended_at < LEDGER_EVERY
            if not always and past.last is success and recent and known == past.known:
                self._pasts[mirror.name] = replace(past, checked_at=at)
                self._observer.refreshed(Outcome.UNCHANGED.value)
                return None
        return NewRefresh(
            mirror=success.mirror,
            program=success.program,
            project=success.project,
            node=success.node,
            format=success.format,
            started_at=at,
            outcome=Outcome.UNCHANGED,
            ended_at=at,
            rows=success.rows,
            bytes=success.bytes,
            sha256=success.sha256,
            path=success.path,
            dictionary_version=success.dictionary_version,
        )


def _loads(text: str | None) -> object:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None
