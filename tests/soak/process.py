"""The daemon of the soak from outside: started, reloaded, killed, and measured by what the kernel says of it."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gen3sync.errors import Gen3SyncError
from gen3sync.status import DaemonState, Status, read_status
from tests.scenario.lab import until

CONFIG = """\
[commons]
credentials = "key.json"
connect_timeout = "5s"
read_timeout = "20s"
deadline = "30s"
# The commons works off what it has within a second or two, and these six seconds are a quarter of an hour here.
horizon = "15m"
[outbox]
path = "outbox"
settle = "15s"
rescan = "3m"
link_grace = "12h"
target = "10m"
[inbox]
path = "inbox"
full_every = "2h"
[[inbox.mirror]]
projects = ["*"]
nodes = ["study", "subject", "sample"]
every = "144s"
[[inbox.mirror]]
projects = ["DEV/*"]
nodes = ["subject"]
format = "jsonl"
cron = "7 * * * *"
timezone = "UTC"
[state]
path = "state"
"""
PATIENCE = 180.0
"""Seconds to wait for anything, on however busy a machine."""


@dataclass(frozen=True)
class Figures:
    """What the daemon takes of the machine while it has nothing to do."""

    rss: int
    fds: int
    threads: int

    def __str__(self) -> str:
        return f"{self.rss / 1024:.1f} MB, {self.fds} descriptors, {self.threads} threads"


class DaemonProcess:
    """In `folder`; its log is in daemon.log."""

    def __init__(self, folder: Path, epoch: float) -> None:
        self.folder = folder
        self.config = folder / "gen3sync.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        self._epoch = epoch
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        with (self.folder / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.daemon", str(self.config), repr(self._epoch)],
                env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parent.parent.parent)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.until(lambda: (known := self.status()) and known.daemon.pid == self.pid and self.running(known))

    def until(self, seen: object) -> None:
        until(seen, PATIENCE, self._process)  # type: ignore[arg-type]

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(PATIENCE)

    def reload(self, text: str) -> None:
        """A new configuration, taken or refused."""
        seen = self._reloads()
        self.config.write_text(text, encoding="utf-8")
        os.kill(self.pid, signal.SIGHUP)
        self.until(lambda: self._reloads() > seen)

    def _reloads(self) -> int:
        with self.ledger() as ledger:
            (count,) = ledger.execute("SELECT count(*) FROM events WHERE kind = 'reload'").fetchone()
            return int(count)

    def running(self, status: Status) -> bool:
        return status.daemon.state is DaemonState.RUNNING

    def status(self) -> Status | None:
        try:
            return read_status(self.folder / "state")
        except Gen3SyncError:
            return None

    @property
    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")

    def quiet(self) -> bool:
        """Nothing lies in the outbox, no drop is open, no request is in doubt."""
        lying = any(not name.startswith(".") for _, _, names in os.walk(self.folder / "outbox") for name in names)
        if lying:
            return False
        with self.ledger() as ledger:
            (drops,) = ledger.execute("SELECT count(*) FROM drops WHERE state <> 'ended'").fetchone()
            (requests,) = ledger.execute(
                "SELECT count(*) FROM requests WHERE state IN ('in_flight', 'lost')"
            ).fetchone()
        return not drops and not requests

    @contextmanager
    def ledger(self) -> Iterator[sqlite3.Connection]:
        """Read-only, beside the daemon."""
        connection = sqlite3.connect(f"file:{self.folder / 'state' / 'ledger.sqlite'}?mode=ro", uri=True, timeout=60)
        try:
            yield connection
        finally:
            connection.close()

    def figures(self, looks: int = 20) -> Figures:
        """The least of several looks: a look at a mirror may be under way, and a leak stays."""
        nothing = []
        for _ in range(looks):
            said = Path(f"/proc/{self.pid}/status").read_text(encoding="utf-8")
            rss, threads = (int(re.findall(rf"{name}:\s+(\d+)", said)[0]) for name in ("VmRSS", "Threads"))
            nothing.append((rss, len(os.listdir(f"/proc/{self.pid}/fd")), threads))  # noqa: PTH208 - only their number
            time.sleep(0.02)
        return Figures(*(min(each) for each in zip(*nothing, strict=True)))
