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
from gen3sync.outbox.sight import Sight
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


class Replica:
    """A commons whose GraphQL answers from a copy of the database that lags."""

    def __init__(self, lookup: Lookup, folder: Path) -> None:
        self.copy = Sandbox()
        self.copy.write("DEV-test", [{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}}])
        (folder / "copy").mkdir()
        self.copy.write_api_key(folder / "copy/key.json")
        config = folder / "copy/gen3sync.toml"
        config.write_text(
            f'[commons]\nurl = "{self.copy.url}"\ncredentials = "key.json"\n'
            '[outbox]\npath = "o"\n[inbox]\npath = "i"\n[state]\npath = "s"\n'
        )
        self.client = open_commons(load_settings(config, {}).commons, {})
        lookup._client.graphql = self.client.graphql  # type: ignore[method-assign]


@pytest.fixture
def replica(lookup: Lookup, tmp_path: Path) -> Iterator[Replica]:
    made = Replica(lookup, tmp_path)
    with made.copy:
        yield made
        made.client.close()


def seen(lookup: Lookup, *names: str) -> dict[str, object]:
    found = lookup.stored("subject", {name.lower(): name for name in names})
    assert isinstance(found, dict)
    return {key: record.get("species") for key, record in found.items()}


@pytest.mark.parametrize("others", [0, 1, 100])
def test_graphql_that_lags_is_not_believed(lookup: Lookup, sandbox: Sandbox, replica: Replica, others: int) -> None:
    """Neither that there is nothing of the node, nor that there is no such record, nor what it held before."""
    copied = [{**SUBJECT, "submitter_id": f"old{n}", "species": "human"} for n in range(others)]
    if copied:
        replica.copy.write("DEV-test", copied)
        sandbox.write("DEV-test", copied)
    mine = sandbox.write("DEV-test", [{**SUBJECT, "submitter_id": "P9", "species": "dog"}])
    assert seen(lookup, "P9") == ({"p9": "dog"} if others == 1 else {}), "a node of few records is exported whole"
    lookup.landed(mine)
    assert seen(lookup, "P9") == {"p9": "dog"}
    while len(replica.copy.transactions) < mine:
        replica.copy.write("DEV-test", [{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}}])
    caught_up = seen(lookup, "P9")
    assert caught_up == ({} if others == 100 else {"p9": "dog"}), "as far as can be told"


def test_a_count_of_an_earlier_look_is_not_believed(lookup: Lookup, sandbox: Sandbox) -> None:
    """Nothing was there; then the rows of that plan came to wait for others, and no question about them was put."""
    assert lookup.sight("visit") is Sight.FULL
    sandbox.write(
        "DEV-test", [{"type": "visit", "submitter_id": "V0", "subjects": {"submitter_id": "P0"}, "visit_number": 1}]
    )
    assert lookup.sight("visit") is Sight.FULL, "before the next plan"
    found = lookup.stored("visit", {"v0": "V0"})
    assert isinstance(found, dict)
    assert set(found) == {"v0"}
