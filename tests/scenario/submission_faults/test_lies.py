"""The commons says 200 and is wrong, in thirteen ways (docs/reference/submission-faults.md, "Lies")."""

from __future__ import annotations

from pathlib import Path

from gen3sync.ledger import Verdict
from gen3sync.names import Project
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import PUT, Story, names, persons, subjects


def test_twins_by_letter_case_in_one_file(story: Story) -> None:
    story.drop("subject.tsv", subjects(*persons(4), "p3 S1 male dog"))
    [drop] = story.goes()
    twins = "3 created, 2 rejected. 2 rows: The record stands in the file more than once with different content."
    assert (drop.verdict, story.says("subject.tsv")["reason"]) == (Verdict.PARTLY, twins)
    assert [(row["_line"], row["_error_type"], row["submitter_id"]) for row in story.rejects("subject.tsv")] == [
        ("5", "TWIN", "P3"),
        ("6", "TWIN", "p3"),
    ]
    story.whole(*names(3))


def test_one_new_id_for_two_records_of_a_file(story: Story) -> None:
    same = "7b1b2f0c-0000-4000-8000-000000000001"
    rows = (f"P0 S1 {same}", "P1 S1 .", f"P2 S1 {same}")
    story.drop("subject.tsv", subjects(*rows, columns="id"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 2)
    assert [(bad["_line"], bad["_error_type"]) for bad in story.rejects("subject.tsv")] == [
        ("2", "SAME_ID"),
        ("4", "SAME_ID"),
    ]
    assert [len(request.named) for request in story.puts()] == [1]
    story.whole("P1")


def test_twins_by_letter_case_in_two_files(story: Story) -> None:
    story.drop("a.tsv", subjects("P1 S1 male human"))
    story.drop("b.tsv", subjects("p1 S1 male dog"))
    first, second = story.goes(2)
    assert [first.verdict, second.verdict] == [Verdict.LANDED, Verdict.LANDED]
    later = story.says(second.path.split("/")[-1])
    assert [tuple(one.values()) for one in later["renamed"]] in ([("P1", "p1")], [("p1", "P1")])
    assert len(story.subjects()) == 1
    story.whole(*story.subjects(), writes=2)


def test_rows_without_a_known_type_are_dropped_silently(story: Story) -> None:
    rows = table(
        "type submitter_id studies.submitter_id sex",
        "subject P0 S1 male", ". P1 S1 male", "subjcet P2 S1 male", "subject P3 S1 male",
    )  # fmt: skip
    story.drop("subject.tsv", rows)
    [drop] = story.goes()
    reason = story.says("subject.tsv")["reason"]
    assert drop.verdict is Verdict.PARTLY
    assert reason.startswith("2 created, 2 rejected. 1 row: The cell 'type' is blank")
    assert reason.endswith("And 1 other reason.")
    blank, unknown = story.rejects("subject.tsv")
    assert (blank["_line"], blank["_error_type"]) == ("3", "BLANK_TYPE")
    assert (unknown["_line"], unknown["_error_type"]) == ("4", "UNKNOWN_TYPE")
    assert "subject" in unknown["_errors"]
    story.whole("P0", "P3")


def test_an_unclosed_quote_swallows_the_rows_after_it(story: Story) -> None:
    story.drop("subject.tsv", subjects("P0 S1 male human", 'P1 S1 male "human', *persons(3, 2)))
    [drop] = story.goes()
    assert drop.verdict is Verdict.REJECTED
    assert "line 3" in story.says("subject.tsv", "rejected")["reason"].lower()
    assert story.puts() == []
    story.whole()


def test_line_separators_cut_a_row(story: Story) -> None:
    bad = "P1 S1 male hu\u2028man"
    story.drop("subject.tsv", subjects("P0 S1 male human", bad, "P2 S1 male hu\x0bman", "P3 S1 male human"))
    [drop] = story.goes()
    assert drop.counts == {"read": 4, "created": 2, "updated": 0, "unchanged": 0, "rejected": 2, "waiting": 0}
    receipt = story.says("subject.tsv")
    assert {group["type"] for group in receipt["rejects"]} == {"LINE_SEPARATOR"}
    assert sorted(line for group in receipt["rejects"] for line in group["lines"]) == [3, 4]
    story.whole("P0", "P3")


def test_a_failing_dry_run_says_200(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox, options='on_invalid = "reject"')
    story.drop("subject.tsv", subjects(*persons(3), "P3 S1 wrong human"))
    [drop] = story.goes()
    dry = [request for request in sandbox.requests if "_dry_run" in request.path]
    assert [request.status for request in dry[:1]] == [200]
    assert drop.verdict is Verdict.REJECTED
    assert story.puts() == []
    bad = {row["submitter_id"]: row["_error_type"] for row in story.rejects("subject.tsv", "rejected")}
    assert bad == {"P0": "NOT_SENT", "P1": "NOT_SENT", "P2": "NOT_SENT", "P3": "ERROR"}
    story.whole()


def test_trailing_blanks_of_the_last_row_are_lost(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox, options='blanks = "erase"')
    story.drop("subject.tsv", subjects(*persons(2)))
    story.goes()
    story.drop("subject.tsv", subjects("P0 S1 male .", "P1 S1 female ."))
    drop = story.goes(2)[1]
    assert drop.counts["updated"] == 2
    receipt = story.says("subject-2.tsv")
    assert receipt["erased"] == {"species": 2}
    assert [mend["kind"] for mend in receipt["mends"]] == ["last_row_blanks"]
    assert [story.subject(name)["species"] for name in names(2)] == [None, None]
    story.whole(*names(2), writes=2)


def test_blanks_would_erase_stored_values(story: Story) -> None:
    story.drop("subject.tsv", subjects(*persons(3)))
    story.goes()
    story.drop("subject.tsv", subjects("P0 S1 male .", "P1 S1 female ."))
    with story.running() as days:
        reason = days.parked().reason
        assert "would erase stored values in 2 rows: species (2)" in reason
        assert "gen3sync retry --erase DEV/test/subject.tsv" in reason
        assert [story.subject(name)["species"] for name in names(2)] == ["human", "human"]
        days.outbox.retry("subject.tsv", erase=True)
        days.ended(2)
    assert story.says("subject-2.tsv")["erased"] == {"species": 2}
    assert (story.folder / "sent/DEV/test/subject-2.tsv.undo.tsv").read_text().count("human") == 2
    story.whole(*names(3), writes=2)


def test_two_requests_at_once_lose_a_write(story: Story) -> None:
    story.drop("seed.tsv", subjects("P0 S1 male human"))
    story.goes()
    with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, story.running() as days:
        story.drop("sex.tsv", table("type submitter_id studies.submitter_id sex", "subject P0 S1 female"))
        days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
        story.drop("species.tsv", table("type submitter_id studies.submitter_id species", "subject P0 S1 dog"))
        days.arrived(3)
        hold.release()
        days.ended(3)
    found = story.subject("P0")
    assert (found["sex"], found["species"]) == ("female", "dog")
    assert [story.says(f"{name}.tsv")["verdict"] for name in ("sex", "species")] == ["landed", "landed"]
    story.whole("P0", writes=3)


def test_a_504_is_not_a_no(story: Story) -> None:
    hold = story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT)
    story.sandbox.faults.lose(Point.STARTED, how=504, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: days.ledger.requests.unsettled() and hold.fault.waiting, "a lost request", pace=0.2)
        days.hears("not known whether a request with 4 rows landed", pace=0)
        days.passes(60)
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["answer lost, landed"]
    story.whole(*names(4))


