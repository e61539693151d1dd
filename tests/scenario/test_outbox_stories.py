"""What happens to files that people drop: stories of a folder and a commons."""

from __future__ import annotations

import itertools
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.ledger import DropState, Verdict
from gen3sync.names import Project
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench, table
from tests.scenario.submission_faults.kit import Story

DATA = Path(__file__).parent.parent / "data" / "tsv"
NAMES = ("experiment", "case", "sample", "aliquot")
STUDY = table("type submitter_id projects.code title", "study S1 test One")


def subjects(*rows: str) -> str:
    return table("type submitter_id studies.submitter_id sex species", *(f"subject {row}" for row in rows))


TEN = tuple(f"P{i} S1 {'female' if i % 2 else 'male'} human" for i in range(10))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        yield Bench(tmp_path, sandbox)


@pytest.fixture
def seeded(bench: Bench) -> Bench:
    bench.drop("study.tsv", STUDY)
    bench.drop("subject.tsv", subjects(*TEN))
    summary = bench.once()
    assert [drop.verdict for drop in summary.ended] == [Verdict.LANDED, Verdict.LANDED]
    return bench


@pytest.mark.parametrize("order", list(itertools.permutations(NAMES))[::5])
def test_four_files_in_any_order_all_arrive_and_the_same_again_sends_nothing(
    tmp_path: Path, order: tuple[str, ...]
) -> None:
    import gzip

    dictionary = json.loads(gzip.decompress((DATA.parent / "dictionary.json.gz").read_bytes()))
    with Sandbox(dictionary=dictionary) as sandbox:
        bench = Bench(tmp_path, sandbox)
        for name in order:
            bench.drop(f"{name}.tsv", (DATA / f"{name}.tsv").read_bytes())
        first = bench.once()
        assert {drop.path.split("/")[-1]: drop.verdict for drop in first.ended} == {
            f"{name}.tsv": Verdict.LANDED for name in NAMES
        }
        assert {name: sandbox.count("DEV-test", name) for name in NAMES} == {
            "experiment": 2, "case": 30, "sample": 60, "aliquot": 2
        }  # fmt: skip
        assert not [path for path in bench.outbox.rglob("*") if path.is_file()]
        sent = len(bench.writes())
        for name in order:
            bench.drop(f"{name}.tsv", (DATA / f"{name}.tsv").read_bytes())
        again = bench.once()
        assert [drop.verdict for drop in again.ended] == [Verdict.LANDED] * 4
        assert all(drop.counts["unchanged"] == drop.counts["read"] for drop in again.ended)
        assert len(bench.writes()) == sent


def test_three_bad_rows_of_ten_come_back_corrected_and_land(bench: Bench) -> None:
    rows = [row.replace("female", "Femail") if i in (1, 3, 5) else row for i, row in enumerate(TEN)]
    bench.drop("study.tsv", STUDY)
    bench.drop("subject.tsv", subjects(*rows))
    bench.once()
    receipt = bench.receipt("subject.tsv")
    assert receipt["verdict"] == "partly"
    assert receipt["rows"] == {"read": 10, "created": 7, "updated": 0, "unchanged": 0, "rejected": 3, "waiting": 0}
    [group] = receipt["rejects"]
    assert (group["rows"], group["column"], group["lines"]) == (3, "sex", [3, 5, 7])
    rejects = bench.folder / "sent/DEV/test/subject.tsv.rejects.tsv"
    assert {stat.S_IMODE(p.stat().st_mode) for p in rejects.parent.glob("subject.tsv*")} == {0o640}
    text = rejects.read_text()
    assert text.splitlines()[0].split("\t")[:3] == ["_line", "_error_type", "_errors"]
    assert len(text.splitlines()) == 4
    bench.drop("subject.tsv", text.replace("Femail", "female").replace("'female' is not", "'x' is not"))
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 3)
    assert bench.sandbox.count("DEV-test", "subject") == 10


def test_an_edited_file_sends_only_the_changed_rows(seeded: Bench) -> None:
    sent = len(seeded.writes())
    edited = [row.replace("human", "dog") if i in (2, 7) else row for i, row in enumerate(TEN)]
    seeded.drop("subject.tsv", subjects(*edited))
    [drop] = seeded.once().ended
    assert drop.counts == {"read": 10, "created": 0, "updated": 2, "unchanged": 8, "rejected": 0, "waiting": 0}
    [put] = seeded.writes()[sent:]
    assert put.body.count(b"\n") == 3
    undo = seeded.folder / "sent/DEV/test/subject-2.tsv.undo.tsv"
    assert len(undo.read_text().splitlines()) == 3
    assert seeded.receipt("subject-2.tsv")["undo"] == {"restores": 2, "files": {"undo.tsv": 2}, "cannot": []}
    seeded.drop("undo.tsv", undo.read_bytes())
    [drop] = seeded.once().ended
    assert drop.counts["updated"] == 2
    assert {r["species"] for r in seeded.sandbox.records("DEV-test", "subject")} == {"human"}


