"""Parents, children, and drops that follow each other (docs/reference/submission-faults.md, "Order")."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gen3sync.ledger import Verdict
from gen3sync.outbox import waits
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import PUT, Story, names, persons, subjects

VISIT = "type submitter_id subjects.submitter_id visit_number"
STUDY = "type submitter_id projects.code title"
DAY = 86_400


def test_a_parent_in_the_same_file_after_its_child(story: Story) -> None:
    columns = "type submitter_id subjects.submitter_id studies.submitter_id visit_number"
    story.drop("mixed.tsv", table(columns, "visit V0 P0 . 1", "subject P0 . S1 ."))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.LANDED, 2, 0)
    assert story.sandbox.count("DEV-test", "visit") == 1
    story.whole("P0")


def test_a_parent_dropped_together_with_its_child(story: Story) -> None:
    story.drop("a-visit.tsv", table(VISIT, "visit V0 P0 1", "visit V1 P1 1"))
    story.drop("z-subject.tsv", subjects(*persons(2)))
    assert {drop.verdict for drop in story.goes(2)} == {Verdict.LANDED}
    assert [request.status for request in story.puts()] == [200, 200]
    assert story.sandbox.count("DEV-test", "visit") == 2
    story.whole(*names(2))


def test_a_parent_that_comes_hours_after_its_child(story: Story) -> None:
    story.drop("visit.tsv", table(VISIT, "visit V0 P0 1"))
    with story.running() as days:
        days.arrived()
        days.passes(6 * 3600)
        assert days.ended(0) == []
        story.drop("subject.tsv", subjects(*persons(1)))
        drops = days.ended(2)
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    assert [request.status for request in story.puts()] == [200, 200]
    story.whole("P0")


def test_a_parent_that_somebody_else_stores(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S9 male human"))
    with story.running() as days:
        days.arrived()
        days.passes(60)
        story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    story.whole("P0")


def test_a_parent_that_never_comes(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S9 male human", "P1 S1 male human"))
    with story.running() as days:
        days.until(lambda: story.subjects() == ["P1"], "the row that waits for nobody")
        assert days.ended(0) == []
        days.passes(DAY)
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    [bad] = story.rejects("subject.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("2", "MISSING_PARENT")
    assert "study S9 is not in the commons and did not come in time" in bad["_errors"]
    story.whole("P1")


def test_many_rows_whose_parent_never_comes(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are refused some at a time, and all of them; a row below one of them is told where that was refused."""
    monkeypatch.setattr(waits, "_AT_ONCE", 3)
    story.drop("subject.tsv", subjects(*(f"P{i} S9 male human" for i in range(10)), "P10 S1 male human"))
    story.drop("visit.tsv", table("type submitter_id subjects.submitter_id visit_number", "visit V0 P9 1"))
    with story.running() as days:
        days.until(lambda: story.subjects() == ["P10"], "the row that waits for nobody")
        days.until(lambda: sum(bool(drop.reason) for drop in days.ledger.drops.open()) == 2, "both wait")
        days.passes(DAY)
        drop, _ = days.ended(2)
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 10)
    assert [int(bad["_line"]) for bad in story.rejects("subject.tsv")] == list(range(2, 12))
    [bad] = story.rejects("visit.tsv", "rejected")
    assert "The parent subject P9 is not in the commons" in bad["_errors"]
    assert "It was itself refused: line 11 of DEV/test/subject.tsv." in bad["_errors"]
    story.whole("P10")


TOGETHER = "If 'S1;S2' names several parents: they stand with commas between them, in CSV with '#'."


