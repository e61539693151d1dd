"""Hung work is noticed, told, and ends the feeding of systemd's watchdog; folders that go and come are taken up."""

from __future__ import annotations

import errno
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from gen3sync.clock import SystemClock
from gen3sync.commons.tokens import TokenManager
from gen3sync.daemon import heartbeats, loop
from gen3sync.files import write_atomic
from gen3sync.inbox import publish
from gen3sync.ledger import open_ledger
from gen3sync.outbox.watch import Watch
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab, until
from tests.unit.outbox.killing import kill_emitter, kill_observer

STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\t{0}\ttest\tabout {0}\n"


FOREIGN = {"type": "study", "submitter_id": "FOREIGN", "projects": {"code": "test"}, "title": "by somebody else"}


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        yield Lab(tmp_path, sandbox)


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, name: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0{name}")
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
def manager(lab: Lab) -> Iterator[Manager]:
    name = f"gen3sync-test-life-{os.getpid()}"  # a path below TMPDIR may be too long for a socket
    listener = Manager(name)
    lab.env |= {"NOTIFY_SOCKET": f"@{name}", "WATCHDOG_USEC": "400000"}
    yield listener
    listener.close()


def problem(lab: Lab) -> str:
    status = lab.status()
    return status.daemon.problem if status else ""


class Hang:
    """A call that does not come back until it is let go, as on a disk that no longer answers."""

    def __init__(self) -> None:
        self._armed, self._reached, self._go = threading.Event(), threading.Event(), threading.Event()

    def put(self, monkeypatch: pytest.MonkeyPatch, place: str, *meant: object) -> None:
        """In a call of the method `place`, where it is `meant` with this first argument."""
        home, name = place_of(place)
        real = getattr(home, name)

        def hangs(*args: Any, **keywords: Any) -> Any:
            if self._armed.is_set() and not self._reached.is_set() and (not meant or meant == args[1:2]):
                self._reached.set()
                assert self._go.wait(120)
            return real(*args, **keywords)

        monkeypatch.setattr(home, name, hangs)

    def arm(self) -> None:
        self._armed.set()

    def wait_reached(self) -> None:
        assert self._reached.wait(60)

    def let_go(self) -> None:
        self._go.set()


WORKERS = {
    # who hangs: in which call
    "request DEV/test": "gen3sync.outbox.send:_submit",
    "lane DEV/test": "gen3sync.outbox.steps:Steps.step",
    "proof DEV/test": "gen3sync.outbox.flow:gather",
    "outbox": "gen3sync.outbox.scan:Outlook.scan",
    "inbox": "gen3sync.inbox.following:Following.resolve",
    "look DEV/test": "gen3sync.inbox.look:Looker.look",
    "export DEV/test/study": "gen3sync.inbox.publish:write_atomic",
    "orders": "gen3sync.daemon.compose:Rooms.retry",
    "scheduler": "apscheduler.schedulers.background:BackgroundScheduler._process_jobs",
    "ledger": "gen3sync.ledger.talk:Notes.set",
    "job look": "gen3sync.daemon.look:CommonsLook.look",
    "job tokens": "gen3sync.commons.tokens:TokenManager.renew_if_due",
}
NAPS = {
    "gen3sync.outbox.lane:_IDLE": 0.1,
    "gen3sync.outbox.engine:_LONGEST_NAP": 0.1,
    "gen3sync.inbox.inbox:_TURN": 0.1,
    "gen3sync.inbox.inbox:_RESOLVE_EVERY": 0.1,
    "gen3sync.daemon.orders:_NAP": 0.1,
    "gen3sync.daemon.jobs:_PULSE": 0.1,
    "gen3sync.daemon.jobs:EVERY": 0.1,
    "gen3sync.daemon.loop:PUBLISH": 0.5,
}
PATIENCE = 2.0


def place_of(dotted: str) -> tuple[Any, str]:
    module, _, path = dotted.partition(":")
    *owners, name = path.split(".")
    home: Any = import_module(module)
    for owner in owners:
        home = getattr(home, owner)
    return home, name


