"""How verbs reach the outbox and the inbox: through a daemon that is alive, or with rooms of their own under the locks.

A daemon is alive when it holds the lock of the state folder and says so in status.json. Files go to it through the
outbox folder, everything else as an order in the ledger, whose answer is waited for.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gen3sync.clock import Clock, SystemClock
from gen3sync.errors import ExitCode, Gen3SyncError, LockedError, TemporaryError
from gen3sync.health import process_alive
from gen3sync.status import DaemonState, read_status

if TYPE_CHECKING:
    from gen3sync.cli.invocation import Invocation
    from gen3sync.config import Settings
    from gen3sync.daemon.compose import Rooms

LOOK = 0.2
"""Seconds between looks at the ledger while waiting."""


def daemon_alive(settings: Settings) -> bool:
    """Whether a daemon serves these folders now."""
    from gen3sync.files import holder_of

    if holder_of(settings.state.path) is None:
        return False
    try:
        status = read_status(settings.state.path)
    except Gen3SyncError:
        return False
    return status.daemon.state in (DaemonState.STARTING, DaemonState.RUNNING) and process_alive(status)


@contextmanager
def own_rooms(invocation: Invocation, settings: Settings, verb: str) -> Iterator[Rooms]:
    """Rooms of this process, with the folders locked; status.json is mended at the end (`once` writes its own).

    Raises LockedError when another gen3sync works there.
    """
    from gen3sync import logs
    from gen3sync.daemon.compose import build
    from gen3sync.daemon.locks import FolderLocks, locked_folders, spare_folders
    from gen3sync.daemon.passes import note_wish

    # The verb itself says how each file and mirror ended.
    logs.set_up("error", "human", invocation.env, colour=invocation.colour)
    with FolderLocks() as locks:
        locks.take(locked_folders(settings), spare_folders(settings))
        rooms = build(settings, SystemClock(), invocation.env)
        try:
            yield rooms
        finally:
            rooms.stop(30)
            if verb != "once":
                note_wish(rooms, pulled=verb == "pull")
            rooms.close()


def order(settings: Settings, verb: str, arguments: dict[str, Any], timeout: float | None) -> Any:
    """Places an order with the daemon and waits for its answer, which may be an error."""
    from gen3sync.ledger import open_ledger

    clock = SystemClock()
    with open_ledger(settings.state.ledger, clock) as ledger:
        placed = ledger.orders.place(verb, arguments)

        def answered() -> str | None:
            return ledger.orders.get(placed.id).result

        result = wait_for(clock, answered, timeout)
    if result is None:
        raise TemporaryError(
            f"The daemon has not finished the order {verb!r} yet.", "It goes on; `gen3sync status` tells how it went."
        )
    answer = json.loads(result)
    if not answer["ok"]:
        error = Gen3SyncError(answer["what"], answer["remedy"])
        error.exit_code = ExitCode(answer["exit_code"])
        raise error
    return answer["result"]


def wait_for(clock: Clock, seen: Callable[[], Any], timeout: float | None) -> Any:
    """Looks at `seen()` a few times a second until it is something, or time is over (None)."""
    never = threading.Event()
    end = None if timeout is None else clock.monotonic() + timeout
    while True:
        if (found := seen()) is not None:
            return found
        if end is not None and clock.monotonic() >= end:
            return None
        clock.wait(never, LOOK)


def refuse_beside_daemon(settings: Settings, verb: str) -> None:
    """Raises LockedError when a daemon is alive."""
    if daemon_alive(settings):
        raise LockedError(
            f"A daemon serves these folders, so `{verb}` would do its work twice.",
            "Leave it to the daemon (`gen3sync status` shows how it is), or stop that first.",
        )