def test_parents_that_are_separated_wrongly(story: Story) -> None:
    """Which may as well be the name of one: what is meant is asked, not guessed."""
    columns = "type submitter_id studies.submitter_id year"
    story.drop("publication.tsv", table(columns, "publication B0 S9 2000", "publication B1 S1;S2 2000"))
    told = [f"2 rows wait for study S9 and others. {TOGETHER}"]
    with story.running() as days:
        days.until(lambda: [drop.reason for drop in days.ledger.drops.open()] == told, "the advice", pace=0.2)
        days.passes(DAY)
        [drop] = days.ended()
    assert drop.counts["rejected"] == 2
    plain, bad = story.rejects("publication.tsv", "rejected")
    assert (bad["_line"], bad["_error_type"]) == ("3", "MISSING_PARENT")
    assert bad["_errors"].endswith(f"Drop the parent first, then this row again. {TOGETHER}")
    assert plain["_errors"].endswith("Drop the parent first, then this row again.")
    story.whole()


def test_parents_that_are_separated_wrongly_where_nobody_can_look(unseeing: Story) -> None:
    columns = "type submitter_id studies.submitter_id year"
    unseeing.drop("publication.tsv", table(columns, "publication B1 S1;S2 2000"))
    told = [f"1 row waits for study S1;S2. {TOGETHER}"]
    with unseeing.running() as days:
        days.until(lambda: [drop.reason for drop in days.ledger.drops.open()] == told, "the advice", pace=0.2)
        days.passes(DAY)
        days.ended()
    [bad] = unseeing.rejects("publication.tsv", "rejected")
    assert bad["_errors"].endswith(TOGETHER)
    seeing(unseeing).whole()


def test_a_parent_that_was_itself_refused(story: Story) -> None:
    columns = "type submitter_id subjects.submitter_id studies.submitter_id sex visit_number"
    story.drop("mixed.tsv", table(columns, "visit V0 P0 . . 1", "subject P0 . S1 wrong .", "subject P1 . S1 male ."))
    with story.running() as days:
        days.until(lambda: story.subjects() == ["P1"], "the good row")
        days.passes(DAY)
        [drop] = days.ended()
    assert (drop.counts["created"], drop.counts["rejected"]) == (1, 2)
    said = {bad["submitter_id"]: bad["_errors"] for bad in story.rejects("mixed.tsv")}
    assert "It was itself refused: line 3" in said["V0"]
    story.whole("P1")


def test_a_parent_that_was_refused_in_another_file(story: Story) -> None:
    """Which file and line is told at once, and after a day and a restart, too."""
    where = "It was itself refused: line 2 of DEV/test/subject.tsv."
    with story.running() as days:
        story.drop("early.tsv", table(VISIT, "visit V0 P0 1"))
        first = ["1 row waits for subject P0."]
        days.until(lambda: [d.reason for d in days.ledger.drops.open()] == first, "the wait", pace=0.2)
        story.drop("subject.tsv", subjects("P0 S1 nonsense human"))
        story.drop("late.tsv", table(VISIT, "visit V1 P0 1"))
        both = [f"1 row waits for subject P0. {where}"] * 2
        days.until(lambda: [d.reason for d in days.ledger.drops.open()] == both, "both say so", pace=0.2)
    with story.running() as days:
        days.until(lambda: len(days.ledger.drops.open()) == 2, pace=0.2)
        days.passes(DAY)
        assert [drop.verdict for drop in days.ended(3)] == [Verdict.REJECTED] * 3
    assert where in story.rejects("early.tsv", "rejected")[0]["_errors"]
    story.whole()


def test_a_waiting_row_survives_a_restart(story: Story) -> None:
    story.drop("visit.tsv", table(VISIT, "visit V0 P0 1"))
    with story.running() as days:
        days.arrived()
        days.until(lambda: days.outbox.status().progress, "a drop at work")
    story.drop("subject.tsv", subjects(*persons(1)))
    assert {drop.verdict for drop in story.goes(2)} == {Verdict.LANDED}
    story.whole("P0")


