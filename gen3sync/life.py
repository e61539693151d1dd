"""Signs of life: who works, and whether it does by right when nothing is heard of it.

A worker shows life at each step. While it waits for the commons it may be silent as long as one exchange may last, and
`commons.transport` says so for whoever runs the exchange: a hung worker is told from a slow commons without anybody
guessing how many questions a step asks. While it waits for others that are watched themselves it is not expected.

Who keeps the book of them, and what follows from silence, is the daemon's (`daemon/heartbeats.py`).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import ParamSpec, Protocol, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")
_me: ContextVar[Worker | None] = ContextVar("worker", default=None)


class Book(Protocol):
    """Where signs of life are written down. Thread-safe."""

    def beat(self, name: str, within: float) -> None:
        """`name` lives now and will beat again within so many seconds."""
        ...

    def goodbye(self, name: str) -> None:
        """`name` is not expected any more."""
        ...


class NoBook:
    """Nobody watches: verbs that end by themselves."""

    def beat(self, _name: str, _within: float) -> None:
        """Nothing."""

    def goodbye(self, _name: str) -> None:
        """Nothing."""


class Worker:
    """One who works, on one thread or with the help of others. Thread-safe.

    `patience`: seconds a step of its own may take, the waiting for the commons not counted.
    """

    def __init__(self, name: str, patience: float, book: Book) -> None:
        self.name = name
        self._patience = patience
        self._book = book
        self._lock = threading.Lock()
        self._waits: list[float] = []
        self._rests = 0

    def alive(self) -> None:
        """A step was done."""
        with self._lock:
            self._tell()

    def missed(self) -> None:
        """Somebody found out that it does not work, whatever it says: missed at once, until it shows life."""
        self._book.beat(self.name, -1.0)

    def gone(self) -> None:
        """Its work ended as it should."""
        self._book.goodbye(self.name)

    @contextmanager
    def at_work(self, *, lasting: bool = False) -> Iterator[None]:
        """Expected within the block, which this thread runs; what it asks the commons there counts for it.

        `lasting`: an end by an error is no end, but a loop that died and is missed.
        """
        token = _me.set(self)
        self.alive()
        died = True
        try:
            yield
            died = False
        finally:
            _me.reset(token)
            if not (died and lasting):
                self.gone()

    def serves(self, turn: Callable[[], None], until: threading.Event) -> None:
        """A thread's whole life: turns until it is told to stop."""
        with self.at_work(lasting=True):
            while not until.is_set():
                self.alive()
                turn()

    def waits(self, seconds: float) -> Callable[[], None]:
        """Something bounded begins; the answer tells that it has ended, once or more often."""
        with self._lock:
            self._waits.append(seconds)
            self._tell()
        return self._once(lambda: self._waits.remove(seconds))

    def rests(self) -> Callable[[], None]:
        """It begins to wait for others who are watched; the answer tells that it goes on, once or more often."""
        with self._lock:
            self._rests += 1
            self._tell()
        return self._once(self._rise)

    def _rise(self) -> None:
        self._rests -= 1

    def _once(self, change: Callable[[], object]) -> Callable[[], None]:
        done = False

        def end() -> None:
            nonlocal done
            with self._lock:
                if not done:
                    done = True
                    change()
                    self._tell()

        return end

    def _tell(self) -> None:
        if self._rests:
            self._book.goodbye(self.name)
        else:
            self._book.beat(self.name, self._patience + max(self._waits, default=0.0))


Workers = Callable[[str], Worker]
"""Makes a worker of a name; how patient one is with it is decided where all are known."""


def unwatched(name: str) -> Worker:
    """For rooms that no daemon looks after."""
    return Worker(name, 0.0, NoBook())


def waits(seconds: float) -> Callable[[], None]:
    """Whoever works on this thread waits for something that ends within `seconds`. Call the answer at its end."""
    worker = _me.get()
    return worker.waits(seconds) if worker is not None else _nothing


@contextmanager
def resting() -> Iterator[None]:
    """Within the block this thread only waits for workers who are watched themselves."""
    worker = _me.get()
    rise = worker.rests() if worker is not None else _nothing
    try:
        yield
    finally:
        rise()


class Helping(Executor):
    """Of an executor: its threads work for whoever submits: what they wait for counts for them. Standing in the queue
    is a rest."""

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        worker = _me.get()
        if worker is None:
            return super().submit(fn, *args, **kwargs)
        rise = worker.rests()

        def run() -> _T:
            rise()
            return fn(*args, **kwargs)

        try:
            future = super().submit(copy_context().run, run)
        except RuntimeError:  # it takes no more work
            rise()
            raise
        future.add_done_callback(lambda _: rise())  # one that was taken back never ran
        return future


def _nothing() -> None:
    """Nobody is watched here."""
