"""The status screen: 80 columns of plain text, drawn from a `Status`. Pure; no terminal library, so that it is cheap.

What the fields mean is `status.py`'s; how to weigh them is `health.py`'s; the lines of drops are in `screen_outbox.py`,
those of mirrors in `screen_inbox.py`. This file puts them together and says how the whole is.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gen3sync.cli.layout import clock, paint, title, wrap, wrapped
from gen3sync.cli.screen_inbox import inbox_lines
from gen3sync.cli.screen_outbox import MOST, outbox_lines
from gen3sync.cli.words import count, fit, sentence, span
from gen3sync.health import Health, Judgement
from gen3sync.names import printable
from gen3sync.status import Status, Writer, moment

COLUMNS = 80


def render(status: Status, judgement: Judgement, now: datetime, columns: int = COLUMNS) -> str:
    """The whole screen, with colour codes (click strips them where they are not wanted)."""
    columns = max(60, columns)
    lines = [
        *_head(status, judgement, now, columns),
        "",
        *_commons(status, now, columns),
        *_notify(status, now, columns),
        "",
        *outbox_lines(status, now, columns),
        "",
        *inbox_lines(status, now, columns),
    ]
    events = list(_lately(status, now, columns))
    if events:
        lines += ["", title("Lately").rstrip(), *events]
    return "\n".join(line.rstrip() for line in lines)


def _head(status: Status, judgement: Judgement, now: datetime, columns: int) -> Iterator[str]:
    down = judgement.health is Health.DOWN
    said = _state(status, judgement, now)
    yield title("gen3sync") + paint(fit(said, columns - 10).rstrip(), judgement.health)
    for reason in judgement.reasons:
        yield from wrapped("! " + sentence(printable(reason, 2000)), columns, judgement.health)
    if not down:
        return
    if status.daemon.by is Writer.ONCE:
        yield from wrapped("  It is called by cron or a timer: look there, or call `gen3sync once`.", columns, "")
    else:
        config = printable(status.daemon.config)
        yield f"  Start it: `gen3sync run --config {config}`"
        yield "  or `systemctl start gen3sync@NAME`."


def _state(status: Status, judgement: Judgement, now: datetime) -> str:
    age = "now" if judgement.age < 2 else f"{span(judgement.age)} ago"
    if judgement.health is Health.DOWN:
        old = "this is how it ended" if judgement.age < 2 else f"what follows is {span(judgement.age)} old"
        return f"DOWN; {old}"
    if status.daemon.by is Writer.ONCE:
        return f"{judgement.health}: no daemon runs here; last pass {'just ' if age == 'now' else ''}{age}"
    running = span((now - moment(status.daemon.started_at)).total_seconds())
    return f"{judgement.health}: {status.daemon.state} for {running}, as of {age}"


def _commons(status: Status, now: datetime, columns: int) -> Iterator[str]:
    commons, key = status.commons, status.key
    match commons.reachable:
        case None:
            said = "not asked yet"
        case True:
            said = "reachable"
        case False:
            said = "does not answer"
    if commons.since and commons.reachable is False:
        said += f" since {clock(commons.since, now)}"
    if commons.version:
        said += f", version {printable(commons.version, 30)}"
    if commons.dictionary:
        said += f", dictionary {printable(commons.dictionary, 30)}"
    yield title("Commons") + fit(printable(commons.url), columns - 10)
    yield from (" " * 10 + part for part in wrap(said, columns - 10))
    words = []
    if key.user:
        words.append(printable(key.user, 40))
    if key.key_expires_at:
        left = (moment(key.key_expires_at) - now).total_seconds()
        words.append(f"key expires in {span(left)}" if left > 0 else "key has expired")
    if key.token_expires_at:
        left = (moment(key.token_expires_at) - now).total_seconds()
        words.append(f"token for {span(left)}" if left > 0 else "token due for renewal")
    first, *more = wrap(", ".join(words) or "not used yet", columns - 10)
    yield title("Key") + first
    yield from (" " * 10 + part for part in more)


def _notify(status: Status, now: datetime, columns: int) -> Iterator[str]:
    notify = status.notify
    if not notify.targets:
        return
    words = [count(notify.targets, "target")]
    if notify.last_at:
        words.append(f"last message {clock(notify.last_at, now)}")
    if notify.waiting:
        words.append(f"{count(notify.waiting, 'message')} waiting")
    yield title("Notify") + fit(", ".join(words), columns - 10)


def _lately(status: Status, now: datetime, columns: int) -> Iterator[str]:
    """The newest lines of history; what was said again and again is said once."""
    times: dict[tuple[str, str], int] = {}
    for event in status.events:
        times[event.level, event.text] = times.get((event.level, event.text), 0) + 1
    told: set[tuple[str, str]] = set()
    for event in status.events:
        key = (event.level, event.text)
        if key in told:
            continue
        told.add(key)
        if len(told) > MOST:
            return
        at = clock(event.at, now, seconds=True)
        again = f" ({times[key]} times)" if times[key] > 1 else ""
        text = fit(printable(event.text, 2000), columns - 3 - len(at) - len(again)).rstrip()
        yield f"  {at} {paint(text + again, event.level)}"
