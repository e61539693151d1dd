"""docs/reference/mirror-faults.md and these scenarios say the same."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.fault_table import ROOT, faults_of_table, rows

PAGE = ROOT / "docs/reference/mirror-faults.md"
FOLDER = "tests/scenario/mirror_faults"


def proofs() -> list[Path]:
    files = [*(ROOT / FOLDER).glob("test_*.py"), *(ROOT / "tests/crash").glob("test_mirror_*.py")]
    return sorted(file for file in files if file.name != Path(__file__).name)


def test_every_row_has_its_test_and_every_test_its_row() -> None:
    assert faults_of_table(PAGE, FOLDER, proofs()) == []


def test_there_are_enough() -> None:
    assert len(rows(PAGE, FOLDER)) >= 30


def test_a_row_without_test_and_a_test_without_row_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "| fault | test |\n|---|---|\n"
        "| one | `test_time.py::test_gone` |\n"
        "| two | nothing |\n"
        "| three | `test_guards.py::test_a_mirror_somebody_replaced[stolen]` |\n"
    )
    wrong = faults_of_table(page, FOLDER, [ROOT / FOLDER / "test_guards.py"])
    assert "there is no test tests/scenario/mirror_faults/test_time.py::test_gone" in wrong
    assert "the row 'two' names no test" in wrong
    assert "tests/scenario/mirror_faults/test_guards.py::test_project_renamed has no row" in wrong
    assert any("is not run for 'stolen'" in each for each in wrong)
    assert any(each.endswith("test_a_mirror_somebody_replaced[emptied] has no row") for each in wrong)
