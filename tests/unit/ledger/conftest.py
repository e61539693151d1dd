"""A ledger of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock
from gen3sync.ledger import Ledger, open_ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path, clock: ManualClock) -> Iterator[Ledger]:
    with open_ledger(path, clock) as opened:
        yield opened
