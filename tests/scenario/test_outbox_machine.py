"""Anything may happen, in any order: Hypothesis drops, edits, kills, breaks, writes from elsewhere and lets time pass.

The engine lives in a process of its own and dies by SIGKILL; the sandbox is the truth. After every run all troubles
end, and when time has passed all of `World.check` must hold: each record equals the newest green drop that named it
(unless somebody else wrote it since), receipts are true, every drop ended with one receipt, nothing was refused without
need, and no two requests in flight wrote one record.

GEN3SYNC_EXAMPLES (30) and GEN3SYNC_STEPS (18) make it deeper; GEN3SYNC_SHRINK=1 looks for the shortest story.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from gen3sync.outbox.failpoint import STEPS
from gen3sync.sandbox.faults import Hold
from tests.crash.nursery import Nursery
from tests.crash.points import DISK, FILES, LEDGER
from tests.crash.world import PROJECT, Died, World, tsv, world_in

EXAMPLES = int(os.environ.get("GEN3SYNC_EXAMPLES", "30"))
LENGTH = int(os.environ.get("GEN3SYNC_STEPS", "18"))
SUBMIT = "/submission/DEV/test$"
OPTIONS = "chunk_rows = 2\nparallel = 2"
LONGEST_REQUEST = 400.0
"""Seconds (of the world) that the commons works on one request at most; well below the horizon."""

settings.register_profile(
    "outbox machine",
    max_examples=EXAMPLES,
    stateful_step_count=LENGTH,
    derandomize="GEN3SYNC_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink) if os.environ.get("GEN3SYNC_SHRINK") else (Phase.generate,),
    print_blob=True,
)


def spelled(letter: str) -> st.SearchStrategy[tuple[int, str]]:
    """A record's number and its submitter_id, mostly in capitals."""
    return st.tuples(st.integers(0, 3), st.sampled_from([letter, letter, letter, letter.lower()])).map(
        lambda pair: (pair[0], f"{pair[1]}{pair[0]}")
    )


@st.composite
def files(draw: st.DrawFn) -> str:
    """The text of a file: some rows of one node, now and then with blanks, fewer columns, twins or a bad value."""
    node = draw(st.sampled_from(["study", "subject", "subject", "subject", "visit"]))
    letter = {"study": "S", "subject": "P", "visit": "V"}[node]
    names = draw(st.lists(spelled(letter), min_size=1, max_size=4, unique_by=lambda pair: pair[0]))
    if draw(st.integers(0, 9)) == 0:
        names.append((names[0][0], names[0][1].swapcase()))
    cells: list[list[Any]] = []
    narrow = draw(st.booleans())
    for number, name in names:
        parent = number % 2 if node == "subject" else number
        other = draw(st.sampled_from("Ss" if node == "subject" else "Pp"))
        match node:
            case "study":
                cells.append([node, name, "test", draw(st.sampled_from(["One", "Two", ""]))])
            case "subject":
                sex = draw(st.sampled_from(["male", "female", "male", "female", "male", "wrong"]))
                species = [] if narrow else [draw(st.sampled_from(["human", "dog", "cat", ""]))]
                cells.append([node, name, f"{other}{parent}", sex, *species])
            case _:
                cells.append([node, name, f"{other}{parent}", draw(st.integers(1, 4))])
    columns = {
        "study": ("type", "submitter_id", "projects.code", "title"),
        "subject": ("type", "submitter_id", "studies.submitter_id", "sex", *(() if narrow else ("species",))),
        "visit": ("type", "submitter_id", "subjects.submitter_id", "visit_number"),
    }[node]
    return tsv(columns, cells)


PLACES = st.sampled_from(["a.tsv", "b.tsv", "deep/c.tsv"])
POINTS = st.sampled_from([*STEPS, *STEPS, *LEDGER, *FILES, *DISK])


