"""What can be made to go wrong, while the sandbox runs.

Three kinds of thing: *settings* (what work costs, token lifetime, clock, …) that hold until changed; *faults* that
strike requests matching a method and a path, a number of times or for ever; and *holds*, faults that make a request
wait at a named point until released, so that tests build overlaps without sleeping.

All of it through one thread-safe object, by Python or by `POST /_sandbox/faults` (routes/control.py).
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """The faults that strike single requests."""

    ANSWER = "answer"  # answers status/body/headers without doing anything
    HTML = "html"  # 200 and an HTML page, as a captive portal or a login proxy gives
    CONTENT_TYPE = "content_type"  # does the work, names another content type
    INVALID_JSON = "invalid_json"  # does the work, cuts the JSON answer in the middle
    BROKEN_GZIP = "broken_gzip"  # does the work, says gzip and sends something else
    LOSE = "lose"  # the answer does not arrive: `when`, `how`
    KILL = "kill"  # the worker dies at `when`: the log stays PENDING
    CUT = "cut"  # an export ends after `rows` or `bytes`, cleanly or with a broken connection
    STALL = "stall"  # an export stops sending after `rows` until released
    HOLD = "hold"  # waits at `point` until released
    SLOW = "slow"  # `seconds` more for this request


class Point(StrEnum):
    """Where a request can be held, lost or killed, in this order."""

    BEFORE_BODY = "before_body"  # the header was read, the body was not
    DURING_BODY = "during_body"  # half of the body was read
    RECEIVED = "received"  # the request was read whole; no worker has it yet
    STARTED = "started"  # a worker has it; an upload has its log entry and its time, and has read no record
    BEFORE_COMMIT = "before_commit"  # records read and checked, nothing written
    AFTER_COMMIT = "after_commit"  # written; the log still says PENDING
    AFTER_LOG = "after_log"  # the log says SUCCEEDED; the answer was not sent
    MID_EXPORT = "mid_export"  # the first block of an export was sent


@dataclass
class Fault:
    """One fault. `times` None is for ever; `used` counts; `waiting` are requests held now."""

    id: int
    kind: Kind
    times: int | None = 1
    method: str | None = None
    path: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    used: int = 0
    waiting: int = 0
    released: bool = False

    def matches(self, method: str, target: str) -> bool:
        """Regular expressions: `method` whole, `path` anywhere in path and query."""
        if self.times is not None and self.used >= self.times:
            return False
        return (self.method is None or re.fullmatch(self.method, method, re.IGNORECASE) is not None) and (
            self.path is None or re.search(self.path, target) is not None
        )

    def describe(self) -> dict[str, Any]:
        """As the control area lists it."""
        return {
            "id": self.id,
            "kind": self.kind.value,
            "times": self.times,
            "method": self.method,
            "path": self.path,
            "used": self.used,
            "waiting": self.waiting,
            **{name: value for name, value in self.options.items() if not isinstance(value, bytes)},
        }


class Hold:
    """A handle on a HOLD or STALL fault. As a context manager it releases at the end."""

    def __init__(self, faults: Faults, fault: Fault) -> None:
        self._faults = faults
        self.fault = fault

    def wait_reached(self, requests: int = 1, timeout: float = 60.0) -> None:
        """Until that many requests wait here. Raises TimeoutError."""
        with self._faults.changed:
            if not self._faults.changed.wait_for(lambda: self.fault.waiting >= requests, timeout):
                raise TimeoutError(f"{self.fault.waiting} of {requests} requests reached {self.fault.options}")

    def release(self) -> None:
        self._faults.release(self.fault.id)

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


@dataclass
class Settings:
    """Costs in seconds; 0 is free, None is unlimited. The real server's are 0.08, 0.01, 0.001, 18000, 2."""

    request: float = 0.0
    row: float = 0.0
    read: float = 0.0
    export_rows: float | None = None
    workers: int | None = None
    graphql_workers: int | None = None
    graphql: str = "on"  # on | missing (404) | denied (200 with 0 and []) | error (400) | down (502)
    max_body: int | None = None
    proxy_timeout: float | None = None