def test_links_that_a_file_adds_are_told_where_undo_cannot_remove_them(seeded: Bench) -> None:
    seeded.drop("studies.tsv", table("type submitter_id projects.code", "study S2 test", "study S3 test"))
    seeded.once()
    head = "type submitter_id studies.submitter_id year"
    seeded.drop("publication.tsv", table(head, "publication B1 S1,S2 2020"))
    seeded.once()
    seeded.drop("publication.tsv", table(head, "publication B1 s2,S1 2021"))
    seeded.once()
    assert seeded.receipt("publication-2.tsv")["undo"]["cannot"] == []
    seeded.drop("publication.tsv", table(head, "publication B1 S3,S1 2021"))
    seeded.once()
    [cannot] = seeded.receipt("publication-3.tsv")["undo"]["cannot"]
    assert "studies.submitter_id" in cannot


def test_a_fault_of_the_file_begins_with_its_line(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY.replace("type\t", "kind\t"))
    bench.once()
    assert bench.receipt("study.tsv", "rejected")["reason"].startswith("Line 1: ")


def test_a_half_copied_file_is_taken_when_it_is_whole(tmp_path: Path) -> None:
    whole = subjects(*TEN)
    with Sandbox() as sandbox:
        story = Story(tmp_path, sandbox)
        story.drop("other.tsv", subjects("P99 S1 male human"))
        path = story.drop("subject.tsv", whole[:200], whole=False)
        with story.running() as days:
            days.until(lambda: days.outbox.status().settling == 2, "two files that settle", pace=0)
            days.passes(0.2)  # four times what a finished file needs, and less than half of what this one does
            days.ended(pace=0)
            assert [d.path for d in days.ledger.drops.recent(9)] == ["DEV/test/other.tsv"]
            assert days.outbox.status().settling == 1
            story.drop("subject.tsv", whole)
            drops = days.ended(2)
        assert drops[1].counts["created"] == 10
        assert not path.exists()
        story.whole("P99", *(row.split()[0] for row in TEN))


def test_twins_by_letter_case_are_refused_and_the_others_land(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.drop("subject.tsv", subjects(*TEN, "p3 S1 male dog"))
    bench.once()
    receipt = bench.receipt("subject.tsv")
    assert (receipt["rows"]["created"], receipt["rows"]["rejected"]) == (9, 2)
    assert {group["type"] for group in receipt["rejects"]} == {"TWIN"}
    assert bench.sandbox.count("DEV-test", "subject") == 9


def test_blanks_that_would_erase_are_parked_until_somebody_says_so(seeded: Bench) -> None:
    sent = len(seeded.writes())
    edited = [row.replace("human", ".") if i < 3 else row for i, row in enumerate(TEN)]
    seeded.drop("subject.tsv", subjects(*edited))
    with seeded.running() as running:
        drop = running.parked()
        assert "3 rows" in drop.reason
        assert "species (3)" in drop.reason
        assert len(seeded.writes()) == sent
        running.outbox.retry("subject.tsv", erase=True)
        running.ended(3)
    assert seeded.receipt("subject-2.tsv")["erased"] == {"species": 3}
    assert len([r for r in seeded.sandbox.records("DEV-test", "subject") if r.get("species") is None]) == 3


def test_a_guarded_drop_may_be_let_through_while_nothing_runs(seeded: Bench) -> None:
    seeded.drop("subject.tsv", subjects("P1 S1 female ."))
    assert [drop.state for drop in seeded.once().waiting] == [DropState.PARKED]
    with seeded.opened() as (outbox, _):
        assert outbox.retry("DEV/test/subject.tsv", erase=True)
        [drop] = outbox.run_once().ended
    assert drop.verdict is Verdict.LANDED
    found = seeded.sandbox.record("DEV-test", "subject", "P1")
    assert found is not None
    assert found["species"] is None


@pytest.mark.parametrize("policy", ["erase", "keep", "refuse"])
def test_the_other_policies_for_blanks(tmp_path: Path, policy: str) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, options=f'blanks = "{policy}"')
        bench.drop("study.tsv", STUDY)
        bench.drop("subject.tsv", subjects("P1 S1 female human", "P2 S1 female human"))
        bench.once()
        bench.drop("subject.tsv", subjects("P1 S1 male .", "P2 S1 male dog"))
        [drop] = bench.once().ended
        one = sandbox.record("DEV-test", "subject", "P1")
        two = sandbox.record("DEV-test", "subject", "P2")
        assert one is not None
        assert two is not None
        assert (two["sex"], two["species"]) == ("male", "dog")
        assert (one["sex"], one["species"], drop.verdict) == {
            "erase": ("male", None, Verdict.LANDED),
            "keep": ("male", "human", Verdict.LANDED),
            "refuse": ("female", "human", Verdict.PARTLY),
        }[policy]