def test_another_letter_case_renames_a_record(story: Story) -> None:
    story.drop("subject.tsv", subjects("SAM-001 S1 male human"))
    story.goes()
    story.drop("subject.tsv", subjects("sam-001 S1 male human"))
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.counts["updated"]) == (Verdict.LANDED, 1)
    assert story.says("subject-2.tsv")["renamed"] == [{"from": "SAM-001", "to": "sam-001"}]
    story.whole("sam-001", writes=2)


HIDDEN = [f"{n * 37 % 100:02d}kQ-Pt" for n in range(45)]
"""Names without a common beginning, in no letter case that anybody would think of."""


def test_many_names_in_odd_letter_case_are_known_before_they_are_sent(story: Story) -> None:
    """Blank cells would erase what is stored under them: taken for new records, they would."""
    others = [f"{n:03d}x" for n in range(600)]
    rows = [{"type": "subject", "submitter_id": name, "studies": {"submitter_id": "S1"}} for name in others]
    story.sandbox.write("DEV-test", [*rows, *({**rows[0], "submitter_id": name, "species": "dog"} for name in HIDDEN)])
    odd = [name.replace("kQ-Pt", "Kq-pT") for name in HIDDEN]
    story.drop("blank.tsv", subjects(*(f"{name} S1 male ." for name in odd)))
    with story.running() as days:
        assert "blank cells would erase stored values in 45 rows: species (45)" in days.parked().reason
        days.outbox.withdraw("blank.tsv")
        days.ended()
    story.drop("odd.tsv", subjects(*(f"{name} S1 male" for name in odd), columns="sex"))
    assert story.goes(2)[1].counts["updated"] == 45
    paper = story.says("odd.tsv")
    assert (paper["renamed_total"], paper["existed_before"], paper["letter_case_not_searched"]) == (45, 0, 0)
    story.whole(*others, *odd, writes=2)


