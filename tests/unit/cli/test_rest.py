"""When `retry` has waited long enough: once each drop was looked at, not a second after it asked for that."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

import pytest

from gen3sync.cli.rest import QUIET, Rest
from gen3sync.clock import ManualClock
from gen3sync.ledger import Drop, Ledger, NewDrop
from gen3sync.ledger.pause import Pause, write
from gen3sync.names import Project
from gen3sync.outbox import wishes
from gen3sync.outbox.rooms import Rooms

DEV = Project("DEV", "test")


@pytest.fixture
def drop(ledger: Ledger) -> Drop:
    return ledger.drops.add(NewDrop("DEV/test/a.tsv", "0" * 64, 1, "drops/1/a.tsv", program="DEV", project="test"))


def fails(ledger: Ledger, clock: ManualClock, attempts: int) -> None:
    """The commons was asked in vain, and is left alone for an hour."""
    until = clock.now() + timedelta(hours=1)
    write(ledger, Pause("", "502", "broken", attempts, clock.now(), until, 3600.0))


def at_rest(rest: Rest, drop: Drop, clock: ManualClock) -> bool:
    """Whether it is waited for no longer when nothing has changed for a while."""
    if rest((drop,)):
        return True
    clock.advance(QUIET)
    return rest((drop,))


def test_a_pause_of_before_is_no_look(ledger: Ledger, clock: ManualClock, drop: Drop) -> None:
    """It stands in the ledger until a lane comes to the wish, which on a slow machine takes longer than a moment."""
    fails(ledger, clock, 3)
    clock.advance(1)
    rest = Rest(ledger, clock, asked_at=clock.now())
    assert not at_rest(rest, drop, clock)
    fails(ledger, clock, 4)
    assert at_rest(rest, drop, clock)


def test_a_project_that_is_parked_is_looked_at_from_the_wish_on(ledger: Ledger, clock: ManualClock, drop: Drop) -> None:
    ledger.projects.park(DEV, "it is closed", "closed", clock.now() + timedelta(hours=1))
    assert at_rest(Rest(ledger, clock, asked_at=clock.now()), drop, clock)
    assert wishes.prepare(cast("Rooms", type("Only", (), {"ledger": ledger})), [drop], erase=False) == [drop.id]
    rest = Rest(ledger, clock, asked_at=clock.now())
    assert not at_rest(rest, drop, clock)
    ledger.projects.park(DEV, "it is closed", "closed", clock.now() + timedelta(hours=1))
    assert at_rest(rest, drop, clock)
