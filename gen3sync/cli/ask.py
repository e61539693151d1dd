"""Asking the commons from the command line: a client for the settings, and answers that fail as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from gen3sync.errors import Gen3SyncError, NotFoundError
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.cli.invocation import Invocation
    from gen3sync.commons.client import CommonsClient
    from gen3sync.commons.replies import Failure, Refused

T = TypeVar("T")


@contextmanager
def commons_of(invocation: Invocation) -> Iterator[CommonsClient]:
    """A client for the configured commons, closed at the end. Raises Gen3SyncError when there is no usable key."""
    from gen3sync.commons.connect import open_commons

    client = open_commons(invocation.settings().commons, invocation.env)
    try:
        yield client
    finally:
        client.close()


def expect(answer: T | Refused | Failure, asked: str) -> T:
    """The answer, or its failure as an error. `asked` is a noun: "the template of case"."""
    error = error_of(answer, asked)
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]


def existing(client: CommonsClient, project: Project) -> Project:
    """`project`, if the commons has it. Raises NotFoundError: an export of an unknown one answers 200 and no rows."""
    if project.program in expect(client.programs(), "the list of programs"):
        known = expect(client.projects(project.program), f"the list of projects in {printable(project.program, 80)}")
        if project in known:
            return project
        others = ", ".join(str(one) for one in sorted(known)[:8])
        remedy = f"Letter case counts. The program has {others}." if others else "Ask the commons' operators for it."
    else:
        remedy = "Letter case counts; `gen3sync check` lists the projects the key may use."
    raise NotFoundError(f"The commons has no project {printable(project)}.", remedy)


def writable(client: CommonsClient, project: Project) -> None:
    """Raises NotFoundError when the commons has no such project, PermissionDeniedError when the key may not write to
    it. A commons that does not answer says nothing against it."""
    from gen3sync.commons.replies import Failure, Refused
    from gen3sync.commons.rights import WRITE, sentence
    from gen3sync.errors import PermissionDeniedError, TemporaryError

    try:
        existing(client, project)
    except TemporaryError:
        return
    # Not as `whoami` tells it: fence answers an empty map also when the authorisation service is down.
    may = client.permissions()
    if isinstance(may, Refused | Failure) or not may.known:
        return
    missing = [right for right in WRITE if not may.allows(right, project)]
    if missing:
        user = client.whoami()
        name = "" if isinstance(user, Refused | Failure) else user.username or user.email
        raise PermissionDeniedError(sentence(name, missing, project), "Nothing was submitted; push it again then.")


def error_of(answer: object, asked: str) -> Gen3SyncError | None:
    """The failure in `answer` as a sentence with a remedy, or None when it is none."""
    from gen3sync.commons import troubles
    from gen3sync.commons.replies import Failure, Refused

    return troubles.error_of(answer, asked) if isinstance(answer, Failure | Refused) else None
