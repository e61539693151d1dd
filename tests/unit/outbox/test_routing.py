"""Drops without a project, and those that get one late."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from types import SimpleNamespace
from typing import cast

import pytest

from gen3sync.clock import ManualClock
from gen3sync.ledger import Drop, DropState, Ledger, NewDrop, Verdict, open_ledger
from gen3sync.names import Project
from gen3sync.outbox import routing
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.route import Routed, Unrouted
from gen3sync.outbox.routing import Routing

KNOWN = Project("DEV", "test")


class Town:
    """An outbox of which only the routing is there. `projects` are those that the commons has."""

    def __init__(self, folder: Path, ledger: Ledger) -> None:
        self.ledger, self.clock = ledger, ManualClock()
        self.projects: tuple[Project, ...] = (KNOWN,)
        self.delivered: list[Drop] = []
        catalog = SimpleNamespace(projects=lambda: self.projects, refresh=lambda: ())
        settings = SimpleNamespace(outbox=SimpleNamespace(route=()))
        rooms = SimpleNamespace(state=folder, ledger=ledger, clock=self.clock, catalog=catalog, settings=settings)
        self.routing = Routing(cast("Rooms", rooms), self.delivered.append)

    def parked(self, number: int, code: str = "tset") -> list[Drop]:
        """Drops of a project that there is not."""
        new = [NewDrop(f"DEV/{code}/{i}.tsv", "", 1, f"drops/{i}/x", state=DropState.PARKED) for i in range(number)]
        made = [self.ledger.drops.add(one) for one in new]
        self.routing.unrouted.update({drop.id: drop for drop in made})
        return made

    def came(self, code: str = "test", verdict: Verdict | None = None) -> Drop:
        """A later drop that has a way."""
        drop = self.ledger.drops.add(NewDrop("x", "", 1, "drops/x/x", program="DEV", project=code))
        return drop if verdict is None else self.ledger.drops.update(drop.id, state=DropState.ENDED, verdict=verdict)


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Town]:
    monkeypatch.setattr(routing, "PROMPT", 60.0)  # however slow the machine, the commons has answered
    with open_ledger(tmp_path / "ledger.sqlite", ManualClock()) as ledger:
        yield Town(tmp_path, ledger)


def test_files_without_a_way_are_not_looked_through_for_each_that_has_one(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def counted(path: PurePosixPath, *args: object) -> Routed | Unrouted:
        asked.append(path.name)
        return Unrouted("?", "") if "tset" in path.parts else Routed(KNOWN, "folder")

    monkeypatch.setattr(routing, "route", counted)
    town.parked(50)
    for number in range(20):
        assert town.routing.way(f"DEV/test/{number}.tsv") == Routed(KNOWN, "folder")
    assert len(asked) == 20 + 50, "once, since nobody had looked yet"


def test_those_that_came_before_go_before_once_their_project_is_known(town: Town) -> None:
    parked = town.parked(250)
    town.routing.way("DEV/test/a.tsv")
    assert town.delivered == []
    town.projects = (KNOWN, Project("DEV", "tset"))
    town.routing.way("DEV/tset/b.tsv")
    assert [drop.id for drop in town.delivered] == [drop.id for drop in parked]
    assert {(drop.project, drop.state) for drop in town.delivered} == {("tset", DropState.WAITING)}
    assert town.routing.unrouted == {}


@pytest.mark.parametrize(("verdict", "waits"), [(None, True), (Verdict.LANDED, True), (Verdict.REJECTED, False)])
def test_one_that_was_overtaken_waits_however_many_came_after(town: Town, verdict: Verdict | None, waits: bool) -> None:
    [parked] = town.parked(1)
    town.came("tset", verdict)
    with town.ledger.together():
        for _ in range(1200):
            town.came("other", Verdict.LANDED)
    town.projects = (KNOWN, Project("DEV", "tset"))
    town.routing.turn()
    assert [drop.id for drop in town.delivered] == ([] if waits else [parked.id])
    assert ("older values over newer ones" in town.ledger.drops.get(parked.id).reason) is waits


def test_why_they_have_no_way_is_told_anew(town: Town) -> None:
    parked = town.parked(120)
    town.routing.turn()
    assert {town.ledger.drops.get(drop.id).attempts for drop in parked} == {1}
    assert "no project DEV/tset" in town.ledger.drops.get(parked[-1].id).reason


def test_one_that_could_not_be_handed_on_goes_later_and_before_those_behind_it(town: Town) -> None:
    """No descriptor was left for its lane, and the ledger says already that all of them are on their way."""
    parked, deliver, left = town.parked(3), town.routing.deliver, [OSError(errno.EMFILE, "Too many open files")]

    def none_left(drop: Drop) -> None:
        if left:
            raise left.pop()
        deliver(drop)

    town.routing.deliver = none_left
    town.projects = (KNOWN, Project("DEV", "tset"))
    with pytest.raises(OSError, match="Too many"):
        town.routing.way("DEV/tset/b.tsv")
    town.routing.way("DEV/tset/b.tsv")
    town.routing.turn()
    assert [drop.id for drop in town.delivered] == [drop.id for drop in parked]
    assert {town.ledger.drops.get(drop.id).reason for drop in parked} == {""}
