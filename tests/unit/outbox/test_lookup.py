"""What is known of records: an export that is older than what was written since is not believed."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.commons.connect import open_commons
from gen3sync.config import load_settings
from gen3sync.names import Project
from gen3sync.outbox.graphql import GraphqlWatch
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.stock import Stock
from gen3sync.sandbox import Sandbox

WANTED = {"p0": "P0", "p1": "P1"}
SUBJECT = {"type": "subject", "studies": {"submitter_id": "S1"}}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        made.write("DEV-test", [{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}}])
        made.write("DEV-test", [{**SUBJECT, "submitter_id": f"P{n}", "species": "human"} for n in range(3)])
        yield made


@pytest.fixture
def lookup(tmp_path: Path, sandbox: Sandbox) -> Iterator[Lookup]:
    sandbox.write_api_key(tmp_path / "key.json")
    config = tmp_path / "gen3sync.toml"
    config.write_text(
        f'[commons]\nurl = "{sandbox.url}"\ncredentials = "key.json"\n'
        '[outbox]\npath = "o"\n[inbox]\npath = "i"\n[state]\npath = "s"\n'
    )
    client = open_commons(load_settings(config, {}).commons, {})
    clock = SystemClock()
    with ThreadPoolExecutor(2) as pool:
        found = Lookup(client, Project("DEV", "test"), pool, Stock(tmp_path / "stock"), clock, GraphqlWatch(clock))
        yield found
        found.close()
    client.close()


def species(lookup: Lookup) -> dict[str, object]:
    """Of the two records, asked for as part of many."""
    found = lookup.stored("subject", WANTED, of=1000)
    assert isinstance(found, dict)
    return {key: record.get("species") for key, record in found.items()}


@pytest.mark.parametrize("graphql", ["on", "missing"])
def test_what_landed_since_the_export_is_read_anew(lookup: Lookup, sandbox: Sandbox, graphql: str) -> None:
    sandbox.faults.set(graphql=graphql)
    assert species(lookup) == {"p0": "human", "p1": "human"}
    sandbox.write("DEV-test", [{**SUBJECT, "submitter_id": f"P{n}", "species": "dog"} for n in range(2)])
    assert species(lookup) == {"p0": "human", "p1": "human"}, "it was exported once"
    lookup.grew("subject", {"p0"})
    found = species(lookup)
    assert found["p0"] == "dog"
    lookup.clear()
    assert species(lookup) == {"p0": "dog", "p1": "dog"}


@pytest.mark.parametrize("graphql", ["on", "missing"])
def test_a_record_made_since_the_export_is_found(lookup: Lookup, sandbox: Sandbox, graphql: str) -> None:
    sandbox.faults.set(graphql=graphql)
    assert lookup.stored("subject", {"p9": "P9"}, of=1000) == {}
    sandbox.write("DEV-test", [{**SUBJECT, "submitter_id": "P9", "species": "dog"}])
    lookup.grew("subject", {"p9"})
    found = lookup.stored("subject", {"p9": "P9"}, of=1000)
    assert isinstance(found, dict)
    assert found["p9"]["species"] == "dog"
