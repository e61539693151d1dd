"""The sandbox as a Python object: start, look inside, change things behind the clients' backs, stop.

A tool for trying and testing, never a place for data: everything is in memory and gone when it stops.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from gen3sync.sandbox.clock import iso
from gen3sync.sandbox.commons import Commons
from gen3sync.sandbox.dictionary import Dictionary
from gen3sync.sandbox.faults import Faults
from gen3sync.sandbox.listener import Listener
from gen3sync.sandbox.requestlog import LoggedRequest
from gen3sync.sandbox.server import Handler
from gen3sync.sandbox.small_dictionary import small_dictionary
from gen3sync.sandbox.store import Record
from gen3sync.sandbox.synthetic import Synthetic
from gen3sync.sandbox.tokens import KEY_LIFETIME
from gen3sync.sandbox.transactions import Transaction
from gen3sync.sandbox.writing import foreign_delete, foreign_write

DEFAULT_PROJECTS = ("DEV-test",)
DEFAULT_USER = "depositor@example.org"


class Sandbox:
    """A small commons on 127.0.0.1. As a context manager it serves inside the block.

    `dictionary` is a Dictionary, the content of a `_dictionary/_all` answer, a path to one, or None for the
    sandbox's own. `projects` are `PROGRAM-PROJECT` ids to make at the start. `availability` is "Restricted" or
    "Open"; GraphQL shows Open projects to everybody. `port` 0 takes a free one.
    Raises OSError when the port is taken, ValueError for a broken dictionary or project id.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        dictionary: Dictionary | Mapping[str, Any] | Path | str | None = None,
        projects: Iterable[str] = DEFAULT_PROJECTS,
        username: str = DEFAULT_USER,
        availability: str = "Restricted",
        keep_bodies: int = 64_000_000,
    ) -> None:
        self.commons = Commons(_dictionary(dictionary), username, keep_bodies)
        for project_id in projects:
            self.add_project(project_id, availability_type=availability)
        self._server = Listener(port, self.commons, Handler)
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.commons.tokens.issuer = f"{self.url}/user"
        self._thread: threading.Thread | None = None

    # -- running ------------------------------------------------------------------------------------------------

    def start(self) -> Sandbox:
        """Serves in a thread of its own."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="sandbox", daemon=True)
        self._thread.start()
        return self

    def serve_forever(self) -> None:
        """Serves in this thread until another calls `stop`, or KeyboardInterrupt."""
        self._server.serve_forever(0.1)

    def stop(self) -> None:
        """Ends requests in flight, closes the port, joins the threads. May be called twice."""
        self.commons.stop()
        if self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._thread = None
        self._server.server_close()
        self._server.end_connections()

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- credentials --------------------------------------------------------------------------------------------

    def write_api_key(self, path: Path | str, lifetime: float = KEY_LIFETIME, issuer: str | None = None) -> Path:
        """A credentials file, mode 0600, `lifetime` in seconds (negative: expired). Raises OSError."""
        return self.commons.tokens.write_api_key(Path(path), lifetime, issuer)

    def api_key(self, lifetime: float = KEY_LIFETIME) -> dict[str, str]:
        """The content of such a file."""
        return self.commons.tokens.api_key(lifetime)

    def access_token(self, lifetime: float | None = None) -> str:
        """A token without asking for it."""
        return self.commons.tokens.access_token(lifetime)

    def revoke_key(self) -> None:
        """All keys issued so far are refused; tokens given out live on."""
        self.commons.tokens.revoke()

    def set_token_lifetime(self, seconds: int) -> None:
        """Of tokens issued from now on."""
        self.commons.tokens.lifetime = seconds

    def set_clock_offset(self, seconds: float) -> None:
        """Moves the commons' clock: Date header, token validity, timestamps."""
        self.commons.clock.offset = seconds

    def deny(self, project_id: str, *methods: str) -> None:
        """Takes away `read`, `create`, `update`, `delete`, `release`; all of them without names."""
        given = methods or ("read", "create", "update", "delete", "release")
        self.commons.permissions.deny(project_id, frozenset(given))

    def allow(self, project_id: str | None = None) -> None:
        """Gives back what was denied, for one project or all."""
        self.commons.permissions.allow(project_id)

    # -- looking inside -----------------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        return self.commons.faults

    @property
    def requests(self) -> list[LoggedRequest]:
        """Every request so far, in the order of arrival."""
        return self.commons.requests.all()

    def colliding(self) -> list[tuple[LoggedRequest, LoggedRequest, tuple[str, str, str]]]:
        """Pairs of requests in flight at once that named one record, or one id, to be written."""
        return self.commons.requests.colliding()

    @property
    def transactions(self) -> list[Transaction]:
        """The transaction log, in the order of starting."""
        return self.commons.log.all()

    def records(self, project_id: str, node: str) -> list[dict[str, Any]]:
        """Records as stored, in the order of writing: properties, `id`, `type`, links as lists of parents' ids."""
        with self.commons.changed:
            return [record.as_dict() for record in self.commons.store.table(project_id, node)]

    def record(self, project_id: str, node: str, submitter_id: str) -> dict[str, Any] | None:
        """One record by submitter_id in any case."""
        found = self.commons.store.find(project_id, node, submitter_id)
        return found.as_dict() if found else None

    def count(self, project_id: str, node: str) -> int:
        with self.commons.changed:
            return len(self.commons.store.table(project_id, node))

    def wait_for(self, predicate: Callable[[Sandbox], object], timeout: float = 60.0) -> None:
        """Until the predicate is true; looked at whenever a request, record or log entry changes.

        Raises TimeoutError.
        """
        with self.commons.changed:
            if not self.commons.changed.wait_for(lambda: predicate(self), timeout):
                raise TimeoutError("what was waited for in the sandbox did not happen")

    # -- changing things behind the clients' backs --------------------------------------------------------------

    def add_project(self, project_id: str, **props: Any) -> None:
        """Makes program and project. Raises ValueError."""
        program, dash, code = project_id.partition("-")
        if not (program and dash and code):
            raise ValueError(f"{project_id!r} is no PROGRAM-PROJECT")
        if program not in self.commons.store.programs:
            self.commons.store.add_program(program, program)
        defaults = {"dbgap_accession_number": code, "availability_type": "Restricted"}
        self.commons.store.add_project(program, code, {**defaults, **props})

    def remove_project(self, project_id: str) -> None:
        """As if deleted by an administrator, with its records."""
        program, _, code = project_id.partition("-")
        with self.commons.changed:
            self.commons.store.projects.pop((program, code), None)
            for key in [key for key in self.commons.store.tables if key[0] == project_id]:
                for record in list(self.commons.store.tables[key].rows.values()):
                    self.commons.store.remove(record.id)
                del self.commons.store.tables[key]

    def set_project(self, project_id: str, **props: Any) -> None:
        """Changes properties of a project node, such as `state` or `availability_type`. Raises KeyError."""
        found = self.commons.store.project(project_id)
        if found is None:
            raise KeyError(project_id)
        found.props.update(props)

    def write(self, project_id: str, records: Iterable[Mapping[str, Any]], *, user: str = "other@example.org") -> int:
        """Another person's upload: documents as in a JSON PUT, in a transaction of its own. Its id.

        Raises ValueError with the answer when it is refused.
        """
        return foreign_write(self.commons, project_id, [dict(record) for record in records], user)

    def delete(self, project_id: str, ids: Iterable[str], *, user: str = "other@example.org") -> int:
        """Another person's deletion. The transaction's id. Raises ValueError when it is refused."""
        return foreign_delete(self.commons, project_id, list(ids), user)

    def sql(self, project_id: str, node: str, submitter_id: str, **props: Any) -> None:
        """Changes stored values as by SQL: no transaction, no new `updated_datetime`. Makes the record if missing."""
        store = self.commons.store
        with self.commons.changed:
            old = store.find(project_id, node, submitter_id)
            if old is None:
                moment = iso(self.commons.clock.stamp())
                made = {
                    **dict.fromkeys(self.commons.dictionary.nodes[node].property_types),
                    "project_id": project_id,
                    "submitter_id": submitter_id,
                    "created_datetime": moment,
                    "updated_datetime": moment,
                }
                old = Record(str(uuid.uuid4()), node, project_id, made)
            store.put(Record(old.id, node, project_id, {**old.props, **props}, old.links))
            self.commons.changed.notify_all()

    def sql_delete(self, project_id: str, node: str, submitter_id: str) -> None:
        """Removes a record as by SQL. Raises KeyError."""
        with self.commons.changed:
            found = self.commons.store.find(project_id, node, submitter_id)
            if found is None:
                raise KeyError(submitter_id)
            self.commons.store.remove(found.id)
            self.commons.changed.notify_all()

    def synthetic(
        self,
        project_id: str,
        node: str,
        rows: int,
        props: Mapping[str, Any] | None = None,
        prefix: str = "SYN",
        width: int = 7,
        parents: Mapping[str, str] | None = None,
    ) -> None:
        """Gives a node `rows` made-up records that take no memory; written records lie over them.

        `parents` names by link the submitter_id of the one parent of all; where the dictionary requires a link and
        none is named, a record `{prefix}-parent` is made.
        """
        named = parents or {}
        links: dict[str, tuple[str, ...]] = {
            link.name: (self._parent(project_id, link.target, named.get(link.name, f"{prefix}-parent")),)
            for link in self.commons.dictionary.nodes[node].links.values()
            if link.required or link.name in named
        }
        moment = iso(self.commons.clock.stamp())
        known = self.commons.dictionary.nodes[node].property_types
        blank = {name: None for name in known if name not in ("project_id", "submitter_id", "state")}
        base = Synthetic(
            project_id,
            rows,
            moment,
            prefix,
            uuid.uuid5(uuid.NAMESPACE_URL, f"{project_id}/{node}").hex[:12],
            {**blank, "created_datetime": moment, "updated_datetime": moment, **(props or {})},
            links,
            width,
        )
        self.commons.store.set_base(project_id, node, base)

    def _parent(self, project_id: str, node: str, key: str) -> str:
        if node == "project":
            found = self.commons.store.project(project_id)
            if found is None:
                raise KeyError(project_id)
            return found.id
        known = self.commons.store.find(project_id, node, key)
        if known is not None:
            return known.id
        links: dict[str, tuple[str, ...]] = {
            link.name: (self._parent(project_id, link.target, key),)
            for link in self.commons.dictionary.nodes[node].links.values()
            if link.required
        }
        self.sql(project_id, node, key)
        made = self.commons.store.find(project_id, node, key)
        assert made is not None
        self.commons.store.put(Record(made.id, node, project_id, made.props, links))
        return made.id


def _dictionary(given: Dictionary | Mapping[str, Any] | Path | str | None) -> Dictionary:
    match given:
        case None:
            return Dictionary(small_dictionary())
        case Dictionary():
            return given
        case str() | Path():
            return Dictionary.load(Path(given))
    return Dictionary(given)
