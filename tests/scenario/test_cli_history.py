"""`gen3sync history FILE` tells a file's whole story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab

STUDY = "type\tsubmitter_id\tprojects.code\nstudy\tA\ttest\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        yield Lab(tmp_path, sandbox)


def story(lab: Lab, name: str) -> list[str]:
    """The lines of a file's story, without their times."""
    return [line[23:] for line in lab.call("history", name).out.splitlines()]


def test_that_the_project_was_closed_and_what_the_commons_said(lab: Lab) -> None:
    lab.sandbox.set_project("DEV-test", state="closed")
    lab.drop("study.tsv", STUDY)
    lab.call("once")
    told = story(lab, "study.tsv")
    assert "DEV/test is parked: Project is in state 'closed' and takes nothing until it is open." in "\n".join(told)
    lab.sandbox.set_project("DEV-test", state="open")
    lab.call("retry")
    told = story(lab, "study.tsv")
    assert len([line for line in told if line.startswith("DEV/test is parked: ")]) == 1
    [refused, landed] = [line for line in told if line.startswith("sent chunk")]
    assert refused.startswith("sent chunk 1, study 1 row: refused in ")
    assert "Project is in state 'closed'" in refused
    assert landed.startswith("sent chunk 2, study 1 row: landed in ")


def test_that_a_file_had_no_way(lab: Lab) -> None:
    path = lab.outbox.parent / "tset" / "study.tsv"
    path.parent.mkdir()
    path.write_text(STUDY)
    lab.call("once")
    lab.call("withdraw", "DEV/tset/study.tsv")
    [parked] = [line for line in story(lab, "DEV/tset/study.tsv") if line.startswith("parked: ")]
    assert parked.startswith("parked: The commons has no project DEV/tset that this key may see.")


def test_what_became_of_an_answer_that_was_lost(lab: Lab) -> None:
    lab.sandbox.faults.lose("after_log", method="PUT")
    lab.drop("study.tsv", STUDY)
    passes = (lab.call("once") for _ in range(60))
    assert any(lab.receipt("study.tsv") for _ in passes)
    [sent] = [line for line in story(lab, "study.tsv") if line.startswith("sent chunk")]
    assert sent.startswith("sent chunk 1, study 1 row: answer lost, landed in ")
    (lab.sent / "study.tsv.receipt.json").unlink()
    [sent] = [line for line in story(lab, "study.tsv") if line.startswith("sent chunk")]
    assert sent.startswith("sent chunk 1, study 1 row: settled in ")


def test_only_the_papers_of_the_drop_itself(lab: Lab) -> None:
    """A rejects file that was dropped again lies beside them, and so do its receipt and its rejects."""
    lab.drop("study.tsv", STUDY)
    bad = "type\tsubmitter_id\tstudies.submitter_id\tsex\nsubject\tP0\tA\tx\nsubject\tP1\tA\tmale\n"
    lab.drop("subject.tsv", bad)
    lab.call("once")
    rejects = (lab.sent / "subject.tsv.rejects.tsv").read_text()
    lab.drop("subject.tsv.rejects.jsonl", '{"type": "study", "submitter_id": "B", "projects": {"code": "test"}}\n')
    lab.drop("subject.tsv.rejects.2.tsv", rejects.replace("\tx\n", "\tmale\n"))
    lab.call("once")
    told = lab.call("history", "subject.tsv").out.splitlines()
    assert [line.split("/")[-1] for line in told if line.startswith("  rejects:")] == ["subject.tsv.rejects.tsv"]
