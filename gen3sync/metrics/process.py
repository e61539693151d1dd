"""What the process uses: processor time, memory, open files, threads.

prometheus-client's own collector of these reads /proc/stat, which the service does not see (`ProcSubset=pid`), and then
tells nothing at all; these names and meanings are its.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

_MINE = Path("/proc/self")


class Process(Collector):
    """`started`: seconds since the epoch."""

    def __init__(self, started: float, files: Path = _MINE) -> None:
        self._started = started
        self._files = files

    def collect(self) -> Iterator[Metric]:
        yield CounterMetricFamily(
            "process_cpu_seconds", "Processor time used, user and system, in seconds.", value=time.process_time()
        )
        yield GaugeMetricFamily("process_start_time_seconds", "When gen3sync started.", value=self._started)
        yield GaugeMetricFamily("process_threads", "Threads of Python.", value=threading.active_count())
        yield from _gauge("process_resident_memory_bytes", "Memory in use.", lambda: self._pages(1))
        yield from _gauge("process_virtual_memory_bytes", "Memory reserved.", lambda: self._pages(0))
        yield from _gauge("process_open_fds", "Open files and sockets.", lambda: len(list(_each(self._files / "fd"))))
        yield from _gauge("process_max_fds", "Most files and sockets that may be open.", _most_files)

    def _pages(self, place: int) -> float:
        return int((self._files / "statm").read_text().split()[place]) * os.sysconf("SC_PAGE_SIZE")


def _each(folder: Path) -> Iterator[str]:
    with os.scandir(folder) as entries:
        yield from (entry.name for entry in entries)


def _most_files() -> float:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return float("inf") if limit == resource.RLIM_INFINITY else limit


def _gauge(name: str, meaning: str, value: Callable[[], float]) -> Iterator[Metric]:
    """Without a value where this system does not tell it."""
    family = GaugeMetricFamily(name, meaning)
    with suppress(OSError, ValueError, IndexError):
        family.add_metric([], value())
    yield family
