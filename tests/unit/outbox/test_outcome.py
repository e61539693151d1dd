"""What answers mean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Entity,
    EntityError,
    Forbidden,
    Landed,
    Missing,
    RefusalKind,
    Refused,
    SubmitReply,
    TooLarge,
    Unauthorised,
)
from gen3sync.outbox.model import Action, IndexedRow, RowState
from gen3sync.outbox.outcome import Step, judge


def row(number: int, sid: str, *, tries: int = 0) -> IndexedRow:
    return IndexedRow(
        number, 1, number + 1, number + 1, "case", sid.lower(), sid, 0, None, RowState.FLIGHT, tries=tries
    )


def entity(sid: str | None, *errors: EntityError, node: str | None = "case", id: str | None = "x") -> Entity:
    return Entity(not errors, None, node, id, sid, errors=errors)


WRONG = EntityError("INVALID_VALUE", "'Nope' is not one of …", ("sex",))
THERE = EntityError("ERROR", "already exists in the DB", internal=True)
ROWS = [row(1, "A"), row(2, "B"), row(3, "C")]


def refused(kind: RefusalKind, *entities: Entity) -> Refused:
    return Refused(400, kind, "aborted", 7, entities, ("Internal server error. Sorry",))


def test_landed_names_ids_and_rows_that_were_dropped_without_a_word() -> None:
    outcome = judge(ROWS, Landed(7, 2, 0, (entity("A", id="1"), entity("b", id="2"))), is_file=False)
    assert outcome.step is Step.PROVE
    assert outcome.ids == {1: "1", 2: "2"}
    assert outcome.dropped == {3}


@pytest.mark.parametrize(
    ("planned", "sent", "tries", "said", "acted"),
    [
        (Action.CREATE, None, 0, "create", None),
        (Action.CREATE, None, 0, "update", Action.UPDATE),
        (Action.CREATE, None, 1, "update", None),  # an earlier request may have created it
        (Action.UPDATE, None, 0, "create", Action.CREATE),  # nobody could see whether it was there
        (Action.UPDATE, None, 0, "update", Action.UPDATE),
        (Action.UPDATE, None, 0, None, None),
        (Action.UPDATE, Action.WRITE, 0, "create", Action.CREATE),
        (Action.UPDATE, Action.WRITE, 0, "update", None),
        (Action.UPDATE, Action.CREATE, 0, "create", None),
    ],
)
def test_the_answer_tells_what_was_done(
    planned: Action, sent: Action | None, tries: int, said: str | None, acted: Action | None
) -> None:
    one = replace(row(1, "A", tries=tries), action=planned, sent=sent)
    answer = Landed(7, 1, 0, (replace(entity("A"), action=said),))
    assert judge([one], answer, is_file=False).acted.get(1) is acted
    assert (one.sent_as is Action.WRITE) is (planned is Action.UPDATE)


def test_an_update_of_what_was_seen_is_an_update() -> None:
    one = replace(row(1, "A"), action=Action.UPDATE, detail={"before": {"sex": "male"}})
    answer = Landed(7, 0, 1, (replace(entity("A"), action="update"),))
    assert (one.sent_as, judge([one], answer, is_file=False).acted) == (Action.UPDATE, {})


def test_rows_at_fault_are_told_from_those_in_bad_company() -> None:
    outcome = judge(ROWS, refused(RefusalKind.ROWS, entity("A"), entity("B", WRONG), entity("C")), is_file=False)
    assert outcome.step is Step.SORT
    assert set(outcome.rejects) == {2}
    assert (outcome.rejects[2][0].type, outcome.rejects[2][0].column) == ("INVALID_VALUE", "sex")


def test_errors_match_in_another_case_and_without_a_type() -> None:
    assert set(judge(ROWS, refused(RefusalKind.ROWS, entity("b", WRONG)), is_file=False).rejects) == {2}
    assert set(judge(ROWS, refused(RefusalKind.ROWS, entity("C", WRONG, node=None)), is_file=False).rejects) == {3}


def test_rows_blamed_for_the_servers_own_trouble_are_no_rejects() -> None:
    outcome = judge(ROWS, refused(RefusalKind.ROWS, entity("A", THERE), entity("B", WRONG)), is_file=False)
    assert set(outcome.rejects) == {2}


def test_no_row_named_means_again_then_halves_then_a_lone_reject() -> None:
    internal = refused(RefusalKind.INTERNAL, entity("A", THERE))
    assert judge(ROWS, internal, is_file=False).step is Step.AGAIN
    second = [row(1, "A", tries=1), row(2, "B", tries=1)]
    assert judge(second, internal, is_file=False).step is Step.HALVE
    assert judge(second, internal, is_file=True).step is Step.PARK_DROP
    lone = judge([row(1, "A", tries=2)], internal, is_file=False)
    assert lone.step is Step.SORT
    assert "Internal server error" in lone.rejects[1][0].message


@pytest.mark.parametrize(
    ("reply", "step"),
    [
        (Refused(400, RefusalKind.CLOSED, "Project is in state 'closed'"), Step.PARK_PROJECT),
        (Forbidden("no"), Step.PARK_PROJECT),
        (Missing("no such project"), Step.PARK_DROP),
        (TooLarge("413"), Step.SMALLER),
        (Busy("429", 429, 60.0), Step.LATER),
        (Unauthorised("bad key"), Step.LATER),
        (Broken("refused", BrokenCause.CONNECT), Step.LATER),
        (Broken("timeout", BrokenCause.TIMEOUT, may_have_landed=True), Step.LOST),
        (Broken("504", BrokenCause.STATUS, 504, may_have_landed=True), Step.LOST),
    ],
)
def test_answers_that_are_about_no_row(reply: SubmitReply, step: Step) -> None:
    assert judge(ROWS, reply, is_file=False).step is step


def test_a_lone_row_that_is_too_large_is_a_reject() -> None:
    assert judge([row(1, "A")], TooLarge("413"), is_file=False).rejects


def test_a_right_that_was_lost_parks_the_project_and_blames_no_row() -> None:
    lost = EntityError("INVALID_PERMISSIONS", "You do not have update permission for project DEV-test")
    outcome = judge(ROWS, refused(RefusalKind.ROWS, entity("A", lost), entity("B", lost)), is_file=False)
    assert (outcome.step, outcome.error_class, outcome.rejects) == (Step.PARK_PROJECT, "forbidden", {})
