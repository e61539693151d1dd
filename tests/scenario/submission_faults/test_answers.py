"""Answers that are lost, late, refused for the moment or not to be understood (docs/reference/submission-faults.md,
"Answers")."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gen3sync.ledger import Verdict, pause
from gen3sync.sandbox import Kind, Point, Sandbox
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import PUT, Story, names, persons, subjects

EXPORT = "/submission/DEV/test/export"
GRAPHQL = "/submission/graphql"


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_before_the_commit(story: Story, status: int) -> None:
    """The worker dies with it: nothing is stored, and the log says PENDING for ever."""
    story.sandbox.faults.kill(Point.BEFORE_COMMIT, how=status, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.hears(f"not known whether a request with 4 rows landed: The commons answered {status}")
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    first, *_, last = story.says("subject.tsv")["chunks"]
    assert (first["state"], last["state"]) == ("answer lost, expired", "landed")
    # A 504 says that it took too long: the rows go again in halves.
    assert len(story.puts()) == (3 if status == 504 else 2)
    story.whole(*names(4))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_after_the_commit(story: Story, status: int) -> None:
    story.sandbox.faults.lose(Point.AFTER_LOG, how=status, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes(stored=4)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    [chunk] = story.says("subject.tsv")["chunks"]
    assert (chunk["state"], chunk["transaction_state"]) == ("answer lost, landed", "SUCCEEDED")
    assert len(story.puts()) == 1
    story.whole(*names(4))


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_an_error_instead_of_the_work(story: Story, status: int) -> None:
    """The proxy answers, the service never heard of it: no entry in the log proves nothing until the horizon."""
    story.sandbox.faults.answer(status, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.hears(f"The commons answered {status}")
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    assert story.says("subject.tsv")["chunks"][0]["state"] == "answer lost, expired"
    story.whole(*names(4))


def test_503_with_retry_after_is_a_promise(story: Story) -> None:
    story.sandbox.faults.answer(503, headers={"Retry-After": "90"}, **PUT)
    started = story.time.now()
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    assert (story.time.now() - started).total_seconds() >= 90
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["not sent", "landed"]
    story.whole(*names(4))


def test_a_server_killed_between_commit_and_log(story: Story) -> None:
    story.sandbox.faults.kill(Point.AFTER_COMMIT, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes(stored=4)
    assert (drop.verdict, drop.counts["created"], len(story.puts())) == (Verdict.LANDED, 4, 1)
    receipt = story.says("subject.tsv")
    assert [chunk["state"] for chunk in receipt["chunks"]] == ["answer lost, expired"]
    assert (receipt["verification"]["method"], receipt["verification"]["verified"]) == ("values", True)
    assert "does not say of every request that may have stored rows" in receipt["verification"]["why_not"]
    story.whole(*names(4))


def test_workers_that_die_of_large_requests(tmp_path: Path, sandbox: Sandbox) -> None:
    """What kills a worker once may be chance; twice it is the request, and smaller ones follow."""
    story = Story(tmp_path, sandbox, options="chunk_rows = 16\nparallel = 1")
    sandbox.faults.kill(Point.STARTED, times=2, **PUT)
    story.drop("subject.tsv", subjects(*persons(16)))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 16)
    assert next(request.rows for request in story.puts() if request.status == 200) <= 8
    story.whole(*names(16))


def test_slow_but_answered(story: Story) -> None:
    story.sandbox.faults.add(Kind.SLOW, seconds=0.3, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes()
    assert (drop.verdict, len(story.puts())) == (Verdict.LANDED, 1)
    story.whole(*names(4))


def test_too_slow_to_wait_for(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 1", commons='read_timeout = "3s"')
    with sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects(*persons(8)))
        days.hears("no answer in time", pace=0.05)
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 8)
    chunks = story.says("subject.tsv")["chunks"]
    assert (chunks[0]["state"], chunks[0]["rows"], chunks[1]["rows"]) == ("answer lost, landed", 4, 2)
    story.whole(*names(8))


def test_429_for_a_moment(story: Story) -> None:
    story.sandbox.faults.answer(429, headers={"Retry-After": "2"}, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["landed"]
    assert [request.status for request in story.puts()] == [429, 200]
    story.whole(*names(4))


def test_429_for_an_hour_outlives_a_restart(story: Story) -> None:
    story.sandbox.faults.answer(429, headers={"Retry-After": "3600"}, **PUT)
    started = story.time.now()
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: story.puts(), "an upload", pace=0.2)
        days.until(lambda: pause.read(days.ledger), "the pause written down", pace=0)
    with story.running() as days:
        [drop] = days.ended(pace=60)
    assert drop.verdict is Verdict.LANDED
    assert (story.time.now() - started).total_seconds() >= 3600
    assert [request.status for request in story.puts()] == [429, 200]
    story.whole(*names(4))


def test_429_for_an_hour(story: Story) -> None:
    story.sandbox.add_project("DEV-other")
    story.sandbox.faults.answer(429, headers={"Retry-After": "3600"}, **PUT)
    started = story.time.now()
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: story.puts(), "an upload", pace=0.2)
        days.until(lambda: story.puts()[0].ended, "its answer", pace=0)
        days.until(lambda: pause.read(days.ledger), "the pause written down", pace=0)
        study = table("type submitter_id projects.code", "study S9 other")
        story.drop("study.tsv", study, project="DEV/other")
        drops = days.ended(2, pace=60)
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["not sent", "landed"]
    assert [drop for drop in drops if drop.ended_at is None or (drop.ended_at - started).total_seconds() < 3600] == []
    assert [request.status for request in story.puts()] == [429, 200]
    story.whole(*names(4))


def test_413_makes_requests_smaller(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox, options="chunk_rows = 16")
    sandbox.faults.set(max_body=2500)
    story.drop("subject.tsv", subjects(*(f"P{i} S1 male {'x' * 300}" for i in range(16))))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 16)
    assert {r.status for r in story.puts()} == {200, 413}
    assert max(r.rows for r in story.puts() if r.status == 200) <= 8
    story.whole(*names(16))


def test_413_for_a_lone_row(story: Story) -> None:
    story.sandbox.faults.set(max_body=2500)
    story.drop("subject.tsv", subjects("P0 S1 male human", f"P1 S1 male {'x' * 3000}", "P2 S1 male human"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 1)
    [bad] = story.rejects("subject.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("3", "TOO_LARGE")
    story.whole("P0", "P2")


NONSENSE: dict[str, Callable[[Sandbox], object]] = {
    "HTML with 200": lambda s: s.faults.add(Kind.HTML, **PUT),
    "wrong content type": lambda s: s.faults.add(Kind.CONTENT_TYPE, **PUT),
    "invalid JSON": lambda s: s.faults.add(Kind.INVALID_JSON, **PUT),
    "broken gzip": lambda s: s.faults.add(Kind.BROKEN_GZIP, **PUT),
    "200 with an empty body": lambda s: s.faults.answer(200, body="", **PUT),
    "200 with another object": lambda s: s.faults.answer(200, body='{"ok": 1}', **PUT),
    "a redirect to another host": lambda s: s.faults.answer(302, headers={"Location": "http://127.0.0.2:9/"}, **PUT),
    "400 of a proxy": lambda s: s.faults.answer(400, body="<html>Bad Request</html>", content_type="text/html", **PUT),
}
NOT_DONE = {"HTML with 200", "200 with an empty body", "200 with another object"}


@pytest.mark.parametrize("fault", NONSENSE)
def test_an_answer_that_means_nothing(story: Story, fault: str) -> None:
    NONSENSE[fault](story.sandbox)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes(stored=0 if fault in NOT_DONE else 4)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    first = story.says("subject.tsv")["chunks"][0]
    lost = "answer lost, expired" if fault in NOT_DONE else "answer lost, landed"
    assert first["state"] == ("not sent" if fault.startswith(("a redirect", "400")) else lost)
    assert first["message"] or first["state"].startswith("answer lost")
    assert len(story.puts()) == (1 if first["state"] == "answer lost, landed" else 2)
    story.whole(*names(4))


READING: dict[str, Callable[[Sandbox], object]] = {
    "export 502": lambda s: s.faults.answer(502, path=EXPORT),
    "export reset": lambda s: s.faults.lose(Point.RECEIVED, how="reset", path=EXPORT),
    "export cut short": lambda s: s.faults.cut_export(rows=1, clean=True, path=EXPORT),
    "export as HTML": lambda s: s.faults.add(Kind.HTML, path=EXPORT),
    "export 429": lambda s: s.faults.answer(429, headers={"Retry-After": "30"}, path=EXPORT),
    "GraphQL 502": lambda s: s.faults.answer(502, path=GRAPHQL),
    "GraphQL as HTML": lambda s: s.faults.add(Kind.HTML, path=GRAPHQL),
}


@pytest.mark.parametrize("fault", READING)
def test_the_answer_to_a_question_is_spoilt(story: Story, fault: str) -> None:
    """Reading fails before or after sending: what cannot be known now is asked again, never guessed."""
    READING[fault](story.sandbox)
    story.drop("subject.tsv", subjects(*persons(8)))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 8)
    assert story.says("subject.tsv")["verification"]["verified"] is True
    story.whole(*names(8))


def test_the_proof_cannot_be_read_for_hours(story: Story) -> None:
    """Stored, then nothing can be read any more: no receipt until it can, and then a true one."""
    fault = story.sandbox.faults.answer(502, path=EXPORT, times=None)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: story.sandbox.count("DEV-test", "subject") == 4, "records")
        days.passes(7200)
        days.until(lambda: fault.used >= 3, "more attempts to read", pace=60)
        assert days.ended(0) == []
        story.sandbox.faults.release(fault.id)
        [drop] = days.ended(pace=60)
    assert (drop.verdict, drop.counts["created"], len(story.puts())) == (Verdict.LANDED, 4, 1)
    story.whole(*names(4))


def test_somebody_else_wrote_it_since(story: Story) -> None:
    with story.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects("P0 S1 male human"))
        days.until(lambda: hold.fault.waiting, "an upload held after its commit", pace=0.2)
        story.sandbox.write(
            "DEV-test", [{"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "species": "cat"}]
        )
        hold.release()
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    proof = story.says("subject.tsv")["verification"]
    assert (proof["overwritten_since"], proof["rows_proven"]) == (1, 0)
    assert proof["why_not"] == "1 row was written over by somebody else before it could be read back"
    assert (len(story.puts()), story.subject("P0")["species"]) == (1, "cat")
    story.whole("P0")


def test_somebody_else_wrote_it_before_a_lost_answer_was_known(story: Story) -> None:
    """What became of the request is known only after they wrote: their newer value is not taken back."""
    theirs = {"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "species": "cat"}
    story.sandbox.faults.lose(Point.BEFORE_COMMIT, **PUT)
    with story.sandbox.faults.hold(Point.AFTER_COMMIT, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects("P0 S1 male human", "P1 S1 male human"))
        days.until(lambda: hold.fault.waiting, "an upload held after its commit", pace=0.2)
        story.sandbox.write("DEV-test", [theirs])
        hold.release()
        [drop] = days.ended()
    said = story.says("subject.tsv")
    assert (drop.verdict, said["rows"]["created"]) == (Verdict.LANDED, 2)
    assert [chunk["state"] for chunk in said["chunks"]] == ["answer lost, landed"]
    assert said["verification"]["overwritten_since"] == 1
    assert said["reason"] == "2 created. 1 row was overwritten since by somebody else."
    assert (len(story.puts()), story.subject("P0")["species"]) == (1, "cat")
    story.whole("P0", "P1")
