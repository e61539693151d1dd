"""The watch mends itself: a dead thread, events that do not come, another folder in the outbox's place."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gen3sync.files import LOCK_NAME
from gen3sync.life import Worker
from gen3sync.outbox.watch import Marks, Watch
from tests.unit.outbox.killing import kill_emitter, kill_observer


class Watched:
    """A watch, what it marks, and how often it said that it lives."""

    def __init__(self, root: Path) -> None:
        self.root, self.woken, self.lives = root, threading.Event(), threading.Semaphore(0)
        self.lost = False
        self.marks = Marks(self.woken.set)
        self.watch = Watch(root, "inotify", self.marks, lambda name: Worker(name, 0.0, self))

    def beat(self, name: str, within: float) -> None:
        if within < 0:
            self.lost = True
        else:
            self.lives.release()

    def goodbye(self, name: str) -> None: ...

    def check(self, now: float) -> bool:
        status = self.root.stat()
        return self.watch.check((status.st_dev, status.st_ino), now)

    def hears(self, name: str) -> None:
        self.woken.clear()
        (self.root / name).write_text("x")
        while True:
            paths, everything = self.marks.take()
            if everything or name in paths:  # a change of the outbox itself asks for a scan
                return
            assert self.woken.wait(60), f"no event for {name}"
            self.woken.clear()


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    root = tmp_path / "outbox"
    root.mkdir()
    (root / LOCK_NAME).touch()
    one = Watched(root)
    one.watch.start()
    yield one
    one.watch.stop()


def test_marks_are_taken_in_the_order_of_what_happened_last() -> None:
    # Files of one record that are dropped within one look must arrive as they were dropped: the later one counts.
    marks = Marks(lambda: None)
    names = [f"{number}.tsv" for number in range(20)]
    for name in [*names, names[0]]:
        marks.add(name)
    assert marks.take() == ((*names[1:], names[0]), False)
    marks.add("a.tsv")
    marks.everything()
    assert marks.take() == ((), True)


def test_a_touch_comes_back_as_a_sign_of_life_and_marks_nothing(watched: Watched) -> None:
    assert not watched.check(0.0)
    assert watched.lives.acquire(timeout=60)
    assert watched.marks.take() == ((), False)
    assert not watched.check(1000.0)  # heard, so not deaf however late the next look is
    watched.hears("a.tsv")


def test_a_watch_without_events_is_begun_anew(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(_path: object) -> None: ...

    with monkeypatch.context() as broken:
        broken.setattr(os, "utime", nothing)  # as an emitter that hangs: no event comes
        assert not watched.check(0.0)
        assert not watched.check(20.0)
        assert watched.check(31.0)
    watched.hears("a.tsv")


def test_a_watch_that_stays_deaf_is_missed_until_it_hears_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(_path: object) -> None: ...

    with monkeypatch.context() as broken:
        broken.setattr(os, "utime", nothing)
        seen = []
        for now in (*range(0, 900, 60), 1000):
            watched.check(now)
            seen.append(watched.lost)
        assert not any(seen[:-1])  # it is tried for a while
        assert seen[-1]
    watched.check(1060.0)
    assert watched.lives.acquire(timeout=60)


@pytest.mark.parametrize("kill", [kill_observer, kill_emitter])
def test_a_dead_thread_is_replaced(watched: Watched, kill: Callable[[Watch], None]) -> None:
    kill(watched.watch)
    assert watched.check(0.0)
    watched.hears("a.tsv")


def test_a_folder_removed_and_made_again_is_watched(watched: Watched) -> None:
    watched.root.rename(watched.root.with_name("aside"))
    watched.root.mkdir()
    (watched.root / LOCK_NAME).touch()
    assert watched.check(0.0)
    watched.hears("a.tsv")


def test_without_a_lock_file_the_threads_alone_are_asked(watched: Watched) -> None:
    (watched.root / LOCK_NAME).unlink()
    assert not watched.check(0.0)
    assert watched.lives.acquire(timeout=60)
    assert not watched.check(1000.0)


def test_a_watch_that_was_stopped_in_the_middle_of_a_scan_stays_so(watched: Watched) -> None:
    watched.watch.stop()
    assert not watched.check(1000.0)
