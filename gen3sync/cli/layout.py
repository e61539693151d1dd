"""How text is laid out in a few columns: titles, colours, rows that go on below. Pure; no terminal library."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

import click

from gen3sync.cli.words import fit, width
from gen3sync.status import moment

MARGIN = 13
"""Columns left of what goes on below a row's label."""
_NARROW = 72
"""In fewer columns a name and what is said of it do not stand side by side."""
_COLOUR = {
    "well": "green",
    "degraded": "yellow",
    "down": "red",
    "landed": "green",
    "partly": "yellow",
    "rejected": "red",
    "unverified": "yellow",
    "superseded": "blue",
    "withdrawn": "blue",
    "parked": "yellow",
    "failed": "red",
    "guarded": "yellow",
    "stale": "yellow",
    "updated": "green",
    "unchanged": "green",
    "warning": "yellow",
    "error": "red",
}
_COMMAND = re.compile(r"`(gen3sync [^`]+)`")


def title(text: str) -> str:
    return click.style(text, bold=True) + " " * (10 - len(text))


def paint(text: str, kind: str) -> str:
    colour = _COLOUR.get(kind)
    return click.style(text, fg=colour) if colour else text


def row(label: str, name: str, words: str, columns: int, lines: int | None = None) -> Iterator[str]:
    """`  label      name                        words`; words that take more than two lines there stand below.

    At most `lines` lines of words, where given. A command in backquotes that had to be broken stands again below,
    whole and in a line of its own, however long: it is there to be copied.
    """
    start = f"  {paint(fit(label, 10), label)} "
    name_room = max(24, columns // 3)
    room = columns - MARGIN - name_room - 1
    parts = list(wrap(words, room))
    if columns >= _NARROW and len(parts) <= 2 and width(name) <= name_room:
        indent = MARGIN + name_room + 1
        yield f"{start}{fit(name, name_room)} {parts[0] if parts else ''}"
        yield from (" " * indent + part for part in parts[1:])
    else:
        yield start + fit(name, columns - MARGIN, keep_end=True)
        parts = list(wrap(words, columns - MARGIN))
        if lines is not None and len(parts) > lines:
            parts[lines - 1 :] = [fit(f"{parts[lines - 1]} …", columns - MARGIN).rstrip()]
        yield from (" " * MARGIN + part for part in parts)
    yield from _broken(words, parts, columns, MARGIN)


def wrapped(text: str, columns: int, colour: str) -> Iterator[str]:
    """A paragraph, its second line and those after it two columns in; commands as in `row`."""
    parts = list(wrap(text, columns - 2))
    for number, line in enumerate(parts):
        yield paint(("" if number == 0 else "  ") + line, colour)
    yield from _broken(text, parts, columns, 4)


def _broken(text: str, parts: list[str], columns: int, indent: int) -> Iterator[str]:
    """Commands of `text` that none of its lines shows whole."""
    for command in dict.fromkeys(_COMMAND.findall(text)):
        if not any(f"`{command}`" in part for part in parts):
            yield " " * (indent if indent + width(command) <= columns else 4) + command


def wrap(text: str, columns: int) -> Iterator[str]:
    """`text` broken between words; a word that is longer than a line is broken where the line ends."""
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


def clock(at: str, now: datetime, *, seconds: bool = False) -> str:
    """The time of day as people here see it, and the day where it is not today."""
    local = moment(at).astimezone()
    if local.date() != now.astimezone().date():
        return local.strftime("%d %b %H:%M")
    return local.strftime("%H:%M:%S" if seconds else "%H:%M")
