"""Runs gen3sync's outbox and inbox as the daemon does, timed from the outside of the rooms.

Started with a configuration file as its argument; speaks as worker.py expects. `submit` takes a file from snapshot to
receipt, `pull` looks at all mirrors, `warm` learns before that what a running daemon knows.
"""

from __future__ import annotations

import cProfile
import json
import os
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gen3sync.catalog import Catalog
from gen3sync.clock import SystemClock
from gen3sync.commons.connect import open_commons
from gen3sync.commons.queries import signature
from gen3sync.config import Settings, load_settings
from gen3sync.inbox.inbox import Inbox
from gen3sync.ledger import Drop, DropState, Ledger, open_ledger
from gen3sync.names import Project
from gen3sync.outbox.engine import Outbox

LOOK = 0.005


class House:
    """The rooms of one configuration."""

    def __init__(self, settings: Settings) -> None:
        clock = SystemClock()
        self.settings = settings
        for folder in (settings.outbox.path, settings.inbox.path, settings.state.path):
            folder.mkdir(parents=True, exist_ok=True)
        self.ledger: Ledger = open_ledger(settings.state.ledger, clock)
        client = open_commons(settings.commons, os.environ, clock)
        catalog = Catalog(client, clock, settings.state.path)
        self.client, self.catalog = client, catalog
        self.outbox = Outbox(settings, client, catalog, self.ledger, clock)
        self.inbox = Inbox(settings, client, catalog, self.ledger, clock)
        self._started = False

    def warm(self, mirrors: Sequence[str]) -> dict[str, Any]:
        """Knows what a daemon that has run for a while knows: token, rights, projects, dictionary; and of the project
        what it follows already, `mirrors`."""
        self.catalog.dictionary()
        readable = self.catalog.readable()
        for project in readable[:1]:
            signature(self.client, project, [])  # a sandbox builds its GraphQL schema at the first question
        if mirrors:
            self.inbox.run_once(mirrors)
        return {"projects": len(readable)}

    def submit(self, file: Path, project: Project) -> dict[str, Any]:
        if not self._started:
            self.outbox.start(watch=False)
            self._started = True
        drop = self.outbox.push([file], project)[0]
        self.outbox.wake()
        drop = self._ended(drop.id)
        return {
            "state": str(drop.state),
            "verdict": str(drop.verdict),
            "reason": drop.reason,
            "counts": dict(drop.counts),
        }

    def pull(self, mirrors: Sequence[str]) -> dict[str, Any]:
        found = self.inbox.run_once(mirrors or None)
        return {
            "outcomes": {one.mirror: str(one.outcome) for one in found},
            "rows": sum(one.rows or 0 for one in found),
            "bytes": sum(one.bytes or 0 for one in found),
            "reasons": [one.reason for one in found],
        }

    def stop(self) -> None:
        if self._started:
            self.outbox.stop()
        self.inbox.stop(10)
        self.ledger.close()

    def _ended(self, id: int) -> Drop:
        never = threading.Event()
        while True:
            drop = self.ledger.drops.get(id)
            if drop.state in (DropState.ENDED, DropState.PARKED):
                return drop
            never.wait(LOOK)


def main() -> None:
    """Until standard input ends."""
    house = House(load_settings(Path(sys.argv[1]), os.environ))
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        profile = cProfile.Profile() if asked.get("profile") else None
        start, cpu = time.perf_counter(), time.process_time()
        if profile is not None:
            profile.enable()
        match asked["verb"]:
            case "submit":
                answer = house.submit(Path(asked["file"]), Project.parse(asked["project"]))
            case "warm":
                answer = house.warm(asked.get("mirrors") or ())
            case _:
                answer = house.pull(asked.get("mirrors") or ())
        if profile is not None:
            profile.disable()
            profile.dump_stats(asked["profile"])
        answer |= {"seconds": time.perf_counter() - start, "cpu": time.process_time() - cpu}
        print(json.dumps(answer), flush=True)
    house.stop()


if __name__ == "__main__":
    main()
