"""When mirrors are due: APScheduler triggers, and the first run after a start. Pure but for the import.

Next runs are computed from the last success in the ledger, so a restart exports nothing that is not due and downtime
is caught up once, not once per missed run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from gen3sync.errors import ConfigError

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")  # crontab(5): 0 and 7 are Sunday


@dataclass(frozen=True, slots=True)
class Timing:
    """`every` in seconds, or `cron` with its IANA `timezone` (None: the machine's). `jitter` in seconds."""

    every: float | None = None
    cron: str | None = None
    timezone: str | None = None
    jitter: float = 0.0


def trigger(timing: Timing, start: datetime) -> Any:
    """The APScheduler trigger (untyped upstream). `start` anchors intervals. Raises ConfigError for a bad `cron`."""
    jitter = int(timing.jitter) or None
    if timing.cron is None:
        from apscheduler.triggers.interval import IntervalTrigger

        return IntervalTrigger(seconds=timing.every or 3600, start_date=start, timezone=UTC, jitter=jitter)
    from apscheduler.triggers.cron import CronTrigger

    try:
        minute, hour, day, month, weekday = timing.cron.split()
        return CronTrigger(
            minute=minute,
            hour=hour,
            day=day,
            month=month,
            day_of_week=weekday_names(weekday),
            timezone=timing.timezone,
            jitter=jitter,
        )
    except (ValueError, KeyError, LookupError) as error:
        raise ConfigError(
            f"cron = {timing.cron!r} (timezone {timing.timezone!r}) cannot be read: {error}.",
            'Write five fields: minute, hour, day of month, month, weekday, as in "15 6 * * mon-fri".',
        ) from error


def first_run(timing: Timing, last: datetime | None, now: datetime) -> datetime:
    """When the first run after a start is due: at once if never or missed, else when it would have been anyway.

    A `last` in the future (the clock was set back) counts as now, so a wrong clock cannot silence a mirror.
    """
    if last is None:
        return now
    last = min(last, now)
    if timing.cron is None:
        return max(last + timedelta(seconds=timing.every or 3600), now)
    due = trigger(Timing(cron=timing.cron, timezone=timing.timezone), last).get_next_fire_time(last, now=now)
    # CronTrigger looks from the earlier of `now` and just after the previous run: a missed run is in the past.
    return max(due.astimezone(UTC), now) if due is not None else now


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


def weekday_names(field: str) -> str:
    """A crontab weekday field with names for numbers: APScheduler 3 counts from Monday, crontab(5) from Sunday.

    https://github.com/agronholm/apscheduler/issues/286
    """
    return ",".join(_weekday(part) for part in field.split(","))


def _weekday(part: str) -> str:
    span, slash, step = part.partition("/")
    numbers = re.fullmatch(r"([0-7])(?:-([0-7]))?", span)
    if not numbers:
        return part
    first, last = int(numbers[1]), int(numbers[2] or numbers[1])
    if slash and numbers[2] is None:
        last = 6  # crontab's "2/2" is "2-6/2"
    if first > last:
        raise ValueError(f"the weekdays {span} run backwards")
    # Spelled out: names from Sunday on are no ascending range for APScheduler.
    return ",".join(dict.fromkeys(_DAYS[day] for day in range(first, last + 1, int(step or 1))))
