"""`[inbox] parallel`: so many exports are in flight at the commons, and never more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.sandbox.faults import Point
from tests.scenario.inbox_house import House, house
from tests.scenario.test_inbox_schedule import scheduler, wait_until

NODES = ("study", "subject", "sample", "aliquot", "visit")


@contextmanager
def one_pass(h: House) -> Iterator[None]:
    """As `gen3sync once` does."""
    running = threading.Thread(target=h.look, daemon=True)
    running.start()
    yield
    running.join(60)
    assert not running.is_alive()


@contextmanager
def on_schedule(h: House) -> Iterator[None]:
    """As the daemon does."""
    with scheduler(paused=False) as jobs:
        h.inbox.start(jobs)
        yield
        assert h.inbox.stop(60)


def at_least(h: House, files: int) -> bool:
    return len(h.files()) >= files


@pytest.mark.parametrize("parallel", [1, 2, 3])
@pytest.mark.parametrize("running", [one_pass, on_schedule])
@pytest.mark.parametrize("apart", [False, True], ids=["one mirror", "a mirror for each node"])
def test_so_many_exports_are_in_flight_and_never_more(
    tmp_path: Path, running: Callable[[House], AbstractContextManager[None]], parallel: int, apart: bool
) -> None:
    groups = [(node,) for node in NODES] if apart else [NODES]
    mirrors = [{"projects": ["DEV-test"], "nodes": list(nodes), "every": "1h"} for nodes in groups]
    with house(tmp_path, mirror=mirrors, parallel=parallel, clock=SystemClock()) as h, ExitStack() as held:
        # The n-th export that reaches the commons waits at the n-th hold.
        holds = [held.enter_context(h.sandbox.faults.hold(Point.STARTED, path="/export")) for _ in NODES]
        with running(h):
            for ended, hold in enumerate(holds):
                last = min(ended + parallel, len(NODES))
                for each in holds[ended:last]:
                    each.wait_reached()
                if ended == 0:
                    # One too many would come now. Load can only hide it here, and the next lines look again.
                    with pytest.raises(TimeoutError):
                        holds[last].wait_reached(timeout=0.3)
                assert sum(each.fault.used for each in holds) == last
                hold.release()
                wait_until(partial(at_least, h, ended + 1))
        assert h.exports() == len(NODES)
