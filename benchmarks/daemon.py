"""The daemon and verbs of gen3sync as processes of their own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.house import House

VERB = (sys.executable, "-c", "from gen3sync.cli import main; main()")


@dataclass(frozen=True)
class Daemon:
    """A running daemon. `ready_after` is the time from its start to READY=1, in seconds."""

    pid: int
    ready_after: float


@contextmanager
def running(house: House, env: Mapping[str, str], *, patience: float = 60.0, stop: float = 30.0) -> Iterator[Daemon]:
    """`gen3sync run` until the block ends. Raises TimeoutError when it is not ready in time."""
    with tempfile.TemporaryDirectory() as place, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        address = str(Path(place) / "notify")
        notify.bind(address)
        notify.settimeout(0.5)
        start = time.monotonic()
        process = subprocess.Popen(
            [*VERB, "run", "--config", str(house.config)],
            env={**env, "NOTIFY_SOCKET": address},
            stdout=subprocess.DEVNULL,
        )
        try:
            _await_ready(notify, process, start + patience)
            yield Daemon(process.pid, time.monotonic() - start)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(stop)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _await_ready(notify: socket.socket, process: subprocess.Popen[bytes], end: float) -> None:
    while time.monotonic() < end:
        with contextlib.suppress(TimeoutError):
            if b"READY=1" in notify.recv(65_536):
                return
        if process.poll() is not None:
            raise TimeoutError(f"the daemon ended with {process.returncode} before it was ready")
    raise TimeoutError("the daemon was not ready in time")


def cpu_of_verb(house: House, env: Mapping[str, str], *verb: str) -> float:
    """Processor seconds of one verb from a cold start, children included; its exit code does not matter."""
    process = subprocess.Popen(
        [*VERB, *verb, "--config", str(house.config)], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime


def cpu_of_python(env: Mapping[str, str]) -> float:
    """Processor seconds of an interpreter that does nothing: the floor of every verb."""
    process = subprocess.Popen([sys.executable, "-c", "pass"], env=env)
    _, _, usage = os.wait4(process.pid, 0)
    return usage.ru_utime + usage.ru_stime


def until(seen: Callable[[], bool], patience: float, every: float = 0.05) -> bool:
    """Looks until `seen`; False when `patience` seconds went by."""
    end = time.monotonic() + patience
    while not seen():
        if time.monotonic() >= end:
            return False
        time.sleep(every)
    return True
