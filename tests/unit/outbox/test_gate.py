"""Who may ask the commons while it does not answer, and how long it is left alone."""

from __future__ import annotations

import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.clock import ManualClock
from gen3sync.ledger.pause import Pause
from gen3sync.outbox.backoff import FIRST, LEAST, LONGEST
from gen3sync.outbox.gate import CommonsGate, Ticket

HERE = "https://commons.example.org"


class Desk:
    """A gate, its clock, what it remembers, and how often others were woken."""

    def __init__(self, patience: float = 20.0) -> None:
        self.clock = ManualClock()
        self.kept: list[Pause | None] = []
        self.woken = 0
        self.gate = CommonsGate(self.clock, random.Random(1), patience, self.kept.append, commons=HERE)
        self.gate.listen(self._wake)

    def _wake(self) -> None:
        self.woken += 1

    def enters(self) -> Ticket:
        ticket = self.gate.enter()
        assert ticket is not None
        return ticket

    def fails(self, retry_after: float | None = None) -> Pause:
        pause = self.gate.failed(self.enters(), "no route", "unreachable", retry_after)
        assert pause is not None
        return pause

    def shut(self) -> bool:
        return self.gate.shut

    def when_due(self) -> Ticket:
        """The probe, when its time has come."""
        self.clock.advance(self.gate.wait_time())
        return self.enters()


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_while_down_one_caller_probes_at_a_time(desk: Desk) -> None:
    desk.fails()
    assert desk.gate.enter() is None
    probe = desk.when_due()
    assert probe.probe
    assert desk.gate.enter() is None
    second = desk.gate.failed(probe, "no route", "unreachable")
    assert second is not None
    assert second.attempts == 2
    assert desk.gate.enter() is None
    assert desk.gate.ok(desk.when_due()) is not None
    assert not desk.enters().probe
    assert desk.gate.down is None


def test_requests_that_were_on_their_way_together_are_one_failure(desk: Desk) -> None:
    under_way = [desk.enters() for _ in range(5)]
    for ticket in under_way:
        desk.gate.failed(ticket, "reset", "broken")
    assert desk.gate.down is not None
    assert desk.gate.down.attempts == 1
    assert len(desk.kept) == 1


def test_an_answer_to_an_older_question_opens_nothing(desk: Desk) -> None:
    """It says what the commons was like before it asked to be left alone."""
    older = desk.enters()
    desk.fails(retry_after=3600)
    assert desk.gate.ok(older) is None
    assert desk.gate.enter() is None
    assert desk.gate.wait_time() == 3600


def test_an_older_probe_opens_nothing_either(desk: Desk) -> None:
    """A request from before the commons went down brings a Retry-After while the probe is on its way."""
    older = desk.enters()
    desk.fails()
    probe = desk.when_due()
    assert desk.gate.failed(older, "busy", "busy", 600) is not None
    assert desk.gate.ok(probe) is None
    assert desk.gate.wait_time() == 600


def test_an_older_failure_does_not_close_what_has_opened_since(desk: Desk) -> None:
    older = desk.enters()
    desk.fails()
    desk.gate.ok(desk.when_due())
    assert desk.gate.failed(older, "timeout", "broken") is None
    assert desk.gate.down is None
    older = desk.enters()
    desk.fails()
    desk.gate.ok(desk.when_due())
    asked = desk.gate.failed(older, "busy", "busy", 60)  # but what the commons asks for now, it gets
    assert asked is not None
    assert (asked.attempts, desk.gate.wait_time()) == (1, 60)


def test_a_ticket_is_good_for_one_word(desk: Desk) -> None:
    """Following an answer may be tried again, when a disk was full."""
    ticket = desk.enters()
    assert desk.gate.failed(ticket, "no route", "unreachable") is not None
    assert desk.gate.failed(ticket, "no route", "unreachable", 3600) is None
    assert desk.gate.ok(ticket) is None
    assert desk.gate.wait_time() <= FIRST


def test_what_the_commons_asks_for_is_kept_and_a_knock_opens_for_one(desk: Desk) -> None:
    assert desk.fails(retry_after=120).asked
    desk.clock.advance(100)
    assert desk.gate.enter() is None
    desk.gate.knock()
    assert desk.enters().probe
    assert desk.gate.enter() is None
    assert desk.gate.down is not None
    assert desk.gate.down.attempts == 1
    assert desk.kept[-1] is not None
    assert desk.kept[-1].until == desk.clock.now()


def test_who_leaves_without_a_word_lets_another_in(desk: Desk) -> None:
    """An exception of ours between entering and asking must not shut the gate for good."""
    desk.fails()
    before = desk.woken
    with pytest.raises(OSError, match="disk"), desk.when_due():
        raise OSError("the disk is full")
    assert desk.gate.wait_time() <= LEAST
    assert desk.when_due().probe
    assert desk.woken == before + 1


