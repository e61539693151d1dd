"""What the process uses, also where little of /proc can be seen."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gen3sync.metrics.process import Process
from tests.unit.metrics.exposition import read, value


def text(process: Process) -> str:
    registry = CollectorRegistry()
    registry.register(process)
    return generate_latest(registry).decode()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs the files of Linux")
def test_memory_files_and_time() -> None:
    said = text(Process(1_700_000_000.0))
    assert value(said, "process_start_time_seconds") == 1_700_000_000
    assert (value(said, "process_resident_memory_bytes") or 0) > 5e6
    assert (value(said, "process_virtual_memory_bytes") or 0) > 5e6
    assert 0 < (value(said, "process_open_fds") or 0) <= (value(said, "process_max_fds") or 0)
    assert (value(said, "process_threads") or 0) >= 1
    assert (value(said, "process_cpu_seconds_total") or 0) > 0


def test_a_system_that_tells_less(tmp_path: Path) -> None:
    said = text(Process(0.0, tmp_path / "nothing"))
    assert value(said, "process_resident_memory_bytes") is None
    assert "process_resident_memory_bytes" in read(said)
