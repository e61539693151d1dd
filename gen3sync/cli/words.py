"""How numbers, ages and sizes are said to people. Pure functions; no room is needed here."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gen3sync.ledger import Drop


def count(number: int, one: str, many: str = "") -> str:
    """`1 row`, `1,200 rows`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    """A length of time in its largest fitting unit or two: `40 s`, `12 min`, `3 h 5 min`, `12 d`."""
    seconds = max(0, int(seconds))
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes and hours < 10 else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours and days < 4 else f"{days} d"


def size(number: int) -> str:
    """`900 B`, `12 kB`, `3.4 MB`."""
    value = float(number)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit in ("B", "kB") or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def width(text: str) -> int:
    """Columns `text` takes on a terminal: East Asian wide characters take two, combining ones none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text: str, columns: int, *, keep_end: bool = False) -> str:
    """`text` in exactly `columns` columns: padded with spaces, or cut with an ellipsis at one end."""
    have = width(text)
    if have <= columns:
        return text + " " * (columns - have)
    if columns <= 1:
        return "…"[:columns]
    kept = ""
    for character in reversed(text) if keep_end else text:
        if width(kept + character) > columns - 1:
            break
        kept += character
    cut = "…" + kept[::-1] if keep_end else kept + "…"
    return cut + " " * (columns - width(cut))


def sentence(text: str) -> str:
    """`text` with a capital first letter and a full stop."""
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?", "…")) else ".")


def again(drop: Drop, *, day: bool = False) -> str:
    """How often a drop that waits was tried, and when it is next: a sentence with a space before it, or nothing. `day`:
    with the date."""
    if drop.state == "ended" or drop.next_attempt_at is None:
        return ""
    at = drop.next_attempt_at.astimezone().strftime("%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S")
    if drop.error_class == "lost":
        looked = f" Looked for {times(drop.attempts)}." if drop.attempts else ""
        return f"{looked} Known at the latest at {at}."
    return f" Tried {times(drop.attempts)}, again at {at}." if drop.attempts else f" Tried again at {at}."


def times(number: int) -> str:
    """`once`, `3 times`."""
    return "once" if number == 1 else f"{number:,} times"
