"""Who lacks which right on which project, in one sentence. A 403 of the commons says none of the three."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gen3sync.commons import troubles
from gen3sync.commons.permissions import User
from gen3sync.commons.replies import Failure, Forbidden, Refused, Unknown
from gen3sync.errors import Gen3SyncError, PermissionDeniedError
from gen3sync.names import Project, printable

WRITE = ("create", "update")
READ = ("read",)
_AGAIN = "gen3sync looks again by itself."


class Knows(Protocol):
    """Whoever can ask whose key it is: `client.CommonsClient`."""

    def whoami(self) -> User | Refused | Failure: ...


def error_of(client: Knows, project: Project, failure: Refused | Failure | Unknown, doing: str) -> Gen3SyncError:
    """The error for a question about `project` that was not answered, as `troubles.error_of` has it; of one that takes
    the right to read, whose right that is."""
    if not isinstance(failure, Forbidden):
        return troubles.error_of(failure, doing)
    why = lacks(client, project, READ, failure.message).removesuffix(f" {_AGAIN}")
    remedy = "`gen3sync check` says what the key may do."
    return PermissionDeniedError(f"{doing[:1].upper()}{doing[1:]} failed. {why}", remedy)


def lacks(client: Knows, project: Project, wanted: Sequence[str], said: str) -> str:
    """Why `said` (the commons' own words) was answered to what takes the rights `wanted` on `project`. Asks the commons
    whose key it is and what that person may."""
    user = client.whoami()
    if not isinstance(user, User):
        return f"{sentence('', wanted, project, said)} {_AGAIN}"
    name = user.username or user.email
    missing = [right for right in wanted if not user.permissions.allows(right, project)]
    if user.permissions.known and not missing:
        rights = " and ".join(wanted)
        return (
            f"The commons refuses what {printable(name, 120) or 'the user of the key'} asks of {printable(project)}, "
            f"though it lists the right to {rights} ({said}). Ask the commons' staff. {_AGAIN}"
        )
    return f"{sentence(name, missing if user.permissions.known else wanted, project, said)} {_AGAIN}"


def sentence(name: str, missing: Sequence[str], project: Project, said: str = "") -> str:
    """`USER lacks the right to … on PROGRAM/PROJECT`, and whom to ask."""
    who = printable(name, 120) or "The user of the key"
    rights = " and ".join(missing)
    quoted = f" ({said.rstrip('.')})" if said else ""
    return f"{who} lacks the right to {rights} on {printable(project)}{quoted}. Ask the commons' staff for it."
