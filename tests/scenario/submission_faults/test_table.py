"""docs/reference/submission-faults.md and these scenarios are the same list."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
PAGE = ROOT / "docs/reference/submission-faults.md"
ROW = re.compile(r"^\| (?P<fault>.+) \| (?P<does>.+) \| (?P<reads>.+) \| `(?P<test>test_\w+\.py::[^`]+)` \|$")


def rows() -> list[str]:
    """The tests named by the page; one without `[…]` stands for all its cases."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    found = [ROW.match(line) for line in lines if not line.startswith("| fault |")]
    assert all(found), [line for line, row in zip(lines, found, strict=False) if row is None]
    return [row["test"] for row in found if row is not None]


def scenarios() -> set[str]:
    """The scenarios as pytest collects them."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", str(HERE)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}  # a second -q, say
    out = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment).stdout
    found = {line.rpartition("submission_faults/")[2] for line in out.splitlines() if "::" in line}
    return {name for name in found if not name.startswith(Path(__file__).name)}


def test_every_row_has_its_scenario_and_every_scenario_its_row() -> None:
    known, named = scenarios(), set(rows())
    assert sorted(named - known - {name.partition("[")[0] for name in known}) == []
    assert sorted(name for name in known if not {name, name.partition("[")[0]} & named) == []


def test_no_row_stands_twice() -> None:
    tests = rows()
    assert sorted({test for test in tests if tests.count(test) > 1}) == []
    assert len(tests) >= 50
