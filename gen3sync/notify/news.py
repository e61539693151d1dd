"""What is worth telling: the difference between what was known and how things are now. Pure.

A thing is told once, when it begins, and once more when a person need not care any longer. `Seen` remembers what was
told; it is plain enough to be kept in the ledger, so that a restart tells nothing twice. Told are names, numbers and
what to do; no cell of anybody's file leaves the machine this way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from gen3sync.config.choices import News
from gen3sync.ledger import Event, EventLevel
from gen3sync.names import printable
from gen3sync.status import DropStatus, EndedStatus, MirrorStatus, Status, moment

KEY_DAYS = (7, 3, 1)
"""Days before a key's end at which it is told; 0, when it has ended, as well."""
SILENT = 900.0
"""Seconds a commons may stay silent before anybody is told: it is restarted now and then."""
UNMADE = 3600.0
"""Seconds a mirror that was never made may fail, while the commons answers, before anybody is told."""
_VERDICTS = frozenset({"landed", "partly", "rejected", "superseded", "withdrawn", "unverified"})
_REFUSED = frozenset({"partly", "rejected", "unverified"})
_LONGEST = 1000
_MOST_PARKED = 2000


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell. `good`: what was told before is over; without a text it only takes back what was not yet told.
    `about` is the same for a trouble and its end."""

    news: News
    text: str
    good: bool = False
    about: str = field(default="", compare=False)


_Part = tuple[list[Notice], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was told of what still is."""

    parked: Mapping[str, str] = field(default_factory=dict)
    """Number of the drop, and of its reason what makes it another one."""
    projects: tuple[str, ...] = ()
    mirrors: Mapping[str, str] = field(default_factory=dict)
    """`guarded`, `stale` or `unmade`, by file."""
    failing: Mapping[str, str] = field(default_factory=dict)
    """Since when one that was never made has been seen to fail, by file."""
    unknown: tuple[str, ...] = ()
    """What keeps mirrors from being known."""
    key: str | None = None
    key_days: int | None = None
    key_problem: bool = False
    problem: str = ""
    """What is wrong with the daemon itself."""
    silent: bool = False
    """The commons does not answer."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> Seen:
        """What an older or newer gen3sync wrote is read as far as it is understood."""
        known = data if isinstance(data, dict) else {}
        made: dict[str, Any] = {name: known[name] for name in cls.__dataclass_fields__ if name in known}
        made |= {name: tuple(value) for name, value in made.items() if isinstance(value, list)}
        return cls(**made)


def news(before: Seen, after: Status, events: Sequence[Event], now: datetime) -> tuple[tuple[Notice, ...], Seen]:
    """What is new since `before`, and what is known with it. `events` are the lines of history that came meanwhile."""
    parked, told = _parked(before.parked, after, events)
    parts: tuple[_Part, ...] = (
        (list(_refused(after, events)), {}),
        (parked, {"parked": told}),
        _projects(before, after),
        _mirrors(before, after, now),
        _key(before, after, now),
        _daemon(before, after, events),
        _commons(before, after, now),
    )
    seen = before
    for _, changes in parts:
        seen = replace(seen, **changes)
    return tuple(notice for notices, _ in parts for notice in notices), seen


def _refused(after: Status, events: Sequence[Event]) -> Iterator[Notice]:
    known = {ended.drop: ended for ended in (*after.outbox.ended, *after.outbox.refused)}
    for event in events:
        if event.kind in _REFUSED and event.drop_id is not None:
            ended = known.get(event.drop_id)
            # Reasons of rows may quote cells; reasons of a whole file speak of its form.
            rows = ended is not None and bool(ended.refusals)
            yield Notice(News.REJECTS, _of_rows(ended) if ended and rows else printable(event.text, _LONGEST))


def _of_rows(ended: EndedStatus) -> str:
    """How many rows, which columns, and the file in which the reasons stand."""
    counts = ", ".join(f"{number:,} {word}" for word, number in ended.counts.items() if number and word != "read")
    said = {"partly": "landed in part", "rejected": "was refused"}.get(ended.verdict, "was accepted, unverified")
    return f"{printable(ended.path, 300)} {said}: {counts or 'no rows'}.{_where(ended)}"


def _where(ended: EndedStatus) -> str:
    """Which columns, and the file with the rows."""
    columns = [f"{printable(refusal.column, 60)} ({refusal.rows:,})" for refusal in ended.refusals if refusal.column]
    said = f" Columns with errors (rows): {', '.join(columns)}." if columns else ""
    if ended.rejects:
        return f"{said} The rows and their reasons: {printable(ended.rejects, _LONGEST)}"
    return said


def _parked(before: Mapping[str, str], after: Status, events: Sequence[Event]) -> tuple[list[Notice], dict[str, str]]:
    """Drops that wait for somebody. One that is looked at again and waits for the same is not told again."""
    told, notices = dict(before), []
    standing = {drop.drop: drop for drop in after.outbox.open if drop.state == "parked"}
    for event in events:
        if event.drop_id is None:
            continue
        if event.kind in _VERDICTS:
            if told.pop(str(event.drop_id), None) is not None:
                notices.append(Notice(News.PARKED, "", good=True, about=f"drop {event.drop_id}"))
        elif event.kind == "parked" and event.drop_id not in standing:
            name, _, reason = event.text.partition(": parked: ")
            if _new(told, event.drop_id, reason or event.text):
                notices.append(_waits(event.drop_id, name, reason or event.text))
    fresh = [drop for drop in standing.values() if _new(told, drop.drop, drop.reason)]
    notices += [_waits(drop.drop, drop.path, drop.reason) for drop in fresh]
    open_drops = {str(drop.drop) for drop in after.outbox.open}
    if after.outbox.open_total == len(open_drops):
        told = {drop: reason for drop, reason in told.items() if drop in open_drops}
    return notices, dict(list(told.items())[-_MOST_PARKED:])


def _new(told: dict[str, str], drop: int, reason: str) -> bool:
    # Numbers and times in a reason change from look to look; what it is about does not.
    mark = re.sub(r"\d+", "", reason)[:60]
    if told.get(str(drop)) == mark:
        return False
    told[str(drop)] = mark
    return True


def _waits(drop: int, name: str, reason: str) -> Notice:
    said = f"{printable(name, 300)} is parked: {printable(reason, _LONGEST)}"
    return Notice(News.PARKED, said, about=f"drop {drop}")


def _projects(before: Seen, after: Status) -> _Part:
    now = {parked.project: parked.reason for parked in after.outbox.parked_projects}
    notices = [
        Notice(News.PARKED, f"The project {printable(name)} is parked: {printable(reason, _LONGEST)}", about=name)
        for name, reason in now.items()
        if name not in before.projects
    ]
    notices += [
        Notice(News.PARKED, f"The project {printable(name)} takes files again.", good=True, about=name)
        for name in before.projects
        if name not in now
    ]
    return notices, {"projects": tuple(now)}


def _mirrors(before: Seen, after: Status, now: datetime) -> _Part:
    told: dict[str, str] = {}
    failing = _failing(before.failing, after, now)
    notices = []
    for mirror in after.inbox.mirrors:
        was, since = before.mirrors.get(mirror.mirror, ""), failing.get(mirror.mirror)
        state = _condition(mirror, since, now)
        if state and state != was:
            notices.append(Notice(News.MIRRORS, _of_mirror(mirror, state, since), about=mirror.mirror))
        elif was and not state and mirror.outcome in ("updated", "unchanged"):
            name = printable(f"{mirror.project} {mirror.node}")
            said = f"The mirror {name} is {'there now' if was == 'unmade' else 'current again'}."
            notices.append(Notice(News.MIRRORS, said, good=True, about=mirror.mirror))
            was = ""
        if state or was:
            told[mirror.mirror] = state or was
    fresh = [text for text in after.inbox.problems if text not in before.unknown]
    notices += [Notice(News.MIRRORS, printable(text, _LONGEST)) for text in fresh]
    return notices, {"mirrors": told, "failing": failing, "unknown": after.inbox.problems}


def _failing(before: Mapping[str, str], after: Status, now: datetime) -> dict[str, str]:
    """Mirrors that were never made and fail, and since when; of a clock that was set back, since now."""
    # Without a commons or a key all of them fail, which is told once, as what it is.
    if after.commons.reachable is False or after.key.problem:
        return {}
    unmade = [each.mirror for each in after.inbox.mirrors if each.outcome == "failed" and not each.checked_at]
    return {name: min(moment(before[name]) if name in before else now, now).isoformat() for name in unmade}


def _condition(mirror: MirrorStatus, failing: str | None, now: datetime) -> str:
    if mirror.outcome == "guarded":
        return "guarded"
    if failing:
        return "unmade" if (now - moment(failing)).total_seconds() >= UNMADE else ""
    # Any other that was never there is on its way.
    return "stale" if mirror.stale and mirror.checked_at else ""


def _of_mirror(mirror: MirrorStatus, state: str, failing: str | None) -> str:
    name = printable(f"{mirror.project} {mirror.node}")
    if state == "guarded":
        return f"The mirror {name} is held back: {printable(mirror.reason, _LONGEST)}"
    why = f": {printable(mirror.reason, _LONGEST)}" if mirror.outcome == "failed" and mirror.reason else "."
    if state == "unmade" and failing:
        return f"The mirror {name} was never made, and has failed since {_minute(failing)}{why}"
    since = _minute(mirror.checked_at) if mirror.checked_at else "long ago"
    return f"The mirror {name} shows what was true at {since}, which is too long ago{why}"


def _minute(at: str) -> str:
    return f"{moment(at):%Y-%m-%d %H:%M UTC}"


def _key(before: Seen, after: Status, now: datetime) -> _Part:
    key, notices = after.key, []
    told = before.key_days if key.key_expires_at == before.key else None
    if key.key_expires_at:
        left = (moment(key.key_expires_at) - now).total_seconds() / 86_400
        reached = [days for days in (*KEY_DAYS, 0) if left <= days]
        if reached and (told is None or reached[-1] < told):
            told = reached[-1]
            when = f"on {moment(key.key_expires_at):%Y-%m-%d at %H:%M UTC}"
            span = "has expired" if told == 0 else f"expires in {max(1, round(left))} day{'s' * (round(left) > 1)}"
            notices.append(
                Notice(News.KEY, f"The API key {span} ({when}). Make a new one on the commons' profile page.")
            )
    problem = bool(key.problem) and after.commons.reachable is not False
    if problem and not before.key_problem:
        said = f"The API key cannot be used: {printable(key.problem, _LONGEST)}"
        notices.append(Notice(News.KEY, said, about="key"))
    elif before.key_problem and not key.problem:
        notices.append(Notice(News.KEY, "The API key can be used again.", good=True, about="key"))
    troubled = problem or (before.key_problem and bool(key.problem))
    return notices, {"key": key.key_expires_at, "key_days": told, "key_problem": troubled}


def _daemon(before: Seen, after: Status, events: Sequence[Event]) -> _Part:
    # A daemon that was killed could not say so; the next one finds out when it starts.
    notices = [
        Notice(News.DAEMON, _sentence(event.text))
        for event in events
        if event.kind == "life" and event.level is EventLevel.WARNING
    ]
    problem, was = after.daemon.problem, before.problem
    # Of two troubles one may be over before the other: what is left was told.
    if problem and problem not in was:
        notices.append(Notice(News.DAEMON, _sentence(problem), about="daemon"))
    elif was and not problem:
        notices.append(Notice(News.DAEMON, f"The daemon is well again. It was: {was}", good=True, about="daemon"))
    return notices, {"problem": problem}


def _commons(before: Seen, after: Status, now: datetime) -> _Part:
    commons, silent = after.commons, before.silent
    notices = []
    if commons.reachable is False and commons.since and not silent:
        lasts = (now - moment(commons.since)).total_seconds()
        if lasts >= SILENT:
            silent = True
            why = f": {printable(commons.problem, _LONGEST)}" if commons.problem else "."
            said = f"The commons has not answered for {lasts // 60:.0f} minutes{why}"
            notices.append(Notice(News.DAEMON, said, about="commons"))
    elif commons.reachable and silent:
        silent = False
        notices.append(Notice(News.DAEMON, "The commons answers again.", good=True, about="commons"))
    return notices, {"silent": silent}


def _sentence(text: str) -> str:
    said = printable(text, _LONGEST).strip()
    return said[:1].upper() + said[1:] + ("" if said.endswith((".", "!", "?", "…")) else ".")


def parked_of(status: Status) -> tuple[DropStatus, ...]:
    """Drops that wait for somebody, for the digest."""
    return tuple(drop for drop in status.outbox.open if drop.state == "parked")
