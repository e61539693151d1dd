"""A commons that is down for long, or asks to be left alone: who asks it, when, and what a restart remembers
(docs/reference/submission-faults.md, "Pauses")."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.clock import SystemClock
from gen3sync.errors import LedgerError
from gen3sync.ledger import DropState, Event, EventLevel, Verdict
from gen3sync.ledger.pause import NOTE, Pause, read, waiting
from gen3sync.ledger.talk import Events, Notes
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Days, Story, Struck, names, persons, subjects

EVERYTHING = "/api/"
EXPORT = "/submission/DEV/test/export"
OTHER: Struck = {"method": "PUT", "path": "/submission/DEV/other$"}
HOUR = {"Retry-After": "3600"}
STUDY = "type\tsubmitter_id\tprojects.code\nstudy\tS9\tother\n"


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Story]:
    """Two projects, one request at a time for all of them."""
    with Sandbox(projects=("DEV-test", "DEV-other")) as sandbox:
        yield Story(tmp_path, sandbox, options='chunk_rows = 4\nparallel = 1\ntarget = "1m"')


def paused(days: Days, attempts: int = 1, *, pace: float = 2.0) -> Pause:
    """Waits until the commons was asked so often in vain."""
    found: list[Pause] = []

    def asked() -> bool:
        pause = read(days.ledger)
        found[:] = [pause] if pause is not None else []
        return bool(found) and found[0].attempts >= attempts

    days.until(asked, f"{attempts} attempts", pace=pace)
    return found[0]


def remembered(story: Story) -> Pause:
    """What the ledger says between two lives."""
    with story.opened() as (_, ledger):
        pause = read(ledger)
    assert pause is not None
    return pause


def left_alone(days: Days, seconds: float) -> None:
    """Lets so much time go by, in steps in which everybody may look up; nothing is asked meanwhile."""
    end, asked = days.story.time.monotonic() + seconds, len(days.story.sandbox.requests)
    days.until(lambda: days.story.time.monotonic() >= end, "the end of the pause", pace=60)
    assert [request.path for request in days.story.sandbox.requests[asked:]] == []


def test_a_commons_that_is_down_over_a_restart(story: Story) -> None:
    """Why, how often and when next: told of each drop, kept by the next life, struck when the commons answers."""
    fault = story.sandbox.faults.answer(502, path=EVERYTHING, times=None)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.arrived()
        paused(days, 4)
    before = remembered(story)
    asked = fault.used
    with story.running() as days:
        if story.time.now() < before.until:
            assert fault.used == asked
        after = paused(days, before.attempts + 1, pace=0.5)
        assert story.time.now() >= before.until
        assert (after.since, after.error_class) == (before.since, "broken")
        assert fault.used - asked <= 2 * (after.attempts - before.attempts + 1)  # one more may have begun
        [drop] = days.ledger.drops.open()
        shown = waiting(drop, after)
        assert shown.reason.startswith("The commons does not answer: The commons answered 502")
        assert (shown.error_class, shown.attempts, shown.next_attempt_at) == ("broken", after.attempts, after.until)
        story.sandbox.faults.release(fault.id)
        [drop] = days.ended()
        assert read(days.ledger) is None
        days.hears("submissions go on")
    assert (drop.verdict, drop.next_attempt_at) == (Verdict.LANDED, None)
    assert sum("submissions wait" in text for text in story.events()) == 1
    story.whole(*names(4))


def test_many_drops_wait_and_none_is_written_for_it(story: Story) -> None:
    """That the commons is down is one fact, written once a try, however many drops wait."""
    fault = story.sandbox.faults.answer(503, path=EVERYTHING, times=None)
    for i in range(30):
        story.drop(f"s{i}.tsv", subjects(f"P{i} S1 male human"))
    with story.running() as days:
        days.arrived(30)
        paused(days, 3)
        rows = days.ledger.drops.open()
        pause = paused(days, 6, pace=20)
        assert days.ledger.drops.open() == rows
        assert {waiting(drop, pause).attempts for drop in rows} == {pause.attempts}
        story.sandbox.faults.release(fault.id)
        assert {drop.verdict for drop in days.ended(30)} == {Verdict.LANDED}
    story.whole(*names(30))


def test_a_pass_from_cron_asks_once_and_counts_on(story: Story) -> None:
    """A pass is an attempt; but what the commons asked for binds it, too."""
    story.clock = SystemClock()
    fault = story.sandbox.faults.answer(502, path=EVERYTHING, times=None)
    story.drop("subject.tsv", subjects(*persons(4)))
    assert len(story.once().waiting) == 1
    first = remembered(story)
    story.once()
    second = remembered(story)
    assert second.attempts > first.attempts
    assert second.since == first.since
    story.sandbox.faults.release(fault.id)
    story.sandbox.faults.answer(429, headers=HOUR, **PUT)
    assert len(story.once().waiting) == 1
    assert remembered(story).asked
    asked = len(story.sandbox.requests)
    assert len(story.once().waiting) == 1
    assert len(story.sandbox.requests) == asked
    with story.opened() as (outbox, ledger):
        outbox.start(watch=False, at_once=True)  # as `push` and `retry` without a daemon do: somebody waits
        Days(story, outbox, ledger).until(lambda: not ledger.drops.open(), "the end", pace=0)
        outbox.stop(60)
    assert [request.status for request in story.puts()] == [429, 200]
    story.whole(*names(4))


def test_an_answer_to_an_older_question_ends_no_pause(two: Story) -> None:
    """The request was begun before the commons asked to be left alone: that it is answered says nothing new."""
    two.sandbox.faults.answer(429, headers=HOUR, **OTHER)
    with two.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, two.running() as days:
        two.drop("subject.tsv", subjects(*persons(4)))
        days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
        two.drop("study.tsv", STUDY, project="DEV/other")
        # The one that hangs stands in nobody's way in the end.
        days.until(lambda: read(days.ledger), "the pause", pace=1)
        hold.release()
        days.until(lambda: two.sandbox.count("DEV-test", "subject") == 4 and two.puts()[0].ended, "records", pace=0)
        days.until(lambda: days.ledger.requests.of_drop(1)[0].ended_at, "its answer written down", pace=0)
        left_alone(days, 3000)
        assert {drop.verdict for drop in days.ended(2, pace=60)} == {Verdict.LANDED}
    assert two.sandbox.count("DEV-other", "study") == 1
    two.whole(*names(4))


def test_what_stands_in_line_is_held_back(two: Story) -> None:
    """Requests of other projects that were ready to go when the commons asked to be left alone do not go."""
    two.sandbox.faults.answer(429, headers=HOUR, **PUT)
    with two.sandbox.faults.hold(Point.RECEIVED, **PUT) as hold, two.running() as days:
        two.drop("subject.tsv", subjects(*persons(4)))
        days.until(lambda: hold.fault.waiting, "an upload held", pace=0.2)
        two.drop("study.tsv", STUDY, project="DEV/other")
        sending = lambda: [drop.state for drop in days.ledger.drops.open()].count(DropState.SENDING) == 2  # noqa: E731
        days.until(sending, "another one in line", pace=0.02)
        hold.release()
        days.until(lambda: read(days.ledger), "the pause", pace=0)
        days.until(lambda: all(days.ledger.requests.of_drop(n)[0].ended_at for n in (1, 2)), "both told", pace=0)
        left_alone(days, 3500)
        assert {drop.verdict for drop in days.ended(2, pace=60)} == {Verdict.LANDED}
    assert len([request for request in two.writes() if request.path.endswith("/DEV/other")]) == 1
    assert [request.status for request in two.puts()] == [429, 200]
    two.whole(*names(4))


def test_429_for_an_hour_while_the_proof_is_read(story: Story) -> None:
    fault = story.sandbox.faults.answer(429, headers=HOUR, path=EXPORT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.stored(4)
        assert paused(days, pace=0.05).asked
        left_alone(days, 3500)
        [drop] = days.ended(pace=60)
    assert (drop.verdict, drop.counts["created"], fault.used, len(story.puts())) == (Verdict.LANDED, 4, 1, 1)
    story.whole(*names(4))


def test_retry_ends_a_pause(story: Story) -> None:
    story.sandbox.faults.answer(429, headers=HOUR, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        pause = paused(days, pace=0.2)
        days.outbox.retry()
        [drop] = days.ended(pace=0.1)
        assert story.time.now() < pause.until
    assert drop.verdict is Verdict.LANDED
    story.whole(*names(4))


def test_the_dictionary_was_never_had(tmp_path: Path) -> None:
    """The very first start, and the commons is down: also for its dictionary one asks, not every project."""
    projects = tuple(f"DEV-p{i}" for i in range(6))
    with Sandbox(projects=("DEV-test", *projects)) as sandbox:
        story = Story(tmp_path, sandbox)
        fault = sandbox.faults.answer(502, path=EVERYTHING, times=None)
        for i in range(6):
            story.drop("study.tsv", f"type\tsubmitter_id\tprojects.code\nstudy\tS{i}\tp{i}\n", project=f"DEV/p{i}")
        with story.running() as days:
            days.arrived(6)
            pause = paused(days, 5)
            asked = [request for request in sandbox.requests if "_dictionary" in request.path]
            assert len(asked) <= pause.attempts + 1
            sandbox.faults.release(fault.id)
            assert {drop.verdict for drop in days.ended(6)} == {Verdict.LANDED}
        assert [sandbox.count(project, "study") for project in projects] == [1] * 6
        story.whole()


def test_a_pause_that_cannot_be_written_down(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger takes neither the note nor the line of history: the work goes on all the same."""
    add, put = Events.add, Notes.set

    def told(self: Events, level: EventLevel, kind: str, text: str, **about: Any) -> Event:
        if kind == "pause":
            raise LedgerError("The disk is full.")
        return add(self, level, kind, text, **about)

    def noted(self: Notes, key: str, value: Any) -> None:
        if key == NOTE:
            raise LedgerError("The disk is full.")
        put(self, key, value)

    monkeypatch.setattr(Events, "add", told)
    monkeypatch.setattr(Notes, "set", noted)
    fault = story.sandbox.faults.answer(502, path=EVERYTHING, times=12)
    story.drop("subject.tsv", subjects(*persons(8)))
    [drop] = story.goes()
    assert (drop.verdict, fault.used) == (Verdict.LANDED, 12)
    story.whole(*names(8))


