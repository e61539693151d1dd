"""Undo files put back exactly what stood there, also what TSV cannot say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench, table

STRANGE: dict[str, dict[str, Any]] = {
    "COMMA": {"title": "One", "keywords": ["a,b", "c"]},
    "SPACES": {"title": " outer ", "keywords": ["a"]},
    "ITEM": {"title": "One", "keywords": [" a", "b"]},
    "LINE": {"title": "two\u2028lines", "keywords": ["a"]},
    "WORD": {"title": "null", "keywords": ["null", "x,y"]},
    "RETURN": {"title": "one\rtwo", "keywords": ["a"]},
    "EMPTY": {"title": "", "keywords": []},
    "QUOTE": {"title": 'a "quote"\tand a tab, "', "keywords": ["a,b"]},
}
PLAIN = {"PLAIN": {"title": "One", "keywords": ["a", "b"]}}
ALL = STRANGE | PLAIN


def studies(**values: Any) -> str:
    return json.dumps(
        [
            {"type": "study", "submitter_id": name, "projects": {"code": "test"}, **one, **values}
            for name, one in ALL.items()
        ]
    )


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    with Sandbox() as sandbox:
        yield Bench(tmp_path, sandbox)


def stored(bench: Bench) -> dict[str, dict[str, Any]]:
    found = bench.sandbox.records("DEV-test", "study")
    return {
        one["submitter_id"]: {name: one.get(name) for name in ("title", "keywords", "study_design")} for one in found
    }


def sent(bench: Bench, name: str) -> Path:
    return bench.folder / "sent/DEV/test" / name


def test_what_a_table_changed_is_put_back_exactly(bench: Bench) -> None:
    bench.drop("seed.json", studies(study_design="Trial"))
    assert [drop.verdict for drop in bench.once().ended] == [Verdict.LANDED]
    before = stored(bench)
    assert {name: one["title"] for name, one in before.items()} == {name: one["title"] for name, one in ALL.items()}
    rows = (f"study {name} test New x,y Cohort" for name in ALL)
    bench.drop("study.tsv", table("type submitter_id projects.code title keywords study_design", *rows))
    bench.once()
    assert {one["title"] for one in stored(bench).values()} == {"New"}
    assert bench.receipt("study.tsv")["undo"] == {
        "restores": len(ALL),
        "files": {"undo.json": len(STRANGE), "undo.tsv": len(PLAIN)},
        "cannot": [],
    }
    assert set(bench.receipt("study.tsv")["papers"]) == {"undo.json", "undo.tsv"}
    for paper in ("undo.json", "undo.tsv"):
        bench.drop(paper, sent(bench, f"study.tsv.{paper}").read_bytes())
    assert [drop.verdict for drop in bench.once().ended] == [Verdict.LANDED] * 2
    assert stored(bench) == before


def test_what_json_changed_is_put_back_and_nothing_else_touched(bench: Bench) -> None:
    bench.drop("seed.json", studies(study_design="Trial"))
    bench.once()
    before = stored(bench)
    named = {"projects": [{"code": "test"}], "study_design": "Cohort"}
    changed = [{"type": "study", "submitter_id": name, **named} for name in ALL]
    bench.drop("design.json", json.dumps(changed))
    [drop] = bench.once().ended
    assert drop.counts["updated"] == len(ALL)
    assert stored(bench) != before
    undo = json.loads(sent(bench, "design.json.undo.json").read_text())
    assert undo == [{**one, "study_design": "Trial"} for one in changed if one["submitter_id"] in STRANGE]
    assert bench.receipt("design.json")["undo"]["cannot"] == []
    for paper in ("undo.json", "undo.tsv"):
        bench.drop(paper, sent(bench, f"design.json.{paper}").read_bytes())
    bench.once()
    assert stored(bench) == before


def test_links_that_json_adds_are_told_and_those_it_names_again_are_not(bench: Bench) -> None:
    bench.drop("study.tsv", table("type submitter_id projects.code", "study S1 test", "study S2 test"))
    bench.once()

    def publication(year: int, *parents: dict[str, str]) -> str:
        return json.dumps({"type": "publication", "submitter_id": "B1", "year": year, "studies": list(parents)})

    one, two = ({"submitter_id": name} for name in ("S1", "S2"))
    bench.drop("first.json", publication(2020, one))
    bench.once()
    known = bench.sandbox.record("DEV-test", "study", "S1")
    assert known is not None
    for number, parents in enumerate(((one,), ({"id": known["id"]},), (one, two))):
        bench.drop(f"again-{number}.json", publication(2021 + number, *parents))
        [drop] = bench.once().ended
        assert drop.counts["updated"] == 1
    assert [bench.receipt(f"again-{number}.json")["undo"]["cannot"] for number in (0, 1)] == [[], []]
    [cannot] = bench.receipt("again-2.json")["undo"]["cannot"]
    assert "studies.submitter_id" in cannot
