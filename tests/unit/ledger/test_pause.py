"""What the ledger remembers of a commons that is left alone, and how drops that wait for it are shown."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gen3sync.clock import ManualClock
from gen3sync.ledger import Drop, DropState, Ledger, NewDrop, ParkedProject
from gen3sync.ledger.pause import NOTE, Pause, read, waiting, write
from gen3sync.names import Project

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
PAUSE = Pause("https://c.example.org", "no route", "unreachable", 4, NOW, NOW + timedelta(seconds=30.5), 30.5)
DEV = Project("DEV", "test")


@pytest.fixture
def drop(ledger: Ledger) -> Drop:
    return ledger.drops.add(NewDrop("DEV/test/a.tsv", "0" * 64, 1, "drops/1/a.tsv", program="DEV", project="test"))


def test_a_pause_is_read_as_it_was_written(ledger: Ledger) -> None:
    assert read(ledger) is None
    for pause in (PAUSE, replace(PAUSE, asked=True, attempts=5)):
        write(ledger, pause)
        assert read(ledger) == pause
    write(ledger, None)
    assert read(ledger) is None
    write(ledger, None)


@pytest.mark.parametrize(
    "noted",
    [
        None,
        7,
        [],
        {},
        {"reason": "x"},
        {"until": "soon", "since": "then"},
        {"until": "2026-05-04T10:00:00", "since": "2026-05-04T10:00:00"},
    ],
)
def test_what_another_version_noted_is_no_pause(ledger: Ledger, noted: object) -> None:
    write(ledger, PAUSE)
    kept = ledger.notes.get(NOTE)
    ledger.notes.set(NOTE, kept | noted if isinstance(noted, dict) and noted else noted)
    assert read(ledger) is None or read(ledger) == replace(PAUSE, reason="x")


def test_a_drop_that_waits_for_the_commons_alone_says_so(drop: Drop) -> None:
    for state in (DropState.WAITING, DropState.PLANNING, DropState.SENDING):
        shown = waiting(replace(drop, state=state), PAUSE)
        assert shown.reason == "The commons does not answer: no route."
        assert (shown.error_class, shown.attempts, shown.next_attempt_at) == ("unreachable", 4, PAUSE.until)


def test_who_waits_for_something_else_says_that(drop: Drop) -> None:
    others = (
        replace(drop, state=DropState.PARKED),
        replace(drop, state=DropState.ENDED),
        replace(drop, state=DropState.VERIFYING),
        replace(drop, reason="1 row waits for study S9."),
        replace(drop, program=None, project=None),
    )
    for other in others:
        assert waiting(other, PAUSE) == other
    assert waiting(drop, None) == drop


def test_a_drop_of_a_parked_project_waits_for_that_until_it_is_looked_at(drop: Drop) -> None:
    at = NOW + timedelta(seconds=180)
    closed = ParkedProject("DEV", "test", "It is closed.", "closed", NOW, at, 3)
    shown = waiting(replace(drop, state=DropState.SENDING), PAUSE, [replace(closed, project="other"), closed])
    assert (shown.state, shown.reason, shown.error_class) == (DropState.WAITING, "It is closed.", "closed")
    assert (shown.attempts, shown.next_attempt_at) == (3, at)
    looking = replace(closed, next_look_at=None)
    assert waiting(drop, PAUSE, [looking]).reason == PAUSE.told
    assert waiting(drop, None, [looking]).reason == "It is closed."
    assert waiting(drop, None, [replace(closed, project="other")]) == drop


def test_looks_at_a_parked_project_are_counted_until_it_is_released(ledger: Ledger, clock: ManualClock) -> None:
    assert not ledger.projects.look(DEV)
    first = ledger.projects.park(DEV, "closed", "closed", clock.now())
    assert first.attempts == 1
    clock.advance(180)
    assert ledger.projects.look(DEV)
    [looking] = ledger.projects.all()
    assert (looking.next_look_at, looking.attempts, looking.since) == (None, 1, first.since)
    again = ledger.projects.park(DEV, "closed", "closed", clock.now())
    assert (again.attempts, again.since, again.next_look_at) == (2, first.since, clock.now())
    assert ledger.projects.release(DEV)
    assert ledger.projects.park(DEV, "closed", "closed", None).attempts == 1
