"""Finds records named twice in one file, for a million rows in some 40 MB.

A table of 64-bit hashes with open addressing in plain arrays: a Python set of a million integers costs twice that, a
set of strings four times. The chance that two different ids of a million share a hash is 3 in 100 million.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from enum import Enum, auto

_MASK = (1 << 64) - 1
_SMALL = (1 << 32) - 1


class Seen(Enum):
    """What is known of a record when it comes up for sending."""

    ALONE = auto()
    REPEATED = auto()  # the same row stands further up: leave it out
    TWIN = auto()  # another row of the file says something else of this record


@dataclass
class Twins:
    """Fed with every row in a first pass (`add`), asked in the second (`look`)."""

    _size: int = 1 << 10
    _used: int = 0
    _keys: array[int] = field(default_factory=lambda: array("Q", bytes(8 << 10)))
    _contents: array[int] = field(default_factory=lambda: array("I", bytes(4 << 10)))
    _lines: array[int] = field(default_factory=lambda: array("I", bytes(4 << 10)))
    _twins: dict[int, list[int]] = field(default_factory=dict)
    _repeats: dict[int, int] = field(default_factory=dict)

    def add(self, key: tuple[str, str], content: int, line: int, number: int) -> None:
        """Row `number` of the first pass; `content` is any number equal for rows that say the same."""
        hashed = (hash(key) & _MASK) or 1
        content = content & _SMALL
        place = self._find(hashed)
        if self._keys[place] == 0:
            self._keys[place], self._contents[place], self._lines[place] = hashed, content, line & _SMALL
            self._used += 1
            if self._used * 3 > self._size * 2:
                self._grow()
        elif self._contents[place] != content or hashed in self._twins:
            lines = self._twins.setdefault(hashed, [self._lines[place]])
            if len(lines) < 5:
                lines.append(line)
        else:
            self._repeats[number] = self._lines[place]

    def look(self, key: tuple[str, str], line: int, number: int) -> tuple[Seen, tuple[int, ...]]:
        """What row `number` is, and the lines of the others (the first of them for a repeated one)."""
        lines = self._twins.get((hash(key) & _MASK) or 1)
        if lines is not None:
            others = list(lines)
            if line in others:
                others.remove(line)
            return Seen.TWIN, tuple(others)
        first = self._repeats.get(number)
        return (Seen.ALONE, ()) if first is None else (Seen.REPEATED, (first,))

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether a row of the first pass has this key: never wrongly no, hardly ever wrongly yes. All are forgotten by
        `forget`."""
        return self._keys[self._find((hash(key) & _MASK) or 1)] != 0

    def release(self) -> None:
        """After the first pass: forgets what only it needs."""
        self._contents = self._lines = array("I")

    def forget(self) -> None:
        """Forgets all but the twins."""
        self._size, self._used, self._keys = 1, 0, array("Q", bytes(8))

    def _find(self, hashed: int) -> int:
        keys, mask = self._keys, self._size - 1
        place = hashed & mask
        while keys[place] not in (0, hashed):
            place = (place + 1) & mask
        return place

    def _grow(self) -> None:
        old = (self._keys, self._contents, self._lines)
        self._size *= 2
        self._keys = array("Q", bytes(8 * self._size))
        self._contents = array("I", bytes(4 * self._size))
        self._lines = array("I", bytes(4 * self._size))
        for hashed, content, line in zip(*old, strict=True):
            if hashed:
                place = self._find(hashed)
                self._keys[place], self._contents[place], self._lines[place] = hashed, content, line
