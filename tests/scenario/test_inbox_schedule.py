"""When mirrors are refreshed: on schedule, caught up once after downtime, at once after own submissions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from apscheduler.schedulers.background import BackgroundScheduler

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.ledger import Outcome
from tests.scenario.inbox_house import TEST, House, house, study

ONE = [{"projects": ["DEV-*"], "nodes": ["study"], "every": "1h"}]
FILE = "DEV/test/study.tsv"


@contextmanager
def scheduler(*, paused: bool) -> Iterator[Any]:
    made = BackgroundScheduler(timezone=UTC)
    made.start(paused=paused)
    try:
        yield made
    finally:
        made.pause()
        made.remove_all_jobs()
        made.shutdown(wait=False)


def wait_until(condition: Callable[[], bool], timeout: float = 120) -> None:
    """Looks again and again; only the limit is in real time."""
    tick, limit = threading.Event(), SystemClock().monotonic() + timeout
    while not condition():
        assert SystemClock().monotonic() < limit, "what was waited for did not happen"
        tick.wait(0.01)


def next_run(h: House) -> datetime:
    found = h.state(FILE).next_run
    assert found is not None
    return found


def in_time_again(h: House) -> bool:
    """Lets some time go by, and says whether the next look comes within an hour of it. Called again and again: the
    thread that has to see the jump may begin to wait at any moment, and then waits for time that comes after that."""
    clock_of(h).advance(20)
    return next_run(h) <= h.clock.now() + timedelta(hours=1)


def clock_of(h: House) -> ManualClock:
    assert isinstance(h.clock, ManualClock)
    return h.clock


def test_a_restart_exports_nothing_before_it_is_due(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        looked = h.clock.now()
        exports = h.exports()
        clock_of(h).advance(600)
        h.restart()
        with scheduler(paused=True) as jobs:
            h.inbox.start(jobs)
            assert next_run(h) == looked + timedelta(hours=1)
            assert h.exports() == exports


def test_downtime_is_caught_up_once(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        h.look()
        clock_of(h).advance(9 * 86400)
        h.restart()
        with scheduler(paused=True) as jobs:
            h.inbox.start(jobs)
            assert next_run(h) == h.clock.now()


def test_a_clock_set_back_silences_nothing(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        h.look()
        with scheduler(paused=True) as jobs:
            h.inbox.start(jobs)
            wait_until(lambda: h.state(FILE).next_run is not None)
            clock_of(h).jump(-30 * 86400)
            wait_until(lambda: in_time_again(h))


def test_mirrors_follow_the_commons_on_schedule(tmp_path: Path) -> None:
    every = [{"projects": ["DEV-*"], "nodes": ["study"], "every": "1s"}]
    with house(tmp_path, mirror=every, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        study(h.sandbox, "ST-1")
        h.inbox.start(jobs)
        wait_until(lambda: FILE in h.files() and h.rows(FILE) == ["ST-1"])
        study(h.sandbox, "ST-2")
        wait_until(lambda: len(h.rows(FILE)) == 2)
        assert h.exports() == 2
        assert h.inbox.stop(60)


def test_own_submissions_refresh_what_they_touched_at_once(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        h.look()
        h.inbox.start(jobs)
        study(h.sandbox, "ST-1")
        h.inbox.touched(TEST, ["study"])
        wait_until(lambda: h.rows(FILE) == ["ST-1"])
        due = next_run(h)
        assert timedelta(minutes=55) < due - h.clock.now() <= timedelta(hours=1)


def test_an_unreachable_commons_at_the_start_keeps_the_mirrors_and_tells_their_age(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        h.close()
        h.sandbox.faults.answer(502, times=None)
        clock_of(h).advance(4 * 3600)
        h.build()
        assert h.state(FILE).age == 4 * 3600
        assert h.state(FILE).stale
        with scheduler(paused=True) as jobs:
            h.inbox.start(jobs)
            assert [state.file for state in h.inbox.status().mirrors] == [FILE]
        assert h.look()[FILE].outcome is Outcome.FAILED


def test_a_commons_that_is_unwell_is_left_alone_for_a_while(tmp_path: Path) -> None:
    every = [{"projects": ["DEV-*"], "nodes": ["study"], "every": "1s"}]
    with house(tmp_path, mirror=every, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        h.sandbox.faults.answer(502, times=None, path="/export")
        h.inbox.start(jobs)
        wait_until(lambda: any(each.outcome is Outcome.FAILED for each in h.inbox.status().mirrors))
        wait_until(lambda: next_run(h) > h.clock.now() + timedelta(seconds=5))


def test_projects_that_come_are_mirrored_and_those_that_leave_the_configuration_stay(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, projects=("DEV-test",)) as h:
        h.look()
        h.sandbox.add_project("DEV-new")
        h.catalog.refresh()
        assert set(h.look()) == {FILE, "DEV/new/study.tsv"}
        h.close()
        mirror = h.settings.inbox.mirror[0].model_copy(update={"projects": ("DEV-test",)})
        h.settings = h.settings.model_copy(update={"inbox": h.settings.inbox.model_copy(update={"mirror": (mirror,)})})
        h.build()
        assert set(h.look()) == {FILE}
        assert "DEV/new/study.tsv" in h.files()
        assert '"followed": false' in h.text("DEV/new/.gen3sync.json")


def test_stopping_gives_up_an_export_and_keeps_the_file(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        study(h.sandbox, "ST-1")
        h.look()
        study(h.sandbox, *(f"X-{n}" for n in range(2000)))
        with h.sandbox.faults.stall_export(rows=1500) as stalled:
            h.inbox.start(jobs)
            h.inbox.touched(TEST, ["study"])
            stalled.wait_reached()
            h.client.close()
            assert h.inbox.stop(60)
        assert h.rows(FILE) == ["ST-1"]
