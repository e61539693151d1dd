"""Makes processes quickly: one clean process has all of gen3sync imported and forks a copy of itself for each life.

It runs no thread, so forking it is safe; a life costs milliseconds instead of the second that importing takes.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).parent.parent.parent


class Nursery:
    """The parent's side. Also a context."""

    def __init__(self) -> None:
        mine, theirs = socket.socketpair()
        self._channel = mine
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.nursery", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
            )
        self._lines = mine.makefile("rb")
        self._gone: dict[int, int] = {}
        self._lock = threading.Lock()

    def bear(self, target: str, arguments: Mapping[str, Any]) -> tuple[int, socket.socket]:
        """A new process that calls `target` ("module:function") with a socket and `arguments`: its pid and our end."""
        mine, theirs = socket.socketpair()
        mine.settimeout(120)
        with theirs, self._lock:
            order = json.dumps({"target": target, "arguments": arguments}).encode() + b"\n"
            socket.send_fds(self._channel, [order], [theirs.fileno()])
            while True:
                told = json.loads(self._lines.readline())
                if "born" in told:
                    return int(told["born"]), mine
                self._gone[told["gone"]] = told["status"]

    def join(self, pid: int) -> int:
        """Waits for the end of a process; its exit code, negative for a signal."""
        with self._lock:
            while pid not in self._gone:
                told = json.loads(self._lines.readline())
                self._gone[told["gone"]] = told["status"]
            return self._gone.pop(pid)

    def close(self) -> None:
        """All processes have ended when this returns."""
        self._channel.shutdown(socket.SHUT_WR)
        self._process.wait(60)
        self._lines.close()
        self._channel.close()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _serve(channel: socket.socket) -> None:
    """The clean process. Ends with its children when the parent closes the channel."""
    children: set[int] = set()
    reader, writer = os.pipe()
    both: list[Any] = [channel, reader]
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select(both, [], [])
        if reader in ready:
            os.read(reader, 4096)
            for pid in list(children):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    children.discard(pid)
                    _tell(channel, {"gone": pid, "status": os.waitstatus_to_exitcode(status)})
        if channel in ready:
            data, fds, _, _ = socket.recv_fds(channel, 65536, 1)
            if not data:
                break
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                channel.close()
                os.close(reader)
                os.close(writer)
                _become(json.loads(data), socket.socket(fileno=fds[0]))
            os.close(fds[0])
            children.add(pid)
            _tell(channel, {"born": pid})
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _become(order: dict[str, Any], channel: socket.socket) -> None:
    code = 1
    try:
        module, _, name = order["target"].partition(":")
        getattr(importlib.import_module(module), name)(channel, **order["arguments"])
        code = 0
    except BaseException:  # noqa: BLE001 - nothing may return into the copy of the parent
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


def _tell(channel: socket.socket, what: dict[str, int]) -> None:
    with contextlib.suppress(OSError):
        channel.sendall(json.dumps(what).encode() + b"\n")


if __name__ == "__main__":
    for name in ("life", "points"):
        importlib.import_module(f"tests.crash.{name}")
    for name in ("gen3sync.commons.client", "gen3sync.commons.queries", "gen3sync.records.table", "requests"):
        importlib.import_module(name)
    _serve(socket.socket(fileno=int(sys.argv[1])))
