"""The way to the commons breaks (docs/reference/submission-faults.md, "Network")."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.outbox_bench import PowerCutError
from tests.scenario.submission_faults.kit import PUT, Days, Story, names, persons, subjects


def test_the_name_has_no_address(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    known, failures, one = socket.getaddrinfo, [0], threading.Lock()

    def lookup(*args: Any, **options: Any) -> Any:
        with one:
            fails = failures[0] < 6
            failures[0] += fails
        if fails:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(*args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes()
    assert failures == [6]
    assert (drop.verdict, drop.counts["created"], len(story.puts())) == (Verdict.LANDED, 4, 1)
    assert "DNS" in caplog.text
    story.whole(*names(4))


def test_refused_until_the_commons_is_started(tmp_path: Path) -> None:
    with reserved_port() as port:
        with Sandbox(port=port) as sandbox:
            story = Story(tmp_path, sandbox)
        story.drop("subject.tsv", subjects(*persons(4)))
        with story.running() as days:
            days.hears("not reachable (Connection refused)")
            days.passes(600)
            with Sandbox(port=port) as later:
                later.write("DEV-test", [{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}}])
                later.write_api_key(tmp_path / "key.json")
                story.sandbox = later
                [drop] = days.ended()
                assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
                story.whole(*names(4))


@contextmanager
def reserved_port() -> Iterator[int]:
    """A port that nobody else on this machine is given, while nothing listens on it either."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@pytest.mark.parametrize(
    ("point", "how"),
    [
        (Point.BEFORE_BODY, "close"),
        (Point.BEFORE_BODY, "reset"),
        (Point.DURING_BODY, "close"),
        (Point.DURING_BODY, "reset"),
    ],
)
def test_broken_before_the_body_was_read(story: Story, point: Point, how: str) -> None:
    story.sandbox.faults.lose(point, how=how, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    assert story.says("subject.tsv")["chunks"][0]["state"] == "answer lost, expired"
    story.whole(*names(4))


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("point", [Point.RECEIVED, Point.STARTED, Point.AFTER_COMMIT, Point.AFTER_LOG])
def test_broken_after_the_body_was_read(story: Story, point: Point, how: str) -> None:
    """The work goes on without us."""
    story.sandbox.faults.lose(point, how=how, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.stored(4)
        days.hears("not known whether a request with 4 rows landed")
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"], len(story.puts())) == (Verdict.LANDED, 4, 1)
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["answer lost, landed"]
    story.whole(*names(4))


def test_every_answer_is_lost(story: Story) -> None:
    """All the requests of a file land, and not one is answered."""
    story.sandbox.faults.lose(Point.AFTER_LOG, how="reset", times=None, **PUT)
    story.drop("subject.tsv", subjects(*persons(12)))
    [drop] = story.goes(stored=12)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 12)
    assert {chunk["state"] for chunk in story.says("subject.tsv")["chunks"]} == {"answer lost, landed"}
    story.whole(*names(12))


def test_the_token_service_is_down(story: Story, caplog: pytest.LogCaptureFixture) -> None:
    story.sandbox.faults.answer(503, path="/user/credentials", times=3)
    story.drop("subject.tsv", subjects(*persons(4)))
    [drop] = story.goes()
    assert (drop.verdict, len(story.puts())) == (Verdict.LANDED, 1)
    assert "service failure - try again later" in caplog.text
    story.whole(*names(4))


def test_the_last_hour_of_the_key(story: Story) -> None:
    """The commons gives no token that outlives the key; one for a few minutes is asked for instead."""
    story.sandbox.write_api_key(story.folder / "key.json", lifetime=1800)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        [drop] = days.ended(pace=0.2)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    asked = [request for request in story.sandbox.requests if request.path.startswith("/user/credentials")]
    assert [(request.status, "expires_in=" in request.query) for request in asked] == [(200, True)]
    story.whole(*names(4))


def test_a_commons_that_is_down_is_asked_by_one_request_at_a_time(
    story: Story, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    fault = story.sandbox.faults.answer(502, path="/api/", times=None)
    for i in range(10):
        story.drop(f"s{i}.tsv", subjects(f"P{i} S1 male human"))
    with story.running() as days:
        days.arrived(10)
        days.until(lambda: fault.used >= 2, "attempts")
        before = fault.used
        days.passes(5)
        days.until(lambda: days.outbox.status().settling == 0, pace=0)
        assert fault.used - before <= 6
        story.sandbox.faults.release(fault.id)
        assert {drop.verdict for drop in days.ended(10)} == {Verdict.LANDED}
    told = [record.getMessage() for record in caplog.records]
    assert len([text for text in told if text.startswith("the commons does not answer")]) == 1
    assert len([text for text in told if text.startswith("the commons answers again")]) == 1
    story.whole(*names(10))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_stopped_in_the_middle_of_a_request(story: Story) -> None:
    """The daemon is stopped while the commons works; the next life asks what became of it."""
    gone = threading.Event()

    def failpoint(_step: str) -> None:
        if gone.is_set():
            raise PowerCutError

    hold = story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.opened(failpoint) as (outbox, ledger):
        outbox.start()
        days = Days(story, outbox, ledger)
        days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
        assert outbox.stop(0.2) is False
        assert len(ledger.requests.unsettled()) == 1
        gone.set()  # its process has ended: it hears no answer
        hold.release()
        outbox.stop(60)
    story.sandbox.wait_for(lambda box: box.count("DEV-test", "subject") == 4)
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], len(story.puts())) == (Verdict.LANDED, 4, 1)
    story.whole(*names(4))
