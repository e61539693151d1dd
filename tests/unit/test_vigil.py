"""Who is alive, told to systemd and to people; the status line."""

from __future__ import annotations

import dataclasses
import os
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock
from gen3sync.daemon.heartbeats import Heartbeats
from gen3sync.daemon.line import status_line
from gen3sync.daemon.vigil import Vigil, begin_life, end_life
from gen3sync.health import judge
from gen3sync.ledger import open_ledger
from gen3sync.status import (
    CommonsStatus,
    DaemonState,
    DaemonStatus,
    DropStatus,
    InboxStatus,
    KeyStatus,
    MirrorStatus,
    OutboxStatus,
    ParkedStatus,
    Status,
)
from gen3sync.systemd import Notifier

NAME = f"gen3sync-test-vigil-{os.getpid()}"


@pytest.fixture
def manager() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0{NAME}")
        listener.setblocking(False)
        yield listener


def heard(manager: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(manager.recv(4096).decode())
        except BlockingIOError:
            return found


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.beats = Heartbeats(self.clock)
        self.vigil = Vigil(Notifier(f"@{NAME}", 120.0), self.beats, self.clock)
        self.told: list[str] = []

    def look(self, seconds: float = 0.0) -> None:
        self.clock.advance(seconds)
        self.vigil.look(lambda _level, _kind, text: self.told.append(text))


def test_the_watchdog_is_fed_while_all_live_and_no_longer(manager: socket.socket) -> None:
    world = World()
    world.beats.beat("ledger", 120)
    world.beats.beat("lane DEV/test", 1020)
    world.look()
    assert heard(manager) == ["WATCHDOG=1"]
    world.look(10)
    assert heard(manager) == []  # once in a quarter of the time is enough
    world.look(25)
    assert heard(manager) == ["WATCHDOG=1"]
    world.look(100)  # the ledger hangs
    world.look(100)
    assert heard(manager) == []
    assert world.vigil.problem == "no sign of life from ledger"
    world.beats.beat("ledger", 120)
    world.look(1)
    assert heard(manager) == ["WATCHDOG=1"]
    assert world.vigil.problem == ""


def test_a_silent_loop_is_told_once_and_so_is_its_return(manager: socket.socket) -> None:
    world = World()
    world.beats.beat("lane DEV/test", 10)
    for _ in range(5):
        world.look(11)
    world.beats.beat("lane DEV/test", 100)
    for _ in range(5):
        world.look(1)
    assert world.told == [
        "no sign of life from lane DEV/test: systemd will start gen3sync anew",
        "lane DEV/test shows life again",
    ]


def test_a_reload_is_fed_through_for_a_bounded_time(manager: socket.socket) -> None:
    world = World()
    world.beats.beat("lane", 10)
    with world.vigil.fed(seconds=0.0):
        world.clock.advance(1000)
    assert heard(manager)[:1] == ["WATCHDOG=1"]


def test_an_end_nobody_said_goodbye_at_is_told_at_the_next_start(tmp_path: Path) -> None:
    clock = ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    with open_ledger(tmp_path / "ledger.sqlite", clock) as ledger:
        begin_life(ledger, "2026-03-01T00:00:00+00:00")
        end_life(ledger)
        begin_life(ledger, "2026-03-02T00:00:00+00:00")
        assert ledger.events.recent() == ()
        begin_life(ledger, "2026-03-03T00:00:00+00:00")  # killed in between
        (event,) = ledger.events.recent()
        assert "the daemon that ran since 2026-03-02T00:00:00+00:00 did not end by itself" in event.text


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def at(**ago: float) -> str:
    return (NOW - timedelta(**ago)).isoformat()


STATUS = Status(
    at(seconds=1),
    DaemonStatus(DaemonState.RUNNING, 1, "host", at(days=1), "0", "/etc"),
    CommonsStatus("https://commons.example.org", True),
    KeyStatus("user", (NOW + timedelta(days=12, hours=3)).isoformat()),
    OutboxStatus("/outbox"),
    InboxStatus("/inbox"),
)
MIRROR = MirrorStatus("m", "DEV/test", "case", "tsv", "unchanged", at(minutes=2, seconds=5))


def drop(state: str) -> DropStatus:
    return DropStatus(1, "a.tsv", "DEV/test", state, at(minutes=1))


def line(status: Status) -> str:
    return status_line(status, judge(status, NOW, alive=True), NOW)


def test_the_status_line_says_what_a_person_wants_to_know() -> None:
    outbox = OutboxStatus("/outbox", settling=1, open=(drop("waiting"), drop("waiting")), open_total=2)
    inbox = InboxStatus("/inbox", (MIRROR, dataclasses.replace(MIRROR, checked_at=at(hours=3))))
    assert line(dataclasses.replace(STATUS, outbox=outbox, inbox=inbox)) == (
        "3 files waiting, last mirror 2 min ago, key expires in 12 days"
    )


@pytest.mark.parametrize(
    ("outbox", "said"),
    [
        (OutboxStatus("/outbox"), "no files waiting"),
        (OutboxStatus("/outbox", settling=1), "1 file waiting"),
        (OutboxStatus("/outbox", open=(drop("sending"),), open_total=1), "1 sending"),
        (
            OutboxStatus("/outbox", open=(drop("parked"), drop("sending")), open_total=5),
            "3 files waiting, 1 sending, 1 parked",
        ),
    ],
)
def test_of_drops(outbox: OutboxStatus, said: str) -> None:
    assert line(dataclasses.replace(STATUS, outbox=outbox)).startswith(f"{said}, no mirrors, key expires in 12 days")


def test_what_is_wrong_comes_last() -> None:
    parked = OutboxStatus("/outbox", parked_projects=(ParkedStatus("DEV/test", "closed", at(hours=1)),))
    assert line(dataclasses.replace(STATUS, outbox=parked)).endswith("; DEV/test is parked: closed")


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (timedelta(days=1, hours=5), "key expires in 1 day;"),
        (timedelta(hours=5, minutes=1), "key expires in 5 h;"),
        (timedelta(minutes=7, seconds=1), "key expires in 7 min;"),
    ],
)
def test_of_a_key_near_its_end(left: timedelta, said: str) -> None:
    assert said in line(dataclasses.replace(STATUS, key=KeyStatus("user", (NOW + left).isoformat())))
