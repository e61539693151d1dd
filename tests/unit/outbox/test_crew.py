"""Exchanges of all lanes: so many at a time, in their order, and none held up for long by one that hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import pytest

from gen3sync.clock import ManualClock
from gen3sync.outbox.crew import AT_MOST, Crew

PATIENCE = 20.0
WAIT = 60.0


class Story:
    """A crew of two, and exchanges that last until they are let go."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.crew = Crew(2, "test", self.clock, PATIENCE)
        self.begun: list[str] = []
        self.most = self._running = 0
        self._changed = threading.Condition()
        self._go: dict[str, threading.Event] = {}

    def submit(self, name: str) -> Future[str]:
        self._go[name] = threading.Event()
        return self.crew.submit(self._exchange, name)

    def _exchange(self, name: str) -> str:
        with self._changed:
            self.begun.append(name)
            self._running += 1
            self.most = max(self.most, self._running)
            self._changed.notify_all()
        assert self._go[name].wait(2 * WAIT)  # for longer than anybody waits for what comes after it
        with self._changed:
            self._running -= 1
        return name

    def until(self, condition: Callable[[], bool]) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, WAIT), self.begun

    def let_go(self, *names: str) -> None:
        for name in names:
            self._go[name].set()


@pytest.fixture
def story() -> Iterator[Story]:
    made = Story()
    yield made
    made.let_go(*made._go)
    made.crew.shutdown(cancel_futures=True)


def test_so_many_at_a_time_and_in_their_order(story: Story) -> None:
    futures = {name: story.submit(name) for name in "abcdef"}
    story.until(lambda: sorted(story.begun) == ["a", "b"])
    for number, name in enumerate("abcd"):
        story.let_go(name)
        assert futures[name].result(WAIT) == name
        story.until(lambda number=number: story.begun[2:] == list("cdef"[: number + 1]))  # type: ignore[misc]
    assert story.most == 2


def test_what_hangs_lets_others_pass_after_a_while_and_not_before(story: Story) -> None:
    for name in ("hung 1", "hung 2"):
        story.submit(name)
    story.until(lambda: len(story.begun) == 2)
    others = [story.submit(name) for name in ("b", "c", "d")]
    story.clock.advance(PATIENCE - 1)
    assert not any(other.running() for other in others)
    story.clock.advance(1)
    story.until(lambda: sorted(story.begun[2:]) == ["b", "c"])
    assert not others[2].running()  # b and c are young
    story.let_go("b")
    story.until(lambda: story.begun[4:] == ["d"])


class Running(ManualClock):
    """Once `goes` is set, time goes on by `PATIENCE` right after the crew's line has looked at the clock."""

    def __init__(self) -> None:
        super().__init__()
        self.goes = threading.Event()

    def monotonic(self) -> float:
        seen = super().monotonic()
        if self.goes.is_set() and threading.current_thread().name == "test line":
            self.goes.clear()
            self.advance(PATIENCE)
        return seen


def test_the_time_may_come_just_while_the_line_looks_at_the_clock(story: Story) -> None:
    """What hung was young at the first look and old at the second: nobody thought of those behind it any more."""
    clock = story.clock = Running()
    story.crew = Crew(1, "test", clock, PATIENCE)
    clock.goes.set()
    story.submit("hung")
    story.until(lambda: story.begun == ["hung"])
    story.submit("b")
    story.until(lambda: story.begun == ["hung", "b"])


def test_there_is_an_end_to_it_where_everything_hangs(story: Story) -> None:
    for number in range(20):
        story.submit(str(number))
    for number in range(2, 2 * AT_MOST + 1, 2):
        story.until(lambda number=number: len(story.begun) == number)  # type: ignore[misc]
        story.clock.advance(PATIENCE)
    late = story.submit("late")
    story.clock.advance(10 * PATIENCE)
    story.let_go("0")
    story.until(lambda: len(story.begun) == 2 * AT_MOST + 1)
    assert story.most == 2 * AT_MOST
    assert not late.running()


def test_who_is_sent_home_never_begins(story: Story) -> None:
    running = [story.submit("a"), story.submit("b")]
    waiting = story.submit("c")
    story.until(lambda: len(story.begun) == 2)
    story.crew.send_home()
    assert waiting.cancelled()
    assert story.submit("d").cancelled()
    story.let_go("a", "b")
    assert [one.result(WAIT) for one in running] == ["a", "b"]
    assert sorted(story.begun) == ["a", "b"]
    story.crew.shutdown()
    with pytest.raises(RuntimeError):
        story.submit("e")


def test_errors_come_to_whoever_asked(story: Story) -> None:
    def wrong() -> None:
        raise ValueError("no")

    failed = story.crew.submit(wrong)
    with pytest.raises(ValueError, match="no"):
        failed.result(WAIT)
    story.submit("a")
    story.until(lambda: story.begun == ["a"])
