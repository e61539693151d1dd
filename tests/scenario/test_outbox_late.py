"""A file whose way becomes known only after later ones have gone: it does not put older values over newer ones."""

from __future__ import annotations

from pathlib import Path

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench, table

STUDY = table("type submitter_id projects.code title", "study S1 test One")
ROUTE = '[[outbox.route]]\npattern = "lab/*.tsv"\nprogram = "DEV"\nproject = "test"\n'


def subjects(*rows: str) -> str:
    return table("type submitter_id studies.submitter_id sex species", *(f"subject {row}" for row in rows))


def sex(sandbox: Sandbox) -> object:
    return (sandbox.record("DEV-test", "subject", "P1") or {}).get("sex")


def test_an_older_file_with_a_late_way_waits_for_a_person(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench(tmp_path, sandbox)
    bench.drop("study.tsv", STUDY)
    bench.once()
    bench.drop("old.tsv", subjects("P1 S1 male human"), project="lab")
    bench.once()
    bench.drop("new.tsv", subjects("P1 S1 female human"))
    bench.once()
    bench = Bench(tmp_path, sandbox, options=ROUTE)
    summary = bench.once()
    assert sex(sandbox) == "female"
    assert "older values over newer ones" in summary.waiting[0].reason
    with bench.running() as days:
        days.outbox.retry(summary.waiting[0].id)
        ended = days.ended(4)
    assert sex(sandbox) == "male"
    assert ended[-1].verdict is Verdict.LANDED
    assert [drop.verdict for drop in ended if drop.id == summary.waiting[0].id] == [Verdict.SUPERSEDED]
    assert not list(bench.outbox.rglob("*.tsv"))


def test_files_of_a_new_project_go_in_their_order(tmp_path: Path, sandbox: Sandbox) -> None:
    bench = Bench(tmp_path, sandbox)
    bench.drop("study.tsv", table("type submitter_id projects.code title", "study S1 later One"), project="DEV/later")
    bench.drop("a.tsv", subjects("P1 S1 male human"), project="DEV/later")
    bench.once()
    sandbox.add_project("DEV-later")
    bench.drop("b.tsv", subjects("P1 S1 female human"), project="DEV/later")
    with bench.running() as days:
        ended = days.ended(3)
    assert [drop.verdict for drop in ended] == [Verdict.LANDED] * 3
    assert (sandbox.record("DEV-later", "subject", "P1") or {})["sex"] == "female"
