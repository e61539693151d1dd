"""Things that happen to a lane in one moment, or twice: each of them counts, and once."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Verdict, pause
from gen3sync.names import Project
from gen3sync.outbox import lane_state, waits
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import ChunkRecord, Journal, SentRow
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.model import IndexedRow, RowState
from gen3sync.outbox.work import Work
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Story, persons, subjects

WITHDRAWN = Verdict.WITHDRAWN


@pytest.fixture
def single(tmp_path: Path, sandbox: Sandbox) -> Story:
    """Requests go one at a time."""
    return Story(tmp_path, sandbox, options="parallel = 1")


def test_rows_of_a_file_that_was_taken_back_do_not_go_along_with_those_of_another(single: Story) -> None:
    """Its lane hears of the wish and of a free place in the same moment, and another file's turn comes first."""
    planned, reached, go_on = [0], threading.Event(), threading.Event()

    def failpoint(step: str) -> None:
        planned[0] += step == "plan: done"
        if step == "read: done" and planned[0] == 3:
            reached.set()
            assert go_on.wait(120)

    with single.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, single.running(failpoint) as days:
        for number in range(3):
            single.drop(f"{number}.tsv", subjects(*persons(1, first=number)))
            days.until(lambda wanted=number + 1: planned[0] == wanted, "its plan", pace=0.2)  # type: ignore[misc]
        single.drop("late.tsv", subjects(*persons(1, first=3)))
        days.until(reached.is_set, "the lane at a step", pace=0.2)
        hold.release()
        days.until(lambda: single.sandbox.count("DEV-test", "subject") == 1, "the first file's row", pace=0)
        days.outbox.withdraw("2.tsv")
        go_on.set()
        drops = days.ended(4)
    assert [(drop.path[-5:], drop.verdict) for drop in drops if drop.verdict is WITHDRAWN] == [("2.tsv", WITHDRAWN)]
    single.whole("P0", "P1", "P3")


def test_what_is_done_twice_for_want_of_room_is_counted_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proof was read, the rows that wait for its records could not be freed, and it is acted on once more."""
    left, release = [2], RowIndex.release

    def full(index: RowIndex, *args: Any) -> int:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return release(index, *args)

    monkeypatch.setattr(RowIndex, "release", full)
    with story.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects(*persons(2)))
        days.until(lambda: hold.fault.waiting, "an upload held after its commit", pace=0.2)
        foreign = {"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "species": "cat"}
        story.sandbox.write("DEV-test", [foreign])
        hold.release()
        days.ended()
    proof = story.says("subject.tsv")["verification"]
    assert (left, proof["overwritten_since"], proof["rows_proven"]) == ([0], 1, 1)


def test_a_record_that_was_there_is_counted_once_where_that_is_written_down_late(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, move = [2], RowIndex.move

    def full(index: RowIndex, rows: Sequence[IndexedRow], state: RowState, **changes: Any) -> None:
        if state is RowState.LANDED and left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        move(index, rows, state, **changes)

    monkeypatch.setattr(RowIndex, "move", full)
    with story.sandbox.faults.hold(Point.RECEIVED, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects(*persons(1)))
        days.until(lambda: hold.fault.waiting, "an upload that no worker has yet", pace=0.2)
        story.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}}])
        hold.release()
        days.ended()
    receipt = story.says("subject.tsv")
    assert (left, receipt["existed_before"], receipt["rows"]["updated"]) == ([0], 1, 1)


def test_a_drop_whose_turn_has_come_when_no_descriptor_is_left_is_not_forgotten(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, chunks = [2], Journal.chunks

    def none_left(journal: Journal) -> list[ChunkRecord]:
        if left[0] > 0:
            left[0] -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return chunks(journal)

    monkeypatch.setattr(Journal, "chunks", none_left)
    story.drop("subject.tsv", subjects(*persons(2)))
    [drop] = story.goes()
    assert (left, drop.verdict) == ([0], Verdict.LANDED)
    story.whole("P0", "P1")


def test_an_id_is_not_held_for_a_request_that_could_not_be_written_down(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk was full, and then the drop was taken back: another project may name the id."""
    same, sending = "7b1b2f0c-0000-4000-8000-000000000004", Journal.sending
    story.sandbox.add_project("DEV-far")
    story.sandbox.write("DEV-far", [{"type": "study", "submitter_id": "S1", "projects": {"code": "far"}}])

    def full(journal: Journal, chunk: ChunkRecord, rows: Iterable[SentRow]) -> None:
        if chunk.document_name.split("/")[2] == "1":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sending(journal, chunk, rows)

    monkeypatch.setattr(Journal, "sending", full)
    with story.running() as days:
        story.drop("a.tsv", subjects(f"P0 S1 {same}", columns="id"))
        days.hears("cannot be written down")
        days.outbox.withdraw("a.tsv")
        days.ended(1)
        story.drop("b.tsv", subjects(f"P1 S1 {same}", columns="id"), "DEV/far")
        assert [drop.verdict for drop in days.ended(2)] == [WITHDRAWN, Verdict.LANDED]


