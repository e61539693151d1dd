"""Signs of life: silence by right is told from silence."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gen3sync import life
from gen3sync.clock import ManualClock
from gen3sync.commons.replies import Broken
from gen3sync.commons.transport import Request, Timeouts, Transport
from gen3sync.daemon.heartbeats import Heartbeats, Shift
from gen3sync.life import Helping, Worker


class HelpingPool(Helping, ThreadPoolExecutor):
    """Helpers."""


class World:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.book = Heartbeats(self.clock)

    def worker(self, name: str = "lane", patience: float = 100.0) -> Worker:
        return Worker(name, patience, self.book)

    def after(self, seconds: float) -> tuple[str, ...]:
        self.clock.advance(seconds)
        return self.book.overdue()


@pytest.fixture
def world() -> World:
    return World()


def test_a_step_that_takes_too_long_is_missed(world: World) -> None:
    worker = world.worker()
    with worker.at_work():
        assert world.after(99) == ()
        worker.alive()
        assert world.after(99) == ()
        assert world.after(2) == ("lane",)
    assert world.after(1000) == ()


def test_a_commons_may_be_slow_without_anybody_counting_questions(world: World) -> None:
    with world.worker().at_work():
        for _ in range(20):
            answered = life.waits(900)
            assert world.after(990) == ()
            answered()
        assert world.after(99) == ()
        assert world.after(2) == ("lane",)


def test_an_exchange_that_outlives_its_deadline_is_missed(world: World) -> None:
    with world.worker().at_work():
        life.waits(900)
        assert world.after(1001) == ("lane",)


def test_the_end_of_one_exchange_is_not_the_end_of_another(world: World) -> None:
    with world.worker().at_work():
        one, other = life.waits(900), life.waits(90)
        other()
        other()  # told twice, counted once
        assert world.after(990) == ()
        one()
        assert world.after(101) == ("lane",)


def test_who_waits_for_watched_ones_is_not_missed(world: World) -> None:
    with world.worker().at_work():
        with life.resting():
            assert world.after(10_000) == ()
        assert world.after(99) == ()
        assert world.after(2) == ("lane",)


def test_helpers_wait_for_whoever_asked_them(world: World) -> None:
    reached, go = threading.Event(), threading.Event()

    def ask() -> None:
        answered = life.waits(900)
        reached.set()
        assert go.wait(60)
        answered()

    with world.worker().at_work(), HelpingPool(1) as pool:
        asked = pool.submit(ask)
        assert reached.wait(60)
        assert world.after(990) == ()
        queued = pool.submit(lambda: None)
        assert world.after(10_000) == ()  # others are before it, and they are watched
        go.set()
        asked.result(60)
        queued.result(60)
        assert world.after(99) == ()
        assert world.after(2) == ("lane",)


def test_help_that_is_taken_back_is_not_waited_for(world: World) -> None:
    reached, go = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        assert go.wait(60)

    pool = HelpingPool(1)
    pool.submit(hold)
    assert reached.wait(60)
    with world.worker().at_work():
        pool.submit(lambda: None)
        pool.shutdown(wait=False, cancel_futures=True)
        go.set()
        with pytest.raises(RuntimeError):
            pool.submit(lambda: None)
        assert world.after(101) == ("lane",)
    pool.shutdown()


def test_a_loop_that_dies_is_missed_and_work_that_fails_is_not(world: World) -> None:
    class Killed(BaseException):
        pass

    def turn() -> None:
        raise Killed

    with pytest.raises(Killed):
        world.worker("outbox").serves(turn, threading.Event())
    with pytest.raises(ValueError), world.worker("request").at_work():
        raise ValueError
    assert world.after(101) == ("outbox",)


def test_threads_of_others_are_not_taken_for_it(world: World) -> None:
    with world.worker().at_work(), ThreadPoolExecutor(1) as pool:
        pool.submit(lambda: life.waits(900)).result(60)
        assert world.after(101) == ("lane",)


def test_the_watch_is_missed_when_it_is_found_not_to_work(world: World) -> None:
    watch = Shift()
    watch.begin(world.book)
    worker = watch.worker("watch")
    worker.alive()
    assert world.after(1_000_000) == ()
    worker.missed()
    assert world.after(0) == ("watch",)
    worker.alive()
    assert world.after(0) == ()
    watch.end()
    worker.missed()  # of rooms that were closed nothing is expected
    assert world.after(0) == ()


def test_every_exchange_says_how_long_it_may_take(world: World, tmp_path: Path) -> None:
    """Through the transport: refused at once, and nothing is waited for afterwards."""
    transport = Transport(timeouts=Timeouts(1, 1, 900))
    seen: list[tuple[str, ...]] = []

    def auth(prepared: object) -> object:
        seen.append(world.after(990))
        return prepared

    with world.worker().at_work():
        answer = transport.send(Request("GET", "http://127.0.0.1:9/", auth=auth))  # type: ignore[arg-type]
        assert isinstance(answer, Broken)
        assert seen[0] == ()
        assert world.after(101) == ("lane",)
        transport.close()
        before = set(threading.enumerate())
        assert isinstance(transport.send(Request("GET", "http://127.0.0.1:9/")), Broken)
        for deadline in [one for one in threading.enumerate() if one not in before and one.name == "gen3sync-deadline"]:
            deadline.join(60)  # what is refused leaves no timer behind: one not ended would run for 900 s
            assert not deadline.is_alive()
        assert world.after(101) == ("lane",)
