"""`on_invalid = "reject"`: nothing of a file is sent unless all of it can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.outbox_bench import Bench, table

COLUMNS = (
    "type submitter_id projects.code studies.submitter_id subjects.submitter_id sample_type sex "
    "samples.submitter_id file_name file_size md5sum data_format"
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        yield Bench(tmp_path, sandbox, options='on_invalid = "reject"\nlink_grace = "2s"')


def mixed(*rows: dict[str, str]) -> str:
    """A file of several node types: each row names what it has."""
    return table(COLUMNS, *(" ".join(row.get(column, ".") for column in COLUMNS.split()) for row in rows))


def study(name: str) -> dict[str, str]:
    return {"type": "study", "submitter_id": name, "projects.code": "test"}


def subject(name: str, parent: str, sex: str = "male") -> dict[str, str]:
    return {"type": "subject", "submitter_id": name, "studies.submitter_id": parent, "sex": sex}


def sample(name: str, parent: str) -> dict[str, str]:
    return {"type": "sample", "submitter_id": name, "subjects.submitter_id": parent, "sample_type": "Blood"}


def refuses(bench: Bench, name: str) -> None:
    """The next request that is no dry run is refused for the sake of this subject."""
    error = {"type": "INVALID_VALUE", "message": "'male' is not one of ['x']", "keys": ["sex"]}
    key = {"project_id": "DEV-test", "submitter_id": name}
    entity = {"valid": False, "action": "create", "type": "subject", "id": None, "unique_keys": [key]}
    body = {"code": 400, "success": False, "message": "aborted", "transaction_id": 99, "transactional_errors": []}
    refusal = json.dumps(body | {"entities": [entity | {"warnings": [], "errors": [error]}]})
    bench.sandbox.faults.answer(400, body=refusal, content_type="application/json", method="PUT", path="/DEV/test$")


def test_children_go_with_their_own_parents(bench: Bench) -> None:
    """No dry run of a child passes before its parent is stored: the parents are tried, then all of it goes."""
    bench.drop("all.tsv", mixed(sample("A1", "P1"), subject("P1", "S1"), study("S1")))
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 3)
    bench.drop("more.tsv", mixed(study("S2"), subject("P2", "S2"), subject("P3", "S1", "wrong")))
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["rejected"]) == (Verdict.REJECTED, 3)
    assert bench.sandbox.record("DEV-test", "study", "S2") is None


def test_drops_that_wait_for_parents_of_each_other_come_to_an_end(bench: Bench) -> None:
    """Neither is sent before all of it passed, and no more of it passes before the other is sent."""
    bench.drop("one.tsv", mixed(study("S1"), subject("P2", "S2")))
    bench.drop("two.tsv", mixed(study("S2"), subject("P1", "S1")))
    with bench.running() as running:
        drops = running.ended(2)
    assert {drop.verdict for drop in drops} == {Verdict.REJECTED}
    assert bench.sandbox.count("DEV-test", "study") == 0


def test_no_rows_of_another_file_go_along_untried(bench: Bench) -> None:
    bench.drop("study.tsv", mixed(study("S1")))
    bench.once()
    bench.drop("good.tsv", mixed(study("S2")))
    bench.drop("bad.tsv", mixed(study("S3"), subject("P1", "S1", "wrong")))
    assert {drop.verdict for drop in bench.once().ended} == {Verdict.LANDED, Verdict.REJECTED}
    assert bench.sandbox.record("DEV-test", "study", "S2")
    assert bench.sandbox.record("DEV-test", "study", "S3") is None


def test_file_nodes_wait_until_the_other_rows_passed(bench: Bench) -> None:
    """They are not tried themselves: even a dry run writes to the file index."""
    bench.drop("parents.tsv", mixed(sample("A0", "P0"), subject("P0", "S1"), study("S1")))
    bench.once()
    file = {"type": "sequencing_file", "submitter_id": "F0", "samples.submitter_id": "A0", "file_name": "f0.bam"}
    file |= {"file_size": "10", "md5sum": f"{0:032x}", "data_format": "BAM"}
    bench.drop("wrong.tsv", mixed(file, *(subject(f"P{i}", "S1", "wrong" if i == 35 else "male") for i in range(40))))
    [drop] = bench.once().ended
    assert (drop.verdict, bench.sandbox.count("DEV-test", "sequencing_file")) == (Verdict.REJECTED, 0)
    bench.drop("right.tsv", mixed(file, *(subject(f"P{i}", "S1") for i in range(1, 40))))
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 40)
    tried = [named for request in bench.sandbox.requests if "_dry_run" in request.path for named in request.named]
    assert tried
    assert not [named for named in tried if named[1] == "sequencing_file"]
    assert bench.receipt("right.tsv")["untried"] == ["sequencing_file"]
    assert bench.receipt("parents.tsv")["untried"] == []


def test_a_row_refused_after_all_have_passed_is_reported_as_partial(bench: Bench) -> None:
    """Between trial and sending something changed: the rest lands, and the receipt says what happened."""
    bench.drop("study.tsv", mixed(study("S1")))
    bench.once()
    refuses(bench, "P3")
    bench.drop("subject.tsv", mixed(*(subject(f"P{i}", "S1") for i in range(30))))
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 29, 1)
    tried = [request for request in bench.sandbox.requests if "_dry_run" in request.path][1:]
    sent = bench.writes()[1:]
    assert sum(request.rows for request in tried) == 30
    assert max(request.number for request in tried) < min(request.number for request in sent)
    receipt = bench.receipt("subject.tsv")
    assert receipt["verdict"] == "partly"
    said = "29 created, 1 rejected. 1 row: `sex` must be"
    assert receipt["reason"].startswith(said)
    passed = "Every row that is tried had passed a dry run; these were refused when they were sent. The others stay."
    assert receipt["reason"].endswith(passed)
    rejects = (bench.folder / "sent/DEV/test/subject.tsv.rejects.tsv").read_text().splitlines()
    assert [line.split("\t")[:2] for line in rejects[1:]] == [["5", "INVALID_VALUE"]]
    with bench.opened() as (_, ledger):
        assert any(event.kind == "partly" and passed in event.text for event in ledger.events.recent(20))


def test_rows_below_one_that_was_refused_after_all_have_passed_are_refused_at_once(tmp_path: Path) -> None:
    """What is not whole any more need not wait a day for a parent: its receipt comes at once, and names the parent."""
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, options='on_invalid = "reject"')
        bench.drop("study.tsv", mixed(study("S1")))
        bench.once()
        refuses(bench, "P1")
        rows = (subject("P1", "S1"), subject("P2", "S1"), sample("A1", "P1"), sample("A2", "P2"))
        file = {"type": "sequencing_file", "file_name": "f.bam", "file_size": "10", "md5sum": f"{1:032x}"}
        below = file | {"submitter_id": "F1", "samples.submitter_id": "A1", "data_format": "BAM"}
        bench.drop("all.tsv", mixed(*rows, below))
        [drop] = bench.once().ended
        assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 3)
        rejects = (bench.folder / "sent/DEV/test/all.tsv.rejects.tsv").read_text().splitlines()
    told = {line.split("\t")[0]: line.split("\t")[1:3] for line in rejects[1:]}
    assert {line: kind for line, (kind, _) in told.items()} == {
        "2": "INVALID_VALUE",
        "4": "MISSING_PARENT",
        "6": "MISSING_PARENT",
    }
    where = "is not in the commons. It was itself refused: line {} of DEV/test/all.tsv."
    assert f"The parent subject P1 {where.format(2)}" in told["4"][1]
    assert f"The parent sample A1 {where.format(4)}" in told["6"][1]


def test_a_row_below_a_refused_one_goes_when_another_file_brings_that(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, options='on_invalid = "reject"')
        bench.drop("study.tsv", mixed(study("S1")))
        bench.once()
        refuses(bench, "P1")
        hold = sandbox.faults.hold(Point.STARTED, method="PUT", path="_dry_run")
        with bench.running() as running:
            bench.drop("all.tsv", mixed(subject("P1", "S1"), sample("A1", "P1")))
            running.until(lambda: hold.fault.waiting, "the first dry run")
            bench.drop("again.tsv", mixed(subject("P1", "S1", "female")))
            behind = "1 row waits until DEV/test/all.tsv has ended"
            running.until(lambda: any(behind in d.reason for d in running.ledger.drops.open()), "the other file")
            hold.release()
            drops = {drop.path: drop for drop in running.ended(3)}
    first, second = drops["DEV/test/all.tsv"], drops["DEV/test/again.tsv"]
    assert (first.verdict, first.counts["created"], first.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    assert second.verdict is Verdict.LANDED


def test_a_file_node_refused_after_the_other_rows_passed(bench: Bench) -> None:
    bench.drop("parents.tsv", mixed(sample("A0", "P0"), subject("P0", "S1"), study("S1")))
    bench.once()
    file = {"type": "sequencing_file", "samples.submitter_id": "A0", "file_name": "f.bam", "file_size": "10"}
    files = [
        file | {"submitter_id": f"F{i}", "md5sum": f"{i:032x}", "data_format": "BAM" if i else "BOM"} for i in range(2)
    ]
    bench.drop("mixed.tsv", mixed(*files, subject("P1", "S1")))
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 2, 1)
    reason = bench.receipt("mixed.tsv")["reason"]
    assert "Rows of sequencing_file are never tried: even a dry run writes to the file index." in reason
