"""The inbox on the status screen: the mirrors that need a person, those with records, and how many more. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from gen3sync.cli.layout import row, title
from gen3sync.cli.words import count, fit, span
from gen3sync.names import printable
from gen3sync.status import MirrorStatus, Status, moment

_MOST = 16
_FEW = 8
_LONGEST = 2000
_DAY = 86_400.0
_FIRST = "First export"  # as inbox/outcomes.py says it
_BAD = {"failed": 0, "guarded": 1, "stale": 2, "new": 3}


def inbox_lines(status: Status, now: datetime, columns: int) -> Iterator[str]:
    inbox = status.inbox
    yield title("Inbox") + fit(printable(inbox.path), columns - 10, keep_end=True)
    if not inbox.mirrors:
        yield " " * 10 + "no mirrors yet"
        return
    # What needs a person comes first; of the rest, those with records show that they live.
    mirrors = sorted(inbox.mirrors, key=lambda m: (_BAD.get(_label(m), 9), not m.rows, m.project, m.node))
    few = len(mirrors) <= _FEW
    shown = [mirror for mirror in mirrors if _label(mirror) in _BAD or mirror.rows or few][:_MOST]
    for mirror in shown:
        # What a person has to do stands at the end of a guard's reason.
        lines = None if mirror.outcome == "guarded" else 8
        yield from row(
            _label(mirror), printable(f"{mirror.project} {mirror.node}"), _words(mirror, now), columns, lines
        )
    rest = mirrors[len(shown) :]
    if not rest:
        return
    empty = sum(mirror.rows == 0 for mirror in rest)
    checked = [moment(mirror.checked_at) for mirror in rest if mirror.checked_at]
    true = f", true {span((now - min(checked)).total_seconds())} ago" if len(checked) == len(rest) else ""
    if not shown:
        yield fit(f"          {count(len(rest), 'mirror')}, all without records{true}", columns)
        return
    none = " without records" if empty == len(rest) else f", {empty:,} without records" if empty else ""
    yield f"  … and {count(len(rest), 'more mirror')}{none}{true}; --json lists them"


def _label(mirror: MirrorStatus) -> str:
    if mirror.outcome == "never":
        return "new"
    if mirror.stale and mirror.outcome not in ("failed", "guarded"):
        return "stale"
    return mirror.outcome


def _words(mirror: MirrorStatus, now: datetime) -> str:
    words = []
    if mirror.rows is not None:
        words.append(count(mirror.rows, "row"))
    if mirror.checked_at:
        age = (now - moment(mirror.checked_at)).total_seconds()
        # The clock was set back after the check.
        words.append(f"true {span(age)} ago" if age > -60 else "of unknown age (checked by a clock that was ahead)")
    elif mirror.outcome == "never":
        words.append("no file yet")
    if mirror.next_run_at:
        left = (moment(mirror.next_run_at) - now).total_seconds()
        words.append(f"next in {span(left)}" if left > 0 else "next now")
    if mirror.reason and mirror.outcome in ("failed", "guarded"):
        # How old comes before why: a reason may be long, and what does not fit is cut.
        said = ", ".join(words)
        reason = printable(mirror.reason, _LONGEST)
        return f"{said}: {reason}" if said else reason
    if mirror.changed_at:
        ago = (now - moment(mirror.changed_at)).total_seconds()
        if mirror.change.startswith(_FIRST):
            words.append(f"first exported {span(ago)} ago")  # how many rows there are is said already
            return ", ".join(words)
        what = f" ({printable(mirror.change, 80).rstrip('.')})" if mirror.change and ago < _DAY else ""
        words.append(f"changed {span(ago)} ago{what}")
    return ", ".join(words)
