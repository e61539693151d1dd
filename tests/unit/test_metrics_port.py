"""The metrics port in a daemon's life: what it says when it cannot be had, and that it comes back."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator

import pytest

from gen3sync.clock import ManualClock
from gen3sync.config import MetricsSettings
from gen3sync.daemon.heartbeats import Heartbeats
from gen3sync.daemon.port import MetricsPort
from gen3sync.metrics import server as server_module
from gen3sync.observe import NOBODY
from tests.scenario.test_metrics import LOOPBACK, free_port, taken


@pytest.fixture
def port(clock: ManualClock) -> Iterator[MetricsPort]:
    port = MetricsPort(clock, Heartbeats(clock))
    yield port
    port.close()


def listening() -> MetricsSettings:
    return MetricsSettings(listen=f"{LOOPBACK}:{free_port()}")


def test_nobody_looks_on_while_nobody_asks(port: MetricsPort) -> None:
    assert port.observer is NOBODY
    port.follow(listening())
    counting = port.observer
    assert counting is not NOBODY
    port.follow(MetricsSettings())
    assert port.observer is NOBODY
    port.follow(listening())
    assert port.observer is counting  # counts go on


def test_a_port_that_is_taken_is_tried_again_after_a_minute(port: MetricsPort, clock: ManualClock) -> None:
    settings = listening()
    with taken(int(settings.listen.rpartition(":")[2] if settings.listen else 0)):
        port.follow(settings)
        assert "another program has the port" in port.problem
        clock.advance(61)
        port.look()
        assert "another program has the port" in port.problem
    clock.advance(59)
    port.look()
    assert port.problem
    clock.advance(2)
    port.look()
    assert port.problem == ""


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.EADDRNOTAVAIL, "this machine does not have the address ([metrics] listen)"),
        (errno.EACCES, "ports below 1024 are not for everybody; take one above ([metrics] listen)"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_other_reasons_are_told_as_such(
    port: MetricsPort, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(socket, "create_server", refuse)
    settings = listening()
    port.follow(settings)
    assert port.problem == f"metrics are not served on {settings.listen}: {said}"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_server_that_died_is_started_anew(port: MetricsPort, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(_self: object) -> None:
        raise RuntimeError("unforeseen")

    with monkeypatch.context() as broken:
        broken.setattr(server_module.Server, "_serve", die)
        port.follow(listening())
        dead = port._server
        assert dead is not None
        dead._thread.join(60)
    port.look()
    assert port._server is not dead
    assert port._server is not None
    assert port._server.alive
    assert port.problem == ""
