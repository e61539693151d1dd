"""What is asked of the outbox's thread is done there, and whoever asks hears of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.errors import TemporaryError
from gen3sync.ledger import Drop, NewDrop, open_ledger
from gen3sync.outbox import engine
from gen3sync.outbox.errands import Errands
from gen3sync.sandbox import Sandbox
from tests.scenario.outbox_bench import Bench


def test_before_there_is_a_thread_the_caller_runs_it() -> None:
    assert Errands(lambda: None).ask(threading.get_ident, None) == threading.get_ident()


def test_it_is_run_by_the_thread_and_errors_come_back() -> None:
    wake = threading.Event()
    errands = Errands(wake.set)

    def run() -> None:
        for _ in range(2):
            assert wake.wait(60)
            wake.clear()
            errands.run()

    thread = threading.Thread(target=run)
    thread.start()
    assert errands.ask(threading.get_ident, thread) == thread.ident
    with pytest.raises(ZeroDivisionError):
        errands.ask(lambda: 1 // 0, thread)
    thread.join(60)


def test_of_a_thread_that_ends_before_it_comes_to_it_nothing_is_expected() -> None:
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    done: list[int] = []
    with pytest.raises(TemporaryError, match="is stopping"):
        Errands(go_on.set).ask(lambda: done.append(1), thread)
    assert done == []


def test_a_pass_tells_of_all_drops_that_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many they are: the exit code hangs on each."""
    number = 10_500
    with open_ledger(tmp_path / "one.sqlite", SystemClock()) as ledger:
        drop = ledger.drops.add(NewDrop("x", "", 1, "drops/x/x", program="DEV", project="test"))

    class Ended:
        """Lanes in which that many drops end at once."""

        idle, folder = True, tmp_path / "lanes"

        def __init__(self, _rooms: object, ended: Callable[[Drop], None]) -> None:
            self._ended = ended
            self.deliver = self.supersede = self.withdraw = self.look = lambda *_: None
            self.stop = lambda _end: True

        def release_idle(self) -> None:
            for _ in range(number):
                self._ended(drop)

    monkeypatch.setattr(engine, "Lanes", Ended)
    with Sandbox() as sandbox:
        assert len(Bench(tmp_path, sandbox).once().ended) == number
