"""A clock that stands still and a ledger on it; a file or a folder that needs others has its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock
from gen3sync.ledger import Ledger, open_ledger


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: ManualClock) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "ledger.sqlite", clock) as opened:
        yield opened
