"""`gen3sync plan` and `push --dry-run` show every fault with file, line, column and remedy, and send nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.records.problems import ProblemKind
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab, real_dictionary
from tests.unit.cli.calling import Result
from tests.unit.records.faults import FAULTS, HEAD, Fault, rows, sample

FILE_FAULTS = {
    ProblemKind.ENCODING,
    ProblemKind.UTF16,
    ProblemKind.BINARY,
    ProblemKind.EMPTY,
    ProblemKind.HEADER_ONLY,
    ProblemKind.DUPLICATE_COLUMN,
    ProblemKind.BLANK_COLUMN,
    ProblemKind.UNCLOSED_QUOTE,
    ProblemKind.BROKEN_JSON,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Sandbox(dictionary=real_dictionary()) as sandbox:
        sandbox.write("DEV-test", [{"type": "experiment", "submitter_id": "E", "projects": {"code": "test"}}])
        sandbox.write(
            "DEV-test",
            [{"type": "case", "submitter_id": f"case-00{i}", "experiments": {"submitter_id": "E"}} for i in (1, 2)],
        )
        yield Lab(tmp_path_factory.mktemp("lab"), sandbox)


def planned(lab: Lab, form: str, content: bytes, *verb: str) -> Result:
    path = lab.folder / f"sample.{form}"
    path.write_bytes(content)
    return lab.call(*(verb or ("plan",)), path, "--to", "DEV/test")


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_the_plan_names_file_line_column_and_remedy(lab: Lab, fault: Fault) -> None:
    for form in ("tsv", "csv.gz", "json"):  # all of them: tests/unit/records/test_fault_places.py
        if (content := fault.content(form)) is None:
            continue
        shown = planned(lab, form, content)
        text = shown.out + shown.err
        assert shown.code == (65 if fault.kind in FILE_FAULTS else 1), (form, text)
        assert f"sample.{form}" in text, form
        if fault.line is not None:
            assert f"ine {fault.line}" in text, form
        if (column := fault.place(form)) is not None:
            assert column in text, form
        if fault.kind in FILE_FAULTS:
            assert f"error: sample.{form}: " in text
        else:
            assert f"! line {fault.line}: reject" in text, (form, text)
    assert lab.puts() == 0


def test_a_dry_run_says_what_the_plan_says(lab: Lab) -> None:
    for fault in (FAULTS[0], *(one for one in FAULTS if one.kind is ProblemKind.TOO_MANY_CELLS)):
        content = fault.content("csv.gz")
        assert content is not None
        plan, dry = (planned(lab, "csv.gz", content, *verb) for verb in (("plan",), ("push", "--dry-run")))
        assert (plan.code, plan.out) == (dry.code, dry.out)
        assert plan.err == dry.err
    assert lab.puts() == 0


def test_a_known_id_with_another_submitter_id(lab: Lab) -> None:
    """That is found by asking the commons."""
    known = lab.sandbox.record("DEV-test", "case", "case-001")
    assert known is not None
    head = ("type", "submitter_id", "id", "experiments.submitter_id")
    line = "\t".join(("case", "case-009", str(known["id"]), "E"))
    shown = planned(lab, "tsv", ("\t".join(head) + f"\n{line}\n").encode())
    assert shown.code == 1
    assert "! line 2: reject case case-009" in shown.out
    assert "belongs to 'case-001'" in shown.out
    assert "Delete the cell 'id'" in shown.out


def test_mixed_types_are_told_and_sent_apart(lab: Lab) -> None:
    """Where the header is meant for both, the intent is plain."""
    head = (*HEAD, "experiments.submitter_id")
    cases = [f"case\tcase-1{i}\t\t\t\t\tE\n".encode() for i in range(2)]
    shown = planned(lab, "tsv", rows(sample(), *cases, head=head))
    assert "4 create" in shown.out
    assert "mended in 2 rows (first line 4): Rows of 'case' stand among rows of 'sample'" in shown.out
    assert lab.puts() == 0
    [wrong] = [one for one in FAULTS if one.kind is ProblemKind.OTHER_TYPE]
    shown = planned(lab, "tsv", wrong.content("tsv") or b"")
    assert "the header lacks 'experiments.submitter_id', which every case must have" in shown.out


def test_the_same_in_receipt_and_rejects_once_it_is_dropped(tmp_path: Path) -> None:
    with Sandbox(dictionary=real_dictionary()) as sandbox:
        lab = Lab(tmp_path, sandbox)
        sandbox.write("DEV-test", [{"type": "experiment", "submitter_id": "E", "projects": {"code": "test"}}])
        head = "type\tsubmitter_id\texperiments.submitter_id\tcases.submitter_id\n"
        lab.drop("mixed.tsv", f"{head}sample\tS-1\t\tC-1\ncase\tC-1\tE\t\ncase\tC-2\tE\t\naliquot\tA-1\t\t\n")
        assert lab.call("once").code == 1
        receipt = lab.receipt("mixed.tsv")
        assert receipt is not None
        [mixed] = [one for one in receipt["mends"] if one["kind"] == "mixed_types" and one["to"] == "sample"]
        assert (mixed["from"], mixed["line"], mixed["column"], mixed["rows"]) == ("case", 2, "type", 1)
        assert receipt["nodes"] == {"case": {"created": 2}, "sample": {"created": 1}, "aliquot": {"rejected": 1}}
        [reason] = receipt["rejects"]
        assert (reason["type"], reason["column"], reason["lines"]) == ("OTHER_TYPE", "type", [5])
        assert "samples.submitter_id" in (lab.sent / "mixed.tsv.rejects.tsv").read_text()