def test_a_wrong_file_is_stopped_by_the_brake(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    sent = len(bench.writes())
    rows = [f"P{i} S1 {'wrong' if i < 80 else 'male'} human" for i in range(300)]
    bench.drop("subject.tsv", subjects(*rows))
    [drop] = bench.once().ended
    assert drop.verdict is Verdict.REJECTED
    assert len(bench.writes()) - sent == 1
    assert bench.sandbox.count("DEV-test", "subject") == 0
    receipt = bench.receipt("subject.tsv", "rejected")
    assert {group["type"] for group in receipt["rejects"]} == {"ERROR", "NOT_SENT"}
    rejects = bench.folder / "rejected/DEV/test/subject.tsv.rejects.tsv"
    assert len(rejects.read_text().splitlines()) == 301


def test_a_closed_project_parks_and_goes_on_when_it_is_open_again(bench: Bench) -> None:
    bench.sandbox.set_project("DEV-test", state="closed")
    bench.drop("study.tsv", STUDY)
    with bench.running() as running:
        running.until(lambda: running.ledger.projects.all(), "a parked project")
        assert "closed" in running.ledger.projects.all()[0].reason
        bench.sandbox.set_project("DEV-test", state="open")
        running.outbox.retry(Project("DEV", "test"))
        assert running.ended(1)[0].verdict is Verdict.LANDED
        assert not running.ledger.projects.all()


def test_a_file_without_a_way_is_parked_and_ends_when_moved_to_its_place(bench: Bench) -> None:
    path = bench.drop("study.tsv", STUDY, project="DEV/tset")
    with bench.running() as running:
        assert "DEV/test?" in running.parked().reason
        target = bench.outbox / "DEV/test/study.tsv"
        target.parent.mkdir(parents=True)
        path.rename(target)
        drops = running.ended(2)
        assert [drop.verdict for drop in drops] == [Verdict.WITHDRAWN, Verdict.LANDED]
    withdrawn, landed = bench.receipt("study.tsv", "rejected", "DEV/tset"), bench.receipt("study.tsv")
    assert withdrawn.keys() == landed.keys()
    assert withdrawn["verification"].keys() == landed["verification"].keys()
    assert (withdrawn["verdict"], withdrawn["sha256"], withdrawn["chunks"]) == ("withdrawn", landed["sha256"], [])


def test_a_child_waits_for_its_parent_and_is_refused_when_it_never_comes(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("subject.tsv", subjects("P1 S1 male human"))
        summary = bench.once()
        assert not summary.ended
        assert [drop.path for drop in summary.waiting] == ["DEV/test/subject.tsv"]
        bench.drop("study.tsv", STUDY)
        assert [drop.verdict for drop in bench.once().ended] == [Verdict.LANDED, Verdict.LANDED]
        bench = Bench(tmp_path, sandbox, options='link_grace = "0s"')
        bench.drop("subject.tsv", subjects("P2 S9 male human", "P3 S1 male human"))
        bench.once()
        receipt = bench.receipt("subject-2.tsv")
        assert receipt["verdict"] == "partly"
        assert [(g["type"], "S9" in g["message"]) for g in receipt["rejects"]] == [("MISSING_PARENT", True)]


def test_a_parent_that_was_dropped_while_nothing_ran_is_not_too_late(tmp_path: Path) -> None:
    """As where cron runs `once` each day: the day is over when the next pass begins, and the parent lies there."""
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("subject.tsv", subjects("P1 S1 male human", "P2 S9 male human"))
        assert not bench.once().ended
        bench = Bench(tmp_path, sandbox, options='link_grace = "0s"')
        bench.drop("study.tsv", STUDY.removesuffix("\n"))  # it settles ten times as long
        assert {drop.path: drop.verdict for drop in bench.once().ended} == {
            "DEV/test/study.tsv": Verdict.LANDED,
            "DEV/test/subject.tsv": Verdict.PARTLY,
        }
        (group,) = bench.receipt("subject.tsv")["rejects"]
        assert (group["type"], group["lines"], "S9" in group["message"]) == ("MISSING_PARENT", [3], True)


def test_a_parent_that_was_refused_before_its_child_came_is_named_in_the_next_life(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        with bench.running() as running:
            bench.drop("study.tsv", STUDY.replace("title", "tilte"))
            running.ended(1)
            bench.drop("subject.tsv", subjects("P1 S1 male human"))
            running.until(lambda: any("itself refused" in drop.reason for drop in running.ledger.drops.open()))
        bench = Bench(tmp_path, sandbox, options='link_grace = "0s"')
        bench.once()
        (group,) = bench.receipt("subject.tsv", "rejected")["rejects"]
        assert group["message"].endswith("It was itself refused: line 2 of DEV/test/study.tsv")


def test_a_newer_file_at_the_same_path_supersedes_what_is_not_sent(bench: Bench) -> None:
    bench.drop("subject.tsv", subjects("P1 S1 male human"))
    bench.once()
    bench.drop("subject.tsv", subjects("P2 S1 male human"))
    bench.once()
    bench.drop("study.tsv", STUDY)
    with bench.running() as running:
        running.ended(3)
    assert [r["submitter_id"] for r in bench.sandbox.records("DEV-test", "subject")] == ["P2"]
    assert bench.receipt("subject.tsv")["verdict"] == "superseded"
    assert bench.receipt("subject-2.tsv")["verdict"] == "landed"


def test_files_that_cannot_be_used_come_back_whole_with_the_reason(bench: Bench) -> None:
    bench.drop("empty.tsv", "type\tsubmitter_id\n")
    bench.drop("binary.tsv", bytes(range(256)) * 4 + b"\n")
    summary = bench.once()
    assert {drop.verdict for drop in summary.ended} == {Verdict.REJECTED}
    assert "no rows" in bench.receipt("empty.tsv", "rejected")["reason"]
    assert (bench.folder / "rejected/DEV/test/binary.tsv").exists()


def test_reject_sends_nothing_unless_all_rows_pass(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, options='on_invalid = "reject"')
        bench.drop("study.tsv", STUDY)
        bench.once()
        assert sandbox.count("DEV-test", "study") == 1
        rows = [f"P{i} S1 {'wrong' if i == 150 else 'male'} human" for i in range(200)]
        bench.drop("subject.tsv", subjects(*rows))
        [drop] = bench.once().ended
        assert (drop.verdict, sandbox.count("DEV-test", "subject")) == (Verdict.REJECTED, 0)
        _, good = bench.receipt("subject.tsv", "rejected")["rejects"]
        told = ("NOT_SENT", 199, "Correct the refused rows and drop the file again.")
        assert (good["type"], good["rows"], good["remedy"]) == told
        bench.drop("subject.tsv", subjects(*(row.replace("wrong", "male") for row in rows)))
        [drop] = bench.once().ended
        assert (drop.verdict, sandbox.count("DEV-test", "subject")) == (Verdict.LANDED, 200)


def test_a_plan_says_what_would_happen_and_sends_nothing(seeded: Bench, tmp_path: Path) -> None:
    sent = len(seeded.writes())
    path = tmp_path / "plan.tsv"
    path.write_text(subjects("P1 S1 female dog", "P2 S1 male human", "P99 S1 male human", "P98 S7 male human"))
    with seeded.opened() as (outbox, _):
        plan = outbox.plan_file(path, Project("DEV", "test"))
        outbox.stop()
    assert [str(row.action) for row in plan.rows] == ["update", "unchanged", "create", "wait"]
    assert [(c.column, c.old, c.new) for c in plan.rows[0].changes] == [("species", "human", "dog")]
    assert len(seeded.writes()) == sent


def test_odd_things_in_the_outbox_are_told_once_and_never_followed(bench: Bench) -> None:
    import os

    secret = bench.folder / "secret.tsv"
    secret.write_text(STUDY)
    (bench.outbox / "DEV/test").mkdir(parents=True)
    (bench.outbox / "DEV/test/link.tsv").symlink_to(secret)
    os.mkfifo(bench.outbox / "DEV/test/pipe.tsv")
    with bench.opened() as (outbox, ledger):
        outbox.run_once()
        texts = [event.text for event in ledger.events.recent(10)]
        assert any("link.tsv is ignored: a symbolic link" in text for text in texts)
        assert any("pipe.tsv is ignored: a FIFO" in text for text in texts)
        assert not ledger.drops.recent(5)
