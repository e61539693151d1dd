"""A machine with a real systemd in it, for one test module: booted in namespaces of its own by boot.sh.

Owns booting, ending, and speaking to what runs inside. Why it cannot reach the machine it runs on is said in boot.sh.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
SOURCE = HERE.parent.parent
MANAGER = Path("/lib/systemd/systemd")
_NAMESPACES = ("--mount", "--pid", "--fork", "--net", "--uts", "--ipc", "--kill-child")
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


T = TypeVar("T")


class NoMachineError(Exception):
    """Why there can be none here."""


def missing() -> str:
    """What keeps a machine from being booted here; empty when nothing is known to."""
    if os.geteuid() != 0:
        return "needs root, to make namespaces"
    if not MANAGER.exists() or not shutil.which("systemctl"):
        return "needs systemd's binaries (Debian: apt-get install systemd)"
    for program in ("unshare", "nsenter", "ip", "mount", "pivot_root"):
        if not shutil.which(program):
            return f"needs {program}"
    return ""


def until(look: Callable[[], T], seconds: float = 120.0, what: str = "") -> T:
    """Waits for a condition; its value. Fails, saying `what`, when it does not come."""
    nothing, end = threading.Event(), time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"waited {seconds} s for {what or 'a condition'}"
        nothing.wait(0.03)
    return found


class Machine:
    """See the module."""

    def __init__(self, process: subprocess.Popen[bytes], pid: int) -> None:
        self._process = process
        self.pid = pid

    def path(self, inside: str) -> Path:
        """A path of the machine, as seen from here."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def run(self, *command: str, check: bool = True, env: dict[str, str] | None = None) -> str:
        """Runs a command inside; its output, both streams."""
        done = subprocess.run(
            ["nsenter", "-t", str(self.pid), "-m", "-p", "-u", "-i", "-n", "-C", "-r", "-w", *command],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**_ENVIRONMENT, **(env or {})},
            timeout=120,
            check=False,
        )
        said = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{said}"
        return said.strip()

    def show(self, unit: str, name: str, *scope: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", *scope, "show", "--value", "-p", name, unit)

    def journal(self, unit: str) -> str:
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit)

    def write(self, path: str, text: str, mode: int = 0o644) -> Path:
        target = self.path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(mode)
        return target

    def ask(self, path: str, body: object = None, method: str = "") -> Any:
        """The sandbox commons' control area."""
        program = (
            "import sys, urllib.request as u; b = sys.argv[2].encode() or None; "
            "print(u.urlopen(u.Request('http://127.0.0.1:8642/_sandbox/' + sys.argv[1], b,"
            " {'Content-Type': 'application/json'}, method=sys.argv[3] or None), timeout=60).read().decode())"
        )
        raw = "" if body is None else json.dumps(body)
        said = self.run("/opt/python/bin/python3", "-S", "-c", program, path, raw, method)
        return json.loads(said) if said else None

    def end(self) -> None:
        """All of it at once: its first process is killed, and the kernel ends the rest."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(60)


@contextmanager
def boot(folder: Path) -> Iterator[Machine]:
    """A machine, up when the block begins and gone after it. Raises NoMachineError where none can be had."""
    root, group = folder / "root", f"{_own_group()}/gen3sync-test-{uuid.uuid4().hex[:12]}"
    root.mkdir()
    site = sysconfig.get_path("purelib")
    said = folder / "boot.log"
    with said.open("wb") as log:
        process = subprocess.Popen(
            [
                "unshare",
                *_NAMESPACES,
                "sh",
                str(HERE / "boot.sh"),
                str(root),
                sys.base_prefix,
                site,
                str(SOURCE),
                group,
            ],
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    up = False
    try:
        try:
            machine = Machine(process, _first_process(process, said))
            _until_up(machine, process, said)
        except (AssertionError, OSError, subprocess.SubprocessError) as error:
            # Namespaces were had, but what runs in them does not come up: as where systemd freezes in a container.
            raise NoMachineError(f"the machine does not come up here: {error}; {_why(said)}") from error
        up = True
        yield machine
    finally:
        process.kill()
        process.wait(60)
        sweep = ["unshare", "--mount", "sh", str(HERE / "sweep.sh"), str(root), group]
        # The last processes of the group leave it a moment after the first one is gone. Where there was no machine,
        # there may be no group, and no right to look.
        until(lambda: subprocess.run(sweep, check=False, capture_output=True).returncode == 0 or not up, what="the end")


def _own_group() -> str:
    """The control group (v2) this process is in; the machine's is made below it."""
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    found = next((line[3:] for line in lines if line.startswith("0::")), None)
    if found is None:
        raise NoMachineError("the kernel has no control groups of version 2")
    return found.rstrip("/")


def _first_process(process: subprocess.Popen[bytes], said: Path) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")

    def look() -> int:
        if process.poll() is not None:
            raise NoMachineError(_why(said))
        found = children.read_text(encoding="utf-8").split()
        return int(found[0]) if found else 0

    return until(look, what="the first process")


def _until_up(machine: Machine, process: subprocess.Popen[bytes], said: Path) -> None:
    def look() -> bool:
        if process.poll() is not None:
            raise NoMachineError(_why(said))
        if Path(f"/proc/{machine.pid}/comm").read_text(encoding="utf-8").strip() != "systemd":
            return False
        return machine.run("systemctl", "is-active", "test.target", check=False) == "active"

    until(look, what=f"systemd; it said {said.read_text(encoding='utf-8', errors='replace')!r}")


def _why(said: Path) -> str:
    return f"namespaces, mounts or control groups cannot be had here: {said.read_text(errors='replace').strip()}"
