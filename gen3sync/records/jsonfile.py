"""Splits JSON drops into records, streaming, with the lines they stand on and their original text.

Accepted: one record, a list of records, a commons' export (`{"data": [...]}`), and records one after the other (JSON
lines). Strict as the commons is: a key given twice is an error (sheepdog `oph_raise_for_duplicates`). What a record
means is left to `table`.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gen3sync.records.problems import Problem, ProblemKind, TableError
from gen3sync.records.source import MAX_RECORD

_CHUNK = 1 << 18
_SPACE = re.compile(r"[ \t\r\n]*")
_WRAPPER = re.compile(r'\{[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*\[')


@dataclass(frozen=True, slots=True)
class JsonRecord:
    """One value of the file, and the keys that stood in it twice."""

    line: int
    end_line: int
    raw: str
    value: Any
    doubled: tuple[str, ...] = ()


class _Decoder:
    """A decoder that notes doubled keys instead of dropping all but the last."""

    def __init__(self) -> None:
        self.doubled: list[str] = []
        self._inner = json.JSONDecoder(object_pairs_hook=self._pairs)

    def decode(self, text: str, place: int) -> tuple[Any, int, tuple[str, ...]]:
        self.doubled = []
        value, end = self._inner.raw_decode(text, place)
        return value, end, tuple(dict.fromkeys(self.doubled))

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            self.doubled += [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        return found


class _Window:
    """A sliding piece of the text; `line` and `column` say where `place` stands in the file."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.buffer = ""
        self.place = 0
        self.line = self.column = 1
        self.ended = False

    def more(self) -> bool:
        """Reads on; False at the end of the file."""
        if self.ended:
            return False
        chunk = self._text.read(max(_CHUNK, len(self.buffer) - self.place))
        self.ended = not chunk
        self.buffer = self.buffer[self.place :] + chunk
        self.place = 0
        return not self.ended

    def skip_space(self) -> str:
        """Moves to the next character that is no white space and returns it ('' at the end)."""
        while True:
            end = _SPACE.match(self.buffer, self.place).end()  # type: ignore[union-attr]
            self.move(end)
            if self.place < len(self.buffer) or not self.more():
                return self.buffer[self.place : self.place + 1]

    def move(self, end: int) -> None:
        self.line += line_ends(self.buffer, self.place, end)
        last = max(self.buffer.rfind("\n", self.place, end), self.buffer.rfind("\r", self.place, end))
        self.column = end - last if last >= 0 else self.column + end - self.place
        self.place = end


def line_ends(text: str, start: int, end: int) -> int:
    """How many lines end in `text[start:end]`, counting CRLF once."""
    returns = text.count("\r", start, end)
    feeds = text.count("\n", start, end)
    return feeds if not returns else feeds + returns - text.count("\r\n", start, end)


def read_json(text: io.TextIOWrapper, *, lines: bool) -> Iterator[JsonRecord]:
    """Records in order; `lines` for JSON lines. Raises TableError where the text is not JSON."""
    window = _Window(text)
    decoder = _Decoder()
    first = window.skip_space()
    listed = wrapped = False
    if not lines:
        window.more()
        if match := _WRAPPER.match(window.buffer, window.place):
            window.move(match.end())
            listed = wrapped = True
        elif first == "[":
            window.move(window.place + 1)
            listed = True
    count = 0
    while True:
        character = window.skip_space()
        if listed and character == "]":
            window.move(window.place + 1)
            if wrapped and window.skip_space() == "}":
                window.move(window.place + 1)
                wrapped = False
            if window.skip_space() or wrapped:
                raise _broken(window, "something else follows the list of records")
            return
        if not character:
            if listed:
                raise _broken(window, "the list of records is not closed, so the file may have been cut short")
            return
        if count and listed:
            if character != ",":
                raise _broken(window, "a comma is missing between two records")
            window.move(window.place + 1)
            window.skip_space()
        elif count and not lines:
            raise _broken(window, "several records follow each other without a list around them")
        yield _next(window, decoder)
        count += 1


def _next(window: _Window, decoder: _Decoder) -> JsonRecord:
    while True:
        try:
            value, end, doubled = decoder.decode(window.buffer, window.place)
        except json.JSONDecodeError as wrong:
            reason, at = wrong.msg, wrong.pos - window.place  # of the record: to read on moves the window
        except RecursionError:
            reason, at = "it is nested too deeply", 0
            window.ended = True
        except ValueError:  # more than 4,300 digits
            reason, at = "it holds a number with too many digits", 0
            window.ended = True
        else:
            # A number at the very end of the window may go on in the next piece.
            if end < len(window.buffer) or window.ended or not window.more():
                line = window.line
                raw = window.buffer[window.place : end]
                window.move(end)
                return JsonRecord(line, window.line, raw, value, doubled)
            continue
        if len(window.buffer) - window.place > MAX_RECORD:
            reason = f"a record is longer than {MAX_RECORD:,} characters, or not JSON ({reason})"
        elif window.more():
            continue
        elif not window.buffer[window.place + at :].strip():
            reason = f"the file ends inside a record ({reason}), so the file may have been cut short"
        window.move(min(window.place + at, len(window.buffer)))
        raise _broken(window, reason)


def _broken(window: _Window, reason: str) -> TableError:
    return TableError(
        [
            Problem(
                ProblemKind.BROKEN_JSON,
                f"The file is not JSON that gen3sync can read: {reason}.",
                "A JSON drop is one record, a list of records, a commons' export, or JSON lines (.jsonl).",
                window.line,
                str(window.column),
            )
        ]
    )
