"""Asking the commons from the command line: a client for the settings, and answers that fail as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from gen3sync.errors import CommonsError, Gen3SyncError, NotFoundError, PermissionDeniedError, UnreachableError

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
    """The answer, or its failure as an error. `asked` is what was wanted, as in "the template of case"."""
    error = error_of(answer, asked)
    if error is not None:
        raise error
    return answer  # type: ignore[return-value]


def error_of(answer: object, asked: str) -> Gen3SyncError | None:
    """The failure in `answer` as a sentence with a remedy, or None when it is none."""
    from gen3sync.commons.replies import (
        Broken,
        BrokenCause,
        Busy,
        Forbidden,
        Missing,
        Refused,
        TooLarge,
        Unauthorised,
    )

    match answer:
        case Refused(message=message, transactional_errors=errors):
            said = message or "; ".join(errors)
            return CommonsError(f"The commons refused {asked}: {said}", "Correct the request and try again.")
        case Unauthorised(message=message):
            return PermissionDeniedError(
                f"The commons does not accept the API key for {asked}: {message}",
                "Make a new API key on the commons' profile page and save it over the old one.",
            )
        case Forbidden(message=message):
            return PermissionDeniedError(
                f"The API key may not have {asked}: {message}",
                "Ask the commons' administrators for the right; `gen3sync check` lists what the key may do.",
            )
        case Missing(message=message):
            return NotFoundError(
                f"The commons has not {asked}: {message}", "Look at the spelling; upper and lower case differ."
            )
        case TooLarge(message=message):
            return CommonsError(f"The commons finds {asked} too large: {message}", "Ask for less at once.")
        case Busy(message=message):
            return UnreachableError(f"The commons is too busy for {asked}: {message}", "Try again in a few minutes.")
        case Broken(message=message, cause=BrokenCause.CREDENTIALS):
            # The message is the sentence of a CredentialsError, its remedy included.
            return PermissionDeniedError(message)
        case Broken(message=message, cause=BrokenCause.CONTENT | BrokenCause.REDIRECT):
            return CommonsError(
                f"{message} (asked for: {asked})", "Look at commons.url: is there a Gen3 commons at that address?"
            )
        case Broken(message=message):
            return UnreachableError(
                f"{message} (asked for: {asked})", "Look at commons.url and the network, or try again later."
            )
    return None
