"""What gen3sync knows of its commons beside records: dictionary, projects, the key's rights, versions.

Everything is kept on disk, so the daemon works on through a commons that is down, and says how old its knowledge is.
Fetching is `commons`' work, understanding a dictionary is `records`'; this module joins and keeps them. Thread-safe:
one thread fetches, others are given what is known meanwhile.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.permissions import Permissions, User
from gen3sync.commons.replies import Broken, BrokenCause, Failure, Forbidden, Missing, Version
from gen3sync.commons.troubles import error_of
from gen3sync.errors import FolderError, Gen3SyncError, InputError, UsageError
from gen3sync.files import write_atomic
from gen3sync.names import Project, printable
from gen3sync.records.dictionary import Dictionary

_log = logging.getLogger(__name__)

DICTIONARY_FILE = "dictionary.json"
PROJECTS_FILE = "projects.json"
USER_FILE = "user.json"
VERSION_FILE = "version.json"

_MAX_AGE = 3600.0
_PAUSE = 60.0  # after a failure, what is known is used this long before asking again

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """How old one part is: `fetched_at` by our clock (None: never had), and why it could not be renewed."""

    name: str
    fetched_at: datetime | None
    problem: str | None


class Catalog:
    """Each method returns what is known, renewed when older than `max_age` seconds.

    Raises the error of the failed request only when nothing is known at all, not even from before a restart.
    """

    def __init__(self, client: CommonsClient, clock: Clock, cache_folder: Path, *, max_age: float = _MAX_AGE) -> None:
        self._client = client

        def part(
            name: str,
            file: str,
            fetch: Callable[[], Any],
            read: Callable[[Any], Any],
            of: Callable[[], str] = lambda: client.url,
        ) -> Any:
            return _Part(name, cache_folder / file, of, clock, max_age, fetch, read)

        self._dictionary: _Part[Dictionary] = part("dictionary", DICTIONARY_FILE, client.dictionary, _read_dictionary)
        self._projects: _Part[_Listed] = part("projects", PROJECTS_FILE, self._list, _read_projects)
        self._user: _Part[User] = part("permissions", USER_FILE, self._who, _read_user, self._person)
        self._version: _Part[Version] = part("version", VERSION_FILE, self._versions, lambda raw: Version(**raw))

    def dictionary(self) -> Dictionary:
        """The data dictionary."""
        return self._dictionary.get()

    def projects(self) -> tuple[Project, ...]:
        """All projects of the commons, also those the key may not read."""
        return self._projects.get().usable

    def permissions(self) -> Permissions:
        """What the key may do. `known` may be False."""
        return self._user.get().permissions

    def user(self) -> User:
        """Who the key belongs to."""
        return self._user.get()

    def version(self) -> Version:
        """Versions of the commons' submission service and of its dictionary."""
        return self._version.get()

    def readable(self) -> tuple[Project, ...]:
        """Projects the key may read; all of them while its rights are unknown."""
        rights = self.permissions()
        return tuple(project for project in self.projects() if not rights.known or rights.may_read(project))

    def unusable(self) -> tuple[Project, ...]:
        """Readable projects whose names cannot be used: `..`, control characters. They are not among the others."""
        rights = self.permissions()
        listed = self._projects.get().unusable
        return tuple(project for project in listed if not rights.known or rights.may_read(project))

    def writable(self) -> tuple[Project, ...]:
        """Projects the key may submit to; none while its rights are unknown."""
        rights = self.permissions()
        return tuple(project for project in self.projects() if rights.may_submit(project))

    def refresh(self) -> tuple[Knowledge, ...]:
        """Asks the commons anew for everything, however young. Raises nothing; the answer tells what failed."""
        for part in self._parts():
            part.renew()
        return self.knowledge()

    def knowledge(self) -> tuple[Knowledge, ...]:
        """How old each part is, without asking the commons."""
        return tuple(part.knowledge() for part in self._parts())

    def _parts(self) -> tuple[_Part[Any], ...]:
        return (self._version, self._dictionary, self._projects, self._user)

    def _person(self) -> str:
        return f"{self._client.url} {self._client.tokens.subject}"

    def _list(self) -> list[str] | Failure:
        programs = self._client.programs()
        if not isinstance(programs, tuple):
            return programs
        found: list[str] = []
        for program in programs:
            match self._client.projects(program):
                case tuple() as projects:
                    found.extend(str(project) for project in projects)
                case Forbidden() | Missing():
                    continue  # one program closed to us hides no other
                case failure:
                    return failure
        return found

    def _who(self) -> dict[str, Any] | Failure:
        user = self._client.whoami()
        if not isinstance(user, User):
            return user
        rights = user.permissions
        if not rights.known:
            asked = self._client.permissions()
            rights = asked if isinstance(asked, Permissions) else rights
        return {"username": user.username, "email": user.email, "authz": rights.to_json(), "known": rights.known}

    def _versions(self) -> dict[str, str] | Failure:
        version = self._client.version()
        if not isinstance(version, Version):
            return version
        return {name: getattr(version, name) for name in Version.__slots__}


