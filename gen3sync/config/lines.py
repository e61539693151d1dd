"""Which line of a TOML file a key stands on. TOML readers do not tell, so this looks for itself.

Only ever used to help a reader find a key: where the layout is unusual (keys inside inline tables) it finds the nearest
enclosing thing, and nothing depends on it.
"""

from __future__ import annotations

import re
from collections import Counter

Location = tuple[str | int, ...]
"""`("inbox", "mirror", 0, "every")`: names of tables and keys, numbers of array elements from 0."""

_HEADER = re.compile(r"\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=(.*)""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def line_numbers(text: str) -> dict[Location, int]:
    """Lines, from 1, of every table header and key."""
    lines: dict[Location, int] = {}
    arrays: Counter[tuple[str, ...]] = Counter()
    table: Location = ()
    closing: str | None = None  # inside a multi-line string that this ends
    depth = 0  # inside a multi-line array or inline table
    for number, line in enumerate(text.split("\n"), start=1):
        if closing is None and depth == 0:
            if header := _HEADER.match(line):
                names = _names(header[2])
                if header[1] == "[[":
                    arrays[names] += 1
                table = _numbered(names, arrays)
                lines.setdefault(table, number)
                lines.setdefault(names, number)
                continue
            if found := _KEY.match(line):
                lines.setdefault((*table, *_names(found[1])), number)
                line = found[2]
        closing, depth = _after(line, closing, depth)
    return lines


def line_of(lines: dict[Location, int], location: Location) -> int | None:
    """The line of `location`, or of the nearest thing around it that has one."""
    while location:
        if location in lines:
            return lines[location]
        location = location[:-1]
    return None


def _names(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))


def _numbered(names: tuple[str, ...], arrays: Counter[tuple[str, ...]]) -> Location:
    location: list[str | int] = []
    for i, name in enumerate(names, start=1):
        location.append(name)
        if arrays[names[:i]]:
            location.append(arrays[names[:i]] - 1)
    return tuple(location)


def _after(line: str, closing: str | None, depth: int) -> tuple[str | None, int]:
    """Follows strings and brackets to the end of a line."""
    i = 0
    while i < len(line):
        if closing is not None:
            end = line.find(closing, i)
            if end < 0:
                return closing, depth
            closing, i = None, end + 3
        elif line.startswith(('"""', "'''"), i):
            closing, i = line[i : i + 3], i + 3
        elif line[i] in "\"'":
            string = re.compile(r'"(?:\\.|[^"\\])*"?' if line[i] == '"' else r"'[^']*'?").match(line, i)
            i = string.end() if string else i + 1
        elif line[i] == "#":
            break
        else:
            depth = max(0, depth + (line[i] in "[{") - (line[i] in "]}"))
            i += 1
    return closing, depth
