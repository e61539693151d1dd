"""The receipt says what docs/reference/receipt.md says it does, and after a crash it says the same."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import BEFORE_THE_END, Bench, table
from tests.scenario.test_outbox_stories import STUDY, TEN, subjects

PAGE = Path(__file__).parent.parent.parent / "docs/reference/receipt.md"


def test_every_field_of_a_receipt_is_documented(tmp_path: Path) -> None:
    text = PAGE.read_text(encoding="utf-8")
    words = set(re.findall(r"`([a-z_0-9]+)`", text))
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        bench.drop("subject.tsv", b"\xef\xbb\xbf" + subjects(*TEN[:8], "P8 S1 wrong human").encode())
        bench.once()
        bench.drop("subject.tsv", subjects("p1 S1 female dog"))
        bench.once()
        missing = set()
        for name in ("subject.tsv", "subject-2.tsv"):
            receipt = bench.receipt(name)
            missing |= set(receipt) - words
            missing |= set(receipt["verification"]) - words
            for part in ("rejects", "mends", "chunks", "renamed"):
                missing |= {key for entry in receipt[part] for key in entry} - words
            missing |= set(receipt["rows"]) - words
        assert not missing
        assert receipt["renamed"] == [{"from": "P1", "to": "p1"}]
    assert {verdict.value for verdict in Verdict} <= words


def test_values_are_counted_as_they_were_read_back(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        bench.drop("subject.tsv", subjects(*TEN, "P99 S1 wrong human"))
        bench.once()
        assert told(bench.receipt("study.tsv")) == (1, 2, 0)
        # A parent, sex and species of each; nothing of the row that was refused.
        assert told(bench.receipt("subject.tsv")) == (10, 30, 0)
        edited = [row.replace("human", "dog") if i in (2, 7) else row for i, row in enumerate(TEN)]
        bench.drop("subject.tsv", subjects(*edited))
        bench.once()
        assert told(bench.receipt("subject-2.tsv")) == (10, 6, 24)
        parents = [{"submitter_id": "S1"}, {"submitter_id": "S1"}]
        publication = {"type": "publication", "submitter_id": "B1", "year": 2020, "studies": parents}
        bench.drop("publication.json", json.dumps(publication))
        bench.once()
        assert told(bench.receipt("publication.json")) == (1, 2, 0)


def told(receipt: dict[str, Any]) -> tuple[int, int, int]:
    proof = receipt["verification"]
    return proof["rows_proven"], proof["values"], proof["values_unchanged"]


def test_blanks_that_are_kept_are_no_values(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, 'blanks = "keep"')
        bench.drop("study.tsv", STUDY)
        bench.drop("subject.tsv", subjects("P1 S1 male human", "P2 S1 male ."))
        bench.once()
        bench.drop("subject.tsv", subjects("P1 S1 female .", "P2 S1 female ."))
        bench.once()
        # P1 keeps its species: that blank cell says nothing. Where nothing is stored it says what is.
        assert told(bench.receipt("subject-2.tsv")) == (2, 5, 0)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", BEFORE_THE_END)
def test_a_receipt_says_the_same_after_a_crash(tmp_path: Path, step: str) -> None:
    """Erased values, parents that stay, names re-spelled, refused rows, values, requests: all of it from what was
    written down, none of it twice."""
    whole = receipt_of_a_busy_file(tmp_path / "whole", None)
    cut = receipt_of_a_busy_file(tmp_path / "cut", step)
    assert whole["rows"] == {
        "read": 7, "created": 1, "updated": 4, "unchanged": 1, "rejected": 1, "waiting": 0
    }  # fmt: skip
    assert (whole["erased"], whole["links_not_removed"]) == ({"year": 2}, {"studies.submitter_id": 2})
    assert whole["renamed"] == [{"from": "B3", "to": "b3"}]
    assert (whole["verification"]["values"], whole["verification"]["values_unchanged"]) == (18, 4)
    for field in set(whole) - {"chunks", "arrived_at", "ended_at", "commons", "verification"}:
        assert cut[field] == whole[field], field
    for field in ("values", "values_unchanged", "rows_proven", "verified", "rows_accepted_unverified"):
        assert cut["verification"][field] == whole["verification"][field], field
    assert {chunk["state"] for chunk in cut["chunks"]} <= {
        "landed", "refused", "not sent", "answer lost, landed", "answer lost, expired", "answer lost, not stored"
    }  # fmt: skip
    landed = [chunk for chunk in cut["chunks"] if chunk["transaction_state"] == "SUCCEEDED"]
    assert all(chunk["transaction_id"] and chunk["started_at"] and chunk["document_name"] for chunk in landed)


def receipt_of_a_busy_file(folder: Path, step: str | None) -> dict[str, Any]:
    """A file that creates, changes, erases, renames, keeps parents, and is refused in part."""
    folder.mkdir()
    head = "type submitter_id studies.submitter_id year doi"
    with Sandbox() as sandbox:
        bench = Bench(folder, sandbox, 'blanks = "erase"', 'horizon = "1s"')
        bench.drop("study.tsv", table("type submitter_id projects.code", "study S1 test", "study S2 test"))
        bench.drop("seed.tsv", table(head, *(f"publication B{i} S1,S2 2020 One" for i in range(1, 7))))
        bench.once()
        rows = (
            "publication B1 S1 . One",  # erases, and a parent stays
            "publication B2 S1,S2 . Two",  # erases and changes
            "publication b3 S1,S2 2020 One",  # re-spelled
            "publication B4 S2 2021 One",  # changes, and a parent stays
            "publication B5 S1,S2 2020 One",  # unchanged
            "publication B6 S1,S2 wrong One",  # refused
            "publication B7 S1,S2 2020 One",  # new
        )
        bench.drop("publication.tsv", table(head, *rows))
        if step is not None:
            assert bench.crash(step)
        [ended] = bench.once().ended
        assert ended.verdict is Verdict.PARTLY
        return bench.receipt("publication.tsv")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", ["send: answer written", "verify: done", "archive: composed"])
def test_a_record_that_came_meanwhile_counts_as_updated_also_after_a_crash(tmp_path: Path, step: str) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        bench.once()
        parent = {"studies": {"submitter_id": "S1"}}

        def meddle(name: str) -> None:
            if name == "plan: done":
                sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P1", "sex": "female", **parent}])

        bench.drop("subject.tsv", subjects("P1 S1 male human", "P2 S1 male human"))
        assert bench.crash(step, also=meddle)
        bench.once()
        receipt = bench.receipt("subject.tsv")
        assert (receipt["existed_before"], receipt["rows"]["created"], receipt["rows"]["updated"]) == (1, 1, 1)
        assert receipt["undo"]["cannot"] == [
            "1 new record stays: a PUT cannot delete.",
            "1 record was there before, but the values could not be seen.",
        ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_submitter_is_who_sent_it_whoever_finishes_it(tmp_path: Path) -> None:
    with Sandbox(username="first@example.org") as sandbox:
        bench = Bench(tmp_path, sandbox)
        bench.drop("study.tsv", STUDY)
        assert bench.crash("verify: done")
        sandbox.commons.username = sandbox.commons.tokens.username = "second@example.org"
        sandbox.write_api_key(tmp_path / "key.json")
        (bench.settings.state.path / "user.json").unlink()  # to the sandbox all users have one number
        bench.once()
        assert bench.receipt("study.tsv")["submitter"] == "first@example.org"
        bench.drop("study.tsv", STUDY)
        bench.once()
        assert bench.receipt("study-2.tsv")["submitter"] == "second@example.org"
