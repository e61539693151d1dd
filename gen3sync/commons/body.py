"""Reads an answer's body: decoded, bounded, and with a typed end when it is cut.

gzip is undone here rather than by urllib3, so that a small answer cannot unfold into memory without bound, and so that
a gzip stream without its end is noticed.
"""

from __future__ import annotations

import zlib

import requests
from urllib3.exceptions import HTTPError

from gen3sync.commons.adapter import Guard
from gen3sync.commons.faults import fault_of
from gen3sync.commons.replies import Broken, BrokenCause

_WIRE = 64 * 1024
# Compressed bytes are taken in small portions: 64 KB of them are thousands of records, which would be worked on only
# after the last one has come instead of while the server writes the next.
_PACKED = 1024
# Deflate cannot exceed 1032:1. Exports of identical rows reach some 100:1; only a bomb sits at the top.
_RATIO = 900
_RATIO_FROM = 8 * 1024 * 1024


class BodyError(Exception):
    """The body could not be read to its end; `broken` says why."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken
        super().__init__(broken.message)


class Body:
    """A body to be read once. `received` counts bytes on the wire, `produced` bytes after decoding; `broken` is what
    ended it too early."""

    def __init__(self, response: requests.Response, guard: Guard, host: str) -> None:
        self.received = 0
        self.produced = 0
        self.broken: Broken | None = None
        self._response = response
        self._guard = guard
        self._host = host
        self._waiting = b""
        self._finished = False
        self._inflate: zlib._Decompress | None = None
        encoding = response.headers.get("Content-Encoding", "").strip().lower()
        if encoding in {"gzip", "x-gzip"}:
            self._inflate = zlib.decompressobj(wbits=31)
        elif encoding not in {"", "identity"}:
            response.close()
            raise self._error("an encoding that was not asked for")

    def read(self, size: int = -1) -> bytes:
        """Up to `size` decoded bytes; b"" only at the true end. Raises BodyError when the body is cut or stalls."""
        if size == 0:
            return b""
        if size < 0:
            return self.read_all(None)
        while not self._finished:
            data = self._step(size)
            if data:
                self.produced += len(data)
                unfolded = self.received - len(self._waiting)
                if self.produced > max(_RATIO_FROM, _RATIO * unfolded):
                    raise self._error("a body that unfolds beyond all measure")
                return data
        return b""

    def read_all(self, limit: int | None) -> bytes:
        """The whole body. Raises BodyError also when it is longer than `limit`."""
        parts = []
        while data := self.read(_WIRE):
            parts.append(data)
            if limit is not None and self.produced > limit:
                raise self._error(f"a body of more than {limit // 1024 // 1024} MB")
        return b"".join(parts)

    def _step(self, size: int) -> bytes:
        if self._inflate is None:
            data = self._wire(min(size, _WIRE))
            self._finished = not data
            return data
        waiting = self._waiting or self._wire(_PACKED)
        if not waiting:
            if not self._inflate.eof and self.received:
                raise self._error("a compressed body that ends too early")
            self._finished = True
            return b""
        try:
            data = self._inflate.decompress(waiting, size)
        except zlib.error:
            raise self._error("a compressed body that is damaged") from None
        self._waiting = self._inflate.unconsumed_tail
        if self._inflate.eof and (rest := self._inflate.unused_data):
            self._inflate = zlib.decompressobj(wbits=31)  # a second member, as RFC 1952 allows
            self._waiting = rest
        return data

    def _wire(self, size: int) -> bytes:
        try:
            data: bytes = self._response.raw.read(size, decode_content=False)
        except (HTTPError, OSError, ValueError) as error:
            raise self._cut(error) from None
        if self._guard.broken:
            raise self._cut(TimeoutError())
        self.received += len(data)
        return data

    def _cut(self, error: Exception) -> BodyError:
        self.broken = fault_of(error, self._guard, self._host, writes=True)
        return BodyError(self.broken)

    def _error(self, what: str) -> BodyError:
        status = self._response.status_code
        said = f"{self._host} sent {what} (HTTP {status})."
        self.broken = Broken(said, BrokenCause.CONTENT, status, may_have_landed=True)
        return BodyError(self.broken)
