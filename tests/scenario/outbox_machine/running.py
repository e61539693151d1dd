"""How the machine drives its engine: it starts, works, rests, waits for a request that is held, and may die of it."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from gen3sync.sandbox.faults import Hold
from tests.crash.handle import Died
from tests.crash.nursery import Nursery
from tests.scenario.outbox_machine.town import Town, town_in
from tests.scenario.outbox_machine.troubles import Trouble, make

OPTIONS = "chunk_rows = 2\nparallel = 2"
PATIENCE = 1.5
"""Real seconds."""
LONGEST_REQUEST = 400.0
"""Seconds (of the world) that the commons works on one request at most; well below the horizon."""


class Running(RuleBasedStateMachine):
    """One world. `alive` says whether an engine runs; it may die in any step that asks it something."""

    def __init__(self, nursery: Nursery, folder: Path) -> None:
        super().__init__()
        self._context = town_in(folder, nursery, OPTIONS)
        self.town: Town = self._context.__enter__()
        self.held: list[tuple[Hold, float]] = []
        self.slow = False
        """One of them may hold a request whose answer the engine waits for."""

    # --- within

    @property
    def alive(self) -> bool:
        return self.town.life is not None

    def ask(self, what: str, **arguments: Any) -> None:
        with contextlib.suppress(Died):
            self.town.ask(what, **arguments)

    def let_go(self) -> None:
        for hold, _ in self.held:
            hold.release()
        self.held.clear()
        self.slow = False

    def time_is_up(self) -> None:
        """The commons' own timeout ends what it works on for too long."""
        if any(self.town.clock.seconds() - since > LONGEST_REQUEST for _, since in self.held):
            self.let_go()

    def make(self, trouble: Trouble) -> None:
        if trouble[0] == "full" and not self.alive:
            return
        with contextlib.suppress(Died):
            self.slow = make(self.town, trouble, self.held) or self.slow

    # --- the engine

    def go_on(self) -> None:
        """It works, after a start if it is dead."""
        if not self.alive:
            self.start()
        else:
            self.go_on_working()

    def quiet(self) -> None:
        """Until the engine rests. A request that it waits for is let go, at the latest when its patience ends."""
        self.time_is_up()
        with contextlib.suppress(Died):
            self.town.ask("wake")
            end, enough = time.monotonic() + 90.0, float("inf")
            while not self.town.ask("rests", seconds=0.05)["rests"]:
                self.time_is_up()
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
            self.town.ask("wake")
            end = time.monotonic() + 90.0
            while not self.town.ask("rests", seconds=0.02)["rests"]:
                self.time_is_up()
                assert time.monotonic() < end, "neither at rest nor waiting"
                if any(hold.fault.waiting for hold, _ in self.held):
                    break

    def go_on_working(self) -> None:
        """To its rest, or with a slow request until that is held; nothing, if it is dead."""
        if self.alive and self.slow:
            self.nudge()
        elif self.alive:
            self.quiet()

    def start(self, point: str | None = None, nth: int = 1) -> None:
        self.time_is_up()
        try:
            self.town.begin(point, nth)
        except Died:
            return
        self.go_on_working()
