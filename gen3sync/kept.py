"""One thing that is asked of the commons now and then, and kept on disk, so that a commons that is down is no loss.

Owns when it is asked for anew, and what is known meanwhile. What there is to be known is `catalog.py`'s. Thread-safe:
one thread fetches, others are given what is known.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Generic, TypeVar

from gen3sync.clock import Clock
from gen3sync.commons.replies import Broken, BrokenCause, Failure
from gen3sync.commons.troubles import error_of
from gen3sync.errors import FolderError, Gen3SyncError
from gen3sync.files import write_atomic
from gen3sync.names import printable

_log = logging.getLogger(__name__)

_PAUSE = 60.0  # after a failure, what is known is used this long before asking again

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Knowledge:
    """How old one part is: `fetched_at` by our clock (None: never had), and why it could not be renewed."""

    name: str
    fetched_at: datetime | None
    problem: str | None


class Part(Generic[_Value]):
    """One thing that is fetched as JSON, kept on disk as JSON, and read into a value.

    `of` names what it is true of: the commons, or the person whose key is in use. When that changes it is not known.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        of: Callable[[], str],
        clock: Clock,
        max_age: float,
        fetch: Callable[[], Any],
        read: Callable[[Any], _Value],
    ) -> None:
        self._name, self._path, self._clock, self._max_age = name, path, clock, max_age
        self._of, self._fetch, self._read = of, fetch, read
        self._lock = threading.Lock()  # of what is known
        self._fetching = threading.Lock()
        self._value: _Value | None = None
        self._owner: str | None = None
        self._fetched_at: datetime | None = None
        self._next_try: float | None = None
        self._asked: float | None = None
        self._error: Gen3SyncError | None = None
        self.failure: Failure | None = None
        """What came of the last question, where that was not the answer."""
        self._loaded = False

    def get(self, *, at_once: bool = False) -> _Value:
        self._load()
        owner = self._now_of()
        with self._lock:
            if self._value is not None and owner not in (None, self._owner):
                self._value = self._fetched_at = self._next_try = None
            if at_once and self._value is None:
                self._next_try = None
            value, due = self._value, self._due()
        if due and (value is None or not self._fetching.locked()):
            self.renew(only_if_due=True)
        with self._lock:
            if self._value is None:
                raise self._error or error_of(
                    Broken("Nothing is known.", BrokenCause.CONTENT), f"reading the {self._name}"
                )
            return self._value

    def known(self) -> bool:
        self._load()
        with self._lock:
            return self._value is not None

    def renew(self, *, only_if_due: bool = False, rest: float = 0.0) -> None:
        """Asks anew; with `rest` only if that many seconds have passed since this process last asked."""
        self._load()
        with self._fetching:
            now = self._clock.monotonic()
            with self._lock:
                if only_if_due and not self._due():
                    return
                if rest and self._asked is not None and now - self._asked < rest:
                    return
                self._asked = now
            self._renew()

    def knowledge(self) -> Knowledge:
        self._load()
        with self._lock:
            return Knowledge(self._name, self._fetched_at, str(self._error) if self._error else None)

    def _renew(self) -> None:
        owner = self._now_of()
        raw = self._fetch()
        now = self._clock.now()
        self.failure = None if isinstance(raw, dict | list) else raw
        try:
            if not isinstance(raw, dict | list):
                raise error_of(raw, f"reading the {self._name} of the commons")
            value = self._read(raw)
        except Gen3SyncError as error:
            with self._lock:
                self._error, self._next_try = error, self._clock.monotonic() + min(_PAUSE, self._max_age)
            _log.warning("%s not renewed: %s", self._name, error)
            return
        with self._lock:
            self._value, self._fetched_at, self._error, self._owner = value, now, None, owner
            self._next_try = self._clock.monotonic() + self._max_age
        self._save(raw, now, owner)

    def _due(self) -> bool:
        return self._next_try is None or self._clock.monotonic() >= self._next_try

    def _load(self) -> None:
        with self._lock:
            if self._loaded:
                return
            self._loaded = True
            try:
                kept = json.loads(self._path.read_bytes())
                fetched_at = datetime.fromisoformat(kept["fetched_at"]).astimezone(UTC)
                owner = self._now_of()
                if kept["commons"] != owner:
                    return
                value = self._read(kept["data"])
            except FileNotFoundError:
                return
            except (OSError, ValueError, KeyError, TypeError, Gen3SyncError) as error:
                _log.info("%s kept from before cannot be used and is fetched again: %s", self._name, printable(error))
                return
            self._value, self._fetched_at, self._owner = value, fetched_at, owner
            age = (self._clock.now() - fetched_at) / timedelta(seconds=1)
            if 0 <= age < self._max_age:
                self._next_try = self._clock.monotonic() + self._max_age - age

    def _save(self, raw: Any, now: datetime, owner: str | None) -> None:
        kept = {"commons": owner, "fetched_at": now.isoformat(), "data": raw}
        try:
            write_atomic(self._path, json.dumps(kept, ensure_ascii=False).encode())
        except (OSError, FolderError) as error:
            # The daemon works on without it; only a restart during an outage would miss it.
            _log.warning("%s not kept on disk: %s", self._name, printable(error))

    def _now_of(self) -> str | None:
        try:
            return self._of()
        except Gen3SyncError:
            return None
