"""What other threads ask of the outbox's own: intake belongs to that one alone."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

from gen3sync.errors import TemporaryError
from gen3sync.life import resting

_LOOK = 0.5
"""Seconds between two looks whether the thread is still there."""
_Result = TypeVar("_Result")


class Errands:
    """Thread-safe. `wake` rouses the thread that runs them."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._calls: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()

    @property
    def pending(self) -> bool:
        return not self._calls.empty()

    def put(self, call: Callable[[], object]) -> None:
        """To be run soon; nobody waits for it."""
        self._calls.put(call)
        self._wake()

    def run(self) -> None:
        """Runs all there are, on the thread that calls this."""
        while not self._calls.empty():
            self._calls.get()()

    def ask(self, call: Callable[[], _Result], thread: threading.Thread | None) -> _Result:
        """What comes of `call` when `thread` runs it, or this one before there is any.

        That one may be busy for minutes with a large file on a slow disk, and does it then: so it is waited for. Raises
        what the call raises, and TemporaryError when the thread ended before.
        """
        if thread is None:
            return call()
        answer: Future[_Result] = Future()

        def carry_out() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:
                answer.set_exception(error)
                if not isinstance(error, Exception):
                    raise

        self.put(carry_out)
        with resting():  # it is watched itself
            while not wait((answer,), _LOOK).done:
                if not thread.is_alive() and not answer.done():
                    raise TemporaryError("gen3sync is stopping.", "Ask again when it runs.")
        return answer.result()
