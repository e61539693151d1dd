"""The outbox on the status screen: what waits and moves, what a person must look at, what came through. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from gen3sync.cli.layout import MARGIN, clock, row, title
from gen3sync.cli.words import count, fit, sentence, span, times, width
from gen3sync.names import printable
from gen3sync.status import (
    DropStatus,
    EndedStatus,
    OutboxStatus,
    ParkedStatus,
    PauseStatus,
    RefusalStatus,
    Status,
    moment,
)

MOST = 8
"""Things of one kind that a screen shows before it says how many more there are."""
_LONGEST = 2000
_REASONS = 2
_RECEIPT = ".receipt.json"
_ORDER = ("parked", "sending", "verifying", "planning", "waiting")


def outbox_lines(status: Status, now: datetime, columns: int) -> Iterator[str]:
    outbox = status.outbox
    yield title("Outbox") + fit(printable(outbox.path), columns - 10, keep_end=True)
    for line in _sums(outbox, columns - 10):
        yield " " * 10 + fit(line, columns - 10)
    for parked in outbox.parked_projects[:MOST]:
        yield from row("parked", printable(parked.project), _parked_words(parked, now), columns)
    yield from _more(len(outbox.parked_projects) - MOST, "parked project")
    if outbox.pause is not None:
        yield from row("waits", "for the commons", _pause_words(outbox.pause, now), columns)
    open_drops = sorted(outbox.open, key=lambda drop: _ORDER.index(drop.state) if drop.state in _ORDER else 9)
    for drop in open_drops[:MOST]:
        # What a person has to do stands at the end of the reason, so a parked drop's words are not cut.
        lines = None if drop.state == "parked" else 4
        words = _drop_words(drop, now, _waits_for(drop, outbox))
        yield from row(drop.state, printable(drop.path), words, columns, lines)
    yield from _more(outbox.open_total - MOST, "file")
    for ended in outbox.refused[:MOST]:
        yield from _refused(ended, now, columns)
    yield from _more(
        sum(outbox.today.get(word, 0) for word in ("partly", "rejected", "unverified")) - MOST, "such file"
    )
    shown = {ended.drop for ended in outbox.refused}
    for ended in [ended for ended in outbox.ended if ended.drop not in shown][:MOST]:
        yield from row(ended.verdict, printable(ended.path), _ended_words(ended, now), columns, 3)


def _sums(outbox: OutboxStatus, room: int) -> list[str]:
    states = outbox.states
    if not states:
        for drop in outbox.open:
            states = {**states, drop.state: states.get(drop.state, 0) + 1}
    words = [f"{number:,} {state}" for state, number in states.items()]
    if outbox.settling:
        words.append(f"{count(outbox.settling, 'file')} still being written")
    today = [f"{number:,} {verdict}" for verdict, number in outbox.today.items() if number]
    parts = [", ".join(words) or "nothing waiting", f"last 24 h: {', '.join(today) or 'nothing'}"]
    whole = "; ".join(parts)
    return [whole] if width(whole) <= room else parts


def _more(number: int, what: str) -> Iterator[str]:
    if number > 0:
        yield f"  … and {count(number, 'more ' + what)}; `gen3sync status --json` lists them"


def _parked_words(parked: ParkedStatus, now: datetime) -> str:
    words = sentence(printable(parked.reason, _LONGEST))
    if parked.next_look_at is None:
        return words
    left = (moment(parked.next_look_at) - now).total_seconds()
    again = f"again in {span(left)}" if left > 0 else "again now"
    return f"{words} Looked at {times(parked.attempts)}, {again}." if parked.attempts else words


def _pause_words(pause: PauseStatus, now: datetime) -> str:
    left = (moment(pause.next_attempt_at) - now).total_seconds()
    again = f"again in {span(left)}" if left > 0 else "again now"
    since = f" since {clock(pause.since, now)}"
    return f"{printable(pause.reason, _LONGEST)} Asked {times(pause.attempts)}{since}, {again}."


def _waits_for(drop: DropStatus, outbox: OutboxStatus) -> str:
    """What a drop waits for, where that is told above for all drops together."""
    if outbox.pause is not None and drop.reason == outbox.pause.reason:
        return "the commons"
    parked = any((one.project, one.reason) == (drop.project, drop.reason) for one in outbox.parked_projects)
    return "its project" if parked else ""


def _drop_words(drop: DropStatus, now: datetime, waits_for: str = "") -> str:
    words = []
    # Rows that wait for somebody move no further: what they wait for says more than how far they came.
    if drop.rows and drop.done is not None and (drop.done or not drop.reason):
        share = f" ({100 * drop.done // drop.rows} %)" if drop.rows >= 100 else ""
        words.append(f"{drop.done:,} of {drop.rows:,} rows{share}")
    if drop.left is not None:
        words.append(f"about {span(drop.left)} left")
    if waits_for:
        return "; ".join((*words, f"waits for {waits_for}"))
    if drop.reason:
        words.append(printable(drop.reason, _LONGEST))
    if drop.next_attempt_at:
        left = (moment(drop.next_attempt_at) - now).total_seconds()
        again = f"again in {span(left)}" if left > 0 else "again now"
        looked = f"Looked at {times(drop.attempts)}, {again}." if drop.attempts else f"Looked at {again}."
        if drop.error_class == "lost":
            looked = f"Known at the latest in {span(left)}." if left > 0 else ""
        if words and words[-1].endswith("."):
            words[-1] += f" {looked}".rstrip()
        else:
            words.append(again)
    return "; ".join(words) or f"for {span((now - moment(drop.since)).total_seconds())}"


def _counts(ended: EndedStatus) -> str:
    counts = ended.counts
    return ", ".join(
        f"{counts[key]:,} {key}"
        for key in ("created", "updated", "written", "unchanged", "rejected")
        if counts.get(key)
    )


def _ended_words(ended: EndedStatus, now: datetime) -> str:
    counts, ago = _counts(ended), _ago(ended, now)
    if counts:
        return f"{counts}, {ago}" if ago else counts
    reason = printable(ended.reason, _LONGEST)
    return f"{ago}: {reason}" if ago and reason else reason or ago


def _ago(ended: EndedStatus, now: datetime) -> str:
    return f"{span((now - moment(ended.ended_at)).total_seconds())} ago" if ended.ended_at else ""


def _refused(ended: EndedStatus, now: datetime, columns: int) -> Iterator[str]:
    """Why, and where the rows are that can be corrected and dropped again."""
    reasons = [_reason(refusal) for refusal in ended.refusals[:_REASONS]]
    if len(ended.refusals) > _REASONS:
        reasons.append("and other reasons")
    said = ", ".join(part for part in (_counts(ended), _ago(ended, now)) if part)
    words = "; ".join(part for part in (said, *reasons) if part)
    if not ended.refusals:
        words = _ended_words(replace(ended, counts={}), now)
    yield from row(ended.verdict, printable(ended.path), words, columns, 6)
    if ended.rejects:
        yield from _path("rejects", ended.rejects, columns)
    elif ended.receipt and ended.verdict == "rejected":
        yield from _path("file", ended.receipt.removesuffix(_RECEIPT), columns)
    elif ended.receipt:
        yield from _path("receipt", ended.receipt, columns)


def _path(what: str, path: str, columns: int) -> Iterator[str]:
    """Whole, to be copied; in a line of its own where it is long."""
    said = printable(path, _LONGEST)
    if MARGIN + len(what) + 2 + width(said) <= columns:
        yield " " * MARGIN + f"{what}: {said}"
    else:
        yield " " * MARGIN + f"{what}:"
        yield " " * 4 + said


def _reason(refusal: RefusalStatus) -> str:
    message = printable(refusal.message, 300)
    # The commons often names the column itself.
    named = not refusal.column or refusal.column in message
    return f"{count(refusal.rows, 'row')}: {'' if named else printable(refusal.column, 60) + ': '}{message}"
