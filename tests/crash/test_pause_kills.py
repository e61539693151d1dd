"""Killed while the commons is down: how often it was asked, and when it is asked again, are there afterwards."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from gen3sync.ledger import open_ledger
from gen3sync.ledger.pause import Pause, read
from tests.crash.nursery import Nursery
from tests.crash.past import tsv
from tests.crash.stories import STUDY
from tests.crash.world import World, world_in


def noted(world: World) -> Pause | None:
    path = world.folder / "state/ledger.sqlite"
    with open_ledger(path, world.clock, read_only=True) as ledger:
        return read(ledger)


def attempts(world: World, at_least: int) -> Pause:
    """Waits until the commons was asked so often in vain, letting time go by."""
    tick, end = threading.Event(), time.monotonic() + 120.0
    while time.monotonic() < end:
        pause = noted(world)
        if pause is not None and pause.attempts >= at_least:
            return pause
        world.advance(20, idle=False)
        world.ask("wake")
        tick.wait(0.02)
    raise AssertionError(f"not asked {at_least} times; {noted(world)}")


def hung_up(world: World) -> None:
    """Waits until the commons has heard all that a killed life had said."""
    tick, end = threading.Event(), time.monotonic() + 120.0
    while world.sandbox._server.connections:
        assert time.monotonic() < end, "connections of a process that is dead stay open"
        tick.wait(0.02)


def test_kill_9_while_the_commons_is_down(tmp_path: Path, nursery: Nursery) -> None:
    with world_in(tmp_path / "world", nursery, "chunk_rows = 2\nparallel = 2") as world:
        world.begin()
        world.drop("first.tsv", tsv(STUDY, [["study", "S", "test", "x"]]))
        world.ask("quiet")
        world.sandbox.faults.answer(502, path="/api/", times=None)
        for number in range(3):
            world.drop(f"{number}.tsv", tsv(STUDY, [["study", f"S{number}", "test", "x"]]))
        count, since = 0, None
        for _life in range(3):
            before = attempts(world, count + 2)
            world.kill()
            kept = noted(world)
            assert kept is not None
            assert kept.attempts >= before.attempts
            assert since in (None, kept.since)
            assert 0 < kept.seconds <= 300
            count, since = kept.attempts, kept.since
            hung_up(world)
            asked = len(world.sandbox.requests)
            world.begin()
            if world.clock.now() < kept.until:
                assert len(world.sandbox.requests) == asked
            assert (noted(world) or kept).attempts >= count
        world.sandbox.faults.clear()
        world.ask("retry")
        world.finish()
        assert noted(world) is None
        world.truth.check()
        world.truth.stored_once()