def test_a_later_drop_never_overtakes_an_earlier_one(story: Story) -> None:
    """B0 of the first drop waits for its second study; the second drop, which could go at once, stays behind it."""
    publication = {"type": "publication", "submitter_id": "B0", "studies": {"submitter_id": "S1"}, "year": 2000}
    story.sandbox.write("DEV-test", [publication])
    columns = "type submitter_id studies.submitter_id year"
    story.drop("a.tsv", table(columns, "publication B0 S1,S9 2001"))
    with story.running() as days:
        days.until(lambda: any("waits for study S9" in drop.reason for drop in days.ledger.drops.open()), "the wait")
        story.drop("b.tsv", table(columns, "publication B0 S1 2002"))
        days.until(
            lambda: any("until DEV/test/a.tsv has ended" in d.reason for d in days.ledger.drops.open()), "the other"
        )
        assert story.puts() == []
        story.drop("study.tsv", table(STUDY, "study S9 test Nine"))
        drops = days.ended(3)
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    [stored] = story.sandbox.records("DEV-test", "publication")
    assert (stored["year"], len(stored["studies"])) == (2002, 2)
    story.whole(writes=2)


def test_a_drop_behind_a_lost_answer_waits_for_its_fate(story: Story) -> None:
    with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, story.running() as days:
        story.sandbox.faults.lose(Point.STARTED, how=504, **PUT)
        story.drop("a.tsv", subjects("P0 S1 male human"))
        days.hears("not known whether", pace=0.2)
        story.drop("b.tsv", subjects("P0 S1 male dog"))
        days.arrived(2, pace=0.2)
        days.passes(30)
        days.until(lambda: len(days.ledger.drops.open()) == 2, pace=0.2)
        assert len(story.puts()) == 1
        hold.release()
        first, second = days.ended(2)
    assert (first.verdict, second.verdict, story.subject("P0")["species"]) == (
        Verdict.LANDED,
        Verdict.LANDED,
        "dog",
    )
    story.whole("P0", writes=2)


@pytest.mark.parametrize("lost", [False, True], ids=["held", "lost"])
def test_two_drops_that_name_one_new_id_are_never_in_flight_together(story: Story, lost: bool) -> None:
    """A third drop, which names none, overtakes them meanwhile: there is room for a second request."""
    same = "7b1b2f0c-0000-4000-8000-000000000001"
    with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, story.running() as days:
        if lost:
            story.sandbox.faults.lose(Point.STARTED, how=504, **PUT)
        story.drop("a.tsv", subjects(f"P0 S1 {same}", columns="id"))
        days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
        if lost:
            days.hears("not known whether", pace=0.2)
        story.drop("b.tsv", subjects(f"P1 S1 {same}", columns="id"))
        days.arrived(2, pace=0.2)
        story.drop("c.tsv", subjects("P2 S1 .", columns="id"))
        days.until(lambda: story.subjects() == ["P2"], "the third drop", pace=0.2)
        assert all(("DEV-test", "subject", "p1") not in request.named for request in story.puts())
        hold.release()
        verdicts = {drop.path: drop.verdict for drop in days.ended(3)}
    assert [verdicts[f"DEV/test/{name}.tsv"] for name in "abc"] == [Verdict.LANDED, Verdict.REJECTED, Verdict.LANDED]
    [bad] = story.rejects("b.tsv", "rejected")
    assert bad["_error_type"] == "OTHER_ID"
    story.whole("P0", "P2")


