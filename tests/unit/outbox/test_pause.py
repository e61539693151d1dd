"""What the outbox writes down of a pause, and what it goes on with at a start."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock
from gen3sync.commons.replies import Broken, BrokenCause, Busy, Failure, Unauthorised
from gen3sync.errors import LedgerError
from gen3sync.ledger import Ledger, open_ledger
from gen3sync.ledger.pause import Pause, read, write
from gen3sync.outbox import pause
from gen3sync.outbox.gate import CommonsGate

HERE = "https://commons.example.org"
CLOCK = ManualClock()
OWN = Pause(HERE, "502", "broken", 6, CLOCK.now(), CLOCK.now() + timedelta(seconds=200), 200.0)
ASKED = replace(OWN, error_class="busy", asked=True)
KEY = replace(OWN, error_class="unauthorised")


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with open_ledger(tmp_path / "ledger.sqlite", CLOCK) as opened:
        yield opened


@pytest.mark.parametrize(
    ("failure", "word"),
    [
        (Busy("slow down", 429, 3600), "busy"),
        (Unauthorised("no"), "unauthorised"),
        (Broken("the key has expired", BrokenCause.CREDENTIALS), "unauthorised"),
        (Broken("no address", BrokenCause.RESOLVE), "unreachable"),
        (Broken("refused", BrokenCause.CONNECT), "unreachable"),
        (Broken("502", BrokenCause.STATUS, 502, may_have_landed=True), "broken"),
        (Broken("no answer in time", BrokenCause.TIMEOUT, may_have_landed=True), "broken"),
        (Broken("HTML", BrokenCause.CONTENT, 200), "broken"),
    ],
)
def test_the_class_of_a_failure(failure: Failure, word: str) -> None:
    assert pause.class_of(failure) == word


@pytest.mark.parametrize(
    ("kept", "own", "asked", "seconds"),
    [
        (OWN, True, True, 200.0),
        (ASKED, True, True, 200.0),
        (OWN, False, True, 0.0),  # a pass of `once`
        (ASKED, False, True, 200.0),
        (OWN, False, False, 0.0),  # somebody waits
        (ASKED, False, False, 0.0),
        (KEY, True, True, 0.0),  # a new key may have been laid down
    ],
)
def test_what_is_left_at_a_start(ledger: Ledger, kept: Pause, own: bool, asked: bool, seconds: float) -> None:
    write(ledger, kept)
    gate = CommonsGate(CLOCK, random.Random(1), commons=HERE)
    pause.resume(gate, ledger, own=own, asked=asked)
    assert gate.wait_time() == pytest.approx(seconds)
    assert gate.down is not None
    assert gate.down.attempts == 6


def test_a_full_disk_keeps_nobody_from_working(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    keep = pause.keeper(ledger)
    keep(OWN)
    assert read(ledger) == OWN

    def full(*_: object) -> None:
        raise LedgerError("The disk is full.")

    monkeypatch.setattr(ledger.notes, "set", full)
    monkeypatch.setattr(ledger.notes, "forget", full)
    keep(ASKED)
    keep(None)
    assert caplog.text.count("cannot be written down: The disk is full.") == 2
