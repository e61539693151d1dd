"""What goes wrong between the outbox and the commons, and that nothing is lost, doubled or falsely green."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import SubmitReply
from gen3sync.ledger import Verdict
from gen3sync.names import Project
from gen3sync.outbox.failpoint import STEPS
from gen3sync.sandbox import Kind, Point, Sandbox
from tests.scenario.outbox_bench import Bench, table
from tests.scenario.test_outbox_stories import STUDY, TEN, subjects

SUBMIT = "/submission/DEV/test$"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        yield Bench(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 2")


def landed_once(bench: Bench, subjects_there: int = 10) -> None:
    """All rows are there once, and no two requests in flight wrote one record."""
    assert bench.sandbox.count("DEV-test", "subject") == subjects_there
    assert not bench.sandbox.colliding()
    assert not [path for path in bench.outbox.rglob("*") if path.is_file()]


def test_an_answer_lost_after_the_commit_is_found_in_the_log(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    bench.sandbox.faults.lose(Point.AFTER_LOG, method="PUT", path=SUBMIT)
    sent = len(bench.writes())
    bench.drop("subject.tsv", subjects(*TEN[:4]))
    with bench.running() as running:
        [_, drop] = running.ended(2)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    assert len(bench.writes()) - sent == 1
    assert bench.receipt("subject.tsv")["chunks"][0]["state"] == "answer lost, landed"
    landed_once(bench, 4)


def test_a_gateway_that_gives_up_before_the_commit_does_not_double_anything(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    hold = bench.sandbox.faults.hold(Point.BEFORE_COMMIT, method="PUT", path=SUBMIT)
    bench.sandbox.faults.lose(Point.STARTED, how=504, method="PUT", path=SUBMIT)
    bench.drop("subject.tsv", subjects(*TEN[:4]))
    with bench.running() as running:
        hold.wait_reached()
        running.until(lambda: running.ledger.requests.unsettled(), "a lost request")
        hold.release()
        [_, drop] = running.ended(2)
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 4)
    landed_once(bench, 4)


def test_a_server_killed_between_commit_and_log_is_proven_by_the_values(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, commons='horizon = "1s"')
        bench.drop("study.tsv", STUDY)
        bench.once()
        sandbox.faults.kill(Point.AFTER_COMMIT, method="PUT", path=SUBMIT)
        sent = len(bench.writes())
        bench.drop("subject.tsv", subjects(*TEN))
        with bench.running() as running:
            [_, drop] = running.ended(2)
        assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 10)
        assert len(bench.writes()) - sent == 1
        landed_once(bench)


ANSWERS: dict[str, Callable[[Sandbox], object]] = {
    "429 short": lambda s: s.faults.answer(429, method="PUT", path=SUBMIT, headers={"Retry-After": "0"}),
    "500 before": lambda s: s.faults.answer(500, method="PUT", path=SUBMIT),
    "502 before": lambda s: s.faults.answer(502, method="PUT", path=SUBMIT),
    "503": lambda s: s.faults.answer(503, method="PUT", path=SUBMIT, headers={"Retry-After": "0"}),
    "504 after": lambda s: s.faults.lose(Point.AFTER_LOG, how=504, method="PUT", path=SUBMIT),
    "413": lambda s: s.faults.answer(413, method="PUT", path=SUBMIT),
    "HTML with 200": lambda s: s.faults.add(Kind.HTML, method="PUT", path=SUBMIT),
    "another content type": lambda s: s.faults.add(Kind.CONTENT_TYPE, method="PUT", path=SUBMIT),
    "broken JSON": lambda s: s.faults.add(Kind.INVALID_JSON, method="PUT", path=SUBMIT),
    "closed before the body": lambda s: s.faults.lose(Point.BEFORE_BODY, method="PUT", path=SUBMIT),
    "reset during the body": lambda s: s.faults.lose(Point.DURING_BODY, how="reset", method="PUT", path=SUBMIT),
    "reset after the body": lambda s: s.faults.lose(Point.RECEIVED, how="reset", method="PUT", path=SUBMIT),
    "closed after the commit": lambda s: s.faults.lose(Point.AFTER_COMMIT, method="PUT", path=SUBMIT),
    "killed before the commit": lambda s: s.faults.kill(Point.BEFORE_COMMIT, method="PUT", path=SUBMIT),
    "export down once": lambda s: s.faults.answer(502, path="/export"),
    "GraphQL down once": lambda s: s.faults.answer(502, path="/graphql"),
}


@pytest.mark.parametrize("fault", ANSWERS, ids=str)
def test_whatever_the_answer_all_rows_land_once(tmp_path: Path, fault: str) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, options="chunk_rows = 4", commons='horizon = "2s"')
        bench.drop("study.tsv", STUDY)
        bench.once()
        ANSWERS[fault](sandbox)
        bench.drop("subject.tsv", subjects(*TEN))
        with bench.running() as running:
            [_, drop] = running.ended(2)
        assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 10)
        landed_once(bench)


def test_a_request_that_is_sent_again_has_a_name_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    submit = CommonsClient.submit

    def noted(client: CommonsClient, project: Project, body: bytes, **keywords: Any) -> SubmitReply:
        names.append(keywords["document_name"])
        return submit(client, project, body, **keywords)

    monkeypatch.setattr(CommonsClient, "submit", noted)
    bench.sandbox.faults.answer(429, times=2, method="PUT", path=SUBMIT, headers={"Retry-After": "0"})
    bench.drop("study.tsv", STUDY)
    [drop] = bench.once().ended
    assert drop.verdict is Verdict.LANDED
    assert len(names) == len(set(names)) == 3
    [chunk] = bench.receipt("study.tsv")["chunks"]
    assert names[2] == chunk["document_name"]


def test_without_graphql_exports_serve(bench: Bench) -> None:
    bench.sandbox.faults.set(graphql="missing")
    bench.drop("study.tsv", STUDY)
    bench.once()
    bench.drop("subject.tsv", subjects(*TEN))
    [drop] = bench.once().ended
    assert drop.verdict is Verdict.LANDED
    receipt = bench.receipt("subject.tsv")
    assert receipt["verification"]["method"] == "values"
    sent = len(bench.writes())
    bench.drop("subject.tsv", subjects(*TEN))
    bench.once()
    assert len(bench.writes()) == sent


def test_without_read_permission_the_receipt_is_not_green(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    bench.sandbox.deny("DEV-test", "read")
    bench.drop("subject.tsv", subjects(*TEN))
    [drop] = bench.once().ended
    assert drop.verdict is Verdict.UNVERIFIED
    receipt = bench.receipt("subject.tsv")
    assert receipt["verification"]["verified"] is False
    assert (receipt["verification"]["values"], receipt["verification"]["values_unchanged"]) == (0, 0)
    assert "unverified" in receipt["reason"]
    assert bench.sandbox.count("DEV-test", "subject") == 10


def test_an_internal_failure_that_names_no_row_is_halved_down_to_the_culprit(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    body = (
        '{"code":400,"created_entity_count":0,"entities":[],"entity_error_count":0,"message":"Transaction aborted",'
        '"success":false,"transaction_id":9999,"transactional_error_count":1,"updated_entity_count":0,'
        '"transactional_errors":["Internal server error. Sorry, something unexpected went wrong!"]}'
    )
    bench.sandbox.faults.answer(400, method="PUT", path=SUBMIT, body=body, content_type="application/json", times=3)
    bench.drop("subject.tsv", subjects(*TEN))
    with bench.running() as running:
        [_, drop] = running.ended(2)
    assert drop.counts["created"] + drop.counts["rejected"] == 10
    assert drop.counts["created"] >= 9


def test_somebody_else_wrote_it_since(bench: Bench) -> None:
    bench.drop("study.tsv", STUDY)
    bench.once()
    hold = bench.sandbox.faults.hold(Point.AFTER_LOG, method="PUT", path=SUBMIT)
    bench.drop("subject.tsv", subjects("P1 S1 male human"))
    with bench.running() as running:
        hold.wait_reached()
        changed = {"type": "subject", "submitter_id": "P1", "species": "cat", "studies": {"submitter_id": "S1"}}
        bench.sandbox.write("DEV-test", [changed])
        hold.release()
        [_, drop] = running.ended(2)
    assert drop.verdict is Verdict.LANDED
    assert bench.receipt("subject.tsv")["verification"]["overwritten_since"] == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("nth", [1, 2])
def test_a_crash_at_any_step_loses_and_doubles_nothing(tmp_path: Path, step: str, nth: int) -> None:
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 1", commons='horizon = "1s"')
        bench.drop("study.tsv", STUDY)
        bench.once()
        bench.drop("subject.tsv", subjects(*TEN[:5], "P5 S1 wrong human", *TEN[6:]))
        bench.crash(step, nth)
        with bench.running() as running:
            running.until(lambda: not any(bench.outbox.rglob("*.tsv")), "an empty outbox")
            running.until(lambda: not running.ledger.drops.open(), "the end of all drops")
            drops = running.ledger.drops.recent(10)
        assert [drop.path for drop in drops] == ["DEV/test/subject.tsv", "DEV/test/study.tsv"]
        assert (drops[0].verdict, drops[0].counts["rejected"]) == (Verdict.PARTLY, 1)
        assert drops[0].counts["created"] == 9
        landed_once(bench, 9)
        sent = list((bench.folder / "sent/DEV/test").iterdir())
        assert sorted(path.name for path in sent if path.name.startswith("subject")) == [
            "subject.tsv", "subject.tsv.receipt.json", "subject.tsv.rejects.tsv"
        ]  # fmt: skip
        assert not list((bench.settings.state.path / "drops").iterdir())
        made = [r for r in bench.writes() if r.status == 200]
        assert made


def test_a_gzip_drop_and_a_json_drop_are_read_too(bench: Bench) -> None:
    import gzip
    import json

    bench.drop("study.json", json.dumps([{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}}]))
    bench.drop("subject.tsv.gz", gzip.compress(subjects(*TEN).encode()))
    drops = bench.once().ended
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    landed_once(bench)


def test_links_that_a_drop_no_longer_names_are_told(bench: Bench) -> None:
    bench.drop("study.tsv", table("type submitter_id projects.code", "study S1 test", "study S2 test"))
    bench.drop("pub.tsv", table("type submitter_id studies.submitter_id year", "publication B1 S1,S2 2020"))
    bench.once()
    bench.drop("pub.tsv", table("type submitter_id studies.submitter_id year", "publication B1 S2 2021"))
    [drop] = bench.once().ended
    assert drop.verdict is Verdict.LANDED
    assert bench.receipt("pub-2.tsv")["links_not_removed"] == {"studies.submitter_id": 1}
