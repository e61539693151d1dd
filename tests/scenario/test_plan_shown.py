"""What `gen3sync plan` shows of a file: its counts first, then its rows, the ones that matter, as they would fare."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.cli.planrows import PlannedRows
from gen3sync.outbox.model import RowPlan
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Sandbox() as sandbox:
        studies = [{"type": "study", "submitter_id": f"S{n}", "projects": {"code": "test"}} for n in (1, 2)]
        subjects = [subject(n) for n in range(30)]
        paper = {"type": "publication", "submitter_id": "P1", "studies": [{"submitter_id": "S1"}], "doi": "10.1/a"}
        for records in (studies, subjects, [paper]):
            sandbox.write("DEV-test", records)
        yield Lab(tmp_path_factory.mktemp("lab"), sandbox)


def subject(number: int) -> dict[str, Any]:
    return {"type": "subject", "submitter_id": f"U{number}", "studies": {"submitter_id": "S1"}, "species": "human"}


def planned(lab: Lab, path: Path, *options: str) -> str:
    return lab.call("plan", path, "--to", "DEV/test", *options).out


def written(lab: Lab, name: str, text: str) -> Path:
    path = lab.folder / name
    path.write_text(text)
    return path


def test_the_rows_that_change_are_shown_however_many_do_not(lab: Lab) -> None:
    rows = [f"subject\tU{n}\tS1\t{'dog' if n == 29 else 'human'}" for n in range(30)]
    path = written(lab, "edited.tsv", "\n".join(["type\tsubmitter_id\tstudies.submitter_id\tspecies", *rows]) + "\n")
    shown = planned(lab, path)
    assert "1 update, 29 unchanged" in shown
    assert '"human" → "dog"' in shown
    assert len(json.loads(planned(lab, path, "--json"))[0]["rows"]) == 30


def alive() -> int:
    """Planned rows in memory."""
    gc.collect()
    return sum(type(one) is RowPlan for one in gc.get_objects())  # isinstance would ask each: some are dead proxies


def test_json_holds_no_rows_in_memory(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are written as they are planned; a plan of a million rows would be gigabytes."""
    rows = [f"subject\tN{n}\tS1\thuman" for n in range(1500)]
    path = written(lab, "many.tsv", "\n".join(["type\tsubmitter_id\tstudies.submitter_id\tspecies", *rows]) + "\n")
    held: list[int] = []
    add = PlannedRows.add

    def counted(self: PlannedRows, row: RowPlan) -> None:
        add(self, row)
        if row.line % 500 == 0:
            held.append(alive() - before)

    before = alive()
    monkeypatch.setattr(PlannedRows, "add", counted)
    for verb in (("plan", path), ("push", "--dry-run", path)):
        (plan,) = json.loads(lab.call(*verb, "--to", "DEV/test", "--json").out)
        assert [row["line"] for row in plan["rows"]] == list(range(2, 1502))
    assert len(held) == 6
    assert max(held) < 10


def test_several_files_are_one_list(lab: Lab) -> None:
    head = "type\tsubmitter_id\tstudies.submitter_id\tspecies\n"
    good = written(lab, "good.tsv", f"{head}subject\tN1\tS1\thuman\nsubject\tN2\tS9\thuman\n")
    bad = written(lab, "bad.tsv", "type\nsubject\n")
    told = json.loads(lab.call("push", "--dry-run", good, bad, good, "--to", "DEV/test", "--json").out)
    assert [Path(one["file"]).name for one in told] == ["good.tsv", "good.tsv", "bad.tsv"]
    assert [[row["action"] for row in one.get("rows", ())] for one in told] == [["create", "wait"]] * 2 + [[]]
    assert [fault["kind"] for fault in told[2]["faults"]] == ["missing_column"]
    empty = written(lab, "empty.tsv", head)
    (fault,) = json.loads(planned(lab, empty, "--json"))
    assert list(fault) == ["file", "faults"]


