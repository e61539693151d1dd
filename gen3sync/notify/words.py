"""How news is said: one message of one notice or of many, the daily digest, the test. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from gen3sync.config.choices import News
from gen3sync.health import long_span
from gen3sync.names import printable
from gen3sync.notify.news import Notice, parked_of
from gen3sync.status import Status, moment

MOST = 20
"""Notices of one kind that a message spells out."""
_ONE = {
    News.REJECTS: "refused rows",
    News.PARKED: "parked",
    News.MIRRORS: "mirror",
    News.KEY: "API key",
    News.DAEMON: "daemon",
}
_MANY = {News.REJECTS: "files with refused rows", News.PARKED: "parked", News.MIRRORS: "mirrors"}
_LONGEST = 300
_WHOLE = 10_000
"""Characters of a message, whatever happened."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent. `good`: nothing in it needs anybody."""

    title: str
    body: str
    good: bool = False


def message(notices: Sequence[Notice], name: str) -> Message:
    """One message for all of them, kind by kind, what is over last."""
    kinds = [kind for kind in News if any(notice.news is kind for notice in notices)]
    lines: list[str] = []
    for kind in kinds:
        of_kind = sorted((notice for notice in notices if notice.news is kind), key=lambda notice: notice.good)
        lines += [notice.text for notice in of_kind[:MOST]]
        if len(of_kind) > MOST:
            lines.append(f"… and {len(of_kind) - MOST} more like these; `gen3sync status` and `history` tell them.")
    good = all(notice.good for notice in notices)
    what = ", ".join(_count(kind, [notice for notice in notices if notice.news is kind]) for kind in kinds)
    body = lines[0] if len(lines) == 1 else "\n".join(f"- {line}" for line in lines)
    return Message(_title(name, what), _bounded(body), good)


def _count(kind: News, notices: Sequence[Notice]) -> str:
    bad = [notice for notice in notices if not notice.good]
    if not bad:
        return f"{_ONE[kind]} well again"
    return f"{len(bad)} {_MANY[kind]}" if len(bad) > 1 and kind in _MANY else _ONE[kind]


def digest(status: Status, now: datetime, name: str) -> Message:
    """The last day: what came, what waits for somebody, how the mirrors are."""
    return Message(_title(name, "the last day"), _bounded("\n".join(_digest(status, now))), good=True)


def _digest(status: Status, now: datetime) -> Iterator[str]:
    outbox, inbox = status.outbox, status.inbox
    came = ", ".join(f"{number:,} {verdict}" for verdict, number in sorted(outbox.today.items())) or "none"
    yield f"Files in the last 24 hours: {came}."
    for ended in outbox.refused[:MOST]:
        rows = ended.counts.get("rejected", 0)
        where = f": {printable(ended.rejects, _LONGEST)}" if ended.rejects else ""
        yield f"- {printable(ended.path, _LONGEST)} {ended.verdict}, {rows:,} rows refused{where}"
    parked = outbox.states.get("parked", 0)
    waiting = outbox.open_total - parked
    yield f"On their way: {waiting:,}. Parked: {parked:,}."
    for drop in parked_of(status)[:MOST]:
        yield f"- {printable(drop.path, _LONGEST)}: {printable(drop.reason, _LONGEST)}"
    for project in outbox.parked_projects[:MOST]:
        yield f"- the project {printable(project.project)}: {printable(project.reason, _LONGEST)}"
    checked = [moment(mirror.checked_at) for mirror in inbox.mirrors if mirror.checked_at]
    ages = f", each true within the last {long_span((now - min(checked)).total_seconds())}" if checked else ""
    yield f"Mirrors: {len(inbox.mirrors):,}{ages}."
    bad = [mirror for mirror in inbox.mirrors if mirror.outcome in ("guarded", "failed") or mirror.stale]
    for mirror in bad[:MOST]:
        state = mirror.outcome if mirror.outcome in ("guarded", "failed") else "too old"
        age = f", true {long_span((now - moment(mirror.checked_at)).total_seconds())} ago" if mirror.checked_at else ""
        yield f"- {printable(mirror.project)} {printable(mirror.node)}: {state}{age}"
    if status.key.key_expires_at:
        left = (moment(status.key.key_expires_at) - now).total_seconds()
        yield f"The API key {f'expires in {long_span(left)}' if left > 0 else 'has expired'}."
    if status.daemon.problem:
        yield f"The daemon: {printable(status.daemon.problem, _LONGEST)}"
    if status.commons.reachable is False:
        yield f"The commons does not answer: {printable(status.commons.problem, _LONGEST)}"


def trial(name: str) -> Message:
    """The message of `gen3sync notify test`."""
    said = "This is a test. News of gen3sync reach you here: refused rows, parked files, mirrors, the key, the daemon."
    return Message(_title(name, "a test"), said, good=True)


def _title(name: str, what: str) -> str:
    return printable(f"gen3sync {name}: {what}", 120)


def _bounded(body: str) -> str:
    if len(body) <= _WHOLE:
        return body
    return body[:_WHOLE].rpartition("\n")[0] + "\n… and more; `gen3sync status` and `history` tell it."
