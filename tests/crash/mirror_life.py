"""One life of an inbox in a process of its own: it looks at its mirrors once, and is killed at a point on the way."""

from __future__ import annotations

import json
import socket
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from gen3sync.clock import ManualClock
from gen3sync.daemon.locks import FolderLocks, locked_folders
from gen3sync.sandbox.sandbox import Sandbox
from tests.crash.points import Points
from tests.scenario.inbox_house import House


class Elsewhere:
    """The sandbox as this process knows it: it runs in another one, which has written the key."""

    def __init__(self, url: str) -> None:
        self.url = url

    def write_api_key(self, path: Path) -> Path:
        return path


def live(
    channel: socket.socket, folder: str, url: str, at: str, inbox: dict[str, Any], point: str | None, nth: int
) -> None:
    """Opens, looks, closes; answers with the points that were passed."""
    points = Points(folder)
    points.install()
    if point is not None:
        points.arm(point, nth)
    elsewhere = cast(Sandbox, Elsewhere(url))
    house = House(elsewhere, Path(folder), ManualClock(datetime.fromisoformat(at)), **inbox)
    FolderLocks().take(locked_folders(house.settings))
    house.look()
    house.close()
    channel.sendall(json.dumps(points.passed).encode() + b"\n")
