"""The commons of the soak: a sandbox on the fast clock that can be killed and started, and what goes wrong with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from gen3sync.sandbox.faults import Kind
from gen3sync.sandbox.listener import Listener
from gen3sync.sandbox.sandbox import Sandbox
from gen3sync.sandbox.server import Handler
from tests.scenario.lab import held
from tests.soak.fast import FastClock

PROJECTS = ("DEV-one", "DEV-two", "LAB-three")
Undo = Callable[[], object]


class Commons(Sandbox):
    """See the module."""

    def __init__(self, clock: FastClock) -> None:
        super().__init__(projects=PROJECTS)
        self.commons.clock.time = clock.time  # type: ignore[method-assign]

    def kill(self) -> Undo:
        """Nobody listens any more, and whatever was in flight loses its connection. The answer starts it again."""
        self._server.shutdown()
        assert self._thread is not None
        self._thread.join()
        self._server.server_close()
        self._server.end_connections()
        holder = held(self.port)

        def again() -> None:
            holder.close()
            self._server = Listener(self.port, self.commons, Handler)
            serve = self._server.serve_forever
            self._thread = threading.Thread(target=serve, args=(0.02,), name="sandbox", daemon=True)
            self._thread.start()

        return again


def _strikes(kind: Kind | str, **options: Any) -> Callable[[Commons], Undo]:
    def strike(commons: Commons) -> Undo:
        fault = commons.faults.add(kind, **options)
        return lambda: commons.faults.release(fault.id)

    return strike


def _answers(status: int, headers: dict[str, str] | None = None) -> Callable[[Commons], Undo]:
    def strike(commons: Commons) -> Undo:
        fault = commons.faults.answer(status, times=None, headers=headers)
        return lambda: commons.faults.release(fault.id)

    return strike


def _graphql(how: str) -> Callable[[Commons], Undo]:
    def strike(commons: Commons) -> Undo:
        commons.faults.set(graphql=how)
        return lambda: commons.faults.set(graphql="on")

    return strike


def _denies(*methods: str) -> Callable[[Commons], Undo]:
    def strike(commons: Commons) -> Undo:
        commons.deny(PROJECTS[1], *methods)
        return lambda: commons.allow(PROJECTS[1])

    return strike


def _short_tokens(commons: Commons) -> Undo:
    commons.set_token_lifetime(90)
    return lambda: commons.set_token_lifetime(3600)


def _closed(commons: Commons) -> Undo:
    commons.set_project(PROJECTS[2], state="closed")
    return lambda: commons.set_project(PROJECTS[2], state="open")


FAULTS: dict[str, Callable[[Commons], Undo]] = {
    "503": _answers(503),
    "reset before the commit": _strikes(Kind.LOSE, when="before_commit", how="reset", times=3, method="PUT"),
    "reset after the commit": _strikes(Kind.LOSE, when="after_log", how="reset", times=3, method="PUT"),
    "HTML for an answer": _strikes(Kind.HTML, times=4),
    "read permission lost": _denies("read"),
    "GraphQL down": _graphql("down"),
    "tokens that expire": _short_tokens,
    "slow": _strikes(Kind.SLOW, seconds=0.4, times=10),
    "worker killed after the commit": _strikes(Kind.KILL, when="after_commit", how=502, times=1, method="PUT"),
    "server killed": Commons.kill,
    "closed project": _closed,
    "exports cut": _strikes(Kind.CUT, rows=1, clean=True, times=4),
    "429": _answers(429, {"Retry-After": "20"}),
    "504 while the work goes on": _strikes(Kind.LOSE, when="started", how=504, times=2, method="PUT"),
    "broken JSON": _strikes(Kind.INVALID_JSON, times=4),
    "GraphQL denied": _graphql("denied"),
    "may not create": _denies("create", "update"),
    "export without an end": _strikes(Kind.CUT, rows=1, clean=False, times=4),
}
