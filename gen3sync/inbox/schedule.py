"""When mirrors are due: APScheduler triggers, and the first run after a start. Pure but for the import.

Next runs are computed from the last success in the ledger, so a restart exports nothing that is not due and downtime
is caught up once, not once per missed run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class Timing:
    """`every` in seconds, or `cron` with its IANA `timezone` (None: the machine's). `jitter` in seconds."""

    every: float | None = None
    cron: str | None = None
    timezone: str | None = None
    jitter: float = 0.0


def trigger(timing: Timing, start: datetime) -> Any:
    """The APScheduler trigger (untyped upstream). `start` anchors intervals; `cron` is as `config.cron` leaves it."""
    jitter = timing.jitter or None
    if timing.cron is None:
        from apscheduler.triggers.interval import IntervalTrigger

        return IntervalTrigger(seconds=timing.every or 3600, start_date=start, timezone=UTC, jitter=jitter)
    from apscheduler.triggers.cron import CronTrigger

    made: Any = CronTrigger.from_crontab(timing.cron, timezone=timing.timezone)
    made.jitter = jitter
    return made


def first_run(timing: Timing, last: datetime | None, now: datetime) -> datetime:
    """When the first run after a start is due: at once if never or missed, else when it would have been anyway."""
    return max(due(timing, last, now), now)


def due(timing: Timing, last: datetime | None, now: datetime) -> datetime:
    """When the run after `last` was or is due; one that never was is due now.

    A `last` in the future (the clock was set back) counts as now, so a wrong clock cannot silence a mirror.
    """
    if last is None:
        return now
    last = min(last, now)
    if timing.cron is None:
        return last + timedelta(seconds=timing.every or 3600)
    found = trigger(Timing(cron=timing.cron, timezone=timing.timezone), last).get_next_fire_time(last, now=now)
    # CronTrigger looks from the earlier of `now` and just after the previous run: a missed run is in the past.
    return found.astimezone(UTC) if found is not None else now


def period(timing: Timing, now: datetime) -> float:
    """Seconds between two runs, for cron the longest of the next few gaps: what a mirror's age is measured by."""
    if timing.cron is None:
        return timing.every or 3600
    plain = trigger(Timing(cron=timing.cron, timezone=timing.timezone), now)
    gaps, before = [], plain.get_next_fire_time(None, now)
    for _ in range(8):
        after = plain.get_next_fire_time(before, before + timedelta(seconds=1)) if before else None
        if after is None:
            break
        gaps.append((after - before).total_seconds())
        before = after
    return max(gaps, default=86400.0)
