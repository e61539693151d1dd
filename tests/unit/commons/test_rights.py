"""Who lacks which right on which project, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from gen3sync.commons.permissions import Permissions, User
from gen3sync.commons.replies import Broken, BrokenCause, Failure, Forbidden, Refused
from gen3sync.commons.rights import READ, WRITE, error_of, lacks
from gen3sync.commons.sentences import missing_right
from gen3sync.errors import PermissionDeniedError, UnreachableError
from gen3sync.names import Project

TEST = Project("DEV", "test")
SAID = "You don't have access to this resource: user is unauthorized"


@dataclass
class Commons:
    """Whose key it is."""

    answer: User | Refused | Failure

    def whoami(self) -> User | Refused | Failure:
        return self.answer


def user(*methods: str) -> Commons:
    grants = [{"service": "sheepdog", "method": method} for method in methods]
    return Commons(User("ann@example.org", "", Permissions.from_json({"/programs/DEV": grants})))


def test_what_is_lacking_is_named() -> None:
    said = lacks(user("read", "create"), TEST, WRITE, SAID)
    assert said == (
        f"ann@example.org lacks the right to update on DEV/test ({SAID}). Ask the commons' staff for it. "
        "gen3sync looks again by itself."
    )
    assert "lacks the right to create and update on DEV/test" in lacks(user("read"), TEST, WRITE, SAID)


def test_a_right_that_is_listed_and_refused_all_the_same() -> None:
    said = lacks(user("create", "update"), TEST, WRITE, SAID)
    assert "refuses what ann@example.org asks of DEV/test, though it lists the right to create and update" in said


def test_where_nobody_can_say_whose_key_it_is() -> None:
    for answer in (Forbidden("no"), Broken("down", BrokenCause.CONNECT)):
        said = lacks(Commons(answer), TEST, READ, SAID)
        assert said.startswith("The user of the key lacks the right to read on DEV/test")


def test_only_a_missing_right_is_told_so() -> None:
    denied = error_of(user(), TEST, Forbidden(SAID), "the export of case")
    assert isinstance(denied, PermissionDeniedError)
    assert denied.what.startswith("The export of case failed. ann@example.org lacks the right to read on DEV/test")
    assert "by itself" not in denied.what
    assert isinstance(error_of(user(), TEST, Broken("down", BrokenCause.CONNECT), "the export"), UnreachableError)


def test_a_row_refused_for_want_of_a_right_is_no_fault_of_the_row() -> None:
    assert missing_right("You do not have create permission for project DEV-test") == "create"
    assert missing_right(SAID) is None