@pytest.mark.parametrize("worker", WORKERS)
def test_a_hung_worker_ends_the_feeding_and_is_told(
    lab: Lab, manager: Manager, monkeypatch: pytest.MonkeyPatch, worker: str
) -> None:
    """Of every kind; and when it goes on after all, so does the feeding."""
    text = lab.config.read_text().replace("[outbox]", '[outbox]\nrescan = "1s"')
    lab.config.write_text(text.replace('"experiment", "case", "sample", "aliquot"', '"study"'))
    for place, seconds in NAPS.items():
        monkeypatch.setattr(*place_of(place), seconds)
    monkeypatch.setattr(heartbeats, "patience", lambda name: PATIENCE if name.startswith(worker) else 900.0)
    hang = Hang()
    # The outbox leaves a note, too, at its first look, which may come after all this.
    hang.put(monkeypatch, WORKERS[worker], *(["pulse"] if worker == "ledger" else []))
    with lab.daemon():
        until(lambda: "WATCHDOG=1" in manager.heard())
        hang.arm()
        lab.drop("study.tsv", STUDY.format("HUNG"))
        if worker.startswith("export"):
            lab.sandbox.write("DEV-test", [FOREIGN])
        if worker == "orders":
            with open_ledger(lab.folder / "state" / "ledger.sqlite", SystemClock()) as ledger:
                ledger.orders.place("retry", {})
        hang.wait_reached()
        until(lambda: f"no sign of life from {worker}" in problem(lab))
        if worker != "ledger":  # what hangs there would hang the teller as well
            until(lambda: (status := lab.status()) and "systemd will start gen3sync anew" in str(status.events))
        # On a slow machine all that may have been said before it hung, when it was only late.
        until(lambda: not is_fed(lab, manager))
        hang.let_go()
        until(lambda: "WATCHDOG=1" in manager.heard())
        until(lambda: problem(lab) == "")  # status.json is written a moment later
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")


def is_fed(lab: Lab, manager: Manager) -> bool:
    """Whether the watchdog is, while the daemon itself goes on for two turns."""
    manager.heard()
    for _ in range(2):
        seen = lab.status()
        until(lambda seen=seen: lab.status() != seen)  # type: ignore[misc]
    return "WATCHDOG=1" in manager.heard()


def test_what_systemd_hears_of_a_life(lab: Lab, manager: Manager) -> None:
    with lab.daemon() as daemon:
        until(lambda: "READY=1" in manager.heard())
        daemon.reload()
        heard: list[str] = []
        until(lambda: heard.extend(manager.heard()) or "READY=1" in heard)  # type: ignore[func-returns-value]
        assert heard.index("RELOADING=1") < heard.index("READY=1")
    assert "STOPPING=1" in manager.heard()


