"""Repeated log lines: the first at once, the rest as a number; nothing that differs is ever held."""

from __future__ import annotations

import io
import json
import logging
import threading
from datetime import UTC, datetime

import pytest

from gen3sync import logs
from gen3sync.clock import ManualClock
from gen3sync.repeats import EVERY, MOST, QUIET

log = logging.getLogger("gen3sync.test")


class Journal:
    """A log in JSON on a clock that stands still."""

    def __init__(self, level: str = "info", form: str = "json") -> None:
        self.clock = ManualClock(datetime(2026, 5, 4, 10, 0, tzinfo=UTC))
        self._stream = io.StringIO()
        logs.set_up(level, form, {}, self._stream, clock=self.clock)

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.text.splitlines()]

    @property
    def said(self) -> list[str]:
        return [str(line["message"]) for line in self.lines]


def local(text: str) -> str:
    return datetime.fromisoformat(f"2026-05-04T{text}+00:00").astimezone().strftime("%H:%M:%S")


def test_repetitions_are_told_as_a_number_after_quiet() -> None:
    journal = Journal()
    for _ in range(38):
        log.error("the disk is full", extra={"mirror": "case.tsv"})
        journal.clock.advance(1)
    assert journal.said == ["the disk is full"]
    journal.clock.advance(QUIET)
    logs.tick()
    assert journal.said[1:] == [
        f"same error, 37 times from {local('10:00:01')} to {local('10:00:37')}: the disk is full"
    ]
    again = journal.lines[1]
    assert (again["level"], again["mirror"], again["times"]) == ("error", "case.tsv", 37)
    log.error("the disk is full", extra={"mirror": "case.tsv"})
    assert len(journal.lines) == 3  # after the quiet it is news again


def test_one_that_goes_on_is_told_now_and_then() -> None:
    journal = Journal()
    for _ in range(int(EVERY) * 2 + 2):
        log.warning("no answer")
        journal.clock.advance(1)
    assert len(journal.lines) == 3
    logs.tick(everything=True)
    assert sum(int(str(line["times"])) for line in journal.lines[1:]) == int(EVERY) * 2 + 1


def test_a_stop_tells_what_was_held() -> None:
    journal = Journal()
    for _ in range(3):
        log.error("no answer")
    log.error("other")
    logs.tick(everything=True)
    assert journal.said == [
        "no answer",
        "other",
        f"same error, 2 times from {local('10:00:00')} to {local('10:00:00')}: no answer",
    ]
    logs.tick(everything=True)
    assert len(journal.lines) == 3


def test_setting_up_anew_tells_what_was_held() -> None:
    journal = Journal()
    log.error("no answer")
    log.error("no answer")
    logs.set_up("info", "json", {}, io.StringIO())
    assert journal.said[1] == f"same error, once more at {local('10:00:00')}: no answer"


@pytest.mark.parametrize("field", ["drop", "mirror", "project"])
def test_another_drop_mirror_or_project_is_another_line(field: str) -> None:
    journal = Journal()
    for name in ("a", "b", "a", "b"):
        log.error("no answer", extra={field: name})
    assert [line[field] for line in journal.lines] == ["a", "b"]
    logs.tick(everything=True)
    assert [line[field] for line in journal.lines[2:]] == ["a", "b"]


def test_another_text_level_or_logger_is_another_line() -> None:
    journal = Journal()
    log.error("no answer")
    log.warning("no answer")
    log.error("no answer at all")
    logging.getLogger("gen3sync.other").error("no answer")
    assert len(journal.lines) == 4


def test_lines_below_a_warning_are_never_held() -> None:
    journal = Journal("debug")
    for _ in range(5):
        log.info("landed", extra={"drop": 7})
        log.debug("asked")
    assert len(journal.lines) == 10


def test_the_same_words_from_another_error_are_another_line() -> None:
    journal = Journal()
    for error in (ValueError("x"), KeyError("x"), ValueError("x")):
        try:
            raise error
        except Exception:
            log.exception("stumbled")
    assert [str(line["error"]).splitlines()[-1] for line in journal.lines] == ["ValueError: x", "KeyError: 'x'"]


def test_memory_is_bounded_and_what_gives_way_is_told() -> None:
    journal = Journal()
    log.error("the first")
    log.error("the first")
    for number in range(MOST):
        log.error("number %s", number)
    assert sum(str(said).startswith("same error") for said in journal.said) == 1
    handler = logging.getLogger().handlers[0]
    assert len(handler._held) == MOST  # type: ignore[attr-defined]


def test_many_threads_lose_nothing() -> None:
    journal = Journal()

    def shout() -> None:
        for _ in range(100):
            log.error("no answer")

    threads = [threading.Thread(target=shout) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs.tick(everything=True)
    assert [line.get("times") for line in journal.lines] == [None, 399]


@pytest.mark.parametrize("form", ["human", "keyvalue"])
def test_in_every_form(form: str) -> None:
    journal = Journal(form=form)
    log.warning("no answer", extra={"drop": 7})
    log.warning("no answer", extra={"drop": 7})
    logs.tick(everything=True)
    last = journal.text.splitlines()[-1]
    assert "same warning, once more at " in last
    assert last.endswith("drop=7 times=1")
    if form == "keyvalue":
        assert last.startswith("<4>")