def test_many_parents_in_odd_letter_case_are_there(story: Story) -> None:
    """The commons finds parents in any letter case, and so does planning."""
    studies = [{"type": "study", "submitter_id": name, "projects": {"code": "test"}} for name in HIDDEN]
    story.sandbox.write("DEV-test", studies)
    odd = [name.replace("kQ-Pt", "Kq-pT") for name in HIDDEN]
    path = story.drop(
        "subject.tsv", subjects(*(f"P{n} {name} male human" for n, name in enumerate(odd)), "Q S9 male .")
    )
    with story.opened() as (outbox, _):
        assert outbox.plan_file(path, Project("DEV", "test")).counts == {"create": 45, "wait": 1}
    with story.running() as days:
        days.until(lambda: any("waits for study S9" in drop.reason for drop in days.ledger.drops.open()), "the wait")
        path.unlink()
        days.ended()
    story.whole(*names(45))


def test_a_known_id_with_another_submitter_id_stores_nothing(story: Story) -> None:
    story.drop("subject.tsv", subjects(*persons(2)))
    story.goes()
    wrong = story.subject("P0")["id"]
    story.drop(
        "more.tsv",
        table(
            "type id submitter_id studies.submitter_id sex",
            f"subject {wrong} P9 S1 male", "subject . P2 S1 male", "subject . P3 S1 male",
        ),
    )  # fmt: skip
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 1)
    [row] = story.rejects("more.tsv")
    assert (row["_line"], row["submitter_id"], row["_error_type"]) == ("2", "P9", "OTHER_ID")
    story.whole(*names(4))


def test_an_id_of_another_projects_record_stores_nothing(story: Story) -> None:
    """Records copied from an export of another project, with their ids: the commons would lose the good rows, too."""
    story.sandbox.add_project("DEV-far")
    story.sandbox.write("DEV-far", [{"type": "study", "submitter_id": "F1", "projects": {"code": "far"}}])
    study = story.sandbox.record("DEV-far", "study", "F1")
    assert study is not None
    copied = table(
        "type submitter_id projects.code title id", f"study F1 test Far {study['id']}", "study S2 test Two ."
    )
    story.drop("copied.tsv", copied)
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    [row] = story.rejects("copied.tsv")
    assert (row["submitter_id"], row["_error_type"]) == ("F1", "OTHER_ID")
    assert "belongs to a study of another project, DEV-far" in row["_errors"]
    assert story.sandbox.record("DEV-test", "study", "S2") is not None
    assert len(story.puts()) == 1
    story.whole()


