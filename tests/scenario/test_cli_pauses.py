"""What the verbs say of drops while the commons does not answer: why, how often it was asked, and when next."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.ledger import open_ledger
from gen3sync.ledger.pause import read
from gen3sync.sandbox import Sandbox
from tests.scenario.lab import Lab, until

STUDIES = "type\tsubmitter_id\tprojects.code\nstudy\tS0\ttest\n"
WHY = "The commons does not answer: The commons answered 502"


def attempts(lab: Lab) -> int:
    with open_ledger(lab.folder / "state/ledger.sqlite", SystemClock(), read_only=True) as ledger:
        pause = read(ledger)
    return pause.attempts if pause is not None else 0


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        yield Lab(tmp_path, sandbox)


@pytest.fixture(params=["with a daemon", "without"])
def alive(request: pytest.FixtureRequest, lab: Lab) -> AbstractContextManager[object]:
    return lab.daemon() if request.param == "with a daemon" else nullcontext()


@pytest.fixture
def down(lab: Lab) -> int:
    """The commons answers 502 to everything; the number of the fault."""
    return lab.sandbox.faults.answer(502, path="/api/", times=None).id


def test_passes_count_what_they_asked_in_vain(lab: Lab, down: int) -> None:
    lab.drop("study.tsv", STUDIES)
    first = lab.call("once")
    assert first.code == 75
    assert WHY in first.out
    assert re.search(r"Tried (once|\d+ times), again at \d\d:\d\d:\d\d\.", first.out)
    one = attempts(lab)
    lab.call("once")
    assert attempts(lab) > one
    story = lab.call("history", "study.tsv").out
    assert f"Tried {attempts(lab)} times, again at 20" in story
    [drop] = lab.call("history", "study.tsv", "--json").json["drops"]
    assert (drop["error_class"], drop["attempts"]) == ("broken", attempts(lab))
    assert drop["reason"].startswith(WHY)
    assert drop["next_attempt_at"]
    shown = " ".join(lab.call("status").out.split())
    assert f"Asked {attempts(lab)} times since" in shown
    assert "study.tsv waits for the commons" in shown
    status = lab.call("status", "--json").json["status"]["outbox"]
    assert (status["pause"]["error_class"], status["pause"]["attempts"]) == ("broken", attempts(lab))
    assert (status["open"][0]["error_class"], status["open"][0]["attempts"]) == ("broken", attempts(lab))
    lab.sandbox.faults.release(down)
    assert "landed" in lab.call("once").out
    assert attempts(lab) == 0
    assert lab.call("status", "--json").json["status"]["outbox"]["pause"] is None


def test_retry_asks_at_once_and_says_what_came_of_it(
    lab: Lab, down: int, alive: AbstractContextManager[object]
) -> None:
    with alive:
        lab.drop("study.tsv", STUDIES)
        until(lambda: lab.call("once").code and attempts(lab) >= 3)  # beside a daemon `once` refuses
        before = attempts(lab)
        asked = lab.call("retry")
        assert asked.code == 1
        assert WHY in asked.out
        assert attempts(lab) > before
        lab.sandbox.faults.release(down)
        said = lab.call("retry").out
        assert "landed" in said or "Nothing was waiting" in said  # a daemon's own attempt may come first
        until(lambda: (lab.receipt("study.tsv") or {}).get("verdict") == "landed")
    story = lab.call("history", "study.tsv").out
    assert "submissions wait, for the commons does not answer: The commons answered 502" in story
    assert "submissions go on: the commons answers, after" in story
