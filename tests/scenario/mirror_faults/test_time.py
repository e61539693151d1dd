"""Clocks and sleep (docs/reference/mirror-faults.md, "Time")."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Point
from tests.scenario.inbox_house import TEST, House, study
from tests.scenario.mirror_faults.kit import FILE, ONE, fresh, later, mirrored, read, settled
from tests.scenario.test_inbox_schedule import in_time_again, next_run, scheduler, wait_until

DAY = 86400.0


def jump(h: House, seconds: float) -> None:
    assert isinstance(h.clock, ManualClock)
    h.clock.jump(seconds)


@pytest.mark.parametrize("days", [-400, -1, 1, 400])
def test_clock_set(tmp_path: Path, days: int) -> None:
    """What was exported by another clock is no reason not to export."""
    with settled(tmp_path) as (h, _):
        fresh(h)
        study(h.sandbox, "ST-7")
        jump(h, days * DAY)
        fresh(h)
        jump(h, -days * DAY)
        study(h.sandbox, "ST-8")
        fresh(h)


@pytest.mark.parametrize("days", [-400, 400])
def test_clock_set_while_the_commons_is_down(tmp_path: Path, days: int) -> None:
    """Set back, the age cannot be known, and that is what status says; the next look brings all in order."""
    with settled(tmp_path) as (h, before):
        h.sandbox.faults.answer(502, times=None, path="/export")
        jump(h, days * DAY)
        h.look()
        assert h.text(FILE).encode() == before.files[FILE]
        mirror = read(h).mirror()
        assert mirror.outcome == "failed"
        assert mirror.checked_at == before.at.isoformat(timespec="seconds")
        assert mirror.stale
        screen = " ".join(read(h).screen.split())
        assert (
            "true 400 d ago" in screen if days > 0 else "of unknown age (checked by a clock that was ahead)" in screen
        )
        h.sandbox.faults.clear()
        fresh(h)


def test_the_commons_clock_is_wrong(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, _):
        for days in (-3, 3):
            h.sandbox.set_clock_offset(days * DAY)
            h.client.tokens.drop(h.client.tokens.token().value)
            study(h.sandbox, f"BY-CLOCK-{days}")
            later(h, 60)
            fresh(h)


def test_the_clock_set_back_while_it_runs_silences_no_schedule(tmp_path: Path) -> None:
    with mirrored(tmp_path) as h:
        h.look()
        with scheduler(paused=True) as jobs:
            h.inbox.start(jobs)
            wait_until(lambda: h.state(FILE).next_run is not None)
            jump(h, -30 * DAY)
            wait_until(lambda: in_time_again(h))


def test_sleep_is_caught_up_once(tmp_path: Path) -> None:
    """A closed lid for five hours, of which the monotonic clock saw nothing: due at once, and once only."""
    start = SystemClock().now() - timedelta(hours=5, minutes=2)
    with mirrored(tmp_path, clock=ManualClock(start)) as h:
        study(h.sandbox, "ST-1")
        h.look()
        with scheduler(paused=True) as jobs:
            h.inbox.start(jobs)
            wait_until(lambda: h.state(FILE).next_run is not None)
            study(h.sandbox, "ST-2")
            jump(h, 5 * 3600.0)
            later(h, 60)
            assert "true 5 h 1 min ago" in " ".join(read(h).screen.split())
            assert "1 mirror older than it should be" in read(h).reasons
            wait_until(lambda: next_run(h) <= h.clock.now())
            jobs.resume()
            wait_until(lambda: len(h.rows(FILE)) == 2)
            wait_until(lambda: next_run(h) > SystemClock().now())
            assert h.exports() == 2


def test_downtime_is_caught_up_once(tmp_path: Path) -> None:
    """Nine days without a daemon, at one look an hour: 216 were missed, one is made."""
    with mirrored(tmp_path, clock=ManualClock(SystemClock().now() - timedelta(days=9))) as h:
        study(h.sandbox, "ST-1")
        h.look()
        h.close()
        study(h.sandbox, "ST-2")
        h.clock = SystemClock()
        h.build()
        assert "true 9 d ago" in " ".join(read(h).screen.split())
        with scheduler(paused=False) as jobs:
            h.inbox.start(jobs)
            wait_until(lambda: len(h.rows(FILE)) == 2)
            wait_until(lambda: next_run(h) > SystemClock().now())
            wait_until(lambda: read(h).reasons == ())
            assert h.exports() == 2


def test_silence_grows_old(tmp_path: Path) -> None:
    """Nobody looks any more: without a word from anywhere, status says that the mirror is older than it should be."""
    with mirrored(tmp_path, mirror=[{**ONE[0], "max_age": "90m"}]) as h:
        study(h.sandbox, "ST-1")
        h.look()
        later(h, 5300)
        assert read(h).reasons == ()
        later(h, 200)
        assert read(h).reasons == ("1 mirror older than it should be",)
        assert h.look()[FILE].outcome is Outcome.UNCHANGED
        assert read(h).reasons == ()


def test_own_submissions_land_one_after_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What lands while the mirrors of an earlier one are looked at is shown at once too, not an hour later."""
    with mirrored(tmp_path, clock=SystemClock()) as h, scheduler(paused=False) as jobs:
        study(h.sandbox, "ST-1")
        h.look()
        h.inbox.start(jobs)
        with h.sandbox.faults.hold(Point.STARTED, path="/graphql$|/export") as held:
            study(h.sandbox, "ST-2")
            h.inbox.touched(TEST, ["study"])
            held.wait_reached()
            study(h.sandbox, "ST-3")
            for _ in range(3):
                h.inbox.touched(TEST, ["study"])
            wait_until(lambda: jobs.get_job(f"inbox touched {TEST}") is None)
            held.release()
        wait_until(lambda: len(h.rows(FILE)) == 3)
        wait_until(lambda: read(h).reasons == ())
        assert "maximum number of running instances" not in caplog.text, "a wish was dropped"
