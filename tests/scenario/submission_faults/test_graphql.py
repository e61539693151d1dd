"""GraphQL that comes and goes, beside a submission service that answers: it speeds things up and is never required
(docs/reference/submission-faults.md, "Access")."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gen3sync.clock import SystemClock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import GraphqlData
from gen3sync.ledger import Verdict
from gen3sync.names import Project
from gen3sync.outbox import graphql
from gen3sync.sandbox import LoggedRequest, Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Days, Story, names, persons, subjects

GRAPHQL = "/submission/graphql"
HOUR = 3600.0


@pytest.fixture
def single(tmp_path: Path, sandbox: Sandbox) -> Story:
    """Requests of four rows, one after the other."""
    return Story(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 1")


def asked(story: Story) -> list[LoggedRequest]:
    """Questions to GraphQL so far."""
    return [request for request in story.sandbox.requests if GRAPHQL in request.path]


def attempts(story: Story, number: int) -> bool:
    return len(asked(story)) >= number


def proof(story: Story, name: str) -> tuple[str, str]:
    verification = story.says(name)["verification"]
    assert verification["verified"]
    return verification["method"], verification["why_not"]


def in_full_view(story: Story, days: Days) -> None:
    """A first drop, so that the project is known to be seen through GraphQL."""
    story.drop("first.tsv", subjects(*persons(2)))
    days.ended(1, pace=0.05)
    assert proof(story, "first.tsv")[0] == "transaction and values"


def test_graphql_is_down_for_a_moment(single: Story) -> None:
    single.sandbox.faults.set(graphql="down")
    single.drop("subject.tsv", subjects(*persons(4)))
    with single.running() as days:
        days.arrived(pace=0.05)
        for number in (1, 2, 3):
            days.until(partial(attempts, single, number), "an attempt", pace=0.02)
            assert single.puts() == []
        single.sandbox.faults.set(graphql="on")
        [drop] = days.ended()
        assert days.outbox.status().graphql == ""
        assert not any("GraphQL" in text for text in days.told())
    assert drop.verdict is Verdict.LANDED
    assert proof(single, "subject.tsv") == ("transaction and values", "")
    single.whole(*names(4))


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504])
def test_graphql_is_down_for_long(single: Story, status: int) -> None:
    fault = single.sandbox.faults.answer(status, times=None, path=GRAPHQL)
    single.drop("subject.tsv", subjects(*persons(4)))
    with single.running() as days:
        [drop] = days.ended(pace=0.5)  # it is looked at again every few minutes
        assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
        method, why = proof(single, "subject.tsv")
        assert (method, "GraphQL does not answer" in why) == ("values", True)
        assert "GraphQL does not answer" in days.outbox.status().graphql
        assert any("are compared and proven by exports" in text for text in days.told())
        # The next one waits for nothing, and finds by exports what is there.
        before = len(asked(single))
        single.drop("more.tsv", subjects(*persons(4), "P9 S1 male human"))
        drop = days.ended(2, pace=0.05)[1]
        assert (drop.counts["unchanged"], drop.counts["created"], len(asked(single))) == (4, 1, before)
        # It is looked at again, and used when it is back.
        single.sandbox.faults.release(fault.id)
        days.passes(HOUR)
        single.drop("third.tsv", subjects("P10 S1 male human"))
        days.ended(3, pace=0.05)
        days.until(lambda: not days.outbox.status().graphql, "GraphQL", pace=0.05)
        assert "GraphQL answers again." in days.told()
        single.drop("fourth.tsv", subjects("P11 S1 male human"))
        days.ended(4, pace=0.05)
    assert proof(single, "fourth.tsv") == ("transaction and values", "")
    single.whole(*names(4), "P9", "P10", "P11")


def test_graphql_dies_later(single: Story) -> None:
    with single.running() as days:
        in_full_view(single, days)
        single.sandbox.faults.set(graphql="down")
        single.drop("subject.tsv", subjects(*persons(4)))
        drop = days.ended(2)[1]
    assert (drop.verdict, drop.counts["unchanged"], drop.counts["created"]) == (Verdict.LANDED, 2, 2)
    method, why = proof(single, "subject.tsv")
    assert (method, "GraphQL does not answer" in why) == ("values", True)
    single.whole(*names(4))


def test_graphql_never_answers(single: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even with an error: a question that hangs counts as one that broke."""
    monkeypatch.setattr(graphql, "SILENCE", 0.3)
    with single.sandbox.faults.hold(Point.RECEIVED, times=None, path=GRAPHQL), single.running() as days:
        single.drop("subject.tsv", subjects(*persons(4)))
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    assert proof(single, "subject.tsv")[0] == "values"
    single.whole(*names(4))


