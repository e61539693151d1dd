"""Readers while refreshes run (docs/reference/mirror-faults.md, "Readers").

GEN3SYNC_READER_REFRESHES is how many refreshes run; 100000 is an afternoon's.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def reading(h: House, known: dict[str, list[str]]) -> Iterator[dict[str, Any]]:
    """Another process reads meanwhile. What it saw is there after the block."""
    named = {str(h.folder / "inbox" / name): whole for name, whole in known.items()}
    told: dict[str, Any] = {}
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
            yield told
            process.stdin.close()
            told.update(json.loads(process.stdout.readline()))
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
        with reading(h, known) as told:
            for _ in range(REFRESHES // len(FILES)):
                now[0] += 1
                pull(h)
        assert told["wrong"] == []
        seen = told["seen"]
        for name in FILES:
            for number in range(3):
                assert seen[f"{Path(name).name} {number}"] > 10, seen
        assert seen[f".gen3sync.json {len(FILES)}"] > 10
