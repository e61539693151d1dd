"""One life of an outbox engine in a process of its own, told what to do through a socket, ended by order or SIGKILL.

No code of the engine runs after a kill, and the system gives back locks and files: it is the real thing. Commands and
answers are JSON, one a line; an unanswered command means that the process is dead.
"""

from __future__ import annotations

import json
import logging
import random
import socket
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.commons.connect import open_commons
from gen3sync.config import load_settings
from gen3sync.daemon.locks import FolderLocks, locked_folders
from gen3sync.errors import NotFoundError, UsageError
from gen3sync.ledger import open_ledger
from gen3sync.outbox.engine import Outbox
from tests.crash.points import Points
from tests.crash.swift import SwiftClock

PATIENCE = 60.0


class Engine:
    """What `World` asks of a life; runs in the life's process."""

    def __init__(self, folder: str, origin: float, speed: float, ahead: float, seed: int) -> None:
        self.clock = SwiftClock(origin, speed, ahead)
        self.points = Points(folder)
        self.points.install()
        logging.basicConfig(
            filename=f"{folder}/life.log", level=logging.INFO, format="%(process)d %(threadName)s %(message)s"
        )
        self.folder, self.seed = folder, seed

    def open(self, point: str | None = None, nth: int = 1) -> dict[str, Any]:
        """Starts the engine as the daemon does."""
        if point is not None:
            self.points.arm(point, nth)
        settings = load_settings(Path(self.folder, "gen3sync.toml"), {})
        FolderLocks().take(locked_folders(settings))
        self.client = open_commons(settings.commons, {}, self.clock)
        self.ledger = open_ledger(settings.state.ledger, self.clock)
        self.outbox = Outbox(
            settings,
            self.client,
            Catalog(self.client, self.clock, settings.state.path),
            self.ledger,
            self.clock,
            rng=random.Random(self.seed),
            failpoint=self.points,
        )
        self.outbox.start(watch=False)
        return {}

    def arm(self, point: str, nth: int) -> dict[str, Any]:
        self.points.arm(point, nth)
        return {}

    def disarm(self) -> dict[str, Any]:
        self.points.disarm()
        return {}

    def full(self, where: str, times: int) -> dict[str, Any]:
        """The disk below a folder of this world has no room, that many times."""
        self.points.full(where, times)
        return {}

    def set_clock(self, off: float) -> dict[str, Any]:
        """This machine's clock is set: it goes wrong by so many seconds."""
        self.clock.off = off
        return {}

    def recover(self) -> dict[str, Any]:
        """No more of all that."""
        self.points.disarm()
        self.clock.off = 0.0
        return {}

    def wake(self) -> dict[str, Any]:
        self.outbox.wake()
        for lane in self.outbox._lanes._all():
            lane._call(lambda: None)  # a look at what has become due meanwhile
        return {}

    def advance(self, seconds: float) -> dict[str, Any]:
        self.clock.advance(seconds)
        return {}

    def retry(self, *, erase: bool = False, target: int | None = None) -> dict[str, Any]:
        try:
            return {"ids": self.outbox.retry(target, erase=erase)}
        except NotFoundError as error:
            return {"ids": [], "refused": str(error)}

    def withdraw(self, target: int) -> dict[str, Any]:
        try:
            return {"ids": self.outbox.withdraw(target)}
        except UsageError as error:  # it has ended
            return {"ids": [], "refused": str(error)}

    def quiet(self) -> dict[str, Any]:
        """Waits until nothing can move before time passes or something changes."""
        self.wake()
        if not self.rests(PATIENCE)["rests"]:
            raise TimeoutError(f"the outbox does not come to rest: {self._drops()}")
        return {"drops": self._drops()}

    def rests(self, seconds: float) -> dict[str, Any]:
        """Waits so many real seconds at most until nothing can move; whether it came to that."""
        end, calm, tick = time.monotonic() + seconds, 0, threading.Event()
        while calm < 3 and time.monotonic() < end:
            calm = calm + 1 if self.outbox._at_rest(wait_settled=True) else 0
            tick.wait(0.002)
        return {"rests": calm == 3}

    def passed(self) -> dict[str, Any]:
        return {"passed": dict(self.points.passed)}

    def close(self, timeout: float = 60.0) -> dict[str, Any]:
        """Ends in order, or leaves behind what does not end within `timeout` real seconds."""
        clean = self.outbox.stop(timeout)
        self.client.close()
        self.ledger.close()
        return {"clean": clean, "passed": dict(self.points.passed)}

    def _drops(self) -> list[dict[str, Any]]:
        return [
            {"id": d.id, "path": d.path, "state": d.state.value, "class": d.error_class, "reason": d.reason}
            for d in self.ledger.drops.open()
        ]


def live(channel: socket.socket, **birth: Any) -> None:
    """Obeys until told to close, or until the other end is gone."""
    stream = channel.makefile("rwb")
    engine = Engine(**birth)
    for line in stream:
        order = json.loads(line)
        try:
            answer = getattr(engine, order.pop("do"))(**order)
        except Exception:  # noqa: BLE001 - whoever asked is told
            answer = {"error": traceback.format_exc()}
        stream.write(json.dumps(answer).encode() + b"\n")
        stream.flush()
        if "clean" in answer:
            return
