"""Memory and processor time of another process, read from /proc (Linux)."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
EVERY = 0.1


def rss(pid: int) -> int:
    """Resident bytes; 0 when the process has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def cpu_seconds(pid: int) -> float:
    """Processor time of all threads so far, in nanosecond steps where the kernel tells them."""
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    except OSError:
        return _ticks(pid)
    return total / 1e9


def _ticks(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass
class Memory:
    """Resident memory over time: (seconds since the start, bytes)."""

    samples: list[tuple[float, int]] = field(default_factory=list)

    @property
    def peak(self) -> int:
        return max((size for _, size in self.samples), default=0)

    @property
    def flatness(self) -> float:
        """The peak of the last third over the peak of the middle third: about 1 when memory does not grow with work."""
        third = len(self.samples) // 3
        if not third:
            return 1.0
        sizes = [size for _, size in self.samples]
        return max(sizes[2 * third :]) / max(1, *sizes[third : 2 * third])

    def curve(self, points: int = 8) -> list[int]:
        """The peak of each of `points` equal stretches."""
        step = max(1, len(self.samples) // points)
        return [max(size for _, size in self.samples[i : i + step]) for i in range(0, len(self.samples), step)][:points]


class Sampler:
    """Samples a process' memory while its block runs."""

    def __init__(self, pid: int, every: float = EVERY) -> None:
        self.pid = pid
        self.memory = Memory()
        self._every = every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        start = time.monotonic()
        while True:
            size = rss(self.pid)
            if size:
                self.memory.samples.append((round(time.monotonic() - start, 2), size))
            if self._stop.wait(self._every):
                return