def test_graphql_is_down_and_an_answer_is_lost(single: Story) -> None:
    """The log cannot be read, so the horizon has to pass; then the values tell."""
    with single.running() as days:
        in_full_view(single, days)
        single.sandbox.faults.set(graphql="down")
        single.sandbox.faults.lose(Point.AFTER_LOG, **PUT)
        single.drop("subject.tsv", subjects(*persons(4)))
        drop = days.ended(2)[1]
    assert (drop.verdict, drop.counts["created"], len(single.puts())) == (Verdict.LANDED, 2, 2)
    assert [chunk["state"] for chunk in single.says("subject.tsv")["chunks"]] == ["answer lost, expired"]
    single.whole(*names(4))


def test_all_is_down_and_graphql_is_not_blamed(single: Story) -> None:
    """A commons that is down as a whole is probed by one request at a time, and nothing is given up."""
    with single.running() as days:
        in_full_view(single, days)
        fault = single.sandbox.faults.answer(502, times=None, path="/api/")
        before = len(single.sandbox.requests)
        single.drop("subject.tsv", subjects(*persons(4)))
        days.arrived(2)
        days.until(lambda: len(single.sandbox.requests) >= before + 25, "some probes", pace=20.0)
        probes = single.sandbox.requests[before + 5 :]
        assert not any(GRAPHQL in probe.path for probe in probes)
        single.sandbox.faults.release(fault.id)
        drop = days.ended(2)[1]
        assert not any("GraphQL" in text for text in days.told())
    assert drop.verdict is Verdict.LANDED
    assert proof(single, "subject.tsv") == ("transaction and values", "")
    single.whole(*names(4))


def test_graphql_is_down_and_somebody_waits(single: Story) -> None:
    """One pass, and a plan, do not wait for it at all."""
    single.sandbox.faults.set(graphql="down")
    path = single.drop("subject.tsv", subjects(*persons(4)))
    with single.opened() as (outbox, _):
        plan = outbox.plan_file(path, Project("DEV", "test"))
    assert (plan.counts, plan.sight.value) == ({"create": 4}, "exports")
    single.clock = SystemClock()
    assert single.once().ended[0].verdict is Verdict.LANDED
    assert proof(single, "subject.tsv")[0] == "values"
    single.whole(*names(4))


@pytest.fixture
def lagging(single: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of the database that has not heard of P9 yet, nor of the request that stored it."""
    real = CommonsClient.graphql

    def graphql(*question: Any, **more: Any) -> object:
        answer = real(*question, **more)
        if not isinstance(answer, GraphqlData):
            return answer
        data = {alias: [] if alias.startswith("ours") else shown for alias, shown in answer.data.items()}
        for alias, shown in data.items():
            if isinstance(shown, list):
                data[alias] = [one for one in shown if not isinstance(one, dict) or one.get("submitter_id") != "P9"]
        return GraphqlData(data)

    monkeypatch.setattr(CommonsClient, "graphql", graphql)
    study = {"studies": {"submitter_id": "S1"}}
    single.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": one, **study} for one in OTHERS])


OTHERS = tuple(f"other{n}" for n in range(30))


@pytest.mark.usefixtures("lagging")
def test_graphql_lags_behind(single: Story) -> None:
    with single.running() as days:
        single.drop("subject.tsv", subjects("P9 S1 male human"))
        days.ended(pace=0.1)
        single.drop("blank.tsv", subjects("P9 S1 male ."))
        assert "blank cells would erase stored values in 1 row: species" in days.parked(pace=0.1).reason
        days.outbox.withdraw("blank.tsv")
        days.ended(2)
    single.whole("P9", *OTHERS)


@pytest.mark.usefixtures("lagging")
def test_graphql_lags_behind_a_request_from_before_a_restart(single: Story) -> None:
    with single.running() as days:
        single.drop("subject.tsv", subjects("P9 S1 male human"))
        days.ended(pace=0.1)
    with single.running() as days:
        single.drop("blank.tsv", subjects("P9 S1 male ."))
        assert "blank cells would erase stored values in 1 row: species" in days.parked(pace=0.1).reason
        days.outbox.withdraw("blank.tsv")
        days.ended(2)
    single.whole("P9", *OTHERS)