def test_a_probe_that_hangs_keeps_nobody_out_for_ever() -> None:
    desk = Desk(patience=20)
    desk.fails()
    hangs = desk.when_due()
    desk.clock.advance(19)
    assert desk.gate.enter() is None
    desk.clock.advance(1)
    assert desk.gate.ok(desk.enters()) is not None
    assert desk.gate.failed(hangs, "timeout", "broken") is not None  # nothing has failed since: it is news


def test_leave_ends_with_the_first_failure(desk: Desk) -> None:
    """Requests that stand in line are held back."""
    in_line = desk.enters()
    assert desk.gate.holds(in_line)
    desk.fails()
    assert not desk.gate.holds(in_line)
    assert desk.gate.holds(desk.when_due())


def test_others_are_woken_when_it_opens(desk: Desk) -> None:
    desk.fails()
    probe, before = desk.when_due(), desk.woken
    desk.gate.ok(probe)
    assert desk.woken == before + 1
    desk.gate.ok(desk.enters())
    assert desk.woken == before + 1


# --- what is remembered


def test_every_attempt_is_written_down_once_and_struck_when_it_answers(desk: Desk) -> None:
    first = desk.fails()
    second = desk.gate.failed(desk.when_due(), "502", "broken")
    desk.gate.ok(desk.when_due())
    assert second is not None
    assert desk.kept == [first, second, None]
    assert (first.commons, first.error_class, first.attempts, first.since) == (HERE, "unreachable", 1, first.since)
    assert (second.reason, second.error_class, second.attempts, second.since) == ("502", "broken", 2, first.since)
    assert first.until == first.since + timedelta(seconds=first.seconds)


@given(
    seconds=st.floats(1, 7200), passed=st.floats(0, 7200), jump=st.floats(-(10**6), 10**6), attempts=st.integers(1, 50)
)
def test_a_restart_goes_on_where_it_was(seconds: float, passed: float, jump: float, attempts: int) -> None:
    """What is left of the pause is kept, and never more than it was, however the clock was set meanwhile."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    pause = Pause(HERE, "busy", "busy", attempts, now, now + timedelta(seconds=seconds), seconds, asked=True)
    clock = ManualClock(now + timedelta(seconds=passed + jump))
    gate = CommonsGate(clock, random.Random(1), commons=HERE)
    gate.resume(pause)
    left = min(seconds, max(0.0, seconds - passed - jump))
    assert gate.wait_time() == pytest.approx(left, abs=0.01)
    clock.advance(gate.wait_time())
    probe = gate.enter()
    assert probe is not None
    assert gate.enter() is None
    failed = gate.failed(probe, "busy", "busy")
    assert failed is not None
    assert (failed.attempts, failed.since) == (attempts + 1, now)
    assert gate.wait_time() <= LONGEST


def test_at_once_means_one_probe_and_the_count_goes_on(desk: Desk) -> None:
    now = desk.clock.now()
    pause = Pause(HERE, "no route", "unreachable", 7, now, now + timedelta(seconds=250), 250.0)
    desk.gate.resume(pause, at_once=True)
    assert not desk.shut()  # a pass waits for what comes of it
    probe = desk.enters()
    assert desk.gate.enter() is None
    again = desk.gate.failed(probe, "no route", "unreachable")
    assert again is not None
    assert again.attempts == 8
    assert desk.shut()
    desk.clock.advance(LONGEST)
    assert desk.shut()
    desk.gate.ok(desk.enters())
    assert not desk.shut()


def test_the_pause_of_another_commons_is_nobodys(desk: Desk) -> None:
    now = desk.clock.now()
    pause = Pause("https://other.example.org", "busy", "busy", 7, now, now + timedelta(hours=1), 3600.0)
    desk.gate.resume(pause)
    desk.gate.resume(None)
    assert desk.gate.down is None


def test_what_is_kept_in_the_end_is_true_though_many_write_at_once() -> None:
    """A slow disk: who comes meanwhile does not wait for it, and what he did is written all the same."""
    clock, kept = ManualClock(), list[Pause | None]()
    writing, go_on = threading.Event(), threading.Event()

    def keep(pause: Pause | None) -> None:
        if not kept:
            writing.set()
            assert go_on.wait(60)
        kept.append(pause)

    gate = CommonsGate(clock, random.Random(1), keep=keep, commons=HERE)
    ticket = gate.enter()
    assert ticket is not None
    slow = threading.Thread(target=gate.failed, args=(ticket, "no route", "unreachable"))
    slow.start()
    assert writing.wait(60)
    clock.advance(LONGEST)
    probe = gate.enter()
    assert probe is not None
    assert gate.ok(probe) is not None
    go_on.set()
    slow.join(60)
    assert [pause is None for pause in kept] == [False, True]


def test_a_pause_says_why(desk: Desk) -> None:
    pause = desk.fails()
    assert pause.told == "The commons does not answer: no route."
    assert replace(pause, asked=True, reason="").told == "The commons asked to be left alone for a while."
