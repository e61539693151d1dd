"""A node with a million records (docs/reference/mirror-faults.md, "What the records hold"), within half a minute.

The export is made up as it is read, so nobody has to serve it; `test_contents` has the same over the wire, with fewer.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.export import NodeExport
from gen3sync.commons.replies import Missing
from gen3sync.ledger import Outcome
from tests.scenario.mirror_faults.kit import FILE, later, mirrored, truth

MILLION = 1_000_000
_PORTION = 1000


def text(rows: int) -> Iterator[bytes]:
    """An export of so many studies."""
    record = b'{"id":"%07d","project_id":"DEV-test","submitter_id":"ST-%07d","title":"many","type":"study"}'
    yield b'{"data": ['
    for first in range(0, rows, _PORTION):
        yield b",\n" if first else b""
        yield b",\n".join(record % (number, number) for number in range(first, min(first + _PORTION, rows)))
    yield b"]}"


class MadeUp(NodeExport):
    """An export that ends after `upto` bytes, as if that were all."""

    def __init__(self, rows: int, upto: int | None = None) -> None:
        self._text, self._read, self._upto = text(rows), b"", upto

    def read(self, size: int = -1) -> bytes:
        while len(self._read) < size and (more := next(self._text, None)) is not None:
            self._read += more
        out, self._read = self._read[:size], self._read[size:]
        if self._upto is not None:
            out = out[: self._upto]
            self._upto -= len(out)
        return out

    def close(self) -> None:
        """Nothing to end."""


@pytest.mark.timeout(600)
def test_a_million_records_cut_at_their_very_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirrored(tmp_path) as h:
        exports: list[Any] = [MadeUp(MILLION), MadeUp(MILLION, sum(map(len, text(MILLION))) - 2)]
        monkeypatch.setattr(h.client, "graphql", lambda *_, **__: Missing("no GraphQL here"))
        monkeypatch.setattr(h.client, "export_node", lambda *_, **__: exports.pop(0))
        assert h.look()[FILE].rows == MILLION
        with (h.folder / "inbox" / FILE).open("rb") as lines:
            assert sum(1 for _ in lines) == MILLION + 1
        before = truth(h)
        later(h)
        h.look()
        before.stands(h, Outcome.FAILED, "was cut or broken after 1000000 records")
