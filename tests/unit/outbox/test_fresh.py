"""Answers from before our own requests landed are told from others, as long as that can matter."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gen3sync.clock import ManualClock
from gen3sync.commons.asking import GUARD
from gen3sync.commons.replies import GraphqlData
from gen3sync.names import Project
from gen3sync.outbox.fresh import Fresh, StaleAnswer

QUESTION = f"query($P:[String]){{{GUARD} rows:case(project_id:$P){{id}}}}"


class Commons:
    """Its log shows `log`; keeps the questions."""

    def __init__(self) -> None:
        self.log: dict[int, str] = {}
        self.asked: list[str] = []

    def graphql(self, query: str, variables: dict[str, object] | None = None) -> GraphqlData:
        del variables
        self.asked.append(query)
        log = {f"ours{id}": [{"state": state}] for id, state in self.log.items()}
        return GraphqlData({"seen": [{"id": "1"}], "rows": [], **log})


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def commons() -> Commons:
    return Commons()


@pytest.fixture
def fresh(commons: Commons, clock: ManualClock) -> Fresh:
    return Fresh(commons, Project("DEV", "test"), clock)


def stale(fresh: Fresh) -> bool:
    return isinstance(fresh.graphql(QUESTION, {}), StaleAnswer)


def test_nothing_is_asked_for_where_nothing_of_ours_has_landed(fresh: Fresh, commons: Commons) -> None:
    assert not fresh.wary
    assert not stale(fresh)
    assert commons.asked == [QUESTION]


@pytest.mark.parametrize(("state", "old"), [("SUCCEEDED", False), ("PENDING", True), ("FAILED", True), (None, True)])
def test_an_answer_must_show_what_we_have_stored(fresh: Fresh, commons: Commons, state: str | None, old: bool) -> None:
    fresh.landed(7)
    if state is not None:
        commons.log[7] = state
    assert fresh.wary
    assert stale(fresh) is old
    assert 'transaction_log(id:"7",program:"DEV",project:"test"){state}' in commons.asked[0]


def test_all_of_the_last_few_must_be_shown(fresh: Fresh, commons: Commons) -> None:
    for id in range(1, 7):
        fresh.landed(id)
    commons.log = dict.fromkeys((3, 4, 5), "SUCCEEDED")
    assert stale(fresh)
    commons.log[6] = "SUCCEEDED"
    assert not stale(fresh)


def test_other_questions_go_as_they_are(fresh: Fresh, commons: Commons) -> None:
    fresh.landed(7)
    fresh.graphql("{project{id}}")
    assert commons.asked == ["{project{id}}"]


def test_what_is_never_shown_is_not_waited_for_longer_than_a_minute(fresh: Fresh, clock: ManualClock) -> None:
    fresh.landed(7)
    assert stale(fresh)
    clock.advance(61)
    assert not stale(fresh)


def test_what_landed_before_a_restart_is_asked_for_no_longer(fresh: Fresh, clock: ManualClock) -> None:
    fresh.landed(7, 50.0)
    fresh.landed(8, 61.0)
    fresh.landed(9, -3600.0)  # the clock was put back
    assert stale(fresh)
    clock.advance(11)
    assert fresh.wary
    clock.advance(50)
    assert not fresh.wary


def test_a_log_that_shows_nothing_is_asked_no_more(fresh: Fresh, commons: Commons, clock: ManualClock) -> None:
    for id in (1, 2, 3):
        fresh.landed(id)
        assert stale(fresh)
        clock.advance(61)
    fresh.landed(4)
    assert not stale(fresh)
    assert commons.asked[-1] == QUESTION
