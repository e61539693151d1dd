from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.commons.transport import Timeouts
from tests.unit.commons.support import House, house


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A client and a server that answers as the test says."""
    with house(tmp_path, Timeouts(20, 60, 120)) as built:
        yield built
