"""A failure as an error, for callers that cannot go on without the answer (verbs, the catalog). Rooms match on data."""

from __future__ import annotations

from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Failure,
    Forbidden,
    Missing,
    Refused,
    TooLarge,
    Unauthorised,
    Unknown,
)
from gen3sync.commons.sentences import is_no_such_node
from gen3sync.errors import (
    CommonsError,
    CredentialsError,
    Gen3SyncError,
    NotFoundError,
    PermissionDeniedError,
    TemporaryError,
    UnreachableError,
)

_NO_ANSWER = {
    BrokenCause.RESOLVE,
    BrokenCause.CONNECT,
    BrokenCause.RESET,
    BrokenCause.TIMEOUT,
    BrokenCause.STATUS,
    BrokenCause.CANCELLED,
}


def error_of(failure: Failure | Refused | Unknown, doing: str) -> Gen3SyncError:
    """The error that says that `doing` (a noun: "the export of DEV/test case") failed, why, and what to do."""
    what = f"{doing[:1].upper()}{doing[1:]} failed."
    match failure:
        case Unauthorised(message):
            return CredentialsError(
                f"{what} The commons does not accept the key's token: {message}",
                "Make a new API key on the commons' profile page and replace the credentials file.",
            )
        case Forbidden(message):
            return PermissionDeniedError(
                f"{what} The user of the key lacks the right (the commons says: {message.rstrip('.')}).",
                "`gen3sync check` says what the key may; ask the commons' staff for more, or use another key.",
            )
        case Missing(message):
            return NotFoundError(f"{what} {message}", "Check the name: letter case counts.")
        case TooLarge(message):
            return CommonsError(f"{what} The request is too large: {message}", "Ask for less at once.")
        case Busy(message, _, seconds):
            when = f"in {seconds:.0f} s" if seconds is not None else "later"
            return TemporaryError(f"{what} The commons is busy: {message}", f"Try again {when}.")
        case Broken(message, BrokenCause.CREDENTIALS):
            return CredentialsError(message.removesuffix(failure.remedy).rstrip(), failure.remedy)
        case Broken(message, cause) if cause in _NO_ANSWER:
            return UnreachableError(f"{what} {message}", "Check that the commons is up, and try again.")
        case Broken(message):
            return CommonsError(f"{what} {message}", "Check commons.url: is a Gen3 commons behind it?")
        case Refused(_, _, message) if is_no_such_node(message):
            return NotFoundError(f"{what} The dictionary has no such node type.", "Check the name: letter case counts.")
        case Refused(_, _, message):
            return CommonsError(f"{what} The commons refused it: {message}")
        case Unknown(reason):
            return CommonsError(
                f"{what} {reason}.", "Check with `gen3sync check` whether the key may read the project."
            )