@pytest.mark.parametrize("lost", [False, True], ids=["held", "lost"])
def test_one_new_id_in_two_projects_is_never_in_flight_twice(story: Story, lost: bool) -> None:
    """Projects know nothing of each other, but an id is a record's in the whole commons."""
    same = "7b1b2f0c-0000-4000-8000-000000000002"
    story.sandbox.add_project("DEV-far")
    story.sandbox.write("DEV-far", [{"type": "study", "submitter_id": "S1", "projects": {"code": "far"}}])
    far = "DEV/far"
    with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, story.running() as days:
        if lost:
            story.sandbox.faults.lose(Point.STARTED, how=504, **PUT)
        story.drop("a.tsv", subjects(f"P0 S1 {same}", columns="id"))
        days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
        if lost:
            days.hears("not known whether", pace=0.2)
        story.drop("b.tsv", subjects(f"P1 S1 {same}", "P2 S1 .", columns="id"), far)
        words = "1 row waits for a request of another project that names the same id."
        days.until(lambda: any(drop.reason == words for drop in days.ledger.drops.open()), words, pace=0.2)
        assert story.sandbox.count("DEV-far", "subject") == 1, "the other row of the file has gone"
        hold.release()
        verdicts = {drop.path: drop.verdict for drop in days.ended(2)}
    assert verdicts == {"DEV/test/a.tsv": Verdict.LANDED, "DEV/far/b.tsv": Verdict.PARTLY}
    [group] = story.receipt("b.tsv", project=far)["rejects"]
    assert (group["type"], "each project has records of its own" in group["remedy"]) == ("OTHER_ID", True)
    story.whole("P0")


def test_an_id_whose_request_was_lost_is_not_named_by_another_project_after_a_restart(story: Story) -> None:
    same = "7b1b2f0c-0000-4000-8000-000000000003"
    story.sandbox.add_project("DEV-far")
    story.sandbox.write("DEV-far", [{"type": "study", "submitter_id": "S1", "projects": {"code": "far"}}])
    with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold:
        story.sandbox.faults.lose(Point.STARTED, how=504, **PUT)
        with story.running() as days:
            story.drop("a.tsv", subjects(f"P0 S1 {same}", columns="id"))
            days.hears("not known whether", pace=0.2)
        with story.running() as days:
            days.until(lambda: "nobody knows yet" in days.ledger.drops.open()[0].reason, "the wait", pace=0.2)
            story.drop("b.tsv", subjects(f"P1 S1 {same}", columns="id"), "DEV/far")
            words = "another project that names the same id"
            days.until(lambda: any(words in drop.reason for drop in days.ledger.drops.open()), words, pace=0.2)
            hold.release()
            verdicts = [drop.verdict for drop in days.ended(2)]
    assert verdicts == [Verdict.LANDED, Verdict.REJECTED]
    story.whole("P0")


