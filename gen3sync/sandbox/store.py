"""The records of the sandbox: what PostgreSQL holds in a real commons.

Records are immutable and replaced whole, so a reader that has listed them sees one moment however long it takes.
Transactions and their log are transactions.py's; checking what comes in is upload.py's.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox.dictionary import Dictionary
from gen3sync.sandbox.synthetic import Synthetic

PROGRAM_SEED = uuid.UUID("85b08c6a-56a6-4474-9c30-b65abfd214a8")
PROJECT_SEED = uuid.UUID("249b4405-2c69-45d9-96bc-7410333d5d80")


def pg_lower(text: str) -> str:
    """PostgreSQL's `lower()`: letter by letter, never longer, without the final-sigma rule."""
    if text.isascii():
        return text.lower()
    return "".join(low if len(low := letter.lower()) == 1 else low[0] for letter in text)


@dataclass(frozen=True, slots=True)
class Record:
    """One stored record. `props` holds the stored properties, `links` parents' ids by link name."""

    id: str
    node: str
    project_id: str
    props: dict[str, Any]
    links: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def submitter_id(self) -> str | None:
        return self.props.get("submitter_id")

    def as_dict(self) -> dict[str, Any]:
        """Everything in one dictionary, for tests and people: properties, parents' ids by link name, id and type."""
        links = {name: list(ids) for name, ids in self.links.items()}
        return {**self.props, **links, "id": self.id, "type": self.node}


@dataclass
class Project:
    """A project node. `props` has code, state, availability_type, …"""

    id: str
    program: str
    code: str
    props: dict[str, Any]

    @property
    def project_id(self) -> str:
        return f"{self.program}-{self.code}"


class Table:
    """The records of one node type in one project: written ones over an optional synthetic base."""

    def __init__(self, node: str, project_id: str) -> None:
        self.node = node
        self.project_id = project_id
        self.version = 0
        self.rows: dict[str, Record] = {}
        self.by_key: dict[str, str] = {}
        self.base: Synthetic | None = None
        self.hidden: set[str] = set()
        self.cache: dict[str, tuple[int, Any]] = {}

    def __len__(self) -> int:
        base = len(self.base) - len(self.hidden) if self.base else 0
        return base + len(self.rows)

    def get(self, record_id: str) -> Record | None:
        found = self.rows.get(record_id)
        if found is None and self.base is not None and record_id not in self.hidden:
            return self._made(self.base.position_of_id(record_id))
        return found

    def find(self, key: str) -> Record | None:
        """By lower-case submitter_id."""
        record_id = self.by_key.get(key)
        if record_id is not None:
            return self.rows[record_id]
        if self.base is not None:
            found = self._made(self.base.position_of_key(key))
            if found is not None and found.id not in self.hidden:
                return found
        return None

    def _made(self, position: int | None) -> Record | None:
        return None if position is None or self.base is None else self.make(position)

    def make(self, position: int) -> Record:
        assert self.base is not None
        record_id, props, links = self.base.record(position)
        return Record(record_id, self.node, self.project_id, props, links)

    def __iter__(self) -> Iterator[Record]:
        """In the order of writing, synthetic ones first."""
        if self.base is not None:
            hidden = frozenset(self.hidden)
            rows = list(self.rows.values())
            for position in range(len(self.base)):
                if not hidden or self.base.id_at(position) not in hidden:
                    yield self.make(position)
            yield from rows
        else:
            yield from list(self.rows.values())

    def like(self, text: str) -> Iterator[Record]:
        """Records whose submitter_id or id may contain `text` (lower case), without making up those that do not."""
        if self.base is not None:
            for position in self.base.like(text):
                if self.base.id_at(position) not in self.hidden:
                    yield self.make(position)
        yield from list(self.rows.values())

    def put(self, record: Record) -> None:
        old = self.get(record.id)
        if old is not None and old.submitter_id is not None:
            self.by_key.pop(pg_lower(old.submitter_id), None)
        if old is not None and record.id not in self.rows:
            self.hidden.add(record.id)
        self.rows[record.id] = record
        if record.submitter_id is not None:
            self.by_key[pg_lower(str(record.submitter_id))] = record.id
        self.version += 1

    def remove(self, record_id: str) -> None:
        record = self.get(record_id)
        if record is None:
            return
        if record.submitter_id is not None:
            self.by_key.pop(pg_lower(record.submitter_id), None)
        if self.rows.pop(record_id, None) is None or (
            self.base is not None and self.base.position_of_id(record_id) is not None
        ):
            self.hidden.add(record_id)
        self.version += 1


