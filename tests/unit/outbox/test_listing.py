"""All names of a node: exported once, then topped up with what was written since."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.commons.connect import open_commons
from gen3sync.config import load_settings
from gen3sync.names import Project
from gen3sync.outbox import listing
from gen3sync.outbox.listing import Listings
from gen3sync.outbox.wholenode import whole
from gen3sync.sandbox import Sandbox

SUBJECT = {"type": "subject", "studies": {"submitter_id": "S1"}}
WANTED = {"7-case", "8-case", "9-case"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made:
        made.write("DEV-test", [{"type": "study", "submitter_id": "S1", "projects": {"code": "test"}}])
        add(made, "7-cAsE", "6-x")
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(SystemClock().now())


@pytest.fixture
def listings(tmp_path: Path, sandbox: Sandbox, clock: ManualClock) -> Iterator[Listings]:
    sandbox.write_api_key(tmp_path / "key.json")
    config = tmp_path / "gen3sync.toml"
    config.write_text(
        f'[commons]\nurl = "{sandbox.url}"\ncredentials = "key.json"\n'
        '[outbox]\npath = "o"\n[inbox]\npath = "i"\n[state]\npath = "s"\n'
    )
    client = open_commons(load_settings(config, {}).commons, {})
    made = Listings(client, client, Project("DEV", "test"), tmp_path / "names", clock)
    yield made
    made.close()
    assert not (tmp_path / "names").exists()
    client.close()


def add(sandbox: Sandbox, *names: str) -> None:
    sandbox.write("DEV-test", [{**SUBJECT, "submitter_id": name} for name in names])


def found(listings: Listings) -> dict[str, str] | None:
    known = listings.names("subject", WANTED)
    return known if known is None else {key: one.submitter_id for key, one in known.items()}


def exports(sandbox: Sandbox) -> int:
    return sum("/export" in request.path for request in sandbox.requests)


def test_a_node_is_exported_once_and_what_was_written_since_is_known(
    listings: Listings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SINCE", 1)
    monkeypatch.setattr(listing, "OVERLAP", timedelta(0))  # the few that are there are all new
    assert found(listings) == {"7-case": "7-cAsE"}
    add(sandbox, "8-CaSe", "7-CASE")
    assert found(listings) == {"7-case": "7-CASE", "8-case": "8-CaSe"}
    assert exports(sandbox) == 1
    known = listings.names("subject", WANTED)
    stored = sandbox.record("DEV-test", "subject", "8-CaSe")
    assert known is not None
    assert stored is not None
    assert known["8-case"].id == stored["id"]


def test_after_many_writes_it_is_exported_anew(
    listings: Listings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SINCE", 1)
    assert found(listings) == {"7-case": "7-cAsE"}
    add(sandbox, "8-CaSe", "1", "2")
    assert found(listings) == {"7-case": "7-cAsE", "8-case": "8-CaSe"}
    assert exports(sandbox) == 2


def test_a_listing_rests_but_not_for_what_this_lane_has_made(
    listings: Listings, sandbox: Sandbox, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "SINCE", 1)

    def slowly(*_: object) -> object:
        clock.advance(3)
        return whole(*_)  # type: ignore[arg-type]

    monkeypatch.setattr(listing, "whole", slowly)
    assert found(listings) == {"7-case": "7-cAsE"}
    add(sandbox, "8-CaSe")
    clock.advance(59)
    asked = len(sandbox.requests)
    assert found(listings) == {"7-case": "7-cAsE"}
    assert len(sandbox.requests) == asked
    add(sandbox, "9-CaSe")
    listings.grew("subject", {"9-case", "7-case"})
    assert found(listings) == {"7-case": "7-cAsE", "8-case": "8-CaSe", "9-case": "9-CaSe"}


def test_an_enormous_node_is_not_listed(listings: Listings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "MOST", 1)
    assert found(listings) is None
    assert exports(sandbox) == 0


def test_a_node_that_cannot_be_exported_is_left_alone_for_an_hour(
    listings: Listings, sandbox: Sandbox, clock: ManualClock
) -> None:
    sandbox.deny("DEV-test", "read")
    sandbox.set_project("DEV-test", availability_type="Open")
    assert found(listings) is None
    asked = len(sandbox.requests)
    sandbox.allow("DEV-test")
    assert found(listings) is None
    assert len(sandbox.requests) == asked
    clock.advance(3600)
    assert found(listings) == {"7-case": "7-cAsE"}
