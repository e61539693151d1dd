"""Fixtures of these scenarios."""

from __future__ import annotations

from pathlib import Path

import pytest

from gen3sync.sandbox import Sandbox
from tests.scenario.submission_faults.kit import Story


@pytest.fixture
def story(tmp_path: Path, sandbox: Sandbox) -> Story:
    """Requests of four rows, two at once."""
    return Story(tmp_path, sandbox, options="chunk_rows = 4")
