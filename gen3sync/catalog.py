"""What gen3sync knows of its commons beside records: dictionary, projects, the key's rights, versions.

Everything is kept on disk, so the daemon works on through a commons that is down, and says how old its knowledge is.
Fetching is `commons`' work, understanding a dictionary is `records`'; this module joins and keeps them. Thread-safe:
one thread fetches, others are given what is known meanwhile.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.permissions import Permissions, User
from gen3sync.commons.replies import Failure, Forbidden, Missing, Version
from gen3sync.errors import Gen3SyncError, InputError, UsageError
from gen3sync.kept import Knowledge, Part
from gen3sync.names import Project, printable
from gen3sync.records.dictionary import Dictionary

_log = logging.getLogger(__name__)

DICTIONARY_FILE = "dictionary.json"
PROJECTS_FILE = "projects.json"
USER_FILE = "user.json"
VERSION_FILE = "version.json"

_MAX_AGE = 3600.0
_REST = 60.0
"""Seconds between two questions whether the dictionary has changed."""


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
            return Part(name, cache_folder / file, of, clock, max_age, fetch, read)

        self._dictionary: Part[Dictionary] = part("dictionary", DICTIONARY_FILE, client.dictionary, _read_dictionary)
        self._projects: Part[_Listed] = part("projects", PROJECTS_FILE, self._list, _read_projects)
        self._user: Part[User] = part("permissions", USER_FILE, self._who, _read_user, self._person)
        self._version: Part[Version] = part("version", VERSION_FILE, self._versions, lambda raw: Version(**raw))

    def dictionary(self, *, at_once: bool = False) -> Dictionary:
        """The data dictionary. `at_once`: if nothing is known of it, it is asked for however short a time ago that was
        in vain; the caller sees to it that this is not too often."""
        return self._dictionary.get(at_once=at_once)

    def look_for_new_dictionary(self) -> None:
        """Asks the commons for its dictionary, at most once a minute."""
        self._dictionary.renew(rest=_REST)

    def dictionary_changed(self, known: Dictionary) -> bool:
        """Whether the dictionary is another one by now than `known`: for whoever is about to refuse something that is
        not in it. Looks for a new one first; a commons that does not answer has not changed it."""
        self.look_for_new_dictionary()
        try:
            return self._dictionary.get().digest != known.digest
        except Gen3SyncError:
            return False

    def knows_dictionary(self) -> bool:
        """Whether there is one without asking the commons."""
        return self._dictionary.known()

    def no_dictionary(self) -> Failure | None:
        """What came instead when it was last asked for."""
        return self._dictionary.failure

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

    def _parts(self) -> tuple[Part[Any], ...]:
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
