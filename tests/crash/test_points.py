"""Killed at every step: the engine's process gets SIGKILL at a named point, and another one takes over.

A chain is one folder and one commons that live through several kills, each while new files arrive and what the kill
before left is taken up. At the end of a chain everything must be there once. The points are listed in `points.py`.
`make test` visits about 300 of them; GEN3SYNC_KILLS set to something larger visits more occurrences of each.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from gen3sync.outbox.failpoint import STEPS
from tests.crash.handle import Died
from tests.crash.nursery import Nursery
from tests.crash.points import DISK, FILES, LEDGER, POINTS
from tests.crash.stories import ONCE, STORIES
from tests.crash.world import World, world_in

THOROUGH = int(os.environ.get("GEN3SYNC_KILLS", "20")) > 20
OPTIONS = "chunk_rows = 4\nparallel = 2"
LINKS = 6
MOST_TELLINGS = 5


def kills() -> list[tuple[str, int]]:
    """Points, and which of their occurrences, for each story."""
    found = [(point, nth) for point in STEPS for nth in ((1, 2, 3, 4) if THOROUGH else (1, 2))]
    found += [(point, nth) for point in FILES for nth in (range(1, 16) if THOROUGH else (2, 5))]
    found += [(point, nth) for point in LEDGER for nth in (range(1, 25) if THOROUGH else (2, 5, 8, 11, 14))]
    found += [(point, nth) for point in DISK for nth in (range(1, 25) if THOROUGH else (1, 3, 6, 10))]
    return found


def chains() -> list[tuple[str, list[tuple[str, int]]]]:
    out = []
    for number, story in enumerate(STORIES):
        mixed = kills()
        random.Random(number).shuffle(mixed)
        out += [(story, mixed[start : start + LINKS]) for start in range(0, len(mixed), LINKS)]
    return out


CHAINS = chains()


def kill_at(world: World, story: str, point: str, nth: int, told: int) -> int:
    """Tells the story until the engine dies at the point; returns how often it was told so far."""
    try:
        world.begin(point, nth)
        for _ in range(MOST_TELLINGS):
            told += 1
            STORIES[story](world, told)
            world.ask("quiet")
    except Died:
        return max(told, 1)
    raise AssertionError(f"{point} is not passed {nth} times in {MOST_TELLINGS} tellings")


@pytest.mark.parametrize(
    ("story", "chain"), CHAINS, ids=[f"{story}-{number}" for number, (story, _) in enumerate(CHAINS)]
)
def test_killed_at_any_step_again_and_again_all_is_there_once(
    tmp_path: Path, nursery: Nursery, story: str, chain: list[tuple[str, int]]
) -> None:
    with world_in(tmp_path / "world", nursery, OPTIONS) as world:
        told = 0
        for number, (point, nth) in enumerate(chain):
            told = kill_at(world, story, point, nth, told)
            if number % 3 == 1:
                world.advance(700.0)
        world.finish()
        world.truth.check()
        if story in ONCE:
            world.truth.stored_once()


def test_at_least_three_hundred_kills() -> None:
    assert sum(len(chain) for _, chain in CHAINS) >= 300


def test_every_point_is_visited() -> None:
    assert {point for point, _ in kills()} == set(POINTS)
