"""Whole texts to be written out: a file, or an old file's bytes with new ones among them."""

from __future__ import annotations

import errno
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

_CHUNK = 1 << 20

Part = bytes | tuple[int, int]
"""New bytes, or offset and length of old ones."""


class Whole(Protocol):
    """A text that can be written out."""

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    def pour(self, out: BinaryIO) -> None:
        """Raises OSError, also when it is no longer what it was."""


@dataclass(frozen=True, slots=True)
class Text:
    """A whole text in a file."""

    path: Path
    size: int
    sha256: str

    def pour(self, out: BinaryIO) -> None:
        with self.path.open("rb") as source:
            while chunk := source.read(_CHUNK):
                out.write(chunk)
        if out.tell() != self.size:
            raise OSError(errno.EIO, "the spooled text has changed", str(self.path))


class Pieces:
    """A text made of new bytes and of ranges of an open file. To be closed.

    A thread of its own reads it for its hash while it is being written: both take as long.
    """

    def __init__(self, source: BinaryIO | None, parts: Iterable[Part]) -> None:
        """The descriptor of `source` is duplicated. Raises OSError."""
        self._parts = tuple(_joined(parts))
        self._name = "" if source is None else str(source.name)
        self._fd = -1 if source is None else os.dup(source.fileno())
        self.size = sum(len(part) if isinstance(part, bytes) else part[1] for part in self._parts)
        self._hash = hashlib.sha256()
        self._failed: OSError | None = None
        self._hashing = threading.Thread(target=self._read, name="gen3sync-hash", daemon=True)
        self._hashing.start()

    @property
    def sha256(self) -> str:
        """Waits for it. Raises OSError."""
        self._hashing.join()
        if self._failed is not None:
            raise self._failed
        return self._hash.hexdigest()

    def pour(self, out: BinaryIO) -> None:
        """See `Whole`."""
        for chunk in self._chunks():
            out.write(chunk)

    def close(self) -> None:
        self._hashing.join()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        try:
            for chunk in self._chunks():
                self._hash.update(chunk)
        except OSError as error:
            self._failed = error

    def _chunks(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
                continue
            offset, left = part
            while left:
                chunk = os.pread(self._fd, min(left, _CHUNK), offset)
                if not chunk:
                    raise OSError(errno.EIO, "the mirrored file has become shorter", self._name)
                yield chunk
                offset, left = offset + len(chunk), left - len(chunk)


def _joined(parts: Iterable[Part]) -> Iterator[Part]:
    """Ranges that follow one another as one."""
    last: tuple[int, int] | None = None
    for part in parts:
        if isinstance(part, tuple):
            if last is not None and last[0] + last[1] == part[0]:
                last = (last[0], last[1] + part[1])
                continue
            if last is not None:
                yield last
            last = part
        elif part:
            if last is not None:
                yield last
            last = None
            yield part
    if last is not None:
        yield last
