"""The threads on which all lanes together talk to the commons: so many exchanges at a time, first come, first served.

Owns who may begin, and when. Lanes do not hold each other up: an exchange that lasts longer than `patience` (a project
whose requests hang: proxies wait 300 s) no longer stands in the way of others. It still counts for its own lane, which
never has more than its share on the way, so a lane that hangs takes nothing more from the others; and there is an end
to it, so that a commons that hangs as a whole is not met with ever more.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from functools import partial
from typing import ParamSpec, TypeVar

from gen3sync.clock import Clock
from gen3sync.life import Helping

AT_MOST = 4
"""Times the width: exchanges at once in all, those that hang included."""
PATIENCE = 2.0
"""Times `[outbox] target`: seconds for which an exchange may hold up others."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Crew(Executor):
    """Runs what is submitted, in its order. Thread-safe.

    1. At most `width` begin while all that run are younger than `patience` seconds; those that are older do not count.
    2. At most `AT_MOST * width` run at once.
    3. Its threads keep no process from ending.
    """

    def __init__(self, width: int, name: str, clock: Clock, patience: float) -> None:
        self._width, self._name, self._clock, self._patience = width, name, clock, patience
        self._changed = threading.Condition()
        self._line: deque[tuple[Future[object], Callable[[], object]]] = deque()
        self._running: dict[int, float] = {}
        """When each began (monotonic), the oldest first."""
        self._number = 0
        self._threads = 0
        self._home = self._closed = False
        self._watched = False
        self._moved = threading.Event()

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Raises RuntimeError once it is shut down."""
        future: Future[_T] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("nothing more is taken: gen3sync is stopping")
            if self._home:
                future.cancel()
                return future
            self._line.append((future, partial(fn, *args, **kwargs)))  # type: ignore[arg-type]
            self._begin_some(self._clock.monotonic())
        return future

    def send_home(self) -> None:
        """Cancels what has not begun, and what is submitted from now on."""
        with self._changed:
            self._home = True
            line = list(self._line)
            self._line.clear()
        for future, _ in line:
            future.cancel()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Takes no more. `wait` is not needed: nobody waits for these threads."""
        del wait
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            self._moved.set()
        if cancel_futures:
            self.send_home()

    # --- within

    def _free(self, now: float) -> int:
        """Exchanges that may begin at `now`."""
        young = sum(now - began < self._patience for began in self._running.values())
        return min(self._width - young, AT_MOST * self._width - len(self._running))

    def _begin_some(self, now: float) -> None:
        """With the lock held: sees to it that somebody takes what may begin, now or when its time comes."""
        able = min(self._free(now), len(self._line))
        for _ in range(able - (self._threads - len(self._running))):
            self._threads += 1
            threading.Thread(target=self._work, name=f"{self._name} {self._threads}", daemon=True).start()
        if able > 0:
            self._changed.notify(able)
        if len(self._line) > able and not self._watched:
            self._watched = True
            threading.Thread(target=self._watch, name=f"{self._name} line", daemon=True).start()

    def _watch(self) -> None:
        """As long as there is a line: what runs grows older, and then lets others pass."""
        while True:
            with self._changed:
                self._moved.clear()
                # One look at the clock: what was young at a first and old at a second would be waited for by nobody.
                now = self._clock.monotonic()
                self._begin_some(now)
                if self._closed or not self._line:
                    self._watched = False
                    return
                passing = (began + self._patience for began in self._running.values())
                until = min((moment for moment in passing if moment > now), default=None)
            self._clock.wait(self._moved, None if until is None else until - self._clock.monotonic())

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._line or self._free(self._clock.monotonic()) < 1:
                    if self._closed and not self._line:
                        self._threads -= 1
                        return
                    self._changed.wait()
                future, call = self._line.popleft()
                self._number += 1
                mine = self._number
                self._running[mine] = self._clock.monotonic()
                self._moved.set()
            self._run(future, call, mine)

    def _run(self, future: Future[object], call: Callable[[], object], mine: int) -> None:
        answer, problem = None, None
        wanted = future.set_running_or_notify_cancel()
        if wanted:
            try:
                answer = call()
            except BaseException as error:  # noqa: BLE001 - whoever asked is told
                problem = error
        with self._changed:
            # Before the future tells of it: whoever hears of its end may submit the next at once.
            del self._running[mine]
            self._moved.set()
            self._begin_some(self._clock.monotonic())
        if problem is not None:
            future.set_exception(problem)
        elif wanted:
            future.set_result(answer)


class HelpingCrew(Helping, Crew):
    """A crew that works for whoever submits (see `life.Helping`)."""