def test_a_file_is_deleted_while_that_cannot_be_written_down(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    left, note = [2], Journal.note

    def full(journal: Journal, kind: str, **values: Any) -> None:
        if kind == "withdrawn" and left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        note(journal, kind, **values)

    monkeypatch.setattr(Journal, "note", full)
    with story.running() as days:
        path = story.drop("visit.tsv", subjects("P0 S404 male human"))
        days.until(lambda: "study S404" in "".join(drop.reason for drop in days.ledger.drops.open()), "the wait")
        path.unlink()
        [drop] = days.ended()
    assert (left, drop.verdict) == ([0], WITHDRAWN)


def test_a_parked_file_behind_a_parked_project_is_deleted_while_that_cannot_be_written_down(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its turn does not come before the project is looked at again: it is taken back without it."""
    for room in (lane_state, waits):
        monkeypatch.setattr(room, "LOOK_AGAIN", 1e6)  # however slow the machine, nobody looks at the project
    story.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "sex": "male", **_PARENT}])
    with story.running() as days:
        path = story.drop("erases.tsv", subjects("P0 S1 . human"))
        days.parked()
        story.sandbox.set_project("DEV-test", state="closed")
        story.drop("subject.tsv", subjects("P1 S1 male human"))
        days.parked_project()
    left, unpark = [2], LaneState.unpark

    def full(state: LaneState, work: Work, **how: Any) -> None:
        if work.drop.path.endswith("erases.tsv") and left[0] > 0:
            left[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        unpark(state, work, **how)

    monkeypatch.setattr(LaneState, "unpark", full)
    with story.running() as days:
        parked = days.ledger.projects.all()
        path.unlink()
        assert days.ended(pace=0.2)[0].verdict is WITHDRAWN
        assert days.ledger.projects.all() == parked, "it did not wait until the project was looked at"
        story.sandbox.set_project("DEV-test", state="open")
        days.outbox.retry(Project("DEV", "test"))
        days.ended(2)
    assert left == [0]
    story.whole("P0", "P1")


def test_a_lane_that_has_nothing_to_ask_does_not_turn_in_circles_while_the_commons_is_down(story: Story) -> None:
    """The drop for which it was asked in vain is taken back, the other one waits for a person: nobody asks again."""
    story.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "sex": "male", **_PARENT}])
    with story.running() as days:
        story.drop("erases.tsv", subjects("P0 S1 . human"))
        days.parked()
        story.sandbox.faults.answer(503, times=None, path="/api/")
        story.drop("subject.tsv", subjects("P1 S1 male human"))
        days.until(lambda: pause.read(days.ledger), "an attempt in vain")
        days.outbox.withdraw("subject.tsv")
        days.ended()
        until = pause.read(days.ledger)
        assert until is not None
        days.passes(600)
        waits = story.time.waits = []
        days.until(lambda: len(waits) > 5, "some looks", pace=1)
        assert pause.read(days.ledger) == until, "nobody has asked"
        assert [seconds for name, seconds in waits if name.startswith("lane") and not seconds] == []
        story.sandbox.faults.clear()
        days.outbox.withdraw("erases.tsv")
        days.ended(2)


_PARENT = {"studies": {"submitter_id": "S1"}}
