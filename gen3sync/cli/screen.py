"""The status screen: 80 columns of plain text, drawn from a `Status`. Pure; no terminal library, so that it is cheap.

What the fields mean is `status.py`'s; how to weigh them too. This file only says them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from gen3sync.cli.words import count, fit, sentence, span, width
from gen3sync.health import Health, Judgement
from gen3sync.names import printable
from gen3sync.status import DropStatus, EndedStatus, MirrorStatus, Status, moment

COLUMNS = 80
_COLOUR = {
    "well": "green",
    "degraded": "yellow",
    "down": "red",
    "landed": "green",
    "partly": "yellow",
    "rejected": "red",
    "unverified": "yellow",
    "superseded": "blue",
    "parked": "yellow",
    "failed": "red",
    "guarded": "yellow",
    "updated": "green",
    "unchanged": "green",
    "warning": "yellow",
    "error": "red",
}
_WHOLE = 12
_MOST = 8
"""Lines of one kind that a screen shows before it says how many more there are."""


def render(status: Status, judgement: Judgement, now: datetime, columns: int = COLUMNS) -> str:
    """The whole screen, with colour codes (click strips them where they are not wanted)."""
    columns = max(60, columns)
    lines = [
        *_head(status, judgement, now, columns),
        "",
        *_commons(status, now, columns),
        "",
        *_outbox(status, now, columns),
        "",
        *_inbox(status, now, columns),
    ]
    events = list(status.events)[:_MOST]
    if events:
        lines += ["", _title("Lately").rstrip()]
        for event in events:
            at = moment(event.at).astimezone().strftime("%H:%M:%S")
            text = fit(printable(event.text), columns - 11).rstrip()
            lines.append(f"  {at} {_paint(text, event.level)}")
    return "\n".join(line.rstrip() for line in lines)


def _head(status: Status, judgement: Judgement, now: datetime, columns: int) -> Iterator[str]:
    age = "now" if judgement.age < 2 else f"{span(judgement.age)} ago"
    if judgement.health is Health.DOWN:
        state = (
            "DOWN; this is how it ended" if judgement.age < 2 else f"DOWN; what follows is {span(judgement.age)} old"
        )
    else:
        running = span((now - moment(status.daemon.started_at)).total_seconds())
        state = f"{status.daemon.state} for {running}, as of {age}"
    said = state if judgement.health is Health.DOWN else f"{judgement.health}: {state}"
    yield _title("gen3sync") + _paint(fit(said, columns - 10).rstrip(), judgement.health)
    for reason in judgement.reasons:
        yield from _wrapped("! " + sentence(printable(reason)), columns, judgement.health)
    if judgement.health is Health.DOWN:
        config = printable(status.daemon.config)
        yield from _wrapped(
            f"  Start it: `gen3sync run --config {config}`, or `systemctl start gen3sync@NAME`.", columns, ""
        )


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
        said += f" since {_clock(commons.since, now)}"
    if commons.version:
        said += f", version {printable(commons.version, 30)}"
    if commons.dictionary:
        said += f", dictionary {printable(commons.dictionary, 30)}"
    yield _title("Commons") + fit(printable(commons.url), columns - 10)
    yield " " * 10 + fit(said, columns - 10)
    words = []
    if key.user:
        words.append(printable(key.user, 40))
    if key.key_expires_at:
        left = (moment(key.key_expires_at) - now).total_seconds()
        words.append(f"key expires in {span(left)}" if left > 0 else "key has expired")
    if key.token_expires_at:
        left = (moment(key.token_expires_at) - now).total_seconds()
        words.append(f"token for {span(left)}" if left > 0 else "token due for renewal")
    yield _title("Key") + fit(", ".join(words) or "not used yet", columns - 10)


def _outbox(status: Status, now: datetime, columns: int) -> Iterator[str]:
    outbox = status.outbox
    yield _title("Outbox") + fit(printable(outbox.path), columns - 10, keep_end=True)
    states: dict[str, int] = {}
    for drop in outbox.open:
        states[drop.state] = states.get(drop.state, 0) + 1
    words = [f"{number:,} {state}" for state, number in states.items()]
    if outbox.open_total > len(outbox.open):
        words.append(f"{outbox.open_total - len(outbox.open):,} more behind them")
    if outbox.settling:
        words.append(f"{count(outbox.settling, 'file')} still being written")
    today = [f"{number:,} {verdict}" for verdict, number in outbox.today.items() if number]
    yield f"          {', '.join(words) or 'nothing waiting'}; last 24 h: {', '.join(today) or 'nothing'}"
    for parked in outbox.parked_projects[:_MOST]:
        yield from _row("parked", printable(parked.project), printable(parked.reason), columns, _WHOLE)
    for drop in outbox.open[:_MOST]:
        # What a person has to do stands at the end of the reason, so a parked drop's words are not cut.
        lines = _WHOLE if drop.state == "parked" else 3
        yield from _row(drop.state, printable(drop.path), _drop_words(drop, now), columns, lines)
    if outbox.open_total > _MOST:
        yield f"  … and {outbox.open_total - _MOST:,} more; `gen3sync history` lists them"
    for ended in outbox.ended[:_MOST]:
        yield from _row(ended.verdict, printable(ended.path), _ended_words(ended), columns)


def _drop_words(drop: DropStatus, now: datetime) -> str:
    words = []
    if drop.rows and drop.done is not None:
        words.append(f"{drop.done:,} of {drop.rows:,} rows")
    if drop.reason:
        words.append(printable(drop.reason))
    if drop.next_attempt_at:
        left = (moment(drop.next_attempt_at) - now).total_seconds()
        words.append(f"again in {span(left)}" if left > 0 else "again now")
    return "; ".join(words) or f"for {span((now - moment(drop.since)).total_seconds())}"


def _ended_words(ended: EndedStatus) -> str:
    counts = ended.counts
    words = [f"{counts[key]:,} {key}" for key in ("created", "updated", "unchanged", "rejected") if counts.get(key)]
    return ", ".join(words) or printable(ended.reason)


def _inbox(status: Status, now: datetime, columns: int) -> Iterator[str]:
    inbox = status.inbox
    yield _title("Inbox") + fit(printable(inbox.path), columns - 10, keep_end=True)
    if not inbox.mirrors:
        yield "          no mirrors yet"
    # What needs a person comes first; of the rest, those with records show that they live.
    order = {"failed": 0, "guarded": 1, "never": 2}
    mirrors = sorted(inbox.mirrors, key=lambda m: (order.get(m.outcome, 3), not m.rows, m.project, m.node))
    shown = [mirror for mirror in mirrors if mirror.outcome in order or mirror.rows or len(mirrors) <= _MOST]
    for mirror in shown[: 2 * _MOST]:
        words = _mirror_words(mirror, now)
        yield from _row(mirror.outcome, f"{mirror.project} {mirror.node}", words, columns, lines=5)
    rest = mirrors[len(shown[: 2 * _MOST]) :]
    if rest:
        empty = sum(mirror.rows == 0 for mirror in rest)
        yield f"  … and {len(rest):,} more{f', {empty:,} without records' if empty else ''}; --json lists them"


def _mirror_words(mirror: MirrorStatus, now: datetime) -> str:
    words = []
    if mirror.rows is not None:
        words.append(count(mirror.rows, "row"))
    if mirror.checked_at:
        age = (now - moment(mirror.checked_at)).total_seconds()
        # The clock was set back after the check.
        words.append(f"true {span(age)} ago" if age > -60 else "of unknown age (checked by a clock that was ahead)")
    if mirror.next_run_at:
        left = (moment(mirror.next_run_at) - now).total_seconds()
        words.append(f"next in {span(left)}" if left > 0 else "next now")
    said = ", ".join(words)
    if mirror.reason and mirror.outcome in ("failed", "guarded"):
        # How old comes before why: a reason may be long, and what does not fit is cut.
        return f"{said}: {printable(mirror.reason)}" if said else printable(mirror.reason)
    return said


def _row(label: str, name: str, words: str, columns: int, lines: int = 3) -> Iterator[str]:
    """`  label      name                        words`, the words going on below where they do not fit."""
    name_room = max(24, columns // 3)
    first = f"  {_paint(fit(label, 10), label)} {fit(name, name_room, keep_end=True)} "
    room = columns - name_room - 14
    parts = list(_wrap(words, room)) or [""]
    if len(parts) > lines:
        parts[lines - 1 :] = [fit(f"{parts[lines - 1]} …", room).rstrip()]
    yield first + parts[0]
    for part in parts[1:]:
        yield " " * (name_room + 14) + part


def _wrapped(text: str, columns: int, colour: str) -> Iterator[str]:
    for number, line in enumerate(_wrap(text, columns - 2)):
        yield _paint(("" if number == 0 else "  ") + line, colour)


def _wrap(text: str, columns: int) -> Iterator[str]:
    line = ""
    for word in text.split(" "):
        if line and width(line) + 1 + width(word) > columns:
            yield line
            line = word
        else:
            line = f"{line} {word}" if line else word
        while width(line) > columns:
            part = fit(line, columns + 1)[:-1].rstrip()  # fit marks the cut with an ellipsis; here the text goes on
            yield part
            line = line[len(part) :]
    if line:
        yield line


def _clock(at: str, now: datetime) -> str:
    local = moment(at).astimezone()
    return local.strftime("%H:%M" if local.date() == now.astimezone().date() else "%d %b %H:%M")


def _title(text: str) -> str:
    return click.style(text, bold=True) + " " * (10 - len(text))


def _paint(text: str, kind: str) -> str:
    colour = _COLOUR.get(kind)
    return click.style(text, fg=colour) if colour else text
