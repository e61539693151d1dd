"""A lab for stories: a sandbox commons, a configuration, and daemons in this process or in one of their own."""

from __future__ import annotations

import gzip
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from gen3sync.clock import SystemClock
from gen3sync.config import load_settings
from gen3sync.daemon.loop import Daemon
from gen3sync.errors import Gen3SyncError
from gen3sync.sandbox.sandbox import Sandbox
from gen3sync.status import DaemonState, DropStatus, Status, read_status
from tests.unit.cli.calling import Result, call

T = TypeVar("T")
DATA = Path(__file__).parent.parent / "data"
TSVS = ("experiment", "case", "sample", "aliquot")

CONFIG = """\
[commons]
credentials = "key.json"
[outbox]
path = "outbox"
settle = "200ms"
[inbox]
path = "inbox"
[[inbox.mirror]]
projects = ["DEV/test"]
nodes = ["experiment", "case", "sample", "aliquot"]
every = "1s"
[state]
path = "state"
"""


def real_dictionary() -> dict[str, Any]:
    """What a real commons answered."""
    with gzip.open(DATA / "dictionary.json.gz", "rt", encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


@dataclass
class Lab:
    """Folders as a lab has them, and the commons they belong to."""

    folder: Path
    sandbox: Sandbox
    env: dict[str, str] = field(default_factory=lambda: {"HOME": "/nonexistent"})

    def __post_init__(self) -> None:
        self.config = self.folder / "gen3sync.toml"
        self.config.write_text(CONFIG, encoding="utf-8")
        self.outbox = self.folder / "outbox" / "DEV" / "test"
        self.inbox = self.folder / "inbox" / "DEV" / "test"
        self.sent = self.folder / "sent" / "DEV" / "test"
        self.outbox.mkdir(parents=True)
        self.sandbox.write_api_key(self.folder / "key.json")

    def call(self, *args: str | Path) -> Result:
        """A verb, in this process."""
        return call(*args, "-c", self.config, env=self.env)

    def drop(self, name: str, content: str | bytes | None = None) -> Path:
        """A file arrives in the outbox, whole at once; without content, one of the real TSVs."""
        raw = (DATA / "tsv" / name).read_bytes() if content is None else content
        aside = self.outbox / f".{name}"
        aside.write_bytes(raw.encode() if isinstance(raw, str) else raw)
        return aside.replace(self.outbox / name)

    def status(self) -> Status | None:
        try:
            return read_status(self.folder / "state")
        except Gen3SyncError:
            return None

    def receipt(self, name: str) -> dict[str, Any] | None:
        """The receipt of an archived file, wherever it went."""
        for root in ("sent", "rejected"):
            with suppress(FileNotFoundError):
                found: dict[str, Any] = json.loads((self.folder / root / f"DEV/test/{name}.receipt.json").read_bytes())
                return found
        return None

    def puts(self) -> int:
        """Submissions the commons has seen."""
        return sum(request.method == "PUT" for request in self.sandbox.requests)

    @contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """A daemon in a thread of this process, up when the block begins, ended cleanly after it."""
        daemon = Daemon(lambda: load_settings(self.config, self.env), SystemClock(), self.env, stop_within=60)
        codes: list[object] = []

        def run() -> None:
            try:
                codes.append(daemon.run())
            except Gen3SyncError as error:
                codes.append(error)

        thread = threading.Thread(target=run, name="daemon under test")
        thread.start()
        try:
            until(lambda: codes or self.is_running(os.getpid()))
            if codes and isinstance(codes[0], Gen3SyncError):
                raise codes[0]
            yield daemon
        finally:
            daemon.stop()
            thread.join(90)
            assert not thread.is_alive()
        assert codes == [0]

    @contextmanager
    def process(self, **env: str) -> Iterator[subprocess.Popen[bytes]]:
        """`gen3sync run` as a process; killed after the block if it still runs. Its log is in daemon.log."""
        with (self.folder / "daemon.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "gen3sync", "run", "-c", str(self.config)],
                env={"PATH": os.environ["PATH"], **self.env, **env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until(lambda: process.poll() is not None or self.is_running(process.pid), process=process)
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()

    @property
    def open(self) -> tuple[DropStatus, ...]:
        """Drops that have not ended."""
        known = self.status()
        return known.outbox.open if known else ()

    @property
    def problem(self) -> str:
        """What the daemon says is wrong with itself."""
        known = self.status()
        return known.daemon.problem if known else ""

    def is_running(self, pid: int) -> bool:
        known = self.status()
        return known is not None and known.daemon.pid == pid and known.daemon.state is DaemonState.RUNNING

    @property
    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")


def until(seen: Callable[[], T | None], seconds: float = 120.0, process: subprocess.Popen[bytes] | None = None) -> T:
    """Waits until `seen()` is something, at most so long."""
    end = time.monotonic() + seconds
    never = threading.Event()
    while True:
        if found := seen():
            return found
        assert process is None or process.poll() is None, f"the process ended with {process.returncode}"
        assert time.monotonic() < end, f"not within {seconds:g} s"
        never.wait(0.02)


def stop(process: subprocess.Popen[bytes], number: int = signal.SIGTERM) -> int:
    """Signals a daemon and gives its exit code."""
    process.send_signal(number)
    return process.wait(90)


def away(sandbox: Sandbox) -> None:
    """Nobody is there any more. The port stays taken: the server of another test would answer in the commons' place."""
    sandbox.stop()
    weakref.finalize(sandbox, held(sandbox.port).close)


def held(port: int) -> socket.socket:
    """A port of this machine at which nobody listens, and nobody begins to until it is closed."""
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind(("127.0.0.1", port))
    return holder


def tokens_used(lab: Lab) -> set[str]:
    """Every token that a request to the sandbox carried."""
    used = {
        value.split()[-1]
        for request in lab.sandbox.requests
        for name, value in request.headers.items()
        if name.lower() == "authorization"
    }
    assert used, "no request carried a token: this test looks at nothing"
    return used


def written(folder: Path, *given: str) -> dict[str, bytes]:
    """Everything a run wrote, by path; files of the names `given` were there before it."""
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name not in given]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
