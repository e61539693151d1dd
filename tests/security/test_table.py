"""docs/security.md names a test for each of its claims, and each test of this folder has its line there."""

from __future__ import annotations

from pathlib import Path

from tests.scenario.fault_table import ROOT, faults_of_table

HERE = Path(__file__).parent


def test_every_claim_has_its_test_and_every_test_its_line() -> None:
    files = [path for path in sorted(HERE.glob("test_*.py")) if path != Path(__file__)]
    assert faults_of_table(ROOT / "docs/security.md", "tests/security", files) == []
