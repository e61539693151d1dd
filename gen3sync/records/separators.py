"""Characters that the commons takes for line ends, though no editor does (GEN3.md, lie 4)."""

from __future__ import annotations

import re

#: What `str.splitlines` splits at besides LF, CR and CRLF.
_SEPARATOR = re.compile("[\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_NAMES = {
    "\n": "line feed",
    "\r": "carriage return",
    "\x0b": "vertical tab, U+000B",
    "\x0c": "form feed, U+000C",
    "\x1c": "file separator, U+001C",
    "\x1d": "group separator, U+001D",
    "\x1e": "record separator, U+001E",
    "\x85": "next line, U+0085",
    "\u2028": "line separator, U+2028",
    "\u2029": "paragraph separator, U+2029",
}


def find_separator(text: str) -> str | None:
    """The first such character of `text`, None when there is none."""
    found = _SEPARATOR.search(text)
    return found[0] if found else None


def separator_name(character: str) -> str:
    """What the character is called."""
    return _NAMES.get(character, f"U+{ord(character):04X}")
