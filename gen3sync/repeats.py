"""Log lines that say the same again and again are held back, and told later as one: "same error, 37 times".

The first is written at once. Those after it are counted, until it has been quiet for a while, it goes on for long, or
the process stops. The same means: level, logger, text, every field, and the error behind it; what differs in any of
them is never held, so a line about another drop or mirror always comes. Lines below a warning are never held.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import TextIO

from gen3sync.clock import Clock

QUIET = 300.0
"""Seconds without a repetition after which it is told how often there were some."""
EVERY = 900.0
"""Seconds after which it is told though it goes on."""
MOST = 200
"""Different lines that are remembered; the one that has been quiet for longest gives way."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


@dataclass(slots=True)
class _Held:
    record: logging.LogRecord
    told_at: float
    last_at: float
    times: int = 0
    first: datetime | None = None
    last: datetime | None = None


class QuietHandler(logging.StreamHandler[TextIO]):
    """Writes to a stream as its base does, but for repetitions. `tick` is to be called now and then."""

    def __init__(self, stream: TextIO, clock: Clock) -> None:
        super().__init__(stream)
        self._clock = clock
        self._held: OrderedDict[tuple[object, ...], _Held] = OrderedDict()

    def emit(self, record: logging.LogRecord) -> None:
        now = self._clock.monotonic()
        self._tell_due(now)
        if record.levelno < logging.WARNING:
            super().emit(record)
            return
        key = _key(record)
        held = self._held.get(key)
        if held is None:
            super().emit(record)
            self._held[key] = _Held(record, now, now)
            while len(self._held) > MOST:
                self._tell(self._held.popitem(last=False)[1], now)
            return
        held.times += 1
        held.last_at, held.last = now, self._clock.now()
        held.first = held.first or held.last
        self._held.move_to_end(key)

    def tick(self, *, everything: bool = False) -> None:
        """Tells of what has been quiet, or has gone on, for long enough; of everything at a stop."""
        self.acquire()
        try:
            now = self._clock.monotonic()
            self._tell_due(now)
            if everything:
                while self._held:
                    self._tell(self._held.popitem(last=False)[1], now)
        finally:
            self.release()

    def close(self) -> None:
        self.tick(everything=True)
        super().close()

    def _tell_due(self, now: float) -> None:
        while self._held:
            # Kept in the order of their last repetition: whoever was quiet for longest stands first.
            key, held = next(iter(self._held.items()))
            if now - held.last_at < QUIET:
                break
            del self._held[key]
            self._tell(held, now)
        for held in self._held.values():
            if held.times and now - held.told_at >= EVERY:
                self._tell(held, now)

    def _tell(self, held: _Held, now: float) -> None:
        if not held.times or held.first is None or held.last is None:
            return
        level = held.record.levelname.lower()
        often = "once more" if held.times == 1 else f"{held.times} times"
        when = f"at {_clock(held.last)}" if held.times == 1 else f"from {_clock(held.first)} to {_clock(held.last)}"
        told = logging.makeLogRecord(vars(held.record))
        told.msg, told.args = f"same {level}, {often} {when}: {held.record.getMessage()}", None
        told.exc_info = told.exc_text = told.stack_info = None
        told.created = self._clock.now().timestamp()
        told.times = held.times
        held.told_at, held.times, held.first = now, 0, None
        super().emit(told)


def _key(record: logging.LogRecord) -> tuple[object, ...]:
    fields = tuple((name, str(value)) for name, value in vars(record).items() if name not in _STANDARD)
    return record.levelno, record.name, record.getMessage(), fields, record.exc_text or repr(record.exc_info)


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S")
