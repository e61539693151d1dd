"""What it costs: a status for a monitor that asks every minute, and a daemon with nothing to do for months.

The bounds hold where Python starts with some imports in 40 ms of processor time; a slower machine, or one whose cores
others work on too, has as much more as it takes longer for that.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import TSVS, Lab, real_dictionary, stop, until

STATUS_SECONDS = 0.250
IDLE_SHARE = 0.002
IDLE_MEGABYTES = 100
WATCHED = 20.0
LOOKS = 3
"""What a daemon costs for months it costs in each of them; what a busy machine does to one of them it does not."""
YARDSTICK = "import json, sqlite3, tempfile, dataclasses, re, logging, enum"
YARDSTICK_SECONDS = 0.040
HEAVY = {"pydantic", "sqlalchemy", "rich", "requests", "urllib3", "apscheduler", "watchdog", "jwt", "ijson", "ssl"}
HEAVY |= {"prometheus_client"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(dictionary=real_dictionary(), projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        text = lab.config.read_text().replace('every = "1s"', 'every = "15m"').replace('settle = "200ms"\n', "")
        lab.config.write_text(text)
        yield lab


def children() -> float:
    """Processor seconds of all processes waited for so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def cost(*command: str, code: int = 0) -> float:
    """Processor seconds of a process."""
    before = children()
    assert subprocess.run([sys.executable, *command], capture_output=True, check=False).returncode == code
    return children() - before


def slowness(yardsticks: list[float]) -> float:
    """How many times slower than the machine of the bounds this one is now; never below 1."""
    return max(1.0, sorted(yardsticks)[len(yardsticks) // 2] / YARDSTICK_SECONDS)


def test_a_cold_status_is_cheap(lab: Lab) -> None:
    with lab.daemon():
        for name in TSVS:
            lab.drop(f"{name}.tsv")
        for name in TSVS:
            until(lambda name=name: lab.receipt(f"{name}.tsv"))  # type: ignore[misc]
    costs, yardsticks = [], []
    for _ in range(7):
        yardsticks.append(cost("-c", YARDSTICK))
        # 2: the daemon has stopped; that is told from its last words
        costs.append(cost("-m", "gen3sync", "status", "-c", str(lab.config), code=2))
    assert sorted(costs)[3] <= STATUS_SECONDS * slowness(yardsticks), (costs, yardsticks)


def test_a_status_imports_nothing_heavy(lab: Lab) -> None:
    code = "import sys; from gen3sync.cli import _run; from gen3sync.cli.invocation import Invocation\n"
    code += "_run(Invocation(), ['status', '-c', sys.argv[1]]); print(*sys.modules, file=sys.stderr)"
    ended = subprocess.run([sys.executable, "-c", code, str(lab.config)], capture_output=True, text=True, check=True)
    assert not HEAVY & {name.partition(".")[0] for name in ended.stderr.split()}


def processor_seconds(pid: int) -> float:
    """Of all threads of a process, as the scheduler counts them; the ticks of `stat` would be too coarse."""
    folder = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in folder.iterdir()) / 1e9


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="needs the scheduler's figures of Linux")
def test_an_idle_daemon_costs_next_to_nothing(lab: Lab) -> None:
    with lab.process() as process:
        for name in TSVS:
            lab.drop(f"{name}.tsv")
        for name in TSVS:
            until(lambda name=name: lab.receipt(f"{name}.tsv"), process=process)  # type: ignore[misc]
        # Until the lanes have gone to rest and what the start left over is done.
        threading.Event().wait(5)
        looks = []
        for _ in range(LOOKS):
            yardsticks = [cost("-c", YARDSTICK) for _ in range(3)]
            before = processor_seconds(process.pid)
            threading.Event().wait(WATCHED)
            share = (processor_seconds(process.pid) - before) / WATCHED
            yardsticks += [cost("-c", YARDSTICK) for _ in range(4)]
            looks.append((share / slowness(yardsticks), share, yardsticks))
            if looks[-1][0] <= IDLE_SHARE:
                break
        memory = resident(process.pid)
        assert stop(process) == 0
    assert min(looks)[0] <= IDLE_SHARE, looks
    assert memory <= IDLE_MEGABYTES, f"{memory:.0f} MB"


def resident(pid: int) -> float:
    """Megabytes in memory now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
