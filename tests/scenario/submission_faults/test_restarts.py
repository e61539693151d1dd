"""Restarts, and what is told after them (docs/reference/submission-faults.md, "Restarts"). All of it the state machine
found (`tests/scenario/test_outbox_machine.py`)."""

from __future__ import annotations

import errno
import json
import os
import threading
from pathlib import Path

import pytest

from gen3sync.ledger import DropState, Verdict, pause
from gen3sync.outbox import wishes
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import PowerCutError
from tests.scenario.submission_faults.kit import PUT, Days, Story, names, persons, subjects


def test_a_restart_lets_no_old_drop_write_over_a_newer_one(story: Story) -> None:
    """P0 of the old drop landed, another row of it waits; the newer drop lands; then the old one is read again."""
    story.drop("old.tsv", subjects("P0 S1 male human", "P1 S9 male human"))
    with story.running() as days:
        days.stored(1)
        story.drop("new.tsv", subjects("P0 S1 female human"))
        days.ended()
    assert story.subject("P0")["sex"] == "female"
    record = {"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}
    story.sandbox.write("DEV-test", [record])
    drops = story.goes(2)
    assert [drop.verdict for drop in drops] == [Verdict.LANDED, Verdict.LANDED]
    assert drops[0].counts["created"] == 2
    assert story.says("old.tsv")["verification"]["method"] == "transaction and values"
    assert story.subject("P0")["sex"] == "female"
    story.whole(*names(2), writes=2)


def test_a_restart_lets_no_unchanged_row_of_an_old_drop_write_over_a_newer_value(story: Story) -> None:
    """The same where the old drop found its row stored already, and where somebody else wrote since."""
    record = {"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "sex": "male"}
    story.sandbox.write("DEV-test", [{**record, "species": "human"}])
    story.drop("old.tsv", subjects("P0 S1 male human", "P1 S9 male human"))
    with story.running() as days:
        days.until(lambda: any("waits for study S9" in drop.reason for drop in days.ledger.drops.open()))
    story.sandbox.write("DEV-test", [{**record, "species": "wolf"}])
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["unchanged"], drop.counts["created"]) == (Verdict.LANDED, 1, 1)
    assert story.subject("P0")["species"] == "wolf"
    story.whole(*names(2))


def test_a_restart_sends_no_refused_row_of_an_old_drop_over_a_newer_value(story: Story) -> None:
    """The commons refused the old drop's row (once); the newer drop landed. Read again, the old row stays refused."""
    story.sandbox.faults.answer(413, times=1, **PUT)
    story.drop("old.tsv", subjects("P0 S1 male human", "P1 S9 male human"))
    with story.running() as days:
        days.until(lambda: [chunk.state for chunk in days.ledger.requests.of_drop(1)] == ["refused"])
        story.drop("new.tsv", subjects("P0 S1 female human"))
        days.ended()
    assert story.subject("P0")["sex"] == "female"
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
    drops = story.goes(2)
    assert [drop.verdict for drop in drops] == [Verdict.PARTLY, Verdict.LANDED]
    assert story.subject("P0")["sex"] == "female"
    assert [refused["type"] for refused in story.says("old.tsv")["rejects"]] == ["TOO_LARGE"]
    story.whole(*names(2))


def test_erased_values_and_new_spellings_are_told_after_a_restart(story: Story) -> None:
    """They were counted in memory, so a drop that outlived the daemon did not tell them."""
    story.drop("before.tsv", subjects(*persons(2)))
    story.goes()
    story.drop("subject.tsv", subjects("p0 S1 male .", "P1 S1 female human", "P2 S9 male human"))
    with story.running() as days:
        days.parked()
        days.outbox.retry("subject.tsv", erase=True)
        days.until(lambda: any("waits for study S9" in drop.reason for drop in days.ledger.drops.open()))
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
    story.goes(2)
    receipt = story.says("subject.tsv")
    assert receipt["erased"] == {"species": 1}
    assert (receipt["renamed"], receipt["renamed_total"]) == ([{"from": "P0", "to": "p0"}], 1)
    story.whole("P1", "P2", "p0", writes=2)


def test_a_request_that_was_never_sent_is_told_so(story: Story) -> None:
    """The disk was full between writing it down for the drop and writing it into the ledger."""
    left = [1]

    def full(step: str) -> None:
        if step == "send: written in the journal" and left[0]:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    story.drop("subject.tsv", subjects(*persons(2)))
    with story.running(failpoint=full) as days:
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["not sent", "landed"]
    story.whole(*names(2))


def stops_before_the_answer(story: Story) -> None:
    """Two new persons are dropped, and stored; the power is cut before the outbox hears of that."""
    cut = threading.Event()

    def failpoint(_step: str) -> None:
        if cut.is_set():
            raise PowerCutError

    with story.sandbox.faults.hold("after_log", **PUT) as hold, story.opened(failpoint) as (outbox, ledger):
        story.drop("subject.tsv", subjects(*persons(2)))
        outbox.start()
        Days(story, outbox, ledger).until(lambda: hold.fault.waiting, "an upload held before its answer", pace=0.2)
        cut.set()
        hold.release()
        outbox.stop(60)
        assert len(ledger.requests.unsettled()) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_fate_of_a_request_is_told_though_its_drop_waits_for_its_turn(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart the log may be asked before the drop is at hand again: its receipt said "in flight" for ever."""
    stops_before_the_answer(story)
    monkeypatch.setattr("gen3sync.outbox.lane.WINDOW", 0)
    with story.running() as days:
        days.until(lambda: not days.ledger.requests.unsettled())
        monkeypatch.undo()
        days.outbox.wake()
        days.ended()
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["answer lost, landed"]
    story.whole(*names(2))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_rows_of_a_superseded_drop_that_landed_are_told_so_where_all_rows_are_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """`send = "all"`: they were to be sent once more, and told as superseded, since nothing more of the drop is."""
    story = Story(tmp_path, sandbox, options='send = "all"')
    stops_before_the_answer(story)
    story.drop("subject.tsv", subjects("P2 S1 male human"))
    old, _ = story.goes(2)
    assert old.verdict is Verdict.LANDED
    assert (old.counts["created"], old.counts.get("superseded", 0)) == (2, 0)
    story.whole(*names(3))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("how", ["superseded", "withdrawn"])
def test_rows_that_landed_and_wait_to_be_sent_once_more_are_told_so_where_all_rows_are_sent(
    tmp_path: Path, sandbox: Sandbox, how: str
) -> None:
    """`send = "all"`: after the restart they are planned to be sent again, the commons asks for a pause, and just then
    nothing more of the drop is to be sent."""
    story = Story(tmp_path, sandbox, options='send = "all"')
    stops_before_the_answer(story)
    sandbox.faults.answer(429, headers={"Retry-After": "60"}, **PUT)
    with story.running() as days:
        days.until(lambda: pause.read(days.ledger), "the pause", pace=0.2)
        if how == "withdrawn":
            days.outbox.withdraw("subject.tsv")
        else:
            story.drop("subject.tsv", subjects("P2 S1 male human"))
            days.arrived(2, pace=0.2)
        old = days.ended(1 if how == "withdrawn" else 2)[0]
    assert (old.counts["created"], old.counts.get(how, 0)) == (2, 0)
    assert "2 created" in old.reason
    story.whole(*names(2 if how == "withdrawn" else 3))


def test_a_wish_does_not_bring_a_drop_back_that_has_just_ended(story: Story) -> None:
    """`retry --erase` for everything read which drops were open, and one of them ended before it wrote."""
    story.drop("subject.tsv", subjects(*persons(2)))
    with story.running() as days:
        days.arrived()
        before = days.ledger.drops.open() or days.ledger.drops.recent(1)
        days.ended()
        assert wishes.prepare(days.outbox._rooms, before, erase=True) == []
        assert days.ledger.drops.get(before[0].id).state is DropState.ENDED
    story.whole(*names(2))


def test_records_that_stand_on_one_line_are_told_apart(story: Story) -> None:
    """JSON has commonly no line ends. What an earlier life was done with was noted by line: one record that had landed
    made landed ones of all others, and the receipt was green."""
    story.sandbox.write("DEV-test", [{**_person("P0"), "sex": "female"}])
    story.drop(
        "subject.json", json.dumps([_person("P0"), _person("P1", "S9"), _person("P2"), _person("P3", "S9", "x")])
    )
    with story.running() as days:
        days.until(lambda: any("wait for study S9" in drop.reason for drop in days.ledger.drops.open()))
        days.until(lambda: story.subjects() == ["P0", "P2"])
        days.until(lambda: any("wait for study S9" in drop.reason for drop in days.ledger.drops.open()))
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
    [drop] = story.goes()
    assert drop.verdict is Verdict.PARTLY
    receipt = story.says("subject.json")
    assert receipt["rows"] == {"read": 4, "created": 2, "updated": 1, "unchanged": 0, "rejected": 1, "waiting": 0}
    assert [refused["lines"] for refused in receipt["rejects"]] == [[1]]
    assert {tuple(chunk["lines"]) for chunk in receipt["chunks"]} == {(1, 1)}
    [refused] = json.loads((story.folder / "sent/DEV/test/subject.json.rejects.json").read_text())
    assert (refused["_line"], refused["submitter_id"]) == (1, "P3")
    undo = (story.folder / "sent/DEV/test/subject.json.undo.tsv").read_text().splitlines()
    assert len(undo) == 2
    assert "female" in undo[1]
    assert story.subject("P0")["sex"] == "male"
    story.whole("P0", "P1", "P2")


def _person(name: str, study: str = "S1", sex: str = "male") -> dict[str, object]:
    return {"type": "subject", "submitter_id": name, "studies": {"submitter_id": study}, "sex": sex}