class Machine(RuleBasedStateMachine):
    """One world. `alive` says whether an engine runs; it may die in any step that asks it something."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        super().__init__()
        self._context = world_in(folder, nursery, OPTIONS)
        self.world: World = self._context.__enter__()
        self.held: list[tuple[Hold, float]] = []
        self.waiting = False
        """A request is held while the engine waits for its answer."""

    # --- within

    @property
    def alive(self) -> bool:
        return self.world.life is not None

    def ask(self, what: str, **arguments: Any) -> None:
        try:
            self.world.ask(what, **arguments)
        except Died:
            self.waiting = False

    def let_go(self) -> None:
        for hold, _ in self.held:
            hold.release()
        self.held.clear()
        self.waiting = False

    def time_is_up(self) -> None:
        """The commons' own timeout ends what it works on for too long."""
        if any(self.world.clock.seconds() - since > LONGEST_REQUEST for _, since in self.held):
            self.let_go()

    # --- people

    @initialize(seeded=st.booleans())
    def begin(self, *, seeded: bool) -> None:
        if seeded:
            self.world.drop(
                "first.tsv",
                tsv(("type", "submitter_id", "projects.code"), [["study", f"S{i}", "test"] for i in range(4)]),
            )
        self.world.begin()
        self.ask("quiet")

    @rule(name=PLACES, text=files())
    def drop(self, name: str, text: str) -> None:
        self.time_is_up()
        self.world.drop(name, text)

    @rule(name=PLACES, text=files(), again=files())
    def drop_and_edit(self, name: str, text: str, again: str) -> None:
        """The second version comes while the first may be on its way."""
        self.time_is_up()
        self.world.drop(name, text)
        if self.alive:
            self.nudge()
        self.world.drop(name, again)

    @precondition(lambda self: self.world.dropped)
    @rule(which=st.integers(0, 50), name=PLACES)
    def drop_the_same_again(self, which: int, name: str) -> None:
        self.time_is_up()
        old = self.world.dropped[which % len(self.world.dropped)]
        self.world.drop(name, old.text)

    @precondition(lambda self: self.alive)
    @rule(erase=st.booleans())
    def retry(self, *, erase: bool) -> None:
        self.time_is_up()
        self.ask("retry", erase=erase)

    # --- the engine

    @precondition(lambda self: self.alive)
    @rule()
    def quiet(self) -> None:
        self.time_is_up()
        if self.waiting:
            self.let_go()
        self.ask("quiet")

    @rule(name=PLACES, text=files())
    def drop_and_work(self, name: str, text: str) -> None:
        """What happens most of the time."""
        self.drop(name, text)
        self.work()

    @rule()
    def work(self) -> None:
        if not self.alive:
            self.start(None, 1)
        elif not self.waiting:
            self.quiet()

    @precondition(lambda self: self.alive)
    @rule()
    def nudge(self) -> None:
        """The engine works on, until it rests or waits for a request that is held."""
        self.time_is_up()
        self.ask("wake")
        end = time.monotonic() + 20.0
        while self.alive:
            assert time.monotonic() < end, "neither at rest nor waiting"
            if any(hold.fault.waiting for hold, _ in self.held):
                break
            try:
                if self.world.ask("resting")["resting"]:
                    break
            except Died:
                self.waiting = False

    @precondition(lambda self: not self.alive)
    @rule(point=st.none() | POINTS, nth=st.integers(1, 6))
    def start(self, point: str | None, nth: int) -> None:
        """Sometimes to die again soon."""
        self.time_is_up()
        try:
            self.world.begin(point, nth)
        except Died:
            return
        if not self.waiting:
            self.quiet()

    @precondition(lambda self: self.alive)
    @rule()
    def kill(self) -> None:
        self.world.kill()
        self.waiting = False

    @precondition(lambda self: not self.held)
    @rule(name=PLACES, text=files(), point=st.sampled_from(["received", "started", "before_commit", "after_commit"]))
    def die_with_a_request_on_its_way(self, name: str, text: str, point: str) -> None:
        """The next life finds a request that the commons still works on, and perhaps knows nothing of."""
        if not self.alive:
            self.start(None, 1)
        self.commit_slowly(point)
        self.drop(name, text)
        if self.alive:
            self.nudge()
        self.world.kill()
        self.waiting = False
        self.start(None, 1)

    @precondition(lambda self: self.alive)
    @rule(point=POINTS, nth=st.integers(1, 6))
    def arm(self, point: str, nth: int) -> None:
        self.ask("arm", point=point, nth=nth)

    @precondition(lambda self: self.alive)
    @rule()
    def stop(self) -> None:
        with contextlib.suppress(Died):
            self.world.end(0.5 if self.held else 10.0)
        self.waiting = False

    # --- the commons and the network

    @rule(
        when=st.sampled_from(["before_body", "during_body", "received", "before_commit", "after_commit", "after_log"]),
        how=st.sampled_from(["close", "reset", 504, 502, 500]),
        times=st.integers(1, 2),
    )
    def lose_an_answer(self, when: str, how: str | int, times: int) -> None:
        self.world.sandbox.faults.lose(when, how=how, method="PUT", path=SUBMIT, times=times)

    @rule(when=st.sampled_from(["started", "before_commit", "after_commit"]), how=st.sampled_from([502, "close"]))
    def kill_a_worker(self, when: str, how: str | int) -> None:
        self.world.sandbox.faults.kill(when, how=how, method="PUT", path=SUBMIT)

    @rule(status=st.sampled_from([500, 502, 503, 504, 429]), path=st.sampled_from([SUBMIT, "/graphql", "/export", ""]))
    def refuse(self, status: int, path: str) -> None:
        headers = {"Retry-After": "3"} if status in (429, 503) else {}
        self.world.sandbox.faults.answer(status, path=path or None, headers=headers)

    @precondition(lambda self: not self.held)
    @rule(
        how=st.sampled_from([504, "close"]),
        point=st.sampled_from(["started", "before_commit", "after_commit"]),
    )
    def commit_late(self, how: str | int, point: str) -> None:
        """The answer is lost at once, and the work goes on for as long as the commons likes."""
        # Not "reset": the sandbox resets a connection only when the work has ended.
        faults = self.world.sandbox.faults
        faults.lose("received", how=how, method="PUT", path=SUBMIT)
        self.held.append((faults.hold(point, method="PUT", path=SUBMIT), self.world.clock.seconds()))

    @precondition(lambda self: not self.held)
    @rule(point=st.sampled_from(["received", "started", "before_commit", "after_commit", "after_log"]))
    def commit_slowly(self, point: str) -> None:
        """A request takes its time; the engine waits for the answer meanwhile."""
        hold = self.world.sandbox.faults.hold(point, method="PUT", path=SUBMIT)
        self.held.append((hold, self.world.clock.seconds()))
        self.waiting = True

    @precondition(lambda self: self.held)
    @rule()
    def go_on(self) -> None:
        self.let_go()

    @rule(state=st.sampled_from(["open", "open", "closed", "review"]))
    def set_project(self, state: str) -> None:
        self.world.sandbox.set_project(PROJECT, state=state)

    @rule(methods=st.sampled_from([(), ("update",), ("create", "update"), ("read",)]))
    def rights(self, methods: tuple[str, ...]) -> None:
        self.world.sandbox.allow()
        if methods:
            self.world.sandbox.deny(PROJECT, *methods)

    @rule(mode=st.sampled_from(["on", "on", "missing", "denied", "error", "down"]))
    def graphql(self, mode: str) -> None:
        self.world.sandbox.faults.set(graphql=mode)

    @rule(name=spelled("P"), species=st.sampled_from(["human", "wolf"]))
    def somebody_else_writes(self, name: tuple[int, str], species: str) -> None:
        found = self.world.sandbox.record(PROJECT, "subject", name[1])
        parent = self.world.sandbox.record(PROJECT, "study", f"S{name[0] % 2}")
        if parent is None:
            return
        record = {
            "type": "subject",
            "submitter_id": found["submitter_id"] if found else name[1],
            "studies": {"submitter_id": parent["submitter_id"]},
            "species": species,
        }
        self.world.foreign_write([record])

    @rule(seconds=st.sampled_from([5.0, 200.0, 700.0]))
    def time_passes(self, seconds: float) -> None:
        if seconds > LONGEST_REQUEST or any(
            self.world.clock.seconds() + seconds - since > LONGEST_REQUEST for _, since in self.held
        ):
            self.let_go()
        try:
            self.world.advance(seconds, idle=not self.held)
        except Died:
            self.waiting = False

    def teardown(self) -> None:
        try:
            self.let_go()
            for _ in range(3):
                try:
                    self.world.finish()
                    break
                except Died:
                    self.waiting = False
            else:
                raise AssertionError("an engine that was armed no more dies all the same")
            self.world.check()
            self.world.check_refusals(lambda row: row.get("sex") == "wrong")
        finally:
            self._context.__exit__(None, None, None)


@pytest.mark.timeout(3600)
def test_whatever_happens_the_receipts_are_true(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Nursery() as nursery:

        class Here(Machine):
            def __init__(self) -> None:
                super().__init__(nursery, tmp_path_factory.mktemp("world"))

        run_state_machine_as_test(Here, settings=settings.get_profile("outbox machine"))
