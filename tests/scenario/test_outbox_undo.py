"""Undo files put back exactly what stood there, also what TSV cannot say."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.ledger import DropState, Verdict
from gen3sync.outbox.before import MOST_TABLES
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import TO_THE_END, Bench, table

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
    # What they do not name may be as strange as it likes: the table has the columns that were named.
    told = bench.receipt("design.json")["undo"]
    assert told == {"restores": len(ALL), "files": {"undo.tsv": len(ALL)}, "cannot": []}
    head, *rows = sent(bench, "design.json.undo.tsv").read_text().splitlines()
    assert head.split("\t") == ["type", "submitter_id", "study_design", "projects.code"]
    assert rows == [f"study\t{name}\tTrial\ttest" for name in ALL]
    bench.drop("undo.tsv", sent(bench, "design.json.undo.tsv").read_bytes())
    bench.once()
    assert stored(bench) == before


def test_records_whose_named_values_a_table_cannot_say_are_put_back_as_records(bench: Bench) -> None:
    bench.drop("seed.json", studies(study_design="Trial"))
    bench.once()
    before = stored(bench)
    named = {"projects": [{"code": "test"}], "title": "New", "keywords": ["x"]}
    changed = [{"type": "study", "submitter_id": name, **named} for name in ALL]
    bench.drop("title.json", json.dumps(changed))
    bench.once()
    undo = json.loads(sent(bench, "title.json.undo.json").read_text())
    assert undo == [{**one, **ALL[one["submitter_id"]]} for one in changed if one["submitter_id"] in STRANGE]
    for paper in ("undo.json", "undo.tsv"):
        bench.drop(paper, sent(bench, f"title.json.{paper}").read_bytes())
    bench.once()
    assert stored(bench) == before


@pytest.mark.parametrize(
    "name", ["undo.tsv", "rejects.tsv", "undo.json", "receipt.json", "journal.jsonl", "undo-2.tsv", "x.receipt.json"]
)
def test_a_file_that_is_called_as_our_papers_are_is_kept_as_it_was(bench: Bench, name: str) -> None:
    """People drop an undo file as it lies there, or rename it so."""
    columns = "type submitter_id projects.code title"
    bench.drop("seed.tsv", table(columns, "study A test One", "study B test One", "study C test One"))
    bench.once()
    if name.endswith(".tsv"):
        text = table(columns, "study A test Two", "study B test Two", "wrong C test Two")
    else:
        rows = [{"type": "study", "submitter_id": one, "projects": {"code": "test"}, "title": "Two"} for one in "AB"]
        text = "\n".join(map(json.dumps, [*rows, {"type": "wrong"}]))
        text = text if name.endswith("l") else f"[{text.replace(chr(10), ',')}]"
    bench.drop(name, text)
    [drop] = bench.once().ended
    assert {word: number for word, number in drop.counts.items() if number} == {"read": 3, "updated": 2, "rejected": 1}
    assert sent(bench, name).read_text() == text
    assert bench.receipt(name)["undo"]["files"] == {"undo.tsv": 2}
    undo = sent(bench, f"{name}.undo.tsv").read_text()
    assert [line.split("\t")[-1] for line in undo.splitlines()] in (
        ["title", "One", "One"],
        ["projects.code", *["test"] * 2],
    )
    assert list(sent(bench, name).parent.glob(f"{name}.rejects.*"))


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


def test_a_first_parent_is_taken_away_again(bench: Bench) -> None:
    """Where a link is empty before and may be: what a table cannot say, a JSON null does."""
    bench.drop("study.tsv", table("type submitter_id projects.code", "study S1 test"))
    bench.drop("subject.tsv", table("type submitter_id studies.submitter_id", "subject P1 S1"))
    columns = "type submitter_id subjects.submitter_id"
    bench.drop("visit.tsv", table(f"{columns} visit_number", "visit V1 P1 1", "visit V2 P1 2"))
    bench.drop("sample.tsv", table(f"{columns} sample_type", "sample A1 P1 Blood"))
    bench.drop("lab.tsv", table("type submitter_id visits.submitter_id test_name", "lab_test L1 V1 x"))
    assert len(bench.once().ended) == 5

    def parents() -> list[Any]:
        found = bench.sandbox.record("DEV-test", "sample", "A1"), bench.sandbox.record("DEV-test", "lab_test", "L1")
        return [{name: one.get(name, []) for name in ("subjects", "visits", "samples")} for one in found if one]

    before = parents()
    bench.drop("sample.tsv", table(f"{columns} visits.submitter_id sample_type", "sample A1 P1 V1 Blood"))
    lab = "lab_test L1 V1,V2 A1 x"
    bench.drop("lab.tsv", table("type submitter_id visits.submitter_id samples.submitter_id test_name", lab))
    bench.once()
    assert parents() != before
    told = bench.receipt("sample-2.tsv")["undo"]
    assert told == {"restores": 1, "files": {"undo.json": 1}, "cannot": []}
    assert json.loads(sent(bench, "sample-2.tsv.undo.json").read_text())[0]["visits"] is None
    [cannot] = bench.receipt("lab-2.tsv")["undo"]["cannot"]  # one of two parents cannot be taken away alone
    assert "(visits.submitter_id)" in cannot
    for name in ("sample-2", "lab-2"):
        bench.drop(f"{name}.json", sent(bench, f"{name}.tsv.undo.json").read_bytes())
    with bench.running() as running:
        running.until(lambda: [d.state for d in running.ledger.drops.open()] == [DropState.PARKED] * 2)
        running.outbox.retry("sample-2.json", erase=True)
        running.outbox.retry("lab-2.json", erase=True)
        running.ended(9)
    sample, lab_test = parents()
    assert sample == before[0]
    assert (lab_test["samples"], set(before[1]["visits"]) < set(lab_test["visits"])) == ([], True)


def test_an_undo_table_has_the_columns_that_records_named_and_there_are_not_too_many_of_them(bench: Bench) -> None:
    """Each set of keys is a table of its own; where there are too many, records keep their form."""
    extra = ("title", "keywords", "study_design", "planned_subjects", "is_public")
    first = {"title": "One", "keywords": ["a"], "study_design": "Trial", "planned_subjects": 1, "is_public": True}
    then = {"title": "Two", "keywords": ["b"], "study_design": "Cohort", "planned_subjects": 2, "is_public": False}
    sets = [keys for size in (1, 2, 3) for keys in itertools.combinations(extra, size)]
    parent = {"type": "study", "projects": {"code": "test"}}
    bench.drop("seed.json", json.dumps([{**parent, "submitter_id": f"S{i}", **first} for i in range(len(sets))]))
    bench.once()
    before = bench.sandbox.records("DEV-test", "study")
    edits = [{**parent, "submitter_id": f"S{i}", **{key: then[key] for key in keys}} for i, keys in enumerate(sets)]
    bench.drop("edit.json", json.dumps(edits))
    [drop] = bench.once().ended
    assert drop.counts["updated"] == len(sets)
    told = bench.receipt("edit.json")["undo"]
    assert len(sets) > MOST_TABLES
    assert told["files"].pop("undo.json") == len(sets) - MOST_TABLES
    assert list(told["files"].values()) == [1] * MOST_TABLES
    kept = json.loads(sent(bench, "edit.json.undo.json").read_text())
    assert [one.keys() for one in kept] == [one.keys() for one in edits[MOST_TABLES:]]
    for paper in ("undo.json", *told["files"]):
        bench.drop(paper, sent(bench, f"edit.json.{paper}").read_bytes())
    assert {drop.verdict for drop in bench.once().ended} == {Verdict.LANDED}
    assert [values(one) for one in bench.sandbox.records("DEV-test", "study")] == [values(one) for one in before]


def values(record: dict[str, Any]) -> dict[str, Any]:
    """What a record says, times aside."""
    return {name: value for name, value in record.items() if not name.endswith("_datetime")}


COLUMNS = "type submitter_id projects.code title study_design keywords"
FIRST = table(COLUMNS, "study A test One Trial a", "study B test . Trial a,b", "study C test One . .")
SECOND = table(COLUMNS, "study a test Two . b", "study B test Two Trial .", "study D test New . .")


def studied(bench: Bench) -> dict[str, tuple[Any, ...]]:
    return {
        one["submitter_id"]: tuple(one.get(name) or None for name in ("title", "study_design", "keywords"))
        for one in bench.sandbox.records("DEV-test", "study")
    }


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("step", [None, *TO_THE_END])
def test_undo_and_the_undo_of_an_undo_also_after_a_crash(tmp_path: Path, step: str | None) -> None:
    """Whatever a crash came between, the values before are those from before the first request."""
    with Sandbox() as sandbox:
        bench = Bench(tmp_path, sandbox, 'blanks = "erase"', 'horizon = "1s"')
        bench.drop("first.tsv", FIRST)
        bench.once()
        at_first = studied(bench)
        for name, text in (("study.tsv", SECOND), ("undo.tsv", None), ("redo.tsv", None)):
            if text is None:
                last = {"undo.tsv": "study.tsv", "redo.tsv": "undo.tsv"}[name]
                text = sent(bench, f"{last}.undo.tsv").read_text()
            bench.drop(name, text)
            if step is not None:
                bench.crash(step)
            bench.once()
            assert bench.receipt(name)["verdict"] == "landed"
            if name == "study.tsv":
                second = studied(bench)
                assert second["a"] == ("Two", None, ["b"])
                told = bench.receipt(name)["undo"]
                assert (told["restores"], told["cannot"]) == (2, ["1 new record stays: a PUT cannot delete."])
            elif name == "undo.tsv":
                assert studied(bench) == at_first | {"D": ("New", None, None)}
                assert bench.receipt(name)["undo"]["cannot"] == []
            else:
                assert studied(bench) == second
