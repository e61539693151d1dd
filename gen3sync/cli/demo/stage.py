"""Where the demo plays: a sandbox in this process, a daemon as a process of its own, and folders for both."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import click

from gen3sync.cli.invocation import Invocation
from gen3sync.cli.screen import render
from gen3sync.errors import Gen3SyncError
from gen3sync.health import judge, process_alive
from gen3sync.names import printable
from gen3sync.sandbox import Sandbox
from gen3sync.status import Status, read_status

PROJECT = "DEV-test"
_CONFIG = """\
[commons]
credentials = "key.json"

[outbox]
path = "outbox"
settle = "1s"

[inbox]
path = "inbox"

[[inbox.mirror]]
projects = ["DEV/test"]
nodes = ["study", "subject", "sample", "aliquot"]
every = "2s"

[state]
path = "state"
"""


class NotTrueError(Exception):
    """What a step promised did not happen."""


class Stage:
    """As a context manager: everything runs inside the block and is gone after it."""

    def __init__(self, invocation: Invocation, folder: Path, *, keep: bool) -> None:
        self._invocation = invocation
        self._keep = keep
        self.folder = folder
        self.outbox = folder / "outbox" / "DEV" / "test"
        self.inbox = folder / "inbox" / "DEV" / "test"
        self.sent = folder / "sent" / "DEV" / "test"
        self.config = folder / "gen3sync.toml"
        self.sandbox = Sandbox(projects=[PROJECT])
        self._daemon: subprocess.Popen[bytes] | None = None
        self._never = threading.Event()

    def __enter__(self) -> Stage:
        self.sandbox.start()
        self.sandbox.write_api_key(self.folder / "key.json")
        self.config.write_text(_CONFIG, encoding="utf-8")
        self.outbox.mkdir(parents=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._daemon is not None and self._daemon.poll() is None:
            self._daemon.kill()
            self._daemon.wait()
        self.sandbox.stop()
        if self._keep:
            self.say(f"\nThe folder is left for you: {self.folder}")
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- the daemon

    def start_daemon(self) -> None:
        """`gen3sync run`, as a person or systemd would start it."""
        # None of the caller's own settings may change what is shown.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GEN3", "CREDENTIALS_"))}
        with (self.folder / "daemon.log").open("wb") as log:
            self._daemon = subprocess.Popen(  # noqa: S603 (our own program)
                [sys.executable, "-m", "gen3sync", "run", "--config", str(self.config)],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=self.folder,
            )

    def stop_daemon(self) -> int:
        """SIGTERM, and the exit code."""
        assert self._daemon is not None  # noqa: S101
        self._daemon.send_signal(signal.SIGTERM)
        return self._daemon.wait(90)

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(encoding="utf-8", errors="replace")

    # --- looking and waiting

    def status(self) -> Status | None:
        try:
            return read_status(self.folder / "state")
        except Gen3SyncError:
            return None

    def until(self, what: str, seen: Callable[[], Any], seconds: float = 60.0) -> Any:
        """Waits until `seen()` is something. Raises NotTrueError after `seconds`, or when the daemon has ended."""
        end = time.monotonic() + seconds
        while True:
            found = seen()
            if found:
                return found
            if self._daemon is not None and self._daemon.poll() is not None:
                raise NotTrueError(f"{what}: the daemon ended with {self._daemon.returncode}\n{self.log()[-2000:]}")
            if time.monotonic() > end:
                raise NotTrueError(f"{what}: not within {seconds:g} s")
            self._never.wait(0.05)

    def receipt(self, name: str) -> dict[str, Any]:
        """The receipt of the archived file `name`, once it is there."""
        path = self.sent / f"{name}.receipt.json"

        def there() -> dict[str, Any] | None:
            return json.loads(path.read_bytes()) if path.exists() else None

        found: dict[str, Any] = self.until(f"the receipt of {name}", there)
        return found

    def drop(self, name: str, text: str) -> None:
        """As a person copies a file into the outbox."""
        (self.outbox / name).write_text(text, encoding="utf-8")

    def puts(self) -> int:
        """Submissions that reached the commons so far."""
        return sum(request.method == "PUT" and "_dry_run" not in request.path for request in self.sandbox.requests)

    # --- showing

    def say(self, text: str = "") -> None:
        self._invocation.say(text)

    def title(self, text: str) -> None:
        self.say(f"\n{click.style('▶ ' + text, bold=True, fg='cyan')}")

    def show_status(self, *, only: Sequence[str] = ()) -> None:
        """The status screen as `gen3sync status` draws it now, or the parts of it named."""
        known = self.status()
        if known is None:
            return
        now = datetime.now(UTC)
        screen = render(known, judge(known, now, alive=process_alive(known)), now)
        parts = screen.split("\n\n")
        wanted = [part for part in parts if not only or click.unstyle(part).startswith(tuple(only))]
        for line in "\n\n".join(wanted).splitlines():
            self.say("   │ " + line)

    def show_lines(self, lines: Sequence[str], most: int = 6) -> None:
        for line in lines[:most]:
            shown = line if len(line) <= 110 else line[:109] + "…"
            self.say("   │ " + printable(shown.replace("\t", "  "), 200))
        if len(lines) > most:
            self.say(f"   │ … and {len(lines) - most} more lines")
