"""sd_notify: what reaches the service manager's socket."""

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.systemd import Notifier


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    # Below /tmp itself: a socket's path has a hundred bytes, and TMPDIR may have more.
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener,
    ):
        listener.bind(f"{folder}/notify")
        listener.settimeout(60)
        yield listener


def test_outside_systemd_nothing_happens() -> None:
    notifier = Notifier.from_environment({})
    notifier.ready("up")
    notifier.alive()
    assert notifier.watchdog is None


def test_ready_says_status(manager: socket.socket) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": manager.getsockname()}).ready("3 files waiting")
    assert manager.recv(1024) == b"READY=1\nSTATUS=3 files waiting"


def test_a_status_cannot_forge_another_message(manager: socket.socket) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": manager.getsockname()}).status("x\nWATCHDOG=trigger")
    assert manager.recv(1024) == b"STATUS=x\\x0aWATCHDOG=trigger"


def test_abstract_sockets() -> None:
    name = f"gen3sync-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + name)
        listener.settimeout(60)
        Notifier.from_environment({"NOTIFY_SOCKET": "@" + name}).alive()
        assert listener.recv(1024) == b"WATCHDOG=1"


def test_a_manager_that_went_away_stops_nothing(tmp_path: Path) -> None:
    Notifier.from_environment({"NOTIFY_SOCKET": str(tmp_path / "gone")}).alive()


@pytest.mark.parametrize(
    ("env", "seconds"),
    [
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "7"}, 120.0),
        ({"WATCHDOG_USEC": "120000000"}, 120.0),
        ({"WATCHDOG_USEC": "120000000", "WATCHDOG_PID": "8"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_ours_or_nobodys(env: dict[str, str], seconds: float | None) -> None:
    assert Notifier.from_environment({"NOTIFY_SOCKET": "/run/x", **env}, pid=7).watchdog == seconds
