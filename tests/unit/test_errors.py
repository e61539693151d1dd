"""One tree; each error says what and what to do; exit codes are sysexits' and stand in the docstring."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from gen3sync import errors
from gen3sync.errors import ExitCode, Gen3SyncError, LockedError


def tree(kind: type[Gen3SyncError] = Gen3SyncError) -> Iterator[type[Gen3SyncError]]:
    yield kind
    for below in kind.__subclasses__():
        if below.__module__ == errors.__name__:
            yield from tree(below)


@pytest.mark.parametrize("kind", list(tree()))
def test_every_error_is_drawn_in_the_tree_with_its_exit_code(kind: type[Gen3SyncError]) -> None:
    drawn = dict(re.findall(r"(\w+Error)\s+(\d+)\s", errors.__doc__ or ""))
    assert drawn[kind.__name__] == str(int(kind.exit_code))


@pytest.mark.parametrize("kind", list(tree()))
def test_an_error_speaks_for_itself(kind: type[Gen3SyncError]) -> None:
    assert str(kind()).endswith(".")
    assert str(kind("The disk is full.", "Make room.")) == "The disk is full. Make room."


def test_what_and_remedy_are_kept_apart() -> None:
    error = LockedError("What.", "Remedy.")
    assert (error.what, error.remedy, error.exit_code) == ("What.", "Remedy.", ExitCode.TEMPORARY)
    assert error.exit_code == 75