class _Part(Generic[_Value]):
    """One thing that is fetched as JSON, kept on disk as JSON, and read into a value.

    `of` names what it is true of: the commons, or the person whose key is in use. When that changes it is not known.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        of: Callable[[], str],
        clock: Clock,
        max_age: float,
        fetch: Callable[[], Any],
        read: Callable[[Any], _Value],
    ) -> None:
        self._name, self._path, self._clock, self._max_age = name, path, clock, max_age
        self._of, self._fetch, self._read = of, fetch, read
        self._lock = threading.Lock()  # of what is known
        self._fetching = threading.Lock()
        self._value: _Value | None = None
        self._owner: str | None = None
        self._fetched_at: datetime | None = None
        self._next_try: float | None = None
        self._error: Gen3SyncError | None = None
        self._loaded = False

    def get(self) -> _Value:
        self._load()
        owner = self._now_of()
        with self._lock:
            if self._value is not None and owner not in (None, self._owner):
                self._value = self._fetched_at = self._next_try = None
            value, due = self._value, self._due()
        if due and (value is None or not self._fetching.locked()):
            self.renew(only_if_due=True)
        with self._lock:
            if self._value is None:
                raise self._error or error_of(
                    Broken("Nothing is known.", BrokenCause.CONTENT), f"reading the {self._name}"
                )
            return self._value

    def renew(self, *, only_if_due: bool = False) -> None:
        self._load()
        with self._fetching:
            with self._lock:
                if only_if_due and not self._due():
                    return
            self._renew()

    def knowledge(self) -> Knowledge:
        self._load()
        with self._lock:
            return Knowledge(self._name, self._fetched_at, str(self._error) if self._error else None)

    def _renew(self) -> None:
        owner = self._now_of()
        raw = self._fetch()
        now = self._clock.now()
        try:
            if not isinstance(raw, dict | list):
                raise error_of(raw, f"reading the {self._name} of the commons")
            value = self._read(raw)
        except Gen3SyncError as error:
            with self._lock:
                self._error, self._next_try = error, self._clock.monotonic() + min(_PAUSE, self._max_age)
            _log.warning("%s not renewed: %s", self._name, error)
            return
        with self._lock:
            self._value, self._fetched_at, self._error, self._owner = value, now, None, owner
            self._next_try = self._clock.monotonic() + self._max_age
        self._save(raw, now, owner)

    def _due(self) -> bool:
        return self._next_try is None or self._clock.monotonic() >= self._next_try

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            self._loaded = True
            try:
                kept = json.loads(self._path.read_bytes())
                fetched_at = datetime.fromisoformat(kept["fetched_at"]).astimezone(UTC)
                owner = self._now_of()
                if kept["commons"] != owner:
                    return
                value = self._read(kept["data"])
            except FileNotFoundError:
                return
            except (OSError, ValueError, KeyError, TypeError, Gen3SyncError) as error:
                _log.info("%s kept from before cannot be used and is fetched again: %s", self._name, printable(error))
                return
            self._value, self._fetched_at, self._owner = value, fetched_at, owner
            age = (self._clock.now() - fetched_at) / timedelta(seconds=1)
            if 0 <= age < self._max_age:
                self._next_try = self._clock.monotonic() + self._max_age - age

    def _save(self, raw: Any, now: datetime, owner: str | None) -> None:
        kept = {"commons": owner, "fetched_at": now.isoformat(), "data": raw}
        try:
            write_atomic(self._path, json.dumps(kept, ensure_ascii=False).encode())
        except (OSError, FolderError) as error:
            # The daemon works on without it; only a restart during an outage would miss it.
            _log.warning("%s not kept on disk: %s", self._name, printable(error))

    def _now_of(self) -> str | None:
        try:
            return self._of()
        except Gen3SyncError:
            return None


def _read_dictionary(raw: Any) -> Dictionary:
    if not isinstance(raw, dict):
        raise InputError("The commons' dictionary is not a JSON object.")
    return Dictionary.from_json(raw)


@dataclass(frozen=True, slots=True)
class _Listed:
    usable: tuple[Project, ...]
    unusable: tuple[Project, ...] = ()


def _read_projects(raw: Any) -> _Listed:
    usable, unusable = [], []
    for text in raw:
        try:
            usable.append(Project.parse(text))
        except UsageError:
            _log.warning("a project of the commons has a name that cannot be used: %s", printable(text))
            program, _, code = str(text).partition("/")
            unusable.append(Project(program, code))
    return _Listed(tuple(sorted(usable)), tuple(sorted(unusable)))


def _read_user(raw: Any) -> User:
    rights = replace(Permissions.from_json(raw["authz"]), known=raw["known"] is True)
    return User(str(raw["username"]), str(raw["email"]), rights)