def test_two_signals_in_a_row_are_one_wish(lab: Lab, manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    """As systemd sends them where Type=notify-reload meets ExecReload=."""
    monkeypatch.setattr(loop, "ECHO", 2.0)
    with lab.daemon() as daemon:
        until(lambda: "READY=1" in manager.heard())
        daemon.reload()
        daemon.reload()
        until(lambda: "READY=1" in manager.heard())
        lab.drop("study.tsv", STUDY.format("AFTER"))
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")
        status = lab.status()
        assert status
        assert sum("configuration was read again" in event.text for event in status.events) == 1


def is_removed(folder: Path) -> bool:
    """Tries to. The daemon may take it anew, with a lock file in it, between its emptying and its end."""
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def test_an_outbox_removed_and_made_again(lab: Lab) -> None:
    with lab.daemon():
        until(lambda: is_removed(lab.folder / "outbox"))
        until(lambda: "is gone; it is used again when it is back" in problem(lab))
        lab.outbox.mkdir(parents=True)
        until(lambda: problem(lab) == "")
        lab.drop("study.tsv", STUDY.format("BACK"))
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")


@pytest.mark.parametrize("kill", [kill_observer, kill_emitter])
def test_a_dead_thread_of_the_watch_is_replaced_and_told(lab: Lab, kill: Callable[[Watch], None]) -> None:
    lab.config.write_text(lab.config.read_text().replace("[outbox]", '[outbox]\nrescan = "1s"'))
    with lab.daemon() as daemon:
        watch = daemon._rooms.outbox._watch
        kill(watch)
        until(lambda: "its watch had ended; it is watched again" in str(lab.status()))
        until(watch._threads_live)
        assert problem(lab) == ""
        lab.drop("study.tsv", STUDY.format("HEARD"))
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")


@pytest.mark.parametrize("by_mirror", [False, True], ids=["tried by the outbox", "tried by a mirror"])
def test_a_new_key_ends_the_pause_after_a_refused_one(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, by_mirror: bool
) -> None:
    monkeypatch.setattr("gen3sync.outbox.gate.delay", lambda _attempts, _rng: 3600.0)
    monkeypatch.setattr("gen3sync.daemon.jobs._PULSE", 0.1)
    if by_mirror:  # between two looks of the outbox
        monkeypatch.setattr(TokenManager, "refused_key_is_gone", lambda _self: False)
    with lab.daemon():
        lab.drop("study.tsv", STUDY.format("BEFORE"))
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")
        lab.sandbox.revoke_key()
        lab.sandbox.set_clock_offset(7200)  # the token at hand ends, too
        lab.drop("more.tsv", STUDY.format("AFTER"))
        until(lambda: (status := lab.status()) and status.outbox.pause is not None)
        lab.sandbox.write_api_key(lab.folder / "key.json")
        if by_mirror:
            lab.call("pull")
        until(lambda: (lab.receipt("more.tsv") or {}).get("verdict") == "landed")


def test_a_full_disk_of_a_new_inbox_holds_up_no_drop(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    text = lab.config.read_text()
    lab.config.write_text(text.replace('"experiment", "case", "sample", "aliquot"', '"study"'))
    monkeypatch.setattr("gen3sync.inbox.inbox._TURN", 0.1)
    full = [True]

    def write(*args: Any, **keywords: Any) -> None:
        if full[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        write_atomic(*args, **keywords)

    monkeypatch.setattr(publish, "write_atomic", write)
    with lab.daemon():
        lab.drop("study.tsv", STUDY.format("S1"))
        until(lambda: lab.receipt("study.tsv"))
        until(lambda: "cannot be used: the disk is full. Make room there" in lab.call("status").out.replace("\n ", ""))
        full[0] = False
        until(lambda: (lab.folder / "inbox/.gen3sync-inbox").exists())
        assert lab.call("pull").code == 0  # or wait five minutes, as after any failure
        assert (lab.inbox / "study.tsv").exists()
        until(lambda: "the disk is full" not in lab.call("status").out.partition("Lately")[0])


def test_an_inbox_unmounted_and_mounted_again(lab: Lab) -> None:
    text = lab.config.read_text()
    lab.config.write_text(text.replace('"experiment", "case", "sample", "aliquot"', '"study"'))
    inbox, disk = lab.folder / "inbox", lab.folder / "disk"

    def stands(outcome: str, text: str = "") -> bool:
        status = lab.status()
        mirrors = status.inbox.mirrors if status else ()
        return bool(mirrors) and mirrors[0].outcome == outcome and text in mirrors[0].reason

    def mirrored(study: str) -> bool:
        try:
            return study in (lab.inbox / "study.tsv").read_text()
        except FileNotFoundError:
            return False

    with lab.daemon():
        lab.sandbox.write("DEV-test", [FOREIGN])
        # "updated" is what status shows for a second: whether somebody looks in it is a matter of luck.
        until(lambda: (stands("updated") or stands("unchanged")) and mirrored("FOREIGN"))
        inbox.rename(disk)
        inbox.mkdir()  # the empty folder that a disk is mounted over
        lab.sandbox.write("DEV-test", [{**FOREIGN, "submitter_id": "WHILE-AWAY"}])
        until(lambda: stands("guarded", "not mounted"))
        until(lambda: "is another folder than before" in str(lab.status()))
        assert [path.name for path in inbox.iterdir()] == [".gen3sync.lock"]
        inbox.rename(lab.folder / "below")
        disk.rename(inbox)
        until(lambda: mirrored("WHILE-AWAY"))
        until(lambda: stands("updated") or stands("unchanged"))
