"""Exports while they stream. What makes an export whole (its `]}`, its counts) is the reader's to prove.

A cut export can look complete on the wire (GEN3.md, "Exporting"), so this room promises only: every byte that came, in
order, decoded; `ExportBroken` when the connection, the encoding or the deadline says it was cut; never an HTML page or
an error document as if it were records.
"""

from __future__ import annotations

from gen3sync.commons.body import BodyError
from gen3sync.commons.replies import Broken
from gen3sync.commons.transport import Stream
from gen3sync.errors import TemporaryError


class ExportBroken(TemporaryError):  # noqa: N818 - the sister of replies.Broken, which it carries
    """The export was cut short."""

    def __init__(self, broken: Broken) -> None:
        self.broken = broken
        super().__init__(f"The export was cut short. {broken.message}", "The export is tried again.")


class NodeExport:
    """An export being read: a file-like with `read(n)`, and a context manager that ends the exchange.

    `received` counts bytes on the wire, `produced` decoded bytes.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, b"" at the end. Raises ExportBroken."""
        try:
            return self._stream.body.read(size)
        except BodyError as error:
            raise ExportBroken(error.broken) from None

    @property
    def received(self) -> int:
        return self._stream.body.received

    @property
    def produced(self) -> int:
        return self._stream.body.produced

    def close(self) -> None:
        """Ends the exchange, also in the middle."""
        self._stream.close()

    def __enter__(self) -> NodeExport:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
