"""Cron expressions as cron means them.

APScheduler's `CronTrigger` reads five fields as well, but counts weekdays from Monday = 0, where every crontab since
Version 7 Unix has Sunday = 0 (and 7): `0 6 * * 1` would run on Tuesdays. Weekday numbers are therefore written out as
names before it sees them. It also demands that day of month *and* weekday match where cron asks for either; such
expressions are refused, being meant either way.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_PART = re.compile(r"(?:(?P<star>\*)|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>[1-9]\d?))?", re.ASCII)
_SHORT = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * sun",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


def read_cron(text: str) -> str:
    """The expression in the form APScheduler reads as cron means it. Raises ValueError with a sentence."""
    fields = _SHORT.get(text.strip().lower(), text).split()
    if len(fields) != 5:
        raise ValueError("must have five fields: minute, hour, day of month, month, weekday")
    weekday = _weekdays(fields[4].lower())
    if fields[2] != "*" and weekday != "*":
        raise ValueError("must not name both days of the month and weekdays (cron programs disagree what that means)")
    return " ".join((*fields[:4], weekday))


def check_cron(text: str, timezone: str | None) -> None:
    """Raises ValueError when APScheduler cannot read `text` (already through `read_cron`) or it never comes due.

    Imports APScheduler, which is why it is not part of the model.
    """
    from apscheduler.triggers.cron import CronTrigger

    trigger: Any = CronTrigger.from_crontab(text, timezone=timezone or "UTC")
    if trigger.get_next_fire_time(None, datetime(2024, 1, 1, tzinfo=UTC)) is None:
        raise ValueError("names a day that never comes")


def _weekdays(field: str) -> str:
    if field == "*":
        return field
    days: set[int] = set()
    for part in field.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            raise ValueError(f"has no weekday {part!r}: write sun to sat, or 0 (Sunday) to 6")
        first = 0 if found["star"] else _day(found["first"])
        if found["star"]:
            last = 6
        elif found["last"]:
            last = _day(found["last"])
        else:
            last = 6 if found["step"] else first
        if last < first:  # fri-mon, 5-0, 5-7
            last += 7
        days.update(day % 7 for day in range(first, last + 1, int(found["step"] or 1)))
    return "*" if len(days) == 7 else ",".join(_DAYS[day] for day in sorted(days))


def _day(text: str) -> int:
    if text in _DAYS:
        return _DAYS.index(text)
    if text in tuple("01234567"):
        return int(text) % 7
    raise ValueError(f"has no weekday {text!r}: write sun to sat, or 0 (Sunday) to 6")