def test_a_child_fares_no_better_than_its_parent_in_the_file(lab: Lab) -> None:
    # Children stand first; each parent is refused, waits, or is on its way.
    records = [
        {"type": "visit", "submitter_id": "V1", "visit_number": 1, "subjects": {"submitter_id": "refused"}},
        {"type": "visit", "submitter_id": "V2", "visit_number": 1, "subjects": {"submitter_id": "waiting"}},
        {"type": "visit", "submitter_id": "V3", "visit_number": 1, "subjects": {"submitter_id": "COMING"}},
        {"type": "lab_test", "submitter_id": "T2", "test_name": "x", "visits": {"submitter_id": "V2"}},
        subject(98) | {"submitter_id": "refused", "studies": [{"submitter_id": "S1"}, {"submitter_id": "S2"}]},
        subject(98) | {"submitter_id": "waiting", "studies": {"submitter_id": "S9"}},
        subject(98) | {"submitter_id": "coming"},
    ]
    path = written(lab, "family.json", "\n".join(["[", *(json.dumps(one) + "," for one in records)])[:-1] + "\n]")
    (plan,) = json.loads(planned(lab, path, "--json"))
    assert [(row["submitter_id"], row["action"]) for row in plan["rows"]] == [
        ("V1", "wait"),
        ("V2", "wait"),
        ("V3", "create"),
        ("T2", "wait"),
        ("refused", "reject"),
        ("waiting", "wait"),
        ("coming", "create"),
    ]
    assert plan["counts"] == {"create": 2, "wait": 4, "reject": 1}
    assert plan["rows"][1]["waiting_for"] == ["subject waiting"]
    (reason,) = plan["rows"][4]["reasons"]
    assert (reason["type"], reason["column"]) == ("TWO_PARENTS", "studies.submitter_id")
    assert "S1, S2" in reason["message"]
    assert reason["remedy"]


def test_parents_that_are_separated_wrongly(lab: Lab) -> None:
    path = written(lab, "apart.tsv", "type\tsubmitter_id\tstudies.submitter_id\npublication\tP2\tS1;S2\n")
    advice = "If 'S1;S2' names several parents: they stand with commas between them, in CSV with '#'."
    assert f"      waits for study S1;S2\n      {advice}" in planned(lab, path)
    (plan,) = json.loads(planned(lab, path, "--json"))
    assert [reason["message"] for reason in plan["rows"][0]["reasons"]] == [advice]


def test_parents_that_stay_are_told(lab: Lab) -> None:
    path = written(lab, "paper.tsv", "type\tsubmitter_id\tstudies.submitter_id\tdoi\npublication\tP1\tS2\t10.1/a\n")
    shown = planned(lab, path)
    assert 'studies.submitter_id: ["S1"] → ["S1", "S2"]' in shown
    assert "a PUT cannot unlink: studies.submitter_id (1)" in shown
    (plan,) = json.loads(planned(lab, path, "--json"))
    assert plan["links_not_removed"] == {"studies.submitter_id": 1}
    assert plan["rows"][0]["links_not_removed"] == ["studies.submitter_id"]


def test_mends_and_erasures_say_what_and_where(lab: Lab) -> None:
    text = "type\tproject_id\tsubmitter_id\tstudies.submitter_id\tdoi\npublication\t\tP1\tS1\t\n"
    path = written(lab, "blank.tsv", text)
    shown = planned(lab, path)
    assert "doi (1)" in shown
    assert "gen3sync retry --erase" in shown
    (plan,) = json.loads(planned(lab, path, "--json"))
    (mend,) = (mend for mend in plan["mends"] if mend["kind"] == "project_id")
    assert (mend["line"], mend["column"], mend["from"], mend["to"], mend["rows"]) == (
        2,
        "project_id",
        "",
        "DEV-test",
        1,
    )


def test_one_file_that_cannot_be_used_hides_no_other(lab: Lab) -> None:
    head = "type\tsubmitter_id\tstudies.submitter_id\tspecies\n"
    good = written(lab, "good.tsv", f"{head}subject\tU0\tS1\tdog\n")
    bad = [written(lab, name, text) for name, text in (("a.tsv", head), ("b.tsv", head.replace("type", "typ")))]
    push = ("push", bad[0], good, bad[1], "--to", "DEV/test", "--dry-run")
    shown = lab.call(*push)
    assert shown.code == 65
    assert "1 update" in shown.out
    assert "a.tsv: The file has a header and no rows." in shown.err
    assert "b.tsv: Line 1: The column 'type' is missing." in shown.err
    result = lab.call(*push, "--json")
    assert result.code == 65
    plan, first, second = json.loads(result.out)
    assert plan["counts"] == {"update": 1}
    assert [first["file"], second["file"]] == [str(path) for path in bad]
    (fault,) = second["faults"]
    assert (fault["kind"], fault["line"], fault["column"]) == ("missing_column", 1, "type")
    assert "Is it the column 'typ'?" in fault["remedy"]


def test_that_nothing_is_sent_of_a_file_with_refused_rows_is_said_where_it_is_so(lab: Lab) -> None:
    head = "type\tsubmitter_id\tstudies.submitter_id\n"
    good = written(lab, "good.tsv", head + "subject\tNEW\tS1\n")
    bad = written(lab, "bad.tsv", head + "subject\tNEW\tS1\nsubject\tTWO\tS1,S2\n")
    said = "nothing of such a file is sent"
    config = lab.config.read_text()
    assert said not in planned(lab, bad)
    lab.config.write_text(config.replace("[outbox]\n", '[outbox]\non_invalid = "reject"\n'))
    try:
        assert (said in planned(lab, bad), said in planned(lab, good)) == (True, False)
    finally:
        lab.config.write_text(config)
