"""Tells people what is new, in a thread of its own.

The daemon hands over each status it writes; what is new is found (`news`), gathered for a while (`[notify] group`),
made into a message (`words`) and delivered (`post`). All of it is in the ledger before it is sent, so that a restart
neither forgets nor repeats. Nothing that goes wrong here reaches the daemon: it is told in status and log, once.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from gen3sync.clock import Clock
from gen3sync.config.choices import News
from gen3sync.errors import ConfigError, LedgerError
from gen3sync.notify.news import news
from gen3sync.notify.outgoing import FIRST_PAUSE, LONGEST_PAUSE, Memory, Outgoing
from gen3sync.notify.post import Post, open_post
from gen3sync.notify.targets import Target, find_targets
from gen3sync.notify.words import digest, message
from gen3sync.status import NotifyStatus, Status

if TYPE_CHECKING:
    from gen3sync.config import NotifySettings
    from gen3sync.ledger import Event, Ledger

log = logging.getLogger(__name__)

_NOTE = "notify"
_USUAL = ("gen3sync", "config")
_EVENTS = 1000
LAST_WORDS = 5.0
"""Seconds a daemon gives at its end to messages that wait."""


def name_of(config: Path) -> str:
    """What messages call a gen3sync: its instance, where its configuration has a name, and its machine."""
    host = socket.gethostname()
    return host if config.stem in _USUAL else f"{config.stem} on {host}"


class Teller:
    """Of one daemon. `hear` and `status` are called by its main thread and never wait for the network."""

    def __init__(
        self,
        settings: NotifySettings,
        ledger: Ledger,
        clock: Clock,
        env: Mapping[str, str],
        name: str,
        post: Callable[[], Post] = open_post,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._clock = clock
        self._name = name
        self._lock = threading.RLock()
        self._wake = threading.Event()
        self._stopping = False
        self._targets: dict[str, Target] = {}
        self._troubles: dict[str, str] = {}
        self._problem = ""
        self._memory = Memory()
        self._thread: threading.Thread | None = None
        try:
            targets = {target.mark: target for target in find_targets(settings, env)}
            self._post = post() if targets else None
            self._targets = targets
        except ConfigError as error:
            self._problem = str(error)
            log.error("%s", error)  # noqa: TRY400 - a sentence, not a traceback
            return
        if targets:
            self._memory = self._recalled()
            # What waits has not got through for a reason; the next try may be an hour away.
            waiting = {mark for one in self._memory.outgoing for mark in one.left}
            troubles = self._memory.troubles.items()
            self._troubles = {mark: why for mark, why in troubles if mark in waiting and mark in targets}
            self._thread = threading.Thread(target=self._serve, name="notify", daemon=True)
            self._thread.start()

    def hear(self, status: Status) -> None:
        """How things are now."""
        if self._thread is None:
            return
        try:
            self._hear(status)
        except LedgerError as error:
            log.warning("notifications: %s", error.what)

    def status(self) -> NotifyStatus:
        """For status.json."""
        with self._lock:
            waiting = len(self._memory.outgoing)
            troubles = [f"{self._targets[mark].label}: {why}" for mark, why in self._troubles.items()]
            return NotifyStatus(
                targets=len(self._targets),
                waiting=waiting,
                last_at=self._memory.last_at,
                problem=self._problem or "; ".join(troubles),
            )

    def stop(self, seconds: float = LAST_WORDS) -> None:
        """Sends what waits, once, within so many seconds; what does not get through is sent after the next start."""
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join(seconds)

    # --- what is new

    def _hear(self, status: Status) -> None:
        now = self._clock.now()
        events: list[Event] = []
        last = self._memory.event
        while more := self._ledger.events.after(last, _EVENTS):
            events += more
            last = more[-1].id
        with self._lock:
            before = self._memory
            found, seen = news(before.seen, status, events, now)
            wanted = [notice for notice in found if notice.news in self._settings.events]
            after = replace(before, event=last, seen=seen).with_notices(wanted, now)
            after = self._with_digest(after, status, now)
            if after != before:
                self._remember(after)
        if wanted or after.outgoing != before.outgoing:
            self._wake.set()

    def _with_digest(self, memory: Memory, status: Status, now: datetime) -> Memory:
        if self._settings.digest == "off" or News.DIGEST not in self._settings.events:
            return memory
        local = now.astimezone()
        today = local.date().isoformat()
        hour, minute = map(int, self._settings.digest.split(":"))
        if memory.digest == today or local < local.replace(hour=hour, minute=minute, second=0, microsecond=0):
            return memory if memory.digest else replace(memory, digest="none yet")
        if memory.digest:
            memory = memory.with_message(digest(status, now, self._name), tuple(self._targets), now)
        return replace(memory, digest=today)  # the first day began in its middle: nothing to sum up

    # --- delivery, in the thread

    def _serve(self) -> None:
        while not self._stopping:
            self._wake.clear()
            well = self._deliver()
            if not self._stopping:
                self._clock.wait(self._wake, self._pause() if well else FIRST_PAUSE)
        self._deliver()

    def _deliver(self) -> bool:
        """One look at what is due; whether it went as it should. Whatever happens, the thread goes on."""
        try:
            for one in self._due():
                self._send(one)
        except LedgerError as error:
            log.warning("notifications: %s", error.what)
        except Exception:
            log.exception("notifications stumbled")
        else:
            return True
        return False

    def _due(self) -> tuple[Outgoing, ...]:
        now = self._clock.now()
        with self._lock:
            memory = self._memory
            group = timedelta(seconds=self._settings.group)
            age = now - memory.since if memory.since else timedelta()
            if memory.notices and (age >= group or age < timedelta() or self._stopping):
                gathered = message(memory.notices, self._name)
                memory = replace(memory, notices=(), since=None)
                self._remember(memory.with_message(gathered, tuple(self._targets), now))
            return tuple(one for one in self._memory.outgoing if one.due(now) or (self._stopping and not one.attempts))

    def _send(self, one: Outgoing) -> None:
        taken = [mark for mark in one.left if mark not in self._targets]  # not configured any more
        for mark in one.left:
            target = self._targets.get(mark)
            if target is None or self._post is None:
                continue
            why = self._post.send(target, one.message)
            if not why:
                taken.append(mark)
            self._tell(target, why)
        now = self._clock.now()
        with self._lock:
            rest = one.tried(taken, now)
            if rest is None and set(taken) != set(one.left):
                log.error("a message was given up after a day", extra={"title": one.message.title})
            outgoing = tuple(rest if each == one else each for each in self._memory.outgoing)
            left = tuple(each for each in outgoing if each is not None)
            memory = replace(self._memory, outgoing=left, troubles=dict(self._troubles))
            if any(mark in self._targets for mark in taken):
                memory = replace(memory, last_at=now.isoformat(timespec="seconds"))
            self._remember(memory)

    def _tell(self, target: Target, why: str) -> None:
        """In the log when a target begins to refuse and when it takes messages again, not each time."""
        with self._lock:
            before = self._troubles.get(target.mark, "")
            if why:
                self._troubles[target.mark] = why
            else:
                self._troubles.pop(target.mark, None)
        if why and why != before:
            log.warning("a message was not delivered: %s", why, extra={"target": target.label})
        elif before and not why:
            log.info("messages are delivered again", extra={"target": target.label})

    def _pause(self) -> float:
        """Seconds until something is due."""
        now = self._clock.now()
        with self._lock:
            memory = self._memory
        moments = [one.next_at for one in memory.outgoing]
        if memory.since is not None:
            moments.append(memory.since + timedelta(seconds=self._settings.group))
        pause = min(((at - now).total_seconds() for at in moments), default=LONGEST_PAUSE)
        return min(max(pause, 0.0), LONGEST_PAUSE)

    # --- memory

    def _recalled(self) -> Memory:
        try:
            known = Memory.from_json(self._ledger.notes.get(_NOTE))
            return known or Memory(event=self._ledger.events.newest())
        except LedgerError as error:
            log.warning("notifications: %s", error.what)
            return Memory()

    def _remember(self, memory: Memory) -> None:
        """In memory first: with a full disk people are told all the same, and again after a restart."""
        self._memory = memory
        self._ledger.notes.set(_NOTE, memory.to_json())
