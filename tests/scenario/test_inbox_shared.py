"""Mirrors of one node at different times: each keeps its own interval, they share the copy and what is asked for.

The measure is that of `test_inbox_delta`: after any of this, a full export changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen3sync.clock import SystemClock
from gen3sync.inbox.decide import Round
from gen3sync.ledger import Outcome, Refresh
from tests.scenario.inbox_house import TEST, House, house, study, subjects
from tests.scenario.test_inbox_delta import fetches, node_exports
from tests.scenario.test_inbox_schedule import scheduler, wait_until

NODES = ["study", "subject"]
QUICK, SLOW = "DEV/test/{}.tsv", "DEV/test/{}.json"


@contextmanager
def apart(folder: Path, **options: Any) -> Iterator[House]:
    """Tables every ten seconds, JSON once a day; 50 studies, two subjects of ST-001."""
    mirror = [
        {"name": "quick", "projects": ["DEV-test"], "nodes": NODES, "every": "10s"},
        {"name": "slow", "projects": ["DEV-test"], "nodes": NODES, "every": "1d", "format": "json"},
    ]
    with house(folder, mirror=mirror, **{"full_every": "30d", "max_shrink": 1.0, **options}) as h:
        study(h.sandbox, *(f"ST-{n:03}" for n in range(50)), title="old")
        subjects(h.sandbox, "S-1", "S-2", study="ST-001")
        h.look()
        yield h


def look(h: House, group: str) -> dict[str, Refresh]:
    """A look at one group, as its job makes it."""
    h.clock.advance(20)  # type: ignore[attr-defined]
    mirrors = tuple(each for each in h.inbox._following.every() if each.group == group)
    return {refresh.mirror: refresh for refresh in h.inbox._run(Round(TEST, mirrors)).refreshes}


def true(h: House) -> bool:
    """Whether the files are those of a full export."""
    texts = {name: h.text(name) for name in h.files()}
    h.pull("DEV/test")
    return {name: h.text(name) for name in h.files()} == texts


def test_a_mirror_that_is_looked_at_seldom_is_not_taken_for_current(tmp_path: Path) -> None:
    with apart(tmp_path) as h:
        study(h.sandbox, "ST-001", title="new")
        assert look(h, "quick")[QUICK.format("study")].outcome is Outcome.UPDATED
        assert "new" not in h.text(SLOW.format("study")), "its day is not over"
        done = look(h, "slow")[SLOW.format("study")]
        assert done.outcome is Outcome.UPDATED
        assert "new" in h.text(SLOW.format("study"))
        assert true(h)


def test_it_is_written_from_the_copy_without_an_export(tmp_path: Path) -> None:
    with apart(tmp_path) as h:
        for number in range(30):  # more than the log would be asked about
            study(h.sandbox, f"ST-{number:03}", title=f"new {number}")
            look(h, "quick")
        exports, fetched = node_exports(h), fetches(h)
        look(h, "slow")
        assert (node_exports(h), fetches(h)) == (exports, fetched)
        study(h.sandbox, "ST-007", title="newer")
        look(h, "slow")
        assert (node_exports(h), fetches(h)) == (exports, fetched + 1)
        look(h, "quick")
        assert (node_exports(h), fetches(h)) == (exports, fetched + 1)
        assert true(h)


def test_a_restart_in_between_forgets_nothing(tmp_path: Path) -> None:
    with apart(tmp_path) as h:
        study(h.sandbox, "ST-001", title="new")
        look(h, "quick")
        h.restart()
        h.look()
        exports = node_exports(h)
        look(h, "slow")
        assert node_exports(h) == exports
        assert "new" in h.text(SLOW.format("study"))
        assert true(h)


def test_a_parent_renamed_between_two_looks(tmp_path: Path) -> None:
    with apart(tmp_path) as h:
        study(h.sandbox, "st-001", title="old")  # another letter case renames
        look(h, "quick")
        look(h, "slow")
        assert "ST-001" not in h.text(SLOW.format("subject"))
        assert true(h)


def test_what_was_accepted_for_one_file_is_guarded_for_the_other(tmp_path: Path) -> None:
    with apart(tmp_path, max_shrink=0.5) as h:
        found = [h.sandbox.record("DEV-test", "study", f"ST-{n:03}") for n in range(10, 50)]
        h.sandbox.delete("DEV-test", [each["id"] for each in found if each is not None])
        assert look(h, "quick")[QUICK.format("study")].outcome is Outcome.GUARDED
        h.inbox.accept(QUICK.format("study"))
        held = look(h, "slow")[SLOW.format("study")]
        assert held.outcome is Outcome.GUARDED
        assert "would shrink from 50 to 10 records" in held.reason
        assert h.text(SLOW.format("study")).count("ST-0") == 50
        h.inbox.accept(SLOW.format("study"))
        assert true(h)


def test_an_export_that_finds_nothing_new_serves_the_others(tmp_path: Path) -> None:
    with apart(tmp_path) as h:
        h.pull("quick")
        study(h.sandbox, "ST-003", title="new")
        exports = node_exports(h)
        look(h, "slow")
        look(h, "quick")
        assert node_exports(h) == exports
        assert true(h)


@pytest.mark.parametrize("harm", ["gone", "older", "damaged"])
def test_a_copy_that_is_not_what_it_was_is_not_relied_on(tmp_path: Path, harm: str) -> None:
    with apart(tmp_path) as h:
        copy = tmp_path / "state/mirrors/DEV/test/study.sqlite"
        before = copy.read_bytes()
        study(h.sandbox, "ST-001", title="new")
        look(h, "quick")
        match harm:
            case "gone":
                copy.unlink()
            case "older":
                copy.write_bytes(before)
            case _:
                copy.write_bytes(b"words" * 5000)
        look(h, "slow")
        assert "new" in h.text(SLOW.format("study"))
        assert true(h)


def test_entries_that_are_due_together_ask_and_export_once(tmp_path: Path) -> None:
    formats = ("tsv", "json", "jsonl")
    mirror = [{"projects": ["DEV-test"], "nodes": NODES, "every": "1h", "format": each} for each in formats]
    with house(tmp_path, mirror=mirror, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        study(h.sandbox, "ST-1")
        h.inbox.start(jobs)
        wait_until(lambda: sum(each.outcome is not None for each in h.inbox.status().mirrors) == 6)
        assert (node_exports(h), h.queries()) == (2, 1)
        assert h.inbox.stop(60)


def test_an_export_that_takes_long_holds_up_nobody_it_took_along(tmp_path: Path) -> None:
    mirror = [
        {"projects": ["DEV-test"], "nodes": ["subject"], "every": "1h"},
        {"projects": ["DEV-test"], "nodes": ["study"], "every": "1s"},
    ]
    with house(tmp_path, mirror=mirror, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        study(h.sandbox, "ST-1")
        subjects(h.sandbox, *(f"S-{n}" for n in range(2000)), study="ST-1")
        with h.sandbox.faults.stall_export(rows=1500, times=None) as stalled:
            h.inbox.start(jobs)
            stalled.wait_reached()
            wait_until(lambda: "DEV/test/study.tsv" in h.files())
            study(h.sandbox, "ST-2")
            wait_until(lambda: sorted(h.rows("DEV/test/study.tsv")) == ["ST-1", "ST-2"])
            assert "DEV/test/subject.tsv" not in h.files()
        wait_until(lambda: "DEV/test/subject.tsv" in h.files())
        assert h.inbox.stop(60)
