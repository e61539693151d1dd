"""Asking the commons from the command line: a client for the settings, and answers that fail as sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from gen3sync.errors import Gen3SyncError

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


def error_of(answer: object, asked: str) -> Gen3SyncError | None:
    """The failure in `answer` as a sentence with a remedy, or None when it is none."""
    from gen3sync.commons import troubles
    from gen3sync.commons.replies import Failure, Refused

    return troubles.error_of(answer, asked) if isinstance(answer, Failure | Refused) else None