def test_one_bad_file_does_not_hold_up_the_others(story: Story) -> None:
    story.drop("bad.tsv", bytes(range(256)))
    story.drop("waits.tsv", subjects("P8 S9 male human"))
    story.drop("erases.tsv", subjects("P9 S1 male ."))
    story.drop("good.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: story.subjects() == [*names(4), "P9"], "the good rows")
        drops = {drop.path: drop.verdict for drop in days.ended(3)}
    assert drops["DEV/test/good.tsv"] is Verdict.LANDED
    assert drops["DEV/test/bad.tsv"] is Verdict.REJECTED
    story.whole(*names(4), "P9", left=1)


@pytest.fixture(params=["no GraphQL", "no read permission"])
def unseeing(request: pytest.FixtureRequest, tmp_path: Path, sandbox: Sandbox) -> Story:
    """A commons of which nobody can say whether a parent is there."""
    story = Story(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 1")
    if request.param == "no GraphQL":
        sandbox.faults.set(graphql="missing")
    else:
        sandbox.deny("DEV-test", "read")
    return story


def seeing(story: Story) -> Story:
    """The end of such a story is looked at with open eyes."""
    story.sandbox.allow("DEV-test")
    return story


def test_a_child_that_nobody_can_look_up_parents_for(unseeing: Story) -> None:
    """Refused by the commons, it waits; a parent that lands sets it free, however early it came."""
    unseeing.drop("subject.tsv", subjects("P0 S9 male human", "P1 S1 male human", "P2 S9 male human"))
    with unseeing.running() as days:
        days.until(lambda: unseeing.subjects() == ["P1"], "the row that waits for nobody", pace=0.2)
        days.until(
            lambda: any("wait for study S9" in drop.reason for drop in days.ledger.drops.open()), "a word", pace=0.2
        )
        unseeing.drop("study.tsv", table(STUDY, "study S9 test Nine"))
        drops = days.ended(2)
    assert all(drop.verdict in (Verdict.LANDED, Verdict.UNVERIFIED) for drop in drops)
    assert unseeing.says("subject.tsv")["rows"] == {
        "read": 3,
        "created": 3,
        "updated": 0,
        "unchanged": 0,
        "rejected": 0,
        "waiting": 0,
    }
    seeing(unseeing).whole(*names(3))


def test_a_parent_that_nobody_can_look_up_and_somebody_else_stores(unseeing: Story) -> None:
    unseeing.drop("subject.tsv", subjects("P0 S9 male human"))
    with unseeing.running() as days:
        days.until(lambda: unseeing.puts(), "the first try", pace=0.2)
        unseeing.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
        [drop] = days.ended()
    assert drop.counts["rejected"] == 0
    seeing(unseeing).whole("P0")


def test_a_parent_that_nobody_can_look_up_and_that_never_comes(unseeing: Story) -> None:
    """Nor do many such rows count as a wrong file; a row with other errors is refused at once."""
    rows = [f"P{i} S9 male human" for i in range(7)]
    unseeing.drop("subject.tsv", subjects(*rows, "P7 S1 male human", "P8 S9 wrong human"))
    with unseeing.running() as days:
        days.until(lambda: unseeing.subjects() == ["P7"], "the row that waits for nobody", pace=0.2)
        days.passes(DAY)
        [drop] = days.ended()
    assert (drop.counts["created"], drop.counts["rejected"]) == (1, 8)
    bad = {row["submitter_id"]: row for row in unseeing.rejects("subject.tsv")}
    assert bad["P8"]["_error_type"] != "MISSING_PARENT"
    assert {bad[f"P{i}"]["_error_type"] for i in range(7)} == {"MISSING_PARENT"}
    said = "study S9 is not in the commons and did not come in time. The commons refused the row: `studies."
    assert said in bad["P0"]["_errors"]
    assert "No link destination found" not in bad["P0"]["_errors"]  # the commons' own words are in the receipt
    [refused] = [one for one in unseeing.receipt("subject.tsv")["rejects"] if one["type"] == "MISSING_PARENT"]
    assert "No link destination found" in refused["said"]
    seeing(unseeing).whole("P7")


def test_files_found_at_one_look_go_in_the_order_they_were_written(story: Story) -> None:
    newer = story.drop("a.tsv", subjects("P0 S1 female human"))
    older = story.drop("b.tsv", subjects("P0 S1 male human"))
    for age, path in enumerate((newer, older)):
        os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    drops = story.goes(2)
    assert [drop.path for drop in drops] == ["DEV/test/b.tsv", "DEV/test/a.tsv"]
    assert story.subject("P0")["sex"] == "female"
    story.whole("P0", writes=2)


def test_a_file_that_is_written_again_while_it_settles_goes_after_one_that_was_not(story: Story) -> None:
    with story.running() as days:
        story.drop("a.tsv", subjects("P0 S1 female human"), whole=False)
        days.until(lambda: days.outbox.status().settling == 1, "a file that settles", pace=0)
        story.drop("b.tsv", subjects("P0 S1 male human"))
        days.until(lambda: days.outbox.status().settling == 2, "two files that settle", pace=0)
        story.drop("a.tsv", subjects("P0 S1 female dog"))
        drops = days.ended(2)
    assert [drop.path for drop in drops] == ["DEV/test/b.tsv", "DEV/test/a.tsv"]
    assert (story.subject("P0")["sex"], story.subject("P0")["species"]) == ("female", "dog")
    story.whole("P0", writes=2)
