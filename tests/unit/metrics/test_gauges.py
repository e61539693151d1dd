"""How things are, as figures: true at the moment of the scrape, and bounded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gen3sync.clock import ManualClock
from gen3sync.metrics.gauges import MOST_MIRRORS
from gen3sync.metrics.site import Site
from gen3sync.status import InboxStatus, MirrorStatus, Status
from tests.unit.metrics.exposition import read, value
from tests.unit.metrics.shown import NOW, Beats, at, busy, status


class Stand:
    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.beats = Beats()
        self.site = Site(self.clock, self.beats)

    def shows(self, status: Status, *obstacles: str) -> Stand:
        self.site.picture.show(status, obstacles)
        return self

    @property
    def text(self) -> str:
        return self.site.text().decode()


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.mark.parametrize(
    ("name", "labels", "figure"),
    [
        ("gen3sync_ready", {}, 1),
        ("gen3sync_health", {"state": "degraded"}, 1),
        ("gen3sync_health", {"state": "well"}, 0),
        ("gen3sync_problems", {}, 8),  # one of them: nothing was shown for a minute
        ("gen3sync_commons_up", {}, 0),
        ("gen3sync_key_usable", {}, 1),
        ("gen3sync_key_remaining_seconds", {}, 86_340),
        ("gen3sync_token_remaining_seconds", {}, 540),
        ("gen3sync_outbox_settling_files", {}, 4),
        ("gen3sync_drops_open", {"state": "parked"}, 101),
        ("gen3sync_drops_open", {"state": "sending"}, 39),
        ("gen3sync_drops_open", {"state": "planning"}, 0),
        ("gen3sync_oldest_drop_age_seconds", {"state": "parked"}, 560),
        ("gen3sync_oldest_drop_age_seconds", {"state": "sending"}, 150),
        ("gen3sync_oldest_drop_age_seconds", {"state": "verifying"}, 0),
        ("gen3sync_projects_parked", {}, 1),
        ("gen3sync_mirrors", {"outcome": "guarded"}, 1),
        ("gen3sync_mirrors", {"outcome": "never"}, 1),
        ("gen3sync_mirrors", {"outcome": "failed"}, 0),
        ("gen3sync_mirrors_stale", {}, 1),
        ("gen3sync_oldest_mirror_age_seconds", {}, 4060),
        ("gen3sync_inbox_problems", {}, 1),
        ("gen3sync_mirrors_not_shown", {}, 0),
        ("gen3sync_mirror_age_seconds", {"mirror": "DEV/test/case.tsv", "project": "DEV/test", "node": "case"}, 90),
        ("gen3sync_mirror_rows", {"mirror": "DEV/test/case.tsv", "project": "DEV/test", "node": "case"}, 12),
        ("gen3sync_mirror_size_bytes", {"mirror": "DEV/test/case.tsv", "project": "DEV/test", "node": "case"}, 3400),
        ("gen3sync_mirror_held", {"mirror": "DEV/test/sample.tsv", "project": "DEV/test", "node": "sample"}, 1),
        ("gen3sync_mirror_held", {"mirror": "DEV/test/case.tsv", "project": "DEV/test", "node": "case"}, 0),
        ("gen3sync_mirror_rows", {"mirror": "DEV/test/aliquot.tsv", "project": "DEV/test", "node": "aliquot"}, None),
    ],
)
def test_a_figure_is_that_of_the_moment(stand: Stand, name: str, labels: dict[str, str], figure: float | None) -> None:
    stand.shows(busy())
    stand.clock.advance(60)
    assert value(stand.text, name, **labels) == figure


def test_before_the_first_status_only_what_is_known_is_said(stand: Stand) -> None:
    assert value(stand.text, "gen3sync_ready") == 0
    assert value(stand.text, "gen3sync_health", state="down") == 1
    assert value(stand.text, "gen3sync_mirrors_stale") is None
    assert value(stand.text, "gen3sync_commons_up") is None
    assert value(stand.text, "gen3sync_rows_total", result="rejected") == 0


def test_heartbeats_are_told_by_kind_whatever_lanes_are_called(stand: Stand) -> None:
    stand.beats.known = {"lane DEV/a": 3.0, "lane DEV/b": 8.0, "request DEV/a 7/1": 1.0, "odd": 2.0, "ledger": 0.5}
    stand.beats.late = ("lane DEV/b",)
    stand.shows(status())
    stand.clock.advance(5)
    ages = read(stand.text)["gen3sync_heartbeat_age_seconds"].samples
    assert {dict(labels)["loop"]: age for (_, labels), age in ages.items()} == {
        "lane": 8,
        "request": 1,
        "other": 2,
        "ledger": 0.5,
        "main": 5,
    }
    assert value(stand.text, "gen3sync_loops_silent") == 1
    assert value(stand.text, "gen3sync_ready") == 0


def test_a_hostile_name_stays_one_label_on_one_line(stand: Stand) -> None:
    name = 'DEV/te"st\n# TYPE evil counter\nevil 1\x1b[31m\u202e\\' + "x" * 1000
    stand.shows(replace(status(), inbox=InboxStatus("/in", (_mirror(name),))))
    families = read(stand.text)
    assert "evil" not in families
    (((_, labels), rows),) = families["gen3sync_mirror_rows"].samples.items()
    assert rows == 1
    assert dict(labels)["mirror"].isprintable()
    assert len(dict(labels)["mirror"]) <= 201


def test_names_that_look_the_same_are_one_series(stand: Stand) -> None:
    long = "DEV/test/" + "x" * 300
    stand.shows(replace(status(), inbox=InboxStatus("/in", (_mirror(long + "1"), _mirror(long + "2")))))
    assert len(read(stand.text)["gen3sync_mirror_rows"].samples) == 1
    assert value(stand.text, "gen3sync_mirrors_not_shown") == 1


def test_mirrors_without_number_are_shown_in_part_and_summed_whole(stand: Stand) -> None:
    mirrors = tuple(_mirror(f"DEV/test/{number}.tsv") for number in range(MOST_MIRRORS + 50))
    stand.shows(replace(status(), inbox=InboxStatus("/in", mirrors)))
    families = read(stand.text)
    assert len(families["gen3sync_mirror_rows"].samples) == MOST_MIRRORS
    assert value(stand.text, "gen3sync_mirrors_not_shown") == 50
    assert value(stand.text, "gen3sync_mirrors", outcome="updated") == MOST_MIRRORS + 50


def test_a_clock_that_is_set_back_makes_no_age_negative(stand: Stand) -> None:
    stand.shows(busy())
    stand.clock.jump(-86_400)
    families = read(stand.text)
    for name in (
        "gen3sync_mirror_age_seconds",
        "gen3sync_oldest_drop_age_seconds",
        "gen3sync_oldest_mirror_age_seconds",
    ):
        assert min(families[name].samples.values()) == 0


def _mirror(name: str) -> MirrorStatus:
    return MirrorStatus(name, "DEV/test", "case", "tsv", "updated", at(-30), 1, 10)
