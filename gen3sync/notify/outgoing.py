"""Messages that wait to be delivered, and notices that wait to become a message. Plain data, kept in the ledger.

A message is done when every target has taken it. One that is not taken is tried again later and later, for a day.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from gen3sync.config.choices import News
from gen3sync.notify.news import Notice, Seen
from gen3sync.notify.words import Message
from gen3sync.status import moment

FIRST_PAUSE = 30.0
LONGEST_PAUSE = 3600.0
GIVE_UP = timedelta(days=1)
MOST_MESSAGES = 50
MOST_NOTICES = 500


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message, and the marks of the targets that have not taken it."""

    message: Message
    left: tuple[str, ...]
    since: datetime
    next_at: datetime
    attempts: int = 0

    def due(self, now: datetime) -> bool:
        # A clock that was set back must not hold a message for years.
        return now >= self.next_at or self.next_at - now > timedelta(seconds=LONGEST_PAUSE)

    def tried(self, taken: Iterable[str], now: datetime) -> Outgoing | None:
        """After a try; None when it is done, or nobody tries any more."""
        left = tuple(mark for mark in self.left if mark not in set(taken))
        if not left or now - self.since >= GIVE_UP:
            return None
        pause = min(FIRST_PAUSE * 2**self.attempts, LONGEST_PAUSE)
        return replace(self, left=left, attempts=self.attempts + 1, next_at=now + timedelta(seconds=pause))

    def to_json(self) -> dict[str, Any]:
        times = {"since": self.since.isoformat(), "next_at": self.next_at.isoformat()}
        return asdict(self) | times | {"left": list(self.left)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Outgoing:
        times = {name: moment(data[name]) for name in ("since", "next_at")}
        return cls(Message(**data["message"]), tuple(data["left"]), attempts=int(data["attempts"]), **times)


@dataclass(frozen=True, slots=True)
class Memory:
    """All that must survive a restart."""

    event: int = 0
    """The newest line of history that was looked at."""
    seen: Seen = field(default_factory=Seen)
    notices: tuple[Notice, ...] = ()
    since: datetime | None = None
    """When the first of the notices came."""
    outgoing: tuple[Outgoing, ...] = ()
    digest: str = ""
    """The day of the last digest."""
    last_at: str | None = None
    troubles: Mapping[str, str] = field(default_factory=dict)
    """Why targets refuse, by their mark."""

    def with_notices(self, fresh: Sequence[Notice], now: datetime) -> Memory:
        """What is over before anybody was told of it is not told at all."""
        waiting = list(self.notices)
        for notice in fresh:
            if notice.good and notice.about:
                kept = [one for one in waiting if one.good or one.about != notice.about]
                over, waiting = len(kept) < len(waiting), kept
                if over or not notice.text:
                    continue
            waiting.append(notice)
        since = (self.since or now) if waiting else None
        return replace(self, notices=tuple(waiting[-MOST_NOTICES:]), since=since)

    def with_message(self, message: Message, targets: Sequence[str], now: datetime) -> Memory:
        """The oldest gives way where nobody has taken any for long."""
        return replace(self, outgoing=(*self.outgoing, Outgoing(message, tuple(targets), now, now))[-MOST_MESSAGES:])

    def to_json(self) -> dict[str, Any]:
        return {
            "event": self.event,
            "seen": self.seen.to_json(),
            "notices": [asdict(notice) for notice in self.notices],
            "since": self.since.isoformat() if self.since else None,
            "outgoing": [one.to_json() for one in self.outgoing],
            "digest": self.digest,
            "last_at": self.last_at,
            "troubles": dict(self.troubles),
        }

    @classmethod
    def from_json(cls, data: object) -> Memory | None:
        """None for what cannot be understood."""
        if not isinstance(data, dict):
            return None
        try:
            return cls(
                event=int(data["event"]),
                seen=Seen.from_json(data["seen"]),
                notices=tuple(Notice(**one | {"news": News(one["news"])}) for one in data["notices"]),
                since=moment(data["since"]) if data["since"] else None,
                outgoing=tuple(Outgoing.from_json(one) for one in data["outgoing"]),
                digest=str(data["digest"]),
                last_at=data["last_at"],
                troubles={str(mark): str(why) for mark, why in dict(data.get("troubles", {})).items()},
            )
        except (KeyError, TypeError, ValueError):
            return None
