"""Fixtures of scenarios; a file or a folder that needs another commons has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.sandbox import Sandbox
from tests.scenario.submission_faults.kit import Story


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        yield made


@pytest.fixture
def story(tmp_path: Path, sandbox: Sandbox) -> Story:
    return Story(tmp_path, sandbox)