class Faults:
    """The faults of one sandbox. Methods return the Fault, or a Hold where there is something to release."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.settings = Settings()
        self.stopping = False
        self.stopped = threading.Event()
        self._faults: dict[int, Fault] = {}
        self._number = 0

    # -- setting them up ----------------------------------------------------------------------------------------

    def add(
        self,
        kind: Kind | str,
        *,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        **options: Any,
    ) -> Fault:
        """Any fault by its kind. Raises ValueError for an unknown kind or point, re.error for a bad expression."""
        known = Kind(kind)
        for expression in (method, path):
            if expression is not None:
                re.compile(expression)
        for name in ("when", "point"):
            if name in options:
                options[name] = Point(options[name])
        with self.changed:
            self._number += 1
            fault = Fault(self._number, known, times, method, path, options)
            self._faults[fault.id] = fault
            return fault

    def answer(
        self,
        status: int,
        *,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
        body: str | bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Fault:
        """The next requests get this answer and nothing is done. Without `body`: what the real proxy says."""
        options = {"status": status, "body": body, "content_type": content_type, "headers": dict(headers or {})}
        return self.add(Kind.ANSWER, times=times, method=method, path=path, **options)

    def lose(
        self,
        when: Point | str = Point.AFTER_LOG,
        *,
        how: str | int = "close",
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
    ) -> Fault:
        """The answer is lost at `when`, the work goes on to its end (except before the body was read).

        `how`: "close", "reset", or a status such as 504 which the client gets at that point.
        """
        return self.add(Kind.LOSE, when=when, how=how, times=times, method=method, path=path)

    def kill(
        self,
        when: Point | str = Point.AFTER_COMMIT,
        *,
        how: str | int = 502,
        times: int | None = 1,
        method: str | None = None,
        path: str | None = None,
    ) -> Fault:
        """The worker dies at `when`; what was committed stays, the log says PENDING for ever."""
        return self.add(Kind.KILL, when=when, how=how, times=times, method=method, path=path)

    def cut_export(
        self,
        *,
        rows: int | None = None,
        bytes: int | None = None,  # noqa: A002 - the unit is the name
        clean: bool = True,
        times: int | None = 1,
        path: str | None = None,
    ) -> Fault:
        """Exports end after so many rows or bytes of text. `clean`: complete to HTTP, as through the real proxy."""
        return self.add(Kind.CUT, rows=rows, bytes=bytes, clean=clean, times=times, path=path)

    def stall_export(self, *, rows: int = 0, times: int | None = 1, path: str | None = None) -> Hold:
        """Exports stop sending after so many rows until released."""
        return Hold(self, self.add(Kind.STALL, rows=rows, times=times, path=path))

    def hold(
        self, point: Point | str, *, times: int | None = 1, method: str | None = None, path: str | None = None
    ) -> Hold:
        """Requests wait at `point` until released."""
        return Hold(self, self.add(Kind.HOLD, point=point, times=times, method=method, path=path))

    def set(self, **settings: Any) -> None:
        """Changes settings by name. Raises ValueError for an unknown one."""
        with self.changed:
            for name, value in settings.items():
                if not hasattr(self.settings, name):
                    raise ValueError(f"the sandbox has no setting {name!r}")
                setattr(self.settings, name, value)
            self.changed.notify_all()

    def real_costs(self) -> None:
        """What the real server took: 80 ms a request, 10 ms a row written, 1 ms a row read, 2 workers."""
        self.set(request=0.08, row=0.01, read=0.001, export_rows=18_000, workers=2)

    def release(self, fault_id: int) -> None:
        """Lets the requests held by a fault go on; later ones pass."""
        with self.changed:
            fault = self._faults.get(fault_id)
            if fault is not None:
                fault.released = True
                del self._faults[fault_id]
            self.changed.notify_all()

    def clear(self) -> None:
        """Removes all faults, releases all holds, puts the settings back."""
        with self.changed:
            for fault in self._faults.values():
                fault.released = True
            self._faults.clear()
            self.settings = Settings()
            self.changed.notify_all()

    def active(self) -> list[Fault]:
        with self.changed:
            return list(self._faults.values())

    # -- meeting them -------------------------------------------------------------------------------------------

    def take(self, method: str, target: str, *kinds: Kind, point: Point | None = None) -> Fault | None:
        """The first fault of these kinds for this request, counted as used."""
        with self.changed:
            for fault in self._faults.values():
                where = fault.options.get("when") or fault.options.get("point")
                if fault.kind in kinds and where in (None, point) and fault.matches(method, target):
                    fault.used += 1
                    self.changed.notify_all()
                    return fault
        return None

    def wait_released(self, fault: Fault) -> None:
        """Blocks a held request."""
        with self.changed:
            fault.waiting += 1
            self.changed.notify_all()
            self.changed.wait_for(lambda: fault.released or self.stopping)
            fault.waiting -= 1
            self.changed.notify_all()

    def pause(self, seconds: float) -> None:
        """Time that work takes; ends early when the sandbox stops."""
        # An event of its own: waiting on the condition would wake at every fault used elsewhere.
        if seconds > 0:
            self.stopped.wait(seconds)

    def stop(self) -> None:
        """Lets every waiting request end."""
        with self.changed:
            self.stopping = True
            self.changed.notify_all()
        self.stopped.set()
