"""The records of a commons' JSON export, `{"data": [...]}`, one by one while it streams.

Owns the framing, and the bounds that keep a broken or hostile commons from taking the machine: how long one record may
be, how deep it may be nested, how many digits a number may have. A streaming parser has no such bounds (ijson 3.6: a
number of 5,000 digits ends the process, 400 KB of `[` take all memory), so json's own scanner reads record by record;
it is a quarter faster, too. Whether the whole is the export of one node is the reader's to say.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, Protocol

from gen3sync.bounded import UnstorableError, deeper, finite, has_half_pair, refuse_constant

MAX_RECORD = 32 << 20
"""Most characters of one record."""
MAX_DEPTH = 32
"""Most lists and objects inside one another; a record as the dictionary can describe it has four."""
_CHUNK = 1 << 16
_SPACE = re.compile(r"[ \t\r\n]*")
_HEAD = re.compile(r'[ \t\r\n]*\{[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*\[')
_LONGEST_HEAD = 1024


class Readable(Protocol):
    """Bytes of an answer, already decoded from gzip."""

    def read(self, size: int = -1, /) -> bytes: ...


class BrokenExportError(ValueError):
    """The text is no whole list of records; says in which way, as part of a sentence. `begun`: it began like one."""

    def __init__(self, what: str, *, begun: bool) -> None:
        self.begun = begun
        super().__init__(what)


def records_of(stream: Readable) -> Iterator[Any]:
    """What stands in the list, in order; that each is an object is the caller's to ask.

    Raises BrokenExportError where the text is anything but `{"data": [...]}` to its end, and what `stream.read` raises.
    Numbers come as ints and floats as Python's json reads them, which is what the commons wrote them with.
    """
    window = _Window(stream)
    while (head := _HEAD.match(window.text)) is None:
        if len(window.text) > _LONGEST_HEAD or not window.more():
            raise BrokenExportError("has another shape than an export", begun=False)
    window.place = head.end()
    first = True
    while (character := window.next_character()) != "]":
        if not first:
            if character != ",":
                raise _cut("a comma is missing between two records" if character else "it ends too early")
            window.place += 1
            window.next_character()
        first = False
        yield window.value()
    window.place += 1
    if window.next_character() != "}":
        raise BrokenExportError("has another shape than an export after its records", begun=True)
    window.place += 1
    if window.next_character():
        raise BrokenExportError("goes on after its end", begun=True)


class _Window:
    """A sliding piece of the text, decoded."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._halves = False
        self.text = ""
        self.place = 0
        self.ended = False

    def more(self) -> bool:
        """Reads on; False at the end."""
        if self.ended:
            return False
        kept = self.text[self.place :]
        # A long record is read in ever larger portions: what was there is scanned anew each time.
        raw = self._stream.read(max(_CHUNK, len(kept)))
        self.ended = not raw
        try:
            self.text = kept + self._decoder.decode(raw, final=self.ended)
        except UnicodeDecodeError:
            raise BrokenExportError("holds bytes that are not UTF-8", begun=True) from None
        # Escaped characters beyond the basic plane come in two halves; one without the other is no character.
        self._halves = self._halves or b"\\ud" in raw or b"\\uD" in raw
        self.place = 0
        return not self.ended

    def next_character(self) -> str:
        """Moves to the next character that is no white space and returns it; "" at the end."""
        while True:
            self.place = _SPACE.match(self.text, self.place).end()  # type: ignore[union-attr]
            if self.place < len(self.text) or not self.more():
                return self.text[self.place : self.place + 1]

    def value(self) -> Any:
        """The value that begins here, which moves behind it."""
        while True:
            try:
                value, end = _SCAN(self.text, self.place)
            except StopIteration:
                reason = "something is no JSON"
            except json.JSONDecodeError as wrong:
                reason = wrong.msg
            except RecursionError:
                raise _cut("a record is nested too deeply") from None
            except UnstorableError as wrong:
                raise _cut(str(wrong)) from None
            except ValueError:  # more than 4,300 digits; the rest of them may be still to come
                raise _cut("it holds a number with too many digits") from None
            else:
                begin, self.place = self.place, end
                if type(value) is dict:
                    self._examine(value, begin)
                return value
            if len(self.text) - self.place > MAX_RECORD:
                raise _cut(f"a record is longer than {MAX_RECORD:,} characters, or not JSON ({reason})")
            if not self.more():
                raise _cut(reason)

    def _examine(self, record: dict[str, Any], begin: int) -> None:
        # To count brackets is cheap, and those in text only make it look closer.
        opened = self.text.count("[", begin, self.place) + self.text.count("{", begin, self.place)
        if opened > MAX_DEPTH and deeper(record, MAX_DEPTH):
            raise _cut("a record is nested too deeply")
        if self._halves and has_half_pair(record):
            raise _cut("it holds half of a surrogate pair, which is no character")


_SCAN = json.JSONDecoder(parse_float=finite, parse_constant=refuse_constant).scan_once  # type: ignore[attr-defined]


def _cut(why: str) -> BrokenExportError:
    return BrokenExportError(why, begun=True)
