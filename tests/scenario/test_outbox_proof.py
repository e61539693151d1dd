"""What landed is read back: many rows from one export of their node, where that costs the commons less than asking for
each; and from that alone they are green."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.ledger import Verdict
from gen3sync.outbox.failpoint import FailPoint, no_failpoint
from gen3sync.outbox.lookup import _MANY
from gen3sync.sandbox import Kind, Sandbox
from tests.scenario.outbox_bench import Bench, table

MANY = 4 * _MANY
"""Three requests: a first one, and what is left in two that are both worth an export."""


def subjects(count: int, species: str = "human") -> str:
    rows = (f"subject P{i} S1 male {species}" for i in range(count))
    return table("type submitter_id studies.submitter_id sex species", *rows)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        made = Bench(tmp_path, sandbox)
        made.drop("study.tsv", table("type submitter_id projects.code title", "study S1 test One"))
        made.once()
        yield made


def asked(bench: Bench) -> list[str]:
    """PUTs and exports in turn, those of the study left out."""
    every = [one.method for one in bench.sandbox.requests if one.method == "PUT" or "/export" in one.path]
    return every[every.index("PUT", 1) :]


def read_back(bench: Bench) -> set[str]:
    """How records were read after the first PUT."""
    return set(asked(bench)) - {"PUT"}


def green(bench: Bench, rows: int, failpoint: FailPoint = no_failpoint) -> None:
    [drop] = bench.once(failpoint).ended
    proof = bench.receipt("subject.tsv")["verification"]
    assert drop.verdict is Verdict.LANDED
    assert (proof["method"], proof["rows_proven"]) == ("transaction and values", rows)


def test_many_rows_are_read_back_from_one_export(bench: Bench) -> None:
    bench.drop("subject.tsv", subjects(MANY))
    green(bench, MANY)
    assert read_back(bench) == {"GET"}


def test_few_rows_are_asked_for(bench: Bench) -> None:
    bench.drop("subject.tsv", subjects(20))
    green(bench, 20)
    assert read_back(bench) == {"POST"}


@pytest.mark.parametrize("fault", ["cut", "busy", "html"])
def test_an_export_that_is_not_whole_proves_nothing(bench: Bench, fault: str) -> None:
    def breaks(step: str) -> None:
        if step != "plan: done":  # what is there before may be read by an export, too
            return
        match fault:
            case "cut":
                bench.sandbox.faults.cut_export(rows=5, times=None, path="/export?")
            case "busy":
                bench.sandbox.faults.add(Kind.ANSWER, status=403, times=None, method="GET", path="/export?")
            case _:
                bench.sandbox.faults.add(Kind.HTML, times=None, method="GET", path="/export?")

    bench.drop("subject.tsv", subjects(MANY))
    green(bench, MANY, breaks)
    assert "POST" in read_back(bench)


def test_a_value_that_is_not_there_is_seen_in_an_export_too(bench: Bench) -> None:
    """Somebody else writes between the answer and the proof."""
    done: list[str] = []

    def meddle(step: str) -> None:
        if step == "send: answered" and bench.sandbox.count("DEV-test", "subject") == MANY and not done:
            done.append(step)
            study = {"studies": {"submitter_id": "S1"}}
            bench.sandbox.write(
                "DEV-test", [{"type": "subject", "submitter_id": f"P{MANY - 1}", "species": "dog", **study}]
            )

    bench.drop("subject.tsv", subjects(MANY))
    [drop] = bench.once(meddle).ended
    receipt = bench.receipt("subject.tsv")
    assert done
    proof = receipt["verification"]
    assert (drop.verdict, proof["overwritten_since"]) == (Verdict.LANDED, 1)
    # What somebody else wrote over is proven by its transaction, not by its values.
    assert (proof["rows_proven"], proof["values"]) == (MANY - 1, 3 * (MANY - 1))
    assert read_back(bench) == {"GET"}


def test_undo_says_that_somebody_else_has_written_since(bench: Bench) -> None:
    bench.drop("subject.tsv", subjects(2))
    bench.once()
    study = {"studies": {"submitter_id": "S1"}}

    def meddle(step: str) -> None:
        found = bench.sandbox.record("DEV-test", "subject", "P0")
        if step == "send: answered" and found is not None and found["species"] == "cat":
            bench.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "species": "dog", **study}])

    bench.drop("subject.tsv", subjects(2, "cat"))
    bench.once(meddle)
    told = bench.receipt("subject-2.tsv")
    assert told["verification"]["overwritten_since"] == 1
    [words] = told["undo"]["cannot"]
    assert words.startswith("1 record was written over by somebody else since")


@pytest.mark.parametrize(
    ("stranger", "stored", "over"),
    [("nobody", "human", 0), ("wrote another", "human", 0), ("wrote it", "dog", 1), ("deleted it", None, 1)],
)
def test_only_who_wrote_that_very_record_explains_its_value(
    bench: Bench, stranger: str, stored: str | None, over: int
) -> None:
    """The first request's proof comes after the answers of the next: neither these nor somebody else's other records
    explain a value that is not as sent."""
    done: list[str] = []

    def spoil(step: str) -> None:
        if step != "send: answered" or done:
            return
        done.append(step)
        subject = {"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "species": "dog"}
        found = bench.sandbox.record("DEV-test", "subject", "P0")
        assert found is not None
        match stranger:
            case "wrote it":
                bench.sandbox.write("DEV-test", [subject])
            case "deleted it":
                bench.sandbox.delete("DEV-test", [found["id"]])
            case _:
                bench.sandbox.sql("DEV-test", "subject", "P0", species="dog")
        if stranger == "wrote another":
            bench.sandbox.write("DEV-test", [subject | {"submitter_id": "X0"}])

    bench.drop("subject.tsv", subjects(MANY))
    [drop] = bench.once(spoil).ended
    receipt = bench.receipt("subject.tsv")
    found = bench.sandbox.record("DEV-test", "subject", "P0")
    assert drop.verdict is Verdict.LANDED
    proof = receipt["verification"]
    assert (found["species"] if found else None, proof["overwritten_since"]) == (stored, over)
    assert (proof["rows_proven"], proof["values"]) == (MANY - over, 3 * (MANY - over))
    assert len(receipt["chunks"]) > 3 - over


def test_few_rows_wait_for_the_proof_of_the_next(bench: Bench) -> None:
    """The first request, sent alone, is read back with those after it: one question less."""
    bench.drop("subject.tsv", subjects(MANY))
    bench.once()
    assert asked(bench)[:2] == ["PUT", "PUT"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", ["send: answered", "send: answer written"])
def test_what_somebody_else_wrote_before_a_restart_is_not_taken_back(bench: Bench, step: str) -> None:
    """The rows landed before the kill; the log says so, and that others wrote since."""
    bench.drop("subject.tsv", subjects(2))
    assert bench.crash(step)
    study = {"studies": {"submitter_id": "S1"}}
    bench.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "species": "dog", **study}])
    puts = len(bench.writes())
    with bench.running() as running:
        drop = running.ended(2)[1]
    proof = bench.receipt("subject.tsv")["verification"]
    assert (drop.verdict, proof["overwritten_since"]) == (Verdict.LANDED, 1)
    assert len(bench.writes()) == puts
    assert (bench.sandbox.record("DEV-test", "subject", "P0") or {})["species"] == "dog"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_success_that_is_disproved_after_a_restart_is_told_so(bench: Bench) -> None:
    """Somebody takes an id after it was looked for: 200, and nothing stored. It is read back by the next life only."""
    taken = "7b1b2f0c-0000-4000-8000-000000000001"
    other = {"type": "subject", "submitter_id": "P9", "id": taken, "studies": {"submitter_id": "S1"}}

    def take(step: str) -> None:
        if step == "send: written in the ledger" and not bench.sandbox.count("DEV-test", "subject"):
            bench.sandbox.write("DEV-test", [other])

    rows = f"subject P0 S1 {taken}", "subject P1 S1 7b1b2f0c-0000-4000-8000-000000000002"
    bench.drop("subject.tsv", table("type submitter_id studies.submitter_id id", *rows))
    assert bench.crash("send: answer written", also=take)
    assert [record["submitter_id"] for record in bench.sandbox.records("DEV-test", "subject")] == ["P9"]
    [drop] = bench.once().ended
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    receipt = bench.receipt("subject.tsv")
    assert [(chunk["state"], chunk["transaction_state"]) for chunk in receipt["chunks"]] == [
        ("success said, not stored", "PENDING"),
        ("landed", "SUCCEEDED"),
    ]
    assert receipt["verification"]["method"] == "transaction and values"
