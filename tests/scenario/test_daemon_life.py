"""Hung work is noticed, told, and ends the feeding of systemd's watchdog; folders that go and come are taken up."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.daemon.compose import Rooms
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab, until

STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\t{0}\ttest\tabout {0}\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        yield Lab(tmp_path, sandbox)


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.setblocking(False)

    def heard(self) -> list[str]:
        found = []
        while True:
            try:
                found += self._socket.recv(4096).decode().splitlines()
            except BlockingIOError:
                return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path, lab: Lab) -> Iterator[Manager]:
    listener = Manager(tmp_path / "notify")
    lab.env |= {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "400000"}
    yield listener
    listener.close()


def problem(lab: Lab) -> str:
    status = lab.status()
    return status.daemon.problem if status else ""


@pytest.mark.parametrize("worker", ["request DEV/test", "lane DEV/test"])
def test_a_hung_worker_ends_the_feeding_and_is_told(
    lab: Lab, manager: Manager, monkeypatch: pytest.MonkeyPatch, worker: str
) -> None:
    real = Rooms._patience
    monkeypatch.setattr(Rooms, "_patience", lambda self, name: 0.3 if name.startswith(worker) else real(self, name))
    with lab.daemon():
        until(lambda: "WATCHDOG=1" in manager.heard())
        # What a lane cannot plan without, or what a request cannot end without.
        hold = {"request DEV/test": {"method": "PUT"}, "lane DEV/test": {"path": "graphql"}}[worker]
        with lab.sandbox.faults.hold("received", times=None, **hold) as held:
            lab.drop("study.tsv", STUDY.format("HUNG"))
            held.wait_reached()
            until(lambda: f"no sign of life from {worker}" in problem(lab))
            manager.heard()
            until(lambda: (status := lab.status()) and "systemd will start gen3sync anew" in str(status.events))
            assert "WATCHDOG=1" not in manager.heard()
        until(lambda: lab.receipt("study.tsv"))
        if worker.startswith("request"):  # a lane at rest does not beat every 0.3 s
            until(lambda: "WATCHDOG=1" in manager.heard())
            until(lambda: problem(lab) == "")  # status.json is written a moment later


def test_what_systemd_hears_of_a_life(lab: Lab, manager: Manager) -> None:
    with lab.daemon() as daemon:
        until(lambda: "READY=1" in manager.heard())
        daemon.reload()
        heard: list[str] = []
        until(lambda: heard.extend(manager.heard()) or "READY=1" in heard)  # type: ignore[func-returns-value]
        assert heard.index("RELOADING=1") < heard.index("READY=1")
    assert "STOPPING=1" in manager.heard()


def test_an_outbox_removed_and_made_again(lab: Lab) -> None:
    with lab.daemon():
        shutil.rmtree(lab.folder / "outbox")
        until(lambda: "is gone; it is used again when it is back" in problem(lab))
        lab.outbox.mkdir(parents=True)
        until(lambda: problem(lab) == "")
        lab.drop("study.tsv", STUDY.format("BACK"))
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")
