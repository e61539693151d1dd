"""Work on threads of its own: several small writes to the disk side by side, for the disk flushes many at the price of
a few; and what would hold up its thread for long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_HANDS = 8
_Result = TypeVar("_Result")


def side_by_side(calls: Iterable[Callable[[], _Result]]) -> list[_Result]:
    """Does all of `calls` and answers in their order; raises the first error of the row, after all are done."""
    listed = list(calls)
    if len(listed) < 2:
        return [call() for call in listed]
    with ThreadPoolExecutor(min(_HANDS, len(listed)), "write") as pool:
        done = [pool.submit(call) for call in listed]
    return [one.result() for one in done]


def each(calls: Iterable[Callable[[], _Result]]) -> list[_Result | Exception]:
    """Does all of `calls`; for those that raise, the error stands in the place of the result."""

    def kept(call: Callable[[], _Result]) -> _Result | Exception:
        try:
            return call()
        except Exception as error:  # noqa: BLE001 - handed to the caller
            return error

    return side_by_side([lambda call=call: kept(call) for call in calls])  # type: ignore[misc]


def beside(call: Callable[[], _Result], then: Callable[[], None]) -> Future[_Result]:
    """Does `call` on a thread of its own, which keeps no process from ending; `then` is called there at its end."""
    future: Future[_Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed to the caller
            future.set_exception(error)
        then()

    threading.Thread(target=run, name="beside", daemon=True).start()
    return future
