"""What systemd wants to be told: READY, RELOADING, STOPPING, STATUS, WATCHDOG.

A datagram on a socket is all there is to it (sd_notify(3)), so there is no dependency. Outside systemd every call
does nothing. When to call is the daemon's business.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass

from gen3sync.names import printable

ECHO = 0.3
"""Seconds in which a second SIGHUP is the same wish: systemd sends two where Type=notify-reload meets ExecReload=."""


@dataclass(frozen=True)
class Notifier:
    """Speaks to the service manager named by `NOTIFY_SOCKET`, or to nobody."""

    address: str | None
    watchdog: float | None
    """Seconds within which systemd expects WATCHDOG=1, or None when it expects none."""

    @classmethod
    def from_environment(cls, env: Mapping[str, str], pid: int | None = None) -> Notifier:
        address = env.get("NOTIFY_SOCKET") or None
        if address is not None and address[0] not in "/@":
            address = None  # vsock and other families exist only for virtual machines
        return cls(address, _watchdog_seconds(env, os.getpid() if pid is None else pid) if address else None)

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={_line(status)}")

    def reloading(self) -> None:
        # systemd 253 and newer (Type=notify-reload) matches the time stamp; older ones ignore it.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self, status: str) -> None:
        self._send("STOPPING=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        self._send(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """Feeds the watchdog. Call it only while every loop shows a fresh heartbeat."""
        self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        # A leading @ names a socket in Linux' abstract namespace.
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | getattr(socket, "SOCK_CLOEXEC", 0)) as notify:
            notify.settimeout(1)
            try:
                notify.connect(address)
                notify.sendall("\n".join(lines).encode())
            except OSError:
                # The service manager is away or its queue is full. Its watchdog judges by itself; work goes on.
                return


def _watchdog_seconds(env: Mapping[str, str], pid: int) -> float | None:
    try:
        if int(env.get("WATCHDOG_PID", pid)) != pid:
            return None  # meant for the parent that started us
        microseconds = int(env["WATCHDOG_USEC"])
    except (KeyError, ValueError):
        return None
    return microseconds / 1_000_000 if microseconds > 0 else None


def _line(text: str) -> str:
    return printable(text, limit=200)
