"""Many small files at once: their rows share requests, and each file's receipt tells of it as if it had gone alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.ledger import DropState, Verdict
from gen3sync.outbox import flow, send
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench, table

STUDY = table("type submitter_id projects.code title", "study S1 test One")
SENT = "PUT"
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def subjects(*rows: str) -> str:
    return table("type submitter_id studies.submitter_id sex species", *(f"subject {row}" for row in rows))


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        made = Bench(tmp_path, sandbox)
        made.drop("study.tsv", STUDY)
        made.once()
        yield made


def crowd(bench: Bench, number: int) -> list[str]:
    names = [f"p{i:03}.tsv" for i in range(number)]
    for i, name in enumerate(names):
        bench.drop(name, subjects(f"P{i} S1 male human"))
    return names


def short_horizon(bench: Bench) -> None:
    """A lost answer is given up soon."""
    commons = bench.settings.commons.model_copy(update={"horizon": 0.5})
    bench.settings = bench.settings.model_copy(update={"commons": commons})


def whole(bench: Bench, names: list[str]) -> None:
    """Everything is there once, and every receipt is true."""
    assert bench.sandbox.count("DEV-test", "subject") == len(names)
    transactions = {t.id: t for t in bench.sandbox.transactions}
    for name in names:
        paper = bench.receipt(name)
        assert (paper["verdict"], paper["rows"]["created"]) == ("landed", 1), (name, paper)
        landed = [chunk for chunk in paper["chunks"] if chunk["state"] in ("landed", "answer lost, landed")]
        assert landed
        for chunk in landed:
            assert (chunk["rows"], chunk["lines"], chunk["transaction_state"]) == (1, [2, 2], "SUCCEEDED")
            assert chunk["transaction_id"] in transactions
    assert not bench.sandbox.colliding()


def test_a_hundred_files_share_few_requests(bench: Bench) -> None:
    before = len(bench.writes())
    names = crowd(bench, 100)
    summary = bench.once()
    assert [drop.verdict for drop in summary.ended] == [Verdict.LANDED] * 100
    whole(bench, names)
    assert len(bench.writes()) - before <= 30
    documents = {bench.receipt(name)["chunks"][0]["document_name"] for name in names}
    assert len(documents) == len(bench.writes()) - before
    with bench.opened() as (_, ledger):
        assert ledger.requests.unsettled() == ()


def test_a_bad_row_refuses_its_own_file_alone(bench: Bench) -> None:
    names = crowd(bench, 20)
    bench.drop("p007.tsv", subjects("P7 S1 perhaps human"))
    bench.once()
    paper = bench.receipt("p007.tsv", "rejected")
    assert (paper["verdict"], paper["rows"]["rejected"]) == ("rejected", 1)
    assert "sex" in json.dumps(paper["rejects"])
    names.remove("p007.tsv")
    whole(bench, names)


def test_one_lost_answer_of_a_shared_request_settles_all_its_files(bench: Bench) -> None:
    bench.sandbox.faults.lose(method=SENT, times=1)
    names = crowd(bench, 12)
    with bench.running() as days:
        days.ended(13)
    whole(bench, names)


@pytest.mark.parametrize(
    "step",
    ["send: written in the journal", "send: written in the ledger", "send: answered", "send: answer written",
     "verify: done", "archive: composed", "archive: snapshot placed", "archive: ledger written"],
)  # fmt: skip
def test_a_power_cut_with_shared_requests(bench: Bench, step: str) -> None:
    names = crowd(bench, 12)
    assert bench.crash(step)
    short_horizon(bench)
    with bench.running() as days:
        days.ended(13)
    assert bench.sandbox.count("DEV-test", "subject") == len(names)
    for name in names:
        paper = bench.receipt(name)
        assert (paper["verdict"], paper["rows"]["created"]) == ("landed", 1), paper
    assert not list((bench.folder / "sent").rglob("*-2.tsv"))


def test_two_files_that_name_one_record_go_one_after_the_other(bench: Bench) -> None:
    crowd(bench, 5)
    for i in range(5):
        bench.drop(f"q{i}.tsv", subjects(f"p{i} S1 female human"))
    bench.once()
    assert bench.sandbox.count("DEV-test", "subject") == 5
    assert not bench.sandbox.colliding()
    first = {"p": "male", "q": "female"}
    with bench.opened() as (_, ledger):
        last = max(ledger.drops.recent(100), key=lambda drop: drop.id)
    assert bench.sandbox.records("DEV-test", "subject")[0]["sex"] == first[last.path.split("/")[-1][0]]


def test_an_unforeseen_error_while_sending_is_a_lost_answer(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = send.send, [1]

    def broken(rooms: object, put: object, ticket: object) -> object:
        if left.pop() if left else False:
            raise TypeError("nobody thought of this")
        return real(rooms, put, ticket)  # type: ignore[arg-type]

    monkeypatch.setattr(flow, "send", broken)
    short_horizon(bench)
    bench.drop("one.tsv", subjects("P1 S1 male human"))
    with bench.running() as days:
        days.ended(2)
    paper = bench.receipt("one.tsv")
    assert [chunk["state"] for chunk in paper["chunks"]] == ["answer lost, expired", "landed"]


def test_a_file_that_waits_for_a_parent_says_so(bench: Bench) -> None:
    bench.drop("child.tsv", subjects("P1 S9 male human"))
    with bench.running() as days:

        def waiting() -> bool:
            return any(d.state is DropState.WAITING and d.reason for d in days.ledger.drops.open())

        days.until(waiting, "the wait")
        [drop] = days.ledger.drops.open()
        assert drop.reason == "1 row waits for study S9."
        bench.drop("parent.tsv", table("type submitter_id projects.code title", "study S9 test Nine"))
        ended = days.ended(3)
    assert all(drop.verdict is Verdict.LANDED for drop in ended)


def test_a_file_behind_another_that_names_the_same_id_says_so(bench: Bench) -> None:
    same = "7b1b2f0c-0000-4000-8000-000000000001"
    header = "type submitter_id studies.submitter_id id"
    first = bench.drop("first.tsv", table(header, f"subject P1 S9 {same}"))
    with bench.running() as days:

        def reasons() -> dict[str, str]:
            return {drop.path: drop.reason for drop in days.ledger.drops.open()}

        days.until(lambda: reasons().get("DEV/test/first.tsv") == "1 row waits for study S9.", "the first one waits")
        bench.drop("second.tsv", table(header, f"subject P2 S1 {same}"))
        words = "1 row waits until DEV/test/first.tsv has ended, which came before and names the same id."
        days.until(lambda: reasons().get("DEV/test/second.tsv") == words, "the second one says why it waits")
        first.unlink()
        drops = days.ended(3)
    assert {drop.path: drop.verdict for drop in drops}["DEV/test/second.tsv"] is Verdict.LANDED


def test_a_file_behind_another_that_waits_says_which_and_goes_when_that_one_is_taken_away(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    first = bench.drop("first.tsv", subjects("P1 S9 male human"))
    with bench.running() as days:

        def reasons() -> dict[str, str]:
            return {drop.path: drop.reason for drop in days.ledger.drops.open()}

        days.until(lambda: reasons().get("DEV/test/first.tsv") == "1 row waits for study S9.", "the first one waits")
        bench.drop("second.tsv", subjects("P1 S1 male human", "P2 S1 male human"))
        words = "1 row waits until DEV/test/first.tsv has ended, which came before and has the same record."
        days.until(lambda: reasons().get("DEV/test/second.tsv") == words, "the second one says why it waits")
        assert {drop.state for drop in days.ledger.drops.open()} == {DropState.WAITING}
        third = bench.drop("third.tsv", subjects("P1 S1 female human"))
        days.until(lambda: "DEV/test/third.tsv" in reasons() and all(reasons().values()), "so does the third")
        third.unlink()
        days.until(lambda: "DEV/test/third.tsv" not in reasons(), "the third is withdrawn: nothing of it was sent")
        first.unlink()
        days.until(lambda: not reasons(), "the second lands")
        verdicts = {drop.path.rpartition("/")[2]: drop.verdict for drop in days.ledger.drops.recent(4)}
    assert verdicts == {
        "study.tsv": Verdict.LANDED,
        "first.tsv": Verdict.WITHDRAWN,
        "second.tsv": Verdict.LANDED,
        "third.tsv": Verdict.WITHDRAWN,
    }


def test_what_was_there_although_nobody_saw_it_counts_as_updated(bench: Bench) -> None:
    """Stored between looking and sending."""
    from gen3sync.sandbox.faults import Point

    with bench.sandbox.faults.hold(Point.RECEIVED, method=SENT) as hold, bench.running() as days:
        bench.drop("one.tsv", subjects("P1 S1 male human"))
        days.until(lambda: hold.fault.waiting, "the upload")
        bench.sandbox.write(
            "DEV-test",
            [{"type": "subject", "submitter_id": "P1", "sex": "female", "studies": [{"submitter_id": "S1"}]}],
        )
        hold.release()
        days.ended(2)
    paper = bench.receipt("one.tsv")
    assert (paper["existed_before"], paper["rows"]["created"], paper["rows"]["updated"]) == (1, 0, 1)
    assert "could not be seen" in " ".join(paper["undo"]["cannot"])


def test_a_superseded_drop_waits_for_its_own_missing_answer_after_a_restart(bench: Bench) -> None:
    bench.drop("one.tsv", subjects("P1 S1 male human"))
    assert bench.crash("send: answered")
    bench.drop("one.tsv", subjects("P1 S1 female human"))
    bench.once()
    first, second = bench.receipt("one.tsv"), bench.receipt("one-2.tsv")
    # Killed after the answer and before its proof: what was sent is compared, not given up for superseded.
    assert (first["verdict"], first["rows"]["created"], "superseded" in first["rows"]) == ("landed", 1, False)
    [chunk] = first["chunks"]
    assert (chunk["state"], chunk["transaction_state"]) == ("answer lost, landed", "SUCCEEDED")
    assert first["verification"]["method"] == "transaction and values"
    assert (second["verdict"], second["rows"]["updated"]) == ("landed", 1)
    [record] = bench.sandbox.records("DEV-test", "subject")
    assert record["sex"] == "female"


def test_killed_while_an_original_with_a_long_name_is_set_aside(bench: Bench) -> None:
    path = bench.drop("ä" * 125 + ".tsv", subjects("P1 S1 male human"))
    assert bench.crash("archive: original aside")
    assert bench.once().ended[-1].path.endswith(path.name)
    assert not list(bench.outbox.rglob("*taken*"))
    assert not path.exists()


def test_killed_between_answer_and_proof_the_log_is_asked_for_the_receipt(bench: Bench) -> None:
    bench.drop("one.tsv", subjects("P1 S1 male human"))
    assert bench.crash("send: answer written")
    bench.once()
    paper = bench.receipt("one.tsv")
    assert (paper["verdict"], paper["rows"]["created"], bench.sandbox.count("DEV-test", "subject")) == ("landed", 1, 1)
    [chunk] = paper["chunks"]
    assert (chunk["state"], chunk["transaction_state"]) == ("landed", "SUCCEEDED")
    assert paper["verification"]["method"] == "transaction and values"


def test_killed_between_answer_and_proof_without_graphql(bench: Bench) -> None:
    """The values were compared; the log cannot be asked, and the receipt does not say that it was."""
    bench.drop("one.tsv", subjects("P1 S1 male human"))
    assert bench.crash("send: answer written")
    bench.sandbox.faults.set(graphql="missing")
    bench.once()
    paper = bench.receipt("one.tsv")
    assert (paper["verdict"], paper["rows"]["created"]) == ("landed", 1)
    assert paper["chunks"][0]["transaction_state"] is None
    assert (paper["verification"]["method"], paper["verification"]["verified"]) == ("values", True)


def test_a_hundred_renamed_records_are_listed_and_all_are_counted(bench: Bench) -> None:
    names = [f"P{i}" for i in range(130)]
    bench.drop("one.tsv", subjects(*(f"{name} S1 male human" for name in names)))
    bench.once()
    bench.drop("two.tsv", subjects(*(f"{name.lower()} S1 male human" for name in names)))
    bench.once()
    paper = bench.receipt("two.tsv")
    assert (len(paper["renamed"]), paper["renamed_total"], paper["rows"]["updated"]) == (100, 130, 130)
