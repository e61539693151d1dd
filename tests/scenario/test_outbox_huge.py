"""A huge drop yields to small ones: while it is read, planned and sent, later drops of the project land.

What is huge is made small here (`SLICE`, `LARGE`), so that a few thousand rows take a hundred turns.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gen3sync.ledger import DropState, Verdict
from gen3sync.names import Project
from gen3sync.outbox import reading
from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.faults import Point
from tests.scenario.submission_faults.kit import PUT, Days, Story, names, persons, subjects

HUGE = 2_500
"""Rows; more than `turns` takes for alike."""
TEST = Project("DEV", "test")
SMALL = ("Q0 S1 male human", "Q1 S1 female human")


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with Sandbox() as sandbox:
        yield Story(tmp_path, sandbox, options="parallel = 1\nchunk_rows = 500")


class Portions:
    """Reads a huge file in a hundred portions, and does something in between."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.days: Days | None = None
        self.at: dict[int, Callable[[], None]] = {}
        self.log: list[str] = []
        """What happened on the lane's thread: `read HUGE`, and steps of sending."""
        self._read = 0
        real = reading.read_some
        monkeypatch.setattr(reading, "SLICE", HUGE // 100)
        monkeypatch.setattr(reading, "LARGE", 10_000)

        def read_some(rooms: object, index: object, work: object, *more: object) -> bool:
            moved: bool = real(rooms, index, work, *more)  # type: ignore[arg-type]
            if "huge" in work.drop.path and moved:  # type: ignore[attr-defined]
                self._read += 1
                self.log.append("read")
                self.at.pop(self._read, lambda: None)()
            return moved

        monkeypatch.setattr("gen3sync.outbox.steps.read_some", read_some)

    def failpoint(self, step: str) -> None:
        if step == "send: written in the ledger":
            self.log.append("send")

    def push(self, file: Path) -> Callable[[], None]:
        """Drops a file, and is back when its lane has it."""

        def dropped() -> None:
            assert self.days is not None
            pushed = threading.Thread(target=self.days.outbox.push, args=([file], TEST))
            pushed.start()
            pushed.join(60)
            assert not pushed.is_alive()

        return dropped


def test_a_small_drop_goes_between_the_requests_of_a_huge_one(story: Story) -> None:
    with story.sandbox.faults.hold(Point.RECEIVED, times=1, **PUT) as hold, story.running() as days:
        story.drop("huge.tsv", subjects(*persons(HUGE)))
        days.until(lambda: hold.fault.waiting, "the first request of the huge one")
        story.drop("small.tsv", subjects(*SMALL))

        def at_hand() -> bool:
            return any(d.state is DropState.PLANNING and "small" in d.path for d in days.ledger.drops.open())

        days.until(at_hand, "the small one", pace=0.1)
        hold.release()
        days.ended(2)
    sizes = [request.rows for request in story.puts()]
    assert sizes[1] == len(SMALL), "right after the request that was on its way"
    assert len(sizes) > 5
    assert [text.split()[0] for text in story.events() if " landed: " in text] == [
        f"{TEST}/small.tsv",
        f"{TEST}/huge.tsv",
    ]
    story.whole(*names(HUGE), "Q0", "Q1")


def test_a_small_drop_goes_while_a_huge_one_is_still_read(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portions = Portions(monkeypatch)
    small = tmp_path / "small.tsv"
    small.write_text(subjects(*SMALL))
    portions.at[1] = portions.push(small)
    with story.running(portions.failpoint) as days:
        portions.days = days
        story.drop("huge.tsv", subjects(*persons(HUGE)))
        drops = days.ended(2)
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    first = portions.log.index("send")
    assert portions.log.count("read") > 99
    assert portions.log[first:].count("read") > 50, "most of the huge one was still to be read"
    assert story.puts()[0].rows == len(SMALL)
    story.whole(*names(HUGE), "Q0", "Q1")


def test_a_drop_that_names_a_record_of_one_that_is_still_read_waits_for_it(
    story: Story, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its other rows go; the last portion of the huge one holds the record, in another letter case."""
    portions = Portions(monkeypatch)
    last = f"P{HUGE - 1}"
    small = tmp_path / "small.tsv"
    small.write_text(subjects(f"{last.lower()} S1 unknown mouse", *SMALL))
    portions.at[1] = portions.push(small)
    with story.running(portions.failpoint) as days:
        portions.days = days
        story.drop("huge.tsv", subjects(*persons(HUGE)))
        drops = days.ended(2)
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    assert story.subject(last)["species"] == "mouse"
    receipt = story.says("small.tsv")
    assert (receipt["rows"]["created"], receipt["rows"]["updated"]) == (2, 1)
    assert story.puts()[0].rows == len(SMALL)
    assert story.sandbox.colliding() == []


def test_a_huge_file_that_cannot_be_used_ends_as_any_other(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    Portions(monkeypatch)
    story.drop("huge.tsv", subjects(*persons(HUGE)) + 'subject\tX\t"open\n')
    story.drop("small.tsv", subjects(*SMALL))
    drops = {drop.path.rpartition("/")[2]: drop for drop in story.goes(2)}
    assert (drops["huge.tsv"].verdict, drops["small.tsv"].verdict) == (Verdict.REJECTED, Verdict.LANDED)
    assert f"Line {HUGE + 2}" in story.says("huge.tsv", "rejected")["reason"]
    story.whole("Q0", "Q1")


def test_what_was_exported_for_a_huge_one_serves_to_its_end(story: Story, tmp_path: Path) -> None:
    """Small ones that pass do not have it exported anew for each of its batches."""
    story.sandbox.faults.set(graphql="missing")
    small = [tmp_path / f"small{i}.tsv" for i in range(2)]
    for i, file in enumerate(small):
        file.write_text(subjects(f"Q{i} S1 male human"))
    batches: list[str] = []

    def failpoint(step: str) -> None:
        if step == "plan: batch":
            batches.append(step)
            if small:
                pushed = threading.Thread(target=days.outbox.push, args=([small.pop()], TEST))
                pushed.start()
                pushed.join(60)

    with story.running(failpoint) as days:
        story.drop("huge.tsv", subjects(*persons(HUGE)))
        days.ended(3)
    exports = [r for r in story.sandbox.requests if r.method == "GET" and "node_label=subject" in r.query]
    assert (len(exports), len(batches) >= 3) == (1, True)
    story.whole(*names(HUGE), "Q0", "Q1")