# --- parked


def test_a_closed_project_over_a_restart(story: Story) -> None:
    """It is looked at when the earlier life said, the count goes on, and history says it once."""
    story.sandbox.set_project("DEV-test", state="closed")
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: [one for one in days.ledger.projects.all() if one.attempts >= 3], "three looks", pace=20)
    with story.opened() as (_, ledger):
        [before] = ledger.projects.all()
    with story.running() as days:
        days.until(
            lambda: [one for one in days.ledger.projects.all() if one.attempts > before.attempts], "a look", pace=5
        )
        [after] = days.ledger.projects.all()
        assert (after.since, after.error_class) == (before.since, "closed")
        assert before.next_look_at is None or story.time.now() >= before.next_look_at
        story.sandbox.set_project("DEV-test", state="open")
        [drop] = days.ended(pace=20)
        assert days.ledger.projects.all() == ()
    assert drop.verdict is Verdict.LANDED
    told = story.events()
    assert sum("DEV/test is parked" in text for text in told) == 1
    assert sum("DEV/test takes files again" in text for text in told) == 1
    story.whole(*names(4))


def test_a_parked_drop_is_told_once_and_counted(story: Story) -> None:
    with story.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects(*persons(8)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        story.sandbox.remove_project("DEV-test")
        hold.release()
        days.until(lambda: days.ledger.drops.get(1).attempts >= 3, "three looks", pace=20)
    with story.running() as days:
        before = days.ledger.drops.get(1).attempts
        days.until(lambda: days.ledger.drops.get(1).attempts > before, "one more look", pace=20)
        days.parked()
        told = [event.text for event in days.ledger.events.recent(1000, drop_id=1) if event.kind == "parked"]
        assert len(told) <= 2  # a new life may say it once more
    story.whole(left=1)


# --- lost answers


def test_looks_for_a_lost_answer_are_counted_over_a_restart(story: Story) -> None:
    story.sandbox.faults.kill(Point.BEFORE_COMMIT, how=502, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))

    def looks(days: Days) -> int:
        drop = days.ledger.drops.get(1)
        return drop.attempts if drop.error_class == "lost" else 0

    with story.running() as days:
        days.until(lambda: days.ledger.drops.recent(1) and looks(days) >= 3, "three looks", pace=0.1)
    with story.running() as days:
        before = looks(days)
        assert before >= 3
        seen: list[int] = []

        def another() -> bool:
            seen.append(looks(days))
            return seen[-1] != before

        days.until(another, "one more look", pace=0.1)
        assert seen[-1] > before
        [drop] = days.ended()
    assert (drop.verdict, drop.attempts) == (Verdict.LANDED, 0)
    story.whole(*names(4))
