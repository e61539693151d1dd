"""Whose fault a refusal is, and what else the submission's answer says."""

from __future__ import annotations

import json

import pytest

from gen3sync.commons.answers import failure_of, graphql_reply, submit_reply
from gen3sync.commons.replies import Broken, Forbidden, GraphqlData, Landed, RefusalKind, Refused, TooLarge
from gen3sync.commons.transport import Answer

EXISTS = "case with {'project_id': 'DEV-test', 'submitter_id': 'A'} already exists in the DB"
SORRY = "Internal server error. Sorry, something unexpected went wrong!"


def _answer(data: object, status: int = 400) -> Answer:
    return Answer(status, {"content-type": "application/json"}, json.dumps(data).encode())


def _entity(name: str, *errors: tuple[str, str]) -> dict[str, object]:
    return {
        "valid": not errors,
        "action": "create",
        "type": "case",
        "id": None,
        "unique_keys": [{"project_id": "DEV-test", "submitter_id": name}],
        "errors": [{"type": kind, "message": message, "keys": ["sex"]} for kind, message in errors],
        "warnings": [],
    }


def _refused(entities: list[object], *errors: object, message: str = "Transaction aborted") -> Refused:
    body = {"success": False, "message": message, "entities": entities, "transactional_errors": list(errors)}
    reply = submit_reply(_answer({"transaction_id": 9, **body}))
    assert isinstance(reply, Refused)
    return reply


@pytest.mark.parametrize(
    ("entities", "errors", "kind"),
    [
        ([_entity("A", ("INVALID_VALUE", "'x' is not one of"))], [], RefusalKind.ROWS),
        ([_entity("A", ("INVALID_VALUE", "bad")), _entity("B", ("ERROR", EXISTS))], [], RefusalKind.ROWS),
        ([_entity("A", ("ERROR", EXISTS)), _entity("B")], [], RefusalKind.INTERNAL),
        ([_entity("A"), _entity("B")], [SORRY], RefusalKind.INTERNAL),
        ([_entity("A"), _entity("B")], [{"type": "ERROR", "message": SORRY}], RefusalKind.INTERNAL),
        ([_entity("A"), _entity("A")], [{"type": "NOT_UNIQUE", "message": "not unique"}], RefusalKind.REQUEST),
        ([], ["Nothing to submit"], RefusalKind.REQUEST),
    ],
)
def test_whose_fault(entities: list[object], errors: list[object], kind: RefusalKind) -> None:
    refused = _refused(entities, *errors)
    assert refused.kind is kind
    assert refused.transaction_id == 9
    assert len(refused.entities) == len(entities)


def test_blamed_rows_are_told_from_guilty_ones() -> None:
    refused = _refused([_entity("A", ("ERROR", EXISTS)), _entity("B", ("INVALID_VALUE", "bad"))])
    assert [entity.at_fault for entity in refused.entities] == [False, True]
    assert refused.entities[1].errors[0].keys == ("sex",)


def test_a_message_alone() -> None:
    closed = submit_reply(_answer({"message": "Project is in state 'closed', which prevents /v0/submission/DEV/test."}))
    assert isinstance(closed, Refused)
    assert closed.kind is RefusalKind.CLOSED
    unread = submit_reply(_answer({"message": "Unable to parse document"}))
    assert isinstance(unread, Refused)
    assert unread.kind is RefusalKind.UNREADABLE


def test_a_failing_dry_run_is_refused_although_200() -> None:
    body = {"code": 200, "success": False, "entities": [_entity("A", ("ERROR", "bad"))], "transactional_errors": []}
    reply = submit_reply(_answer(body, 200))
    assert isinstance(reply, Refused)
    assert (reply.status, reply.kind) == (200, RefusalKind.ROWS)


@pytest.mark.parametrize("success", [False, "true", 1, None])
def test_only_true_is_success(success: object) -> None:
    assert not isinstance(submit_reply(_answer({"success": success, "entities": []}, 200)), Landed)


def test_shapes_that_nobody_expects_do_not_break_the_reading() -> None:
    odd = {
        "success": True,
        "transaction_id": "17",
        "created_entity_count": None,
        "entities": [None, {}, {"unique_keys": {}, "errors": "no", "id": 5, "warnings": [{"message": "w"}]}],
    }
    reply = submit_reply(_answer(odd, 200))
    assert isinstance(reply, Landed)
    assert (reply.transaction_id, reply.created, len(reply.entities)) == (17, 0, 2)
    assert reply.entities[1].warnings == ("w",)


def test_what_the_server_says_is_printable() -> None:
    refused = _refused([_entity("A", ("ERROR", "a\x1b[2Jb\nc"))])
    assert refused.entities[0].errors[0].message == "a\\x1b[2Jb\\x0ac"


@pytest.mark.parametrize("status", [413, 414, 431])
def test_too_large(status: int) -> None:
    answer = Answer(status, {}, b"<html><head><title>413 Request Entity Too Large</title></head></html>")
    assert isinstance(failure_of(answer), TooLarge)


def test_graphql() -> None:
    assert graphql_reply(_answer({"data": {"n": 1}}, 200)) == GraphqlData({"n": 1})
    half = graphql_reply(_answer({"data": {"n": 1}, "errors": ["boom"]}, 200))
    assert isinstance(half, Refused)
    assert half.message == "boom"
    listed = graphql_reply(_answer({"data": None, "errors": [{"message": "a"}, "b"]}))
    assert isinstance(listed, Refused)
    assert listed.transactional_errors == ("a", "b")
    assert graphql_reply(_answer({"data": {}, "errors": ["Unauthorized query."]}, 403)) == Forbidden(
        "Unauthorized query."
    )
    broken = graphql_reply(_answer({"errors": ["Syntax Error (1:3) Expected Name\n\n1: {a\n     ^\n", "two\nlines"]}))
    assert isinstance(broken, Refused)
    assert broken.message == "Syntax Error (1:3) Expected Name; two lines"
    odds: list[object] = [[], {"data": None}, {"data": []}, 7, "x", {}]
    for odd in odds:
        assert isinstance(graphql_reply(_answer(odd, 200)), Broken)
