"""Readers while refreshes run (docs/reference/mirror-faults.md, "Readers").

GEN3SYNC_READER_REFRESHES is how many refreshes run; 100000 is an afternoon's.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.replies import Missing
from gen3sync.ledger import Outcome
from gen3sync.names import Project
from tests.scenario.inbox_house import House
from tests.scenario.mirror_faults.kit import later, mirrored

ROOT = Path(__file__).parent.parent.parent.parent
REFRESHES = int(os.environ.get("GEN3SYNC_READER_REFRESHES", "2000"))
NODES = ("study", "publication")
FORMATS = ("tsv", "json", "jsonl")
MIRRORS = [{"projects": ["DEV-test"], "nodes": list(NODES), "every": "1h", "format": format} for format in FORMATS]
FILES = [f"DEV/test/{node}.{format}" for node in NODES for format in FORMATS]


def state(node: str, number: int) -> bytes:
    """An export of `node`: three states, of different length, that have no record in common."""
    rows = (30, 20, 40)[number]
    common = {"type": node, "project_id": "DEV-test", "title": f"state {number} " + "x" * 20 * number}
    return json.dumps(
        {
            "data": [
                {**common, "id": f"{number}{row:04}", "submitter_id": f"{node}-{number}-{row}"} for row in range(rows)
            ]
        }
    ).encode()


STATES = {node: [state(node, number) for number in range(3)] for node in NODES}


class Canned:
    """An export that is at hand, so that thousands take seconds."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        piece, self._data = (self._data, b"") if size < 0 else (self._data[:size], self._data[size:])
        return piece


@contextmanager
def canned(h: House, patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """The commons answers from memory, without GraphQL; the number it is given says which state it is in."""
    from gen3sync.commons.export import NodeExport

    class Export(NodeExport):
        def __init__(self, data: bytes) -> None:
            self._canned = Canned(data)

        def read(self, size: int = -1) -> bytes:
            return self._canned.read(size)

        def close(self) -> None:
            pass

    now = [0]

    def export(project: Project, node: str, **_: Any) -> NodeExport:
        return Export(STATES[node][now[0] % 3])

    patch.setattr(h.client, "export_node", export)
    patch.setattr(h.client, "graphql", lambda *_, **__: Missing("no GraphQL here"))
    yield now


def pull(h: House) -> None:
    later(h, 60)
    done = h.pull("DEV/test/*")
    assert len(done) == len(FILES)
    assert {each.outcome for each in done.values()} <= {Outcome.UPDATED, Outcome.UNCHANGED}, done


def hashes(h: House) -> dict[str, str]:
    return {name: hashlib.sha256((h.folder / "inbox" / name).read_bytes()).hexdigest() for name in FILES}


@dataclass
class Reading:
    """A reader in a process of its own. What it saw is in `told` after the block."""

    enough: threading.Event = field(default_factory=threading.Event)
    """It has seen every state of every file a few times."""
    told: dict[str, Any] = field(default_factory=dict)

    def listen(self, lines: Iterable[str]) -> None:
        for line in lines:
            if line == "enough\n":
                self.enough.set()
            else:
                self.told.update(json.loads(line))


@contextmanager
def reading(h: House, known: dict[str, list[str]]) -> Iterator[Reading]:
    """Another process reads meanwhile."""
    named = {str(h.folder / "inbox" / name): whole for name, whole in known.items()}
    reader = Reading()
    with subprocess.Popen(
        [sys.executable, "-m", "tests.scenario.mirror_faults.reader"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(named) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n"
            listener = threading.Thread(target=reader.listen, args=(process.stdout,))
            listener.start()
            try:
                yield reader
                process.stdin.close()
                listener.join(60)
            finally:
                process.kill()
                listener.join()
        finally:
            process.kill()


@pytest.mark.timeout(max(300, REFRESHES // 20))
def test_a_reader_never_sees_a_partial_or_mixed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mirrored(tmp_path, mirror=MIRRORS, max_shrink=1.0) as h, canned(h, monkeypatch) as now:
        known: dict[str, list[str]] = {name: [] for name in FILES}
        for number in range(3):
            now[0] = number
            pull(h)
            for name, digest in hashes(h).items():
                known[name].append(digest)
        assert all(len(set(whole)) == 3 for whole in known.values())
        with reading(h, known) as reader:
            for _ in range(REFRESHES // len(FILES)):
                now[0] += 1
                pull(h)
            patience = time.monotonic() + 120
            while not reader.enough.is_set() and time.monotonic() < patience:  # where it gets little of the processor
                now[0] += 1
                pull(h)
        assert reader.told["wrong"] == []
        assert reader.enough.is_set(), reader.told["seen"]
