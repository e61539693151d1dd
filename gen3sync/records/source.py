"""The bytes of a dropped file as lines of text: format by name, gzip, BOM, encoding. What lines say is left to others.

Everything streams. A file is read twice (once to prove it whole, once for its rows), so a source can be opened again.
"""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING

from gen3sync.names import printable
from gen3sync.records.encodings import encoding_problem, look_at_start
from gen3sync.records.problems import Problem, ProblemKind, TableError
from gen3sync.records.rows import Form

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Most bytes a compressed file may unpack to.
MAX_UNPACKED = 8 << 30
#: Deflate reaches 1030:1 where a file is one thing over and over; tables of different records stay below 50:1.
_MAX_RATIO = 300
_RATIO_FROM = 16 << 20
_GZIP = b"\x1f\x8b"
#: Most characters of one record, however many lines it spans. A cell may have 131,072 at the commons.
MAX_RECORD = 8 << 20

_FORMS = {
    ".tsv": Form.TSV,
    ".tab": Form.TSV,
    ".txt": Form.TSV,
    ".csv": Form.CSV,
    ".json": Form.JSON,
    ".jsonl": Form.JSONL,
    ".ndjson": Form.JSONL,
}
_WORKBOOKS = (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers")


def form_of(name: str) -> Form | None:
    """The form that a file's name promises (`.gz` or not), None when it promises none."""
    path = PurePath(name.lower())
    if path.suffix == ".gz":
        path = path.with_suffix("")
    return _FORMS.get(path.suffix)


def is_workbook(name: str) -> str:
    """The ending of a name that promises a spreadsheet program's own file, else nothing."""
    suffix = PurePath(name.lower()).suffix
    return suffix if suffix in _WORKBOOKS else ""


def unfolds_too_far(packed: int, unpacked: int, limit: int = MAX_UNPACKED) -> bool:
    """Whether so many bytes out of so many packed ones are a bomb: more than `limit`, or more than a table can give."""
    return unpacked > limit or (unpacked > _RATIO_FROM and unpacked > _MAX_RATIO * packed)


@dataclass(frozen=True, slots=True)
class Source:
    """A file on disk, or bytes in memory, under the name it was dropped with."""

    origin: Path | bytes
    name: str
    max_unpacked: int = MAX_UNPACKED

    @property
    def packed(self) -> bool:
        return self.name.lower().endswith(".gz")

    def _raw(self) -> IO[bytes]:
        return io.BytesIO(self.origin) if isinstance(self.origin, bytes) else self.origin.open("rb")

    @contextmanager
    def _bytes(self) -> Iterator[IO[bytes]]:
        with self._raw() as raw:
            if not self.packed:
                yield raw
                return
            try:
                with gzip.GzipFile(fileobj=raw, mode="rb") as unpacked:
                    yield io.BufferedReader(_Bounded(raw, unpacked, self.max_unpacked), 1 << 16)
            except (EOFError, gzip.BadGzipFile, zlib.error) as broken:
                raise TableError(
                    [
                        Problem(
                            ProblemKind.BROKEN_ARCHIVE,
                            f"The gzip archive cannot be unpacked to its end ({printable(broken, 100)}).",
                            "It may have been copied incompletely: copy it again, or drop the unpacked file.",
                        )
                    ]
                ) from broken

    @contextmanager
    def text(self, errors: str = "strict") -> Iterator[io.TextIOWrapper]:
        """The text after a byte order mark, line ends untranslated. Raises TableError where it is not UTF-8, if
        `errors` are not dealt with otherwise."""
        with self._bytes() as raw:
            buffered = raw if hasattr(raw, "peek") else io.BufferedReader(raw)  # type: ignore[type-var]
            if buffered.peek(3)[:3] == b"\xef\xbb\xbf":
                buffered.read(3)
            wrapper = io.TextIOWrapper(buffered, encoding="utf-8", errors=errors, newline="")
            try:
                yield wrapper
            except UnicodeDecodeError as wrong:
                raise TableError([self._encoding_problem()]) from wrong
            finally:
                wrapper.detach()

    def look(self) -> tuple[bool, list[Problem]]:
        """Whether the file begins with a UTF-8 byte order mark, and what its first bytes show to be wrong."""
        if self.packed:
            with self._raw() as raw:
                head = raw.read(1 << 16)
            if head and not head.startswith(_GZIP):
                return False, look_at_start(head, packed=True)[1] or [_not_packed()]
        with self._bytes() as raw:
            return look_at_start(raw.read(1 << 16), packed=self.packed)

    def _encoding_problem(self) -> Problem:
        with self._bytes() as raw:
            return encoding_problem(raw)


def _not_packed() -> Problem:
    text = "The name ends in .gz, but the file is not packed with gzip."
    remedy = "Some browsers and tools unpack on the way: leave .gz out of the name, or copy the archive again."
    return Problem(ProblemKind.BROKEN_ARCHIVE, text, remedy)


class _Bounded(io.RawIOBase):
    """Unpacks no more than it was told to: an archive of some kilobytes can hold terabytes of zeros."""

    def __init__(self, raw: IO[bytes], inner: gzip.GzipFile, limit: int) -> None:
        self._raw = raw
        self._inner = inner
        self._limit = limit
        self._seen = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        data = self._inner.read(len(view))
        self._seen += len(data)
        if unfolds_too_far(self._raw.tell(), self._seen, self._limit):
            raise TableError(
                [
                    Problem(
                        ProblemKind.TOO_LARGE,
                        f"The archive unpacks to more than {self._limit:,} bytes."
                        if self._seen > self._limit
                        else f"The archive unpacks to more than {_MAX_RATIO} times its size, as no table does.",
                        "Split the file, or drop it unpacked if it really is that large.",
                    )
                ]
            )
        view[: len(data)] = data
        return len(data)
