"""Projects do not hold each other up: whatever one of them is waiting for, the others' drops land."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gen3sync.ledger import DropState, Verdict
from gen3sync.outbox import routing
from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.faults import Hold, Point
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import Days, Story, names, persons, subjects

SLOW, OTHER = "DEV/test", "DEV/other"
GRAPHQL = "/graphql$"


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    """One request at a time for all projects together; a study S1 in each of two."""
    with Sandbox(projects=("DEV-test", "DEV-other")) as sandbox:
        study = {"type": "study", "submitter_id": "S1", "projects": {"code": "other"}, "title": "One"}
        sandbox.write("DEV-other", [study])
        yield Story(tmp_path, sandbox, options='parallel = 1\ntarget = "1m"')


def landed(story: Story, number: int) -> bool:
    return story.sandbox.count("DEV-other", "subject") == number


@contextmanager
def hung(story: Story, hold: Hold, rows: int = 3) -> Iterator[Days]:
    """A drop of the slow project stands still at `hold` until the end of the block."""
    with hold, story.running() as days:
        story.drop("slow.tsv", subjects(*persons(rows)))
        days.until(lambda: hold.fault.waiting, "the request that hangs", pace=0.05)
        yield days
        assert hold.fault.waiting, "it was to hang the whole time"
        hold.release()
        days.ended(2)


@pytest.mark.parametrize(
    ("method", "path"),
    [("PUT", "/DEV/test$"), ("POST", "/DEV/test/export"), ("GET", "/DEV/test/export"), ("POST", GRAPHQL)],
    ids=["an upload", "a proof", "an export before planning", "a question"],
)
def test_another_project_lands_while_this_hangs(story: Story, method: str, path: str) -> None:
    if method == "GET":
        story.sandbox.faults.set(graphql="missing")
    once = 1 if path == GRAPHQL else None
    with hung(story, story.sandbox.faults.hold(Point.RECEIVED, times=once, method=method, path=path)) as days:
        story.drop("other.tsv", subjects(*persons(2)), project=OTHER)
        [drop] = days.ended(1)
        assert (drop.path, drop.verdict, drop.counts["created"]) == (f"{OTHER}/other.tsv", Verdict.LANDED, 2)
    assert story.says("slow.tsv")["verdict"] == "landed"
    story.whole(*names(3))


def test_a_probe_that_hangs_keeps_no_other_project_from_trying(story: Story) -> None:
    """The commons does not answer, and is probed by one request: of the project that hangs."""
    story.sandbox.faults.answer(503, times=1, method="PUT", path="/DEV/test$")
    with hung(story, story.sandbox.faults.hold(Point.RECEIVED, times=None, method="PUT", path="/DEV/test$")) as days:
        story.drop("other.tsv", subjects(*persons(2)), project=OTHER)
        days.ended(1)
        assert landed(story, 2)
    story.whole(*names(3))


def test_many_projects_hang_and_their_share_is_all_they_take(story: Story) -> None:
    """Rows of the project that hangs wait for each other: no second request of it goes while one is on its way."""
    with hung(story, story.sandbox.faults.hold(Point.RECEIVED, times=None, method="PUT", path="/DEV/test$")) as days:
        story.drop("more.tsv", subjects(*persons(3, first=3)))
        story.drop("other.tsv", subjects(*persons(2)), project=OTHER)
        days.ended(1)
        days.until(lambda: len(days.ledger.drops.recent(10)) == 3, "the second file of the project")
        days.passes(60)
        story.drop("again.tsv", subjects(*persons(1, first=5)), project=OTHER)
        days.ended(2)
        assert len(story.puts()) == 1
    with story.running() as days:
        days.ended(4)
    story.whole(*names(6))


def test_what_stands_in_line_at_a_stop_was_not_sent(story: Story) -> None:
    """The next life sends it at once: nobody has to find out what became of it."""
    with story.sandbox.faults.hold(Point.RECEIVED, times=None, method="PUT", path="/DEV/test$") as hold:
        with story.running() as days:
            story.drop("slow.tsv", subjects(*persons(3)))
            days.until(lambda: hold.fault.waiting, "the request that hangs", pace=0.05)
            story.drop("other.tsv", subjects(*persons(2)), project=OTHER)

            def in_line() -> bool:
                return any(d.state is DropState.SENDING and OTHER in d.path for d in days.ledger.drops.open())

            # Hardly any time goes by: after a while the one that hangs would let it pass.
            days.arrived(2, pace=0.001)
            days.until(in_line, "the other's turn", pace=0)
            before = story.time.monotonic()
            assert not days.outbox.stop(1)  # the one that hangs is still on its way
            hold.release()
        assert not landed(story, 2)
    with story.running() as days:
        days.until(lambda: landed(story, 2), "the other's rows", pace=0)
        assert story.time.monotonic() - before < 60
        days.ended(2)
    chunks = story.receipt("other.tsv", project=OTHER)["chunks"]
    assert [chunk["state"] for chunk in chunks] == ["not sent", "landed"]
    story.whole(*names(3))


def test_a_file_of_an_unknown_project_holds_up_no_arrival_while_the_commons_is_asked(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its project is new: the commons is asked for all of them, and takes minutes to answer."""
    monkeypatch.setattr(routing, "PROMPT", 0.1)
    with story.running() as days:
        story.drop("first.tsv", subjects(*persons(1)))
        days.ended()
        story.sandbox.add_project("DEV-new")
        with story.sandbox.faults.hold(Point.RECEIVED, times=None, method="GET", path="/submission/DEV/?$") as hold:
            story.drop("study.tsv", table("type submitter_id projects.code", "study S2 new"), project="DEV/new")
            days.until(lambda: hold.fault.waiting, "the question", pace=0.2)
            story.drop("other.tsv", subjects(*persons(2)), project=OTHER)
            days.ended(2)
            assert landed(story, 2)
            assert hold.fault.waiting == 1
        verdicts = {drop.path: drop.verdict for drop in days.ended(3)}
    assert verdicts["DEV/new/study.tsv"] is Verdict.LANDED
    story.whole(*names(1))
