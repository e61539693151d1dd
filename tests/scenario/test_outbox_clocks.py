"""Clocks that are set while files wait, and waits that last longer than parents are waited for."""

from __future__ import annotations

from pathlib import Path

from gen3sync.ledger import DropState, Verdict
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import Story, names, persons, subjects

DAY = 86_400
YEARS = 40 * 365 * DAY
VISIT = "type submitter_id subjects.submitter_id visit_number"


def test_a_clock_that_is_set_right_after_a_start_ends_no_wait_for_parents(story: Story) -> None:
    """A machine without a battery for its clock: it starts in the year 1986, and is set when the network is up."""
    story.time.jump(-YEARS)
    story.drop("visit.tsv", table(VISIT, "visit V0 P0 1"))
    with story.running() as days:
        days.until(lambda: "waits for subject P0" in "".join(d.reason for d in days.ledger.drops.open()), "the wait")
        story.time.jump(YEARS)
        days.passes(600)
        days.arrived()
        story.drop("subject.tsv", subjects(*persons(1)))
        assert {drop.verdict for drop in days.ended(2)} == {Verdict.LANDED}
    story.whole("P0")


def test_a_parent_that_never_comes_is_not_waited_for_for_ever_by_a_clock_that_is_set_back(story: Story) -> None:
    story.drop("visit.tsv", table(VISIT, "visit V0 P0 1"))
    with story.running() as days:
        days.until(lambda: "waits for subject P0" in "".join(d.reason for d in days.ledger.drops.open()), "the wait")
        story.time.jump(-YEARS)
        days.passes(DAY)
        [drop] = days.ended()
    assert drop.verdict is Verdict.REJECTED


def test_a_clock_that_is_set_back_keeps_no_project_parked(story: Story) -> None:
    """It is looked at every few minutes all the same."""
    story.sandbox.set_project("DEV-test", state="closed")
    story.drop("subject.tsv", subjects(*persons(2)))
    with story.running() as days:
        days.parked_project()
        story.time.jump(-YEARS)
        story.sandbox.set_project("DEV-test", state="open")
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    story.whole(*names(2))


def test_a_clock_that_is_set_back_keeps_no_drop_parked(story: Story) -> None:
    with story.running() as days:
        story.sandbox.faults.answer(404, times=1, method="PUT", path="/DEV/test$")
        story.drop("subject.tsv", subjects(*persons(2)))
        assert days.parked().state is DropState.PARKED
        story.time.jump(-YEARS)
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    story.whole(*names(2))


def test_children_of_rows_that_passed_are_not_given_up_while_the_project_is_closed(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """For longer than children wait for parents: theirs stand in the same file and have passed their dry run."""
    story = Story(tmp_path, sandbox, options='on_invalid = "reject"\nchunk_rows = 4\nparallel = 1')
    columns = "type submitter_id studies.submitter_id subjects.submitter_id visit_number"
    rows = [*(f"subject P{i} S1 . ." for i in range(8)), "visit V0 . P0 1"]
    with sandbox.faults.hold(Point.BEFORE_COMMIT, method="PUT", path="_dry_run$") as hold, story.running() as days:
        story.drop("mixed.tsv", table(columns, *rows))
        days.until(lambda: hold.fault.waiting, "the first dry run", pace=0.2)
        sandbox.set_project("DEV-test", state="closed")
        hold.release()
        days.parked_project()
        looks = days.ledger.projects.all()[0].attempts
        days.passes(2 * DAY)
        days.until(lambda: days.ledger.projects.all()[0].attempts > looks + 1, "two more looks")
        sandbox.set_project("DEV-test", state="open")
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 9)
    story.whole(*names(8))


def test_a_child_is_given_up_when_one_of_its_parents_passed_and_the_other_never_comes(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    story = Story(tmp_path, sandbox, options='on_invalid = "reject"')
    columns = "type submitter_id studies.submitter_id subjects.submitter_id visits.submitter_id sample_type"
    story.drop("mixed.tsv", table(columns, "subject P0 S1 . . .", "sample A0 . P0 V404 Blood"))
    with story.running() as days:
        days.until(lambda: "visit V404" in "".join(d.reason for d in days.ledger.drops.open()), "the wait")
        days.passes(DAY)
        [drop] = days.ended()
    assert drop.verdict is Verdict.REJECTED


def test_grandchildren_are_not_given_up_while_the_commons_takes_nothing(story: Story) -> None:
    """For longer than parents are waited for: what is to go first stands ready, and the others come after it."""
    fault = story.sandbox.faults.answer(429, times=None, method="PUT")
    columns = "type submitter_id projects.code studies.submitter_id subjects.submitter_id visit_number"
    with story.running() as days:
        story.drop("mixed.tsv", table(columns, "study S9 test . . .", "subject P0 . S9 . .", "visit V0 . . P0 1"))
        days.hears("submissions wait")
        days.passes(2 * DAY)
        attempts = fault.used
        days.until(lambda: fault.used > attempts + 1, "more attempts")
        story.sandbox.faults.release(fault.id)
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 3)
    story.whole("P0")


def test_rows_that_wait_for_each_other_are_given_up(story: Story) -> None:
    story.drop("visit.tsv", table(VISIT, "visit V0 P0 1"))
    story.drop("subject.tsv", subjects("P0 S404 male human"))
    with story.running() as days:
        days.arrived(2)
        days.passes(DAY)
        assert {drop.verdict for drop in days.ended(2)} == {Verdict.REJECTED}
    story.whole()