class Store:
    """Programs, projects and records. Every method may be called by any thread; `changed` wakes waiters.

    `changed` is a Condition around one re-entrant lock: holding it makes several calls one moment.
    """

    def __init__(self, dictionary: Dictionary) -> None:
        self.dictionary = dictionary
        self.changed = threading.Condition(threading.RLock())
        self.programs: dict[str, dict[str, Any]] = {}
        self.projects: dict[tuple[str, str], Project] = {}
        self.tables: dict[tuple[str, str], Table] = {}
        self.homes: dict[str, Table] = {}
        # Children in the order of linking, which is the order in which the service meets them.
        self.children: dict[str, dict[str, None]] = {}
        self.files: dict[tuple[str, int], str] = {}

    def add_program(self, name: str, accession: str | None) -> tuple[str, bool]:
        """The program's id, and whether it is new."""
        with self.changed:
            known = self.programs.get(name)
            if known is not None:
                known["dbgap_accession_number"] = accession
                return str(known["id"]), False
            made = {"id": str(uuid.uuid5(PROGRAM_SEED, name)), "name": name, "dbgap_accession_number": accession}
            self.programs[name] = made
            return str(made["id"]), True

    def add_project(self, program: str, code: str, props: dict[str, Any]) -> tuple[Project, bool]:
        """The project, made or updated, and whether it is new."""
        with self.changed:
            known = self.projects.get((program, code))
            if known is not None:
                known.props.update(props)
                return known, False
            defaults = {"code": code, "name": code, "state": "open", "released": False, "releasable": False}
            made = Project(str(uuid.uuid5(PROJECT_SEED, code)), program, code, {**defaults, **props})
            self.projects[program, code] = made
            return made, True

    def project(self, project_id: str) -> Project | None:
        program, _, code = project_id.partition("-")
        return self.projects.get((program, code))

    def table(self, project_id: str, node: str) -> Table:
        with self.changed:
            key = (project_id, node)
            if key not in self.tables:
                self.tables[key] = Table(node, project_id)
            return self.tables[key]

    def tables_of(self, node: str) -> list[Table]:
        with self.changed:
            return [table for (_, name), table in self.tables.items() if name == node]

    def by_id(self, record_id: str) -> Record | None:
        with self.changed:
            home = self.homes.get(record_id)
            if home is not None:
                return home.get(record_id)
            for table in self.tables.values():
                if table.base is not None and (found := table.get(record_id)) is not None:
                    return found
            return None

    def by_ids(self, ids: Iterable[str]) -> list[Record]:
        """Those found, in the order of writing."""
        with self.changed:
            wanted = dict.fromkeys(ids)
            return [found for record_id in wanted if (found := self.by_id(record_id)) is not None]

    def find(self, project_id: str, node: str, submitter_id: str) -> Record | None:
        """By submitter_id in any case."""
        with self.changed:
            table = self.tables.get((project_id, node))
            return table.find(pg_lower(submitter_id)) if table else None

    def put(self, record: Record) -> None:
        """Writes a whole record and its links."""
        with self.changed:
            old = self.by_id(record.id)
            gone = {parent for ids in old.links.values() for parent in ids} if old else set()
            kept = {parent for ids in record.links.values() for parent in ids}
            for parent in gone - kept:
                self.children.get(parent, {}).pop(record.id, None)
            for parent in kept - gone:
                self.children.setdefault(parent, {})[record.id] = None
            table = self.table(record.project_id, record.node)
            table.put(record)
            self.homes[record.id] = table

    def remove(self, record_id: str) -> None:
        """Deletes a record; links of its children to it go with it."""
        with self.changed:
            record = self.by_id(record_id)
            if record is None:
                return
            for child_id in list(self.children.pop(record_id, ())):
                child = self.by_id(child_id)
                if child is not None:
                    links = {name: tuple(i for i in ids if i != record_id) for name, ids in child.links.items()}
                    self.put(Record(child.id, child.node, child.project_id, child.props, links))
            for ids in record.links.values():
                for parent in ids:
                    self.children.get(parent, {}).pop(record_id, None)
            self.homes.pop(record_id, None)
            self.table(record.project_id, record.node).remove(record_id)

    def set_base(self, project_id: str, node: str, base: Synthetic | None) -> None:
        """Gives a node type a synthetic base of made-up records."""
        with self.changed:
            table = self.table(project_id, node)
            table.base = base
            table.hidden.clear()
            table.version += 1

    def linked(self, ids: Iterable[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id and properties of link targets, projects among them."""
        for record_id in ids:
            record = self.by_id(record_id)
            if record is not None:
                yield record_id, record.props
                continue
            for project in list(self.projects.values()):
                if project.id == record_id:
                    yield record_id, project.props
