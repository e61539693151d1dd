"""When mirrors are due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from gen3sync.inbox.schedule import Timing, first_run, period, trigger

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)  # a Wednesday
HOURLY = Timing(every=3600)
MORNING = Timing(cron="15 6 * * *", timezone="UTC")


def test_never_run_means_now() -> None:
    assert first_run(HOURLY, None, NOW) == NOW
    assert first_run(MORNING, None, NOW) == NOW


def test_a_restart_runs_nothing_before_it_is_due() -> None:
    assert first_run(HOURLY, NOW - timedelta(minutes=10), NOW) == NOW + timedelta(minutes=50)
    assert first_run(MORNING, NOW.replace(hour=6, minute=15), NOW) == datetime(2026, 3, 5, 6, 15, tzinfo=UTC)


def test_downtime_is_caught_up_at_once() -> None:
    assert first_run(HOURLY, NOW - timedelta(days=9), NOW) == NOW
    assert first_run(MORNING, NOW - timedelta(days=9), NOW) == NOW


def test_a_last_run_in_the_future_silences_nothing() -> None:
    assert first_run(HOURLY, NOW + timedelta(days=400), NOW) == NOW + timedelta(hours=1)
    assert first_run(MORNING, NOW + timedelta(days=400), NOW) == datetime(2026, 3, 5, 6, 15, tzinfo=UTC)


def test_cron_is_read_in_its_time_zone() -> None:
    timing = Timing(cron="0 6 * * *", timezone="America/New_York")
    assert first_run(timing, NOW, NOW) == datetime(2026, 3, 5, 11, 0, tzinfo=UTC)


def test_the_period_is_the_longest_gap() -> None:
    assert period(HOURLY, NOW) == 3600
    assert period(Timing(cron="0 6 * * mon-fri", timezone="UTC"), NOW) == 3 * 86400


def test_jitter_spreads_runs_also_by_less_than_a_second() -> None:
    late = [
        (trigger(Timing(every=3600, jitter=0.5), NOW).get_next_fire_time(None, NOW) - NOW).total_seconds()
        for _ in range(50)
    ]
    assert min(late) >= 0
    assert 0 < max(late) <= 0.5
    assert len(set(late)) > 1
