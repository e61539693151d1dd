"""A sandbox with one study and two subjects, fresh for each test; it starts and stops in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gen3sync.sandbox import Sandbox
from tests.unit.sandbox.client import Client


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        study = {"type": "study", "submitter_id": "ST-1", "projects": {"code": "test"}}
        links = {"studies": {"submitter_id": "ST-1"}}
        made.write("DEV-test", [study])
        made.write("DEV-test", [{"type": "subject", "submitter_id": name, **links} for name in ("SU-1", "SU-2")])
        yield made


@pytest.fixture
def client(sandbox: Sandbox) -> Client:
    return Client(sandbox)