def test_ids_of_records_of_several_nodes_are_known_before_they_are_sent(story: Story) -> None:
    """An export of several node types at once fails on a commons with 500, which says nothing of its health."""
    story.drop("first.tsv", subjects("P0 S1 male human"))
    story.goes()
    study = story.sandbox.record("DEV-test", "study", "S1")
    assert study is not None
    taken, other = story.subject("P0")["id"], study["id"]
    header = "type submitter_id studies.submitter_id id"
    story.drop("ids.tsv", table(header, f"subject P1 S1 {other}", f"subject P2 S1 {taken}", "subject P3 S1 ."))
    drop = story.goes(2)[-1]
    assert drop.verdict is Verdict.PARTLY
    assert [(row["submitter_id"], row["_error_type"]) for row in story.rejects("ids.tsv")] == [
        ("P1", "OTHER_ID"),
        ("P2", "OTHER_ID"),
    ]
    story.whole("P0", "P3")


def test_a_parent_that_is_no_longer_named_stays_linked(story: Story) -> None:
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S2", "projects": {"code": "test"}}])
    story.drop("pub.tsv", table("type submitter_id studies.submitter_id year", "publication B1 S1,S2 2020"))
    story.goes()
    story.drop("pub.tsv", table("type submitter_id studies.submitter_id year", "publication B1 S2 2021"))
    drop = story.goes(2)[1]
    assert drop.verdict is Verdict.LANDED
    assert story.says("pub-2.tsv")["links_not_removed"] == {"studies.submitter_id": 1}
    story.whole(writes=2)


def test_times_of_the_record_are_ignored(story: Story) -> None:
    columns = "type submitter_id studies.submitter_id created_datetime"
    story.drop("subject.tsv", table(columns, "subject P0 S1 2001-01-01T00:00:00+00:00"))
    [drop] = story.goes()
    assert drop.verdict is Verdict.LANDED
    [mend] = story.says("subject.tsv")["mends"]
    assert (mend["kind"], mend["column"], mend["rows"]) == ("ignored_column", "created_datetime", 1)
    assert not story.subject("P0")["created_datetime"].startswith("2001")
    story.whole("P0")


def test_short_rows_keep_what_is_stored(story: Story) -> None:
    story.drop("subject.tsv", subjects(*persons(2)))
    story.goes()
    story.drop("subject.tsv", subjects("P0 S1 female", "P1 S1 female"))
    drop = story.goes(2)[1]
    assert (drop.counts["updated"], drop.counts["unchanged"]) == (1, 1)
    assert story.says("subject-2.tsv")["erased"] == {}
    found = story.subject("P0")
    assert (found["sex"], found["species"]) == ("female", "human")
    story.whole(*names(2), writes=2)


def test_a_request_of_which_success_was_said_and_disproved_is_told_so(story: Story) -> None:
    """Somebody else takes the id after it was looked for: 200, success, and the log stays PENDING (lie 10)."""
    taken = "7b1b2f0c-0000-4000-8000-000000000001"
    other = {"type": "subject", "submitter_id": "P9", "id": taken, "studies": {"submitter_id": "S1"}}
    with story.sandbox.faults.hold(Point.RECEIVED, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects(f"P0 S1 {taken}", f"P1 S1 {taken[:-1]}2", columns="id"))
        days.until(lambda: hold.fault.waiting, "an upload that no worker has yet", pace=0.2)
        story.sandbox.write("DEV-test", [other])
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    assert [row["_error_type"] for row in story.rejects("subject.tsv")] == ["OTHER_ID"]
    receipt = story.says("subject.tsv")
    assert [(chunk["state"], chunk["transaction_state"]) for chunk in receipt["chunks"]] == [
        ("success said, not stored", "PENDING"),
        ("landed", "SUCCEEDED"),
    ]
    assert [chunk["rows"] for chunk in receipt["chunks"]] == [2, 1]
    # What was disproved was sent again: what landed is proven by the request that stored it.
    assert receipt["verification"]["method"] == "transaction and values"
    story.whole("P1", "P9")


def test_success_and_yet_nothing_stored(story: Story) -> None:
    """A claim without truth behind it, whatever its cause: a record vanishes right after the commit."""
    with story.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", subjects("P0 S1 male human", "P1 S1 male human"))
        days.until(lambda: hold.fault.waiting, "an upload held after its commit", pace=0.2)
        story.sandbox.sql_delete("DEV-test", "subject", "P1")
        hold.release()
        [drop] = days.ended()
        assert any("said success, but 1 row is not stored as sent" in text for text in days.told())
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 2)
    story.whole("P0", "P1", writes=2)
