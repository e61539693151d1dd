"""Drops that somebody takes back."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gen3sync.errors import UsageError
from gen3sync.ledger import Drop, DropState, Verdict
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Days, Story, persons, subjects

WITHDRAWN = Verdict.WITHDRAWN


@pytest.fixture
def single(tmp_path: Path, sandbox: Sandbox) -> Story:
    """Requests of four rows, one at a time."""
    return Story(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 1")


def guarded(story: Story, days: Days) -> Path:
    """A file that would erase stored values, parked; the subjects P0 and P1 are stored."""
    story.drop("subject.tsv", subjects(*persons(2)))
    days.ended()
    path = story.drop("blank.tsv", subjects("P0 S1 male .", "P1 S1 female human", "P2 S1 male human"))
    assert "or delete it to withdraw it" in days.parked().reason
    return path


def test_a_guarded_file_is_deleted(single: Story) -> None:
    with single.running() as days:
        guarded(single, days).unlink()
        drop = days.ended(2)[1]
    assert drop.verdict is WITHDRAWN
    assert drop.reason == "Its file was deleted or moved away from the outbox. Nothing of it was sent."
    paper = single.says("blank.tsv", "rejected")
    assert (paper["verdict"], paper["rows"]["withdrawn"], paper["chunks"]) == ("withdrawn", 2, [])
    assert single.subject("P0")["species"] == "human"
    single.whole("P0", "P1")


def test_a_guarded_file_is_deleted_while_no_daemon_runs(single: Story) -> None:
    with single.running() as days:
        path = guarded(single, days)
    path.unlink()
    with single.running() as days:
        assert days.ended(2)[1].verdict is WITHDRAWN
    single.whole("P0", "P1")


def test_a_whole_folder_is_deleted(single: Story) -> None:
    with single.running() as days:
        shutil.rmtree(guarded(single, days).parent)
        assert days.ended(2)[1].verdict is WITHDRAWN
    single.whole("P0", "P1")


def test_a_file_of_an_unknown_project_is_deleted(single: Story) -> None:
    path = single.drop("subject.tsv", subjects(*persons(2)), project="DEV/tset")
    with single.running() as days:
        days.parked()
        path.unlink()
        [drop] = days.ended()
        assert any("tset/subject.tsv was withdrawn" in text for text in days.told())
    assert drop.verdict is WITHDRAWN
    assert "Nothing of it was sent. Its content is kept as" in drop.reason
    single.whole()


def test_a_file_of_a_closed_project_is_deleted(single: Story) -> None:
    single.sandbox.set_project("DEV-test", state="closed")
    path = single.drop("subject.tsv", subjects(*persons(2)))
    with single.running() as days:
        days.parked_project()
        path.unlink()
        [drop] = days.ended(pace=0.2)
    assert drop.verdict is WITHDRAWN
    single.whole()


def test_what_was_sent_before_is_told(single: Story) -> None:
    path = single.drop("subject.tsv", subjects(*persons(6), "P9 S9 male human"))
    with single.running() as days:
        days.until(
            lambda: [d for d in days.ledger.drops.open() if "waits for study S9" in d.reason], "a row that waits"
        )
        path.unlink()
        [drop] = days.ended()
    assert drop.verdict is WITHDRAWN
    assert "Before that: 6 created." in drop.reason
    assert "moved away" in drop.reason
    paper = single.says("subject.tsv", "rejected")
    assert (paper["rows"]["created"], paper["rows"]["withdrawn"]) == (6, 1)
    assert paper["verification"]["method"] == "transaction and values"
    single.whole(*(f"P{i}" for i in range(6)))


def test_while_it_is_sent_it_is_too_late_to_delete_it(single: Story) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        path = single.drop("subject.tsv", subjects(*persons(8)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        path.unlink()
        days.passes(120)
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 8)
    single.whole(*(f"P{i}" for i in range(8)))


def test_the_outbox_seems_empty_because_it_is_not_there(single: Story) -> None:
    """A share that is not mounted leaves an empty folder behind: nobody has deleted anything."""
    with single.running() as days:
        guarded(single, days)
        aside = single.folder / "aside"
        single.outbox.rename(aside)
        single.outbox.mkdir()
        days.passes(600)
        days.hears("is watched again")
        days.passes(600)
        assert days.parked().state is DropState.PARKED
        single.outbox.rmdir()
        aside.rename(single.outbox)
        days.passes(600)
        days.outbox.withdraw("blank.tsv")
        assert days.ended(2)[1].verdict is WITHDRAWN
    single.whole("P0", "P1")


def test_by_name_a_file_that_still_lies_there(single: Story) -> None:
    with single.running() as days:
        path = guarded(single, days)
        days.outbox.withdraw("blank.tsv")
        drop = days.ended(2)[1]
        assert not path.exists()
        with pytest.raises(UsageError, match="has ended already: withdrawn"):
            days.outbox.withdraw(drop.id)
    assert drop.reason == "Somebody asked to withdraw it. Nothing of it was sent."
    single.whole("P0", "P1")


def test_what_was_sent_and_refused_is_not_said_to_have_been_kept_back(single: Story) -> None:
    with single.running() as days:
        single.drop("subject.tsv", subjects("P0 S1 nonsense human", "P1 S404 male human"))
        days.until(lambda: any("refused so far" in drop.reason for drop in days.ledger.drops.open()), "the wait")
        days.outbox.withdraw("subject.tsv")
        [drop] = days.ended()
    assert drop.reason == "Somebody asked to withdraw it. Nothing of it was stored."


def refused_before(story: Story) -> Path:
    """A daemon ended when the commons had refused a row of the file, gen3sync another, and a third waited."""
    rows = ("P0 S1 nonsense human", "P1 S404 male human", "P2 S1 male human")
    path = story.drop("subject.tsv", subjects(*rows, "P2 S1 female human", "P2 S1 female alien"))
    with story.running() as days:
        days.until(lambda: any("refused so far" in drop.reason for drop in days.ledger.drops.open()), "the wait")
    return path


def shows_the_refused(story: Story) -> None:
    paper = story.says("subject.tsv", "rejected")
    assert (paper["verdict"], paper["rows"]["rejected"], paper["rows"]["withdrawn"]) == ("withdrawn", 4, 1)
    by_line = {row["_line"]: row for row in story.rejects("subject.tsv", "rejected")}
    assert list(by_line) == ["2", "4", "5", "6"]
    assert (by_line["2"]["_error_type"], by_line["2"]["sex"]) == ("ERROR", "nonsense")
    assert "male" in by_line["2"]["_errors"]
    [said] = [group for group in paper["rejects"] if group["type"] == "ERROR"]
    assert said["said"], "the commons' own words are in the receipt"
    assert story.subjects() == []


def test_rows_refused_before_a_restart_stay_rejects(single: Story) -> None:
    path = refused_before(single)
    path.unlink()
    with single.running() as days:
        days.ended()
    shows_the_refused(single)
    assert len(single.puts()) == 1, "nothing was asked of the commons again"


def test_rows_refused_before_a_restart_stay_rejects_while_the_project_is_closed(single: Story) -> None:
    refused_before(single)
    single.sandbox.set_project("DEV-test", state="closed")
    with single.running() as days:
        days.until(lambda: any("4 rows refused so far" in drop.reason for drop in days.ledger.drops.open()), "the wait")
        days.outbox.withdraw("subject.tsv")
        days.ended(pace=0.2)
    shows_the_refused(single)


def test_a_file_is_deleted_while_its_row_that_waits_is_looked_at_again(single: Story) -> None:
    """The news that it is gone comes once, and just then the drop does not wait: it is planned again."""
    path = single.drop("subject.tsv", subjects("P1 S404 male human"))
    with single.running() as days:
        days.until(lambda: any("study S404" in drop.reason for drop in days.ledger.drops.open()), "the wait")
    path.unlink()
    asking = single.sandbox.faults.hold(Point.STARTED, method="POST", path="graphql")
    with asking as hold, single.opened() as (_, ledger):
        ledger.drops.update(ledger.drops.open()[0].id, state=DropState.PLANNING, reason="", error_class="")
        with single.running() as days:
            days.until(lambda: hold.fault.waiting, "a question of the new life")
            days.passes(120)
            hold.release()
            [drop] = days.ended()
    assert drop.verdict is WITHDRAWN
    single.whole()


def test_by_name_one_without_a_way(single: Story) -> None:
    path = single.drop("subject.tsv", subjects(*persons(2)), project="DEV/tset")
    with single.running() as days:
        days.outbox.withdraw(days.parked().id)
        [drop] = days.ended()
    assert drop.verdict is WITHDRAWN
    assert not path.exists()
    single.whole()


def taken_back_in_flight(story: Story, point: Point, rows: int) -> Drop:
    """Withdrawn while the first of its requests is at `point`."""
    with story.sandbox.faults.hold(point, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects(*persons(rows)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        days.outbox.withdraw("subject.tsv")
        hold.release()
        [drop] = days.ended()
    return drop


def test_by_name_in_the_middle_of_a_file(single: Story) -> None:
    drop = taken_back_in_flight(single, Point.AFTER_LOG, 12)
    assert (drop.verdict, drop.counts["created"], drop.counts["withdrawn"]) == (WITHDRAWN, 4, 8)
    single.whole(*(f"P{i}" for i in range(4)))


def test_one_whose_answer_was_lost_waits_for_its_fate(single: Story) -> None:
    single.sandbox.faults.lose(Point.AFTER_LOG, how="reset", **PUT)
    drop = taken_back_in_flight(single, Point.BEFORE_COMMIT, 6)
    assert drop.verdict is WITHDRAWN
    assert (drop.counts["created"], drop.counts["withdrawn"]) == (4, 2)
    [chunk] = single.says("subject.tsv", "rejected")["chunks"]
    assert (chunk["state"], chunk["transaction_state"]) == ("answer lost, landed", "SUCCEEDED")
    single.whole(*(f"P{i}" for i in range(4)))


def test_a_wish_survives_a_restart(single: Story) -> None:
    with single.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(6)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        days.outbox.withdraw("subject.tsv")
        [drop] = days.ledger.drops.open()
        journal = (single.settings.state.path / drop.snapshot).parent / "journal.jsonl"
        days.until(lambda: '"withdrawn"' in journal.read_text(), "the note", pace=0)
        hold.release()
    with single.running() as days:
        [drop] = days.ended()
    assert drop.verdict is WITHDRAWN
    assert drop.counts["created"] + drop.counts["withdrawn"] == 6
    assert drop.counts["created"] == single.sandbox.count("DEV-test", "subject") == 4
    single.whole(*(f"P{i}" for i in range(4)))
