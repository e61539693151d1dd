"""What the state machine found, each as a story of its own."""

from __future__ import annotations

from pathlib import Path

from tests.crash.nursery import Nursery
from tests.crash.past import tsv
from tests.crash.stories import STUDY
from tests.crash.world import world_in

SUBMIT = "/submission/DEV/test$"


def test_a_pass_ends_while_the_commons_is_down_and_answers_are_missing(tmp_path: Path, nursery: Nursery) -> None:
    """Each missing answer was looked for four times before a pass gave up, and each look waited for the commons."""
    with world_in(tmp_path / "world", nursery, "chunk_rows = 1\nparallel = 4") as world:
        world.begin()
        world.drop("first.tsv", tsv(STUDY, [["study", "S", "test", "x"]]))
        world.ask("quiet")
        with world.sandbox.faults.hold("before_commit", method="PUT", path=SUBMIT, times=4) as hold:
            for number in range(4):
                world.drop(f"{number}.tsv", tsv(STUDY, [["study", f"S{number}", "test", "x"]]))
            world.ask("wake")
            hold.wait_reached(4)
            world.kill()
            world.sandbox.faults.set(graphql="down")
            world.begin()
            # One that waits for the commons at each look outlasts pytest's own limit.
            assert len(world.ask("quiet")["drops"]) == 4
        world.finish()
        world.truth.check()
        world.truth.stored_once()
