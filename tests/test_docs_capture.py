"""The picture of `gen3sync status` in the documentation is what today's screen draws, of a state a daemon reaches."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.capture import IMAGES, STATUS, SVG, TEXT, kept, pictures, stage, still
from gen3sync.cli.screen import COLUMNS
from gen3sync.status import Status

STATES = ("parked", "sending", "waiting", "guarded")


@pytest.mark.parametrize("path", [TEXT, SVG], ids=lambda path: path.name)
def test_the_picture_is_what_the_screen_draws_now(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pictures(kept())[path], "run `python -m docs.capture --draw`"


def test_it_shows_what_it_is_there_to_show_within_80_columns() -> None:
    lines = TEXT.read_text(encoding="utf-8").splitlines()
    for state in STATES:
        assert any(line.startswith(f"  {state}") for line in lines), state
    assert max(map(len, lines)) <= COLUMNS
    svg = SVG.read_text(encoding="utf-8")
    assert all(f"{state}" in svg for state in STATES)
    # It asks nobody: no fonts, no scripts, no pictures of others.
    assert svg.count("http") == svg.count("http://www.w3.org/2000/svg") + svg.count("https://commons.example.org")


def test_nothing_of_the_machine_it_was_made_on_is_in_it() -> None:
    text = STATUS.read_text(encoding="utf-8")
    for word in ("/tmp", "127.0.0.1", "/home", "/root", "localhost", "key.json"):
        assert word not in text
    assert kept().to_json() == STATUS.read_bytes()


def test_both_pages_show_it() -> None:
    root = IMAGES.parent.parent.parent
    for page in ("README.md", "docs/reference/status.md"):
        assert "images/status.svg" in (root / page).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_daemon_comes_to_that_state() -> None:
    found = still(stage())
    assert isinstance(found, Status)
    assert {drop.state for drop in found.outbox.open} == {"parked", "sending", "waiting"}
    assert {mirror.node: mirror.outcome for mirror in found.inbox.mirrors}["sample"] == "guarded"
    assert [drop.path for drop in found.outbox.open] == [drop.path for drop in kept().outbox.open]
