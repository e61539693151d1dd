"""Which mirrors are followed now: the configuration resolved against what the key may read, and kept up to date."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gen3sync.catalog import Catalog
from gen3sync.config import InboxSettings, MirrorSettings
from gen3sync.errors import Gen3SyncError
from gen3sync.files import folder_error
from gen3sync.inbox.memory import Memory
from gen3sync.inbox.plan import Format, Mirror, NodeKind, Resolution, Wanted, left_out, recall, resolve
from gen3sync.inbox.publish import Folder
from gen3sync.inbox.render import chosen
from gen3sync.inbox.schedule import Timing
from gen3sync.ledger import EventLevel
from gen3sync.names import Project, printable
from gen3sync.records.dictionary import Dictionary

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """The mirrors of one `[[inbox.mirror]]` in one project: looked at together, by one job."""

    name: str
    project: Project

    def __str__(self) -> str:
        return f"{self.name} {self.project}"


class Following:
    """Thread-safe. Begins with what was followed before a restart; `resolve` asks the catalog."""

    def __init__(self, settings: InboxSettings, catalog: Catalog, memory: Memory, folder: Folder) -> None:
        self._catalog = catalog
        self._memory = memory
        self._folder = folder
        named = [(each.name or f"mirror-{number}", each) for number, each in enumerate(settings.mirror, 1)]
        self._wanted = tuple(_wanted(name, each, settings.filename) for name, each in named)
        self.timings = {name: Timing(e.every, e.cron, e.timezone, e.jitter) for name, e in named}
        self.max_ages = {name: each.max_age for name, each in named}
        self._lock = threading.Lock()
        self._now = Resolution(recall(self._wanted, memory.followed()))
        self._trouble = ""
        self._left: set[str] = set()

    def resolve(self) -> None:
        """Asks the catalog. Raises Gen3SyncError when it knows nothing; what was followed is followed on."""
        try:
            projects, unusable = self._catalog.readable(), self._catalog.unusable()
            dictionary = self._catalog.dictionary()
        except Gen3SyncError as error:
            with self._lock:
                self._trouble = f"Which projects and nodes there are cannot be found out: {error}"
            raise
        nodes = tuple(
            NodeKind(name, node.category, node.submittable)
            for name in (*dictionary.order, *sorted(set(dictionary.nodes) - set(dictionary.order)))
            if (node := dictionary.nodes[name])
        )
        with self._lock:
            before = {m.name: m for m in (*self._memory.followed(), *self._now.mirrors, *self._now.vanished)}
        found = resolve(self._wanted, projects, nodes, before.values())
        further = (*_columns_unknown(found.mirrors, dictionary), *left_out(self._wanted, unusable))
        found = replace(found, problems=(*found.problems, *further))
        self._note(found.mirrors)
        with self._lock:
            told = set(self._now.problems)
            self._now, self._trouble = found, ""
        for problem in found.problems:
            if problem not in told:
                log.warning("%s", problem)
        self._unfollow(set(before) - {m.name for m in (*found.mirrors, *found.vanished)})

    def _note(self, mirrors: tuple[Mirror, ...]) -> None:
        """Files of which the ledger knows nothing, for it was lost, are known by the index beside them."""
        for mirror in mirrors:
            if self._memory.is_new(mirror):
                entry = self._folder.entry(mirror)
                if entry is not None and self._folder.path(mirror).is_file():
                    self._memory.note(mirror, entry)

    def every(self) -> tuple[Mirror, ...]:
        """All mirrors, those whose project is gone included."""
        with self._lock:
            return self._now.mirrors + self._now.vanished

    def vanished(self) -> frozenset[Mirror]:
        with self._lock:
            return frozenset(self._now.vanished)

    def of(self, group: Group) -> tuple[Mirror, ...]:
        return tuple(m for m in self.every() if m.group == group.name and m.project == group.project)

    def groups(self) -> dict[Group, Timing]:
        """The groups that have mirrors, with when they are due."""
        found = dict.fromkeys(Group(mirror.group, mirror.project) for mirror in self.every())
        return {group: self.timings[group.name] for group in found if group.name in self.timings}

    def problems(self) -> tuple[str, ...]:
        with self._lock:
            return self._now.problems + ((self._trouble,) if self._trouble else ())

    def _unfollow(self, names: set[str]) -> None:
        for name in sorted(names - self._left):
            try:
                if self._folder.unfollow(name):
                    # The configuration may ask for `*`, and it is the dictionary that no longer has the node type.
                    text = f"{name} is no longer followed: configuration and dictionary ask for it no more. It stays."
                    log.warning("%s", text, extra={"mirror": name})
                    self._memory.tell(EventLevel.WARNING, "unfollowed", text)
            except OSError as error:
                problem = folder_error(f"The index beside {name} cannot be written", error).what
                log.warning("%s", problem, extra={"mirror": name})
                continue
            self._left.add(name)
        self._left &= names


def _wanted(name: str, settings: MirrorSettings, filename: str) -> Wanted:
    return Wanted(
        name,
        settings.projects,
        settings.nodes,
        Format(settings.format.value),
        settings.filename or filename,
        settings.columns,
        settings.keep,
    )


def _columns_unknown(mirrors: tuple[Mirror, ...], dictionary: Dictionary) -> Iterator[str]:
    """Sentences about `columns` that no node type of a group has."""
    groups: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for mirror in mirrors:
        if mirror.columns:
            groups.setdefault((mirror.group, mirror.columns), set()).add(mirror.node)
    for (group, patterns), nodes in groups.items():
        types = [found for node in nodes if (found := dictionary.node(node)) is not None]
        every = {column for found in types for column in (*found.columns, *(f"{one.name}.id" for one in found.links))}
        for pattern in patterns:
            if types and not any(chosen(column, (pattern,)) for column in every):
                some = ", ".join(sorted(nodes)[:8])
                yield f"Mirror {group!r}: {printable(pattern)!r} is no column of {printable(some)}."
