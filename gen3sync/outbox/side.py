"""Several small writes to the disk side by side: the disk flushes many at the price of a few."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
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
