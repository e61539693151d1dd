"""Anything may happen, in any order: Hypothesis drops, edits, kills, breaks, writes from elsewhere and lets time pass.

The engine lives in a process of its own and dies by SIGKILL; the sandbox is the truth. After every run all troubles
end, and when time has passed all of `World.check` must hold: each record equals the newest green drop that named it
(unless somebody else wrote it since), receipts are true, every drop ended with one receipt, nothing was refused without
need, and no two requests in flight wrote one record.

GEN3SYNC_EXAMPLES (50) and GEN3SYNC_STEPS (18) make it deeper; GEN3SYNC_SHRINK=1 looks for the shortest story.
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

EXAMPLES = int(os.environ.get("GEN3SYNC_EXAMPLES", "50"))
LENGTH = int(os.environ.get("GEN3SYNC_STEPS", "18"))
SUBMIT = "/submission/DEV/test$"
OPTIONS = "chunk_rows = 2\nparallel = 2"
PATIENCE = 1.5
"""Real seconds."""
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
Trouble = tuple[Any, ...]
TROUBLES: st.SearchStrategy[Trouble] = st.one_of(
    st.tuples(
        st.just("lose"),
        st.sampled_from(["before_body", "during_body", "received", "before_commit", "after_commit", "after_log"]),
        st.sampled_from(["close", "reset", 504, 502, 500]),
        st.integers(1, 2),
    ),
    st.tuples(
        st.just("kill"), st.sampled_from(["started", "before_commit", "after_commit"]), st.sampled_from([502, "close"])
    ),
    st.tuples(
        st.just("refuse"),
        st.sampled_from([500, 502, 503, 504, 429]),
        st.sampled_from([SUBMIT, "/graphql", "/export", ""]),
    ),
    st.tuples(
        st.just("late"), st.sampled_from([504, "close"]), st.sampled_from(["started", "before_commit", "after_commit"])
    ),
    st.tuples(st.just("slow"), st.sampled_from(["received", "started", "before_commit", "after_commit", "after_log"])),
)
CHANGES: st.SearchStrategy[Trouble] = st.sampled_from(
    [
        *[("state", state) for state in ("open", "open", "closed", "review")],
        *[("rights", *methods) for methods in ((), (), ("update",), ("create", "update"), ("read",))],
        *[("graphql", mode) for mode in ("on", "on", "missing", "denied", "error", "down")],
    ]
)


class Machine(RuleBasedStateMachine):
    """One world. `alive` says whether an engine runs; it may die in any step that asks it something."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        super().__init__()
        self._context = world_in(folder, nursery, OPTIONS)
        self.world: World = self._context.__enter__()
        self.held: list[tuple[Hold, float]] = []
        self.slow = False
        """One of them may hold a request whose answer the engine waits for."""

    # --- within

    @property
    def alive(self) -> bool:
        return self.world.life is not None

    def ask(self, what: str, **arguments: Any) -> None:
        with contextlib.suppress(Died):
            self.world.ask(what, **arguments)

    def let_go(self) -> None:
        for hold, _ in self.held:
            hold.release()
        self.held.clear()
        self.slow = False

    def time_is_up(self) -> None:
        """The commons' own timeout ends what it works on for too long."""
        if any(self.world.clock.seconds() - since > LONGEST_REQUEST for _, since in self.held):
            self.let_go()

    # --- people

    @initialize(seeds=st.sampled_from([0, 1, 2, 2]))
    def begin(self, seeds: int) -> None:
        if seeds:
            rows = [["study", f"S{i}", "test"] for i in range(4)]
            self.world.drop("studies.tsv", tsv(("type", "submitter_id", "projects.code"), rows))
        if seeds > 1:
            rows = [["subject", f"P{i}", f"S{i % 2}", "male", "human"] for i in range(4)]
            columns = ("type", "submitter_id", "studies.submitter_id", "sex", "species")
            self.world.drop("subjects.tsv", tsv(columns, rows))
        self.world.begin()
        self.ask("quiet")

    @rule(name=PLACES, text=files())
    def drop(self, name: str, text: str) -> None:
        self.time_is_up()
        self.world.drop(name, text)

    @rule(name=PLACES, text=files())
    def drop_and_work(self, name: str, text: str) -> None:
        """What happens most of the time."""
        self.drop(name, text)
        self.work()

    @rule(name=PLACES, text=files(), again=files())
    def drop_and_edit(self, name: str, text: str, again: str) -> None:
        """The second version comes while the first may be on its way."""
        self.drop(name, text)
        if self.alive:
            self.nudge()
        self.drop(name, again)
        self.work()

    @precondition(lambda self: self.world.dropped)
    @rule(which=st.integers(0, 50), name=PLACES)
    def drop_the_same_again(self, which: int, name: str) -> None:
        old = self.world.dropped[which % len(self.world.dropped)]
        self.drop_and_work(name, old.text)

    @rule(name=PLACES, text=files(), trouble=TROUBLES)
    def drop_into_trouble(self, name: str, text: str, trouble: Trouble) -> None:
        self.into_trouble(name, text, trouble)

    @rule(name=PLACES, text=files(), troubles=st.lists(TROUBLES, min_size=1, max_size=3))
    def drop_into_troubles(self, name: str, text: str, troubles: list[Trouble]) -> None:
        for trouble in troubles[1:]:
            self.make(trouble)
        self.into_trouble(name, text, troubles[0])

    @rule(name=PLACES, text=files(), more=files(), trouble=TROUBLES)
    def drop_two_into_trouble(self, name: str, text: str, more: str, trouble: Trouble) -> None:
        self.drop("extra.tsv", more)
        self.into_trouble(name, text, trouble)

    def into_trouble(self, name: str, text: str, trouble: Trouble) -> None:
        self.make(trouble)
        self.drop(name, text)
        if not self.alive:
            self.start()
        else:
            self.go_on_working()

    @rule(name=PLACES, text=files(), point=POINTS, nth=st.integers(1, 6))
    def drop_and_die(self, name: str, text: str, point: str, nth: int) -> None:
        """Killed at a point of the way, or a little later, by another file; or already in its first steps."""
        self.drop(name, text)
        if self.alive:
            self.ask("arm", point=point, nth=nth)
            self.work()
        else:
            self.start(point, nth)

    @precondition(lambda self: not self.held)
    @rule(name=PLACES, text=files(), point=st.sampled_from(["received", "started", "before_commit", "after_commit"]))
    def die_with_a_request_on_its_way(self, name: str, text: str, point: str) -> None:
        """The next life finds a request that the commons still works on, and perhaps knows nothing of."""
        if not self.alive:
            self.start()
        self.make(("slow", point))
        self.drop(name, text)
        if self.alive:
            self.nudge()
        self.world.kill()
        self.start()

    @rule(erase=st.booleans())
    def retry(self, *, erase: bool) -> None:
        if self.alive:
            self.ask("retry", erase=erase)

    # --- the engine

    @rule()
    def work(self) -> None:
        if not self.alive:
            self.start()
        else:
            self.quiet()

    def quiet(self) -> None:
        """Until the engine rests. A request that it waits for is let go, at the latest when its patience ends."""
        self.time_is_up()
        with contextlib.suppress(Died):
            self.world.ask("wake")
            end, enough = time.monotonic() + 90.0, float("inf")
            while not self.world.ask("rests", seconds=0.05)["rests"]:
                now = time.monotonic()
                assert now < end, "the engine does not come to rest"
                if any(hold.fault.waiting for hold, _ in self.held):
                    enough = min(enough, now + (0.0 if self.slow else PATIENCE))
                if now >= enough:
                    self.let_go()

    def nudge(self) -> None:
        """The engine works on, until it rests or a request is held."""
        self.time_is_up()
        with contextlib.suppress(Died):
            self.world.ask("wake")
            end = time.monotonic() + 90.0
            while not self.world.ask("rests", seconds=0.02)["rests"]:
                assert time.monotonic() < end, "neither at rest nor waiting"
                if any(hold.fault.waiting for hold, _ in self.held):
                    break

    def go_on_working(self) -> None:
        """To its rest, or with a slow request until that is held."""
        if self.slow:
            self.nudge()
        else:
            self.quiet()

    def start(self, point: str | None = None, nth: int = 1) -> None:
        self.time_is_up()
        try:
            self.world.begin(point, nth)
        except Died:
            return
        self.go_on_working()

    @rule(restart=st.booleans())
    def kill(self, *, restart: bool) -> None:
        self.world.kill()
        if restart:
            self.start()

    @precondition(lambda self: self.alive)
    @rule(restart=st.booleans())
    def stop(self, *, restart: bool) -> None:
        with contextlib.suppress(Died):
            self.world.end(0.5 if self.held else 10.0)
        if restart:
            self.start()

    # --- the commons, the network, other people, time

    def make(self, trouble: Trouble) -> None:
        faults = self.world.sandbox.faults
        match trouble:
            case ("lose", when, how, times):
                faults.lose(when, how=how, method="PUT", path=SUBMIT, times=times)
            case ("kill", when, how):
                faults.kill(when, how=how, method="PUT", path=SUBMIT)
            case ("refuse", status, path):
                headers = {"Retry-After": "3"} if status in (429, 503) else {}
                faults.answer(status, path=path or None, headers=headers)
            case ("late", how, point) if not self.held:
                # The answer is lost at once, and the work goes on for as long as the commons likes.
                # Not "reset": the sandbox resets a connection only when the work has ended.
                faults.lose("received", how=how, method="PUT", path=SUBMIT)
                self.held.append((faults.hold(point, method="PUT", path=SUBMIT), self.world.clock.seconds()))
            case ("slow", point) if not self.held:
                # A request takes its time; the engine waits for the answer meanwhile.
                self.held.append((faults.hold(point, method="PUT", path=SUBMIT), self.world.clock.seconds()))
                self.slow = True
            case _:
                pass

    @precondition(lambda self: self.held)
    @rule()
    def go_on(self) -> None:
        self.let_go()

    @rule(change=CHANGES)
    def change_the_commons(self, change: Trouble) -> None:
        match change:
            case ("state", state):
                self.world.sandbox.set_project(PROJECT, state=state)
            case ("rights", *methods):
                self.world.sandbox.allow()
                if methods:
                    self.world.sandbox.deny(PROJECT, *methods)
            case ("graphql", mode):
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
        with contextlib.suppress(Died):
            self.world.advance(seconds, idle=not self.held)

    def teardown(self) -> None:
        try:
            self.let_go()
            for _ in range(3):
                try:
                    self.world.finish()
                    break
                except Died:
                    continue
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
