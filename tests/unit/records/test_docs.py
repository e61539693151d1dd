"""docs/reference/reading-files.md names every kind of problem and mend, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from gen3sync.records.problems import MendKind, ProblemKind

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "reading-files.md"


def test_every_kind_has_its_line() -> None:
    text = PAGE.read_text(encoding="utf-8")
    first_cells = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {name for cell in first_cells for name in re.findall(r"`([a-z_0-9]+)`", cell)}
    assert named == {*map(str, ProblemKind), *map(str, MendKind)}
