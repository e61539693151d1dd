"""`gen3sync run` in a process of its own, as people run it, killed with SIGKILL at any moment, started again.

Twenty kills in `make test`; GEN3SYNC_KILLS=300 in `make crash`. The moment is some number of requests after the start,
and then some microseconds.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.stories import STORIES
from tests.crash.world import World, world_in

KILLS = int(os.environ.get("GEN3SYNC_KILLS", "20"))
IN_A_ROW = 5
STORY = ("fresh", "family", "refused", "fresh", "family")
MOST_REQUESTS = 24


@contextmanager
def daemon(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """`gen3sync run`; it does not outlive the block."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("GEN3") and name != "NOTIFY_SOCKET"
    }
    with (world.folder / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "gen3sync", "--config", str(world.folder / "gen3sync.toml"), "run"],
            cwd=Path(__file__).parent.parent.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait(60)


def until(world: World, process: subprocess.Popen[bytes], condition: Callable[[], object], what: str) -> None:
    tick, end = threading.Event(), time.monotonic() + 120.0
    while not condition():
        if time.monotonic() > end or process.poll() is not None:
            raise AssertionError(f"{what} did not come about:\n{(world.folder / 'daemon.log').read_text()[-5000:]}")
        tick.wait(0.02)


def idle_for(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", range(max(1, KILLS // IN_A_ROW)))
def test_kill_9_again_and_again_and_all_is_there_once(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    with world_in(tmp_path / "world", None, "chunk_rows = 3\nparallel = 2", speed=1.0, horizon=2.0) as world:
        for told in range(IN_A_ROW):
            STORIES[STORY[told]](world, told)
            wanted = len(world.sandbox.requests) + chance.randint(1, MOST_REQUESTS)
            with daemon(world) as process:
                # With nothing left to ask it is killed while it waits; that is a moment like any other.
                with contextlib.suppress(TimeoutError):
                    world.sandbox.wait_for(lambda box, n=wanted: len(box.requests) >= n, timeout=4.0)  # type: ignore[misc]
                idle_for(chance.uniform(0, 0.01))
                assert process.poll() is None, (world.folder / "daemon.log").read_text()[-3000:]
                process.send_signal(signal.SIGKILL)
                process.wait(60)
        with daemon(world) as process:
            number = len(world.dropped)
            until(world, process, lambda: len(world.truth.receipts()) >= number, f"{number} receipts")
            until(world, process, lambda: not list(world.outbox.rglob("*.tsv")), "an empty outbox")
            process.terminate()
            assert process.wait(60) == 0
        world.truth.check()
        world.truth.stored_once()
