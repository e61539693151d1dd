"""Whether the commons answers, looked at now and then, for status. Work does not wait for it: it finds out itself."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from gen3sync.clock import Clock
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import Version
from gen3sync.errors import Gen3SyncError
from gen3sync.status import CommonsStatus, KeyStatus

log = logging.getLogger(__name__)

EVERY = 60.0
"""Seconds between looks: one small request without a token."""


class CommonsLook:
    """Thread-safe. `tell(level, text)` hears of every change."""

    def __init__(self, client: CommonsClient, clock: Clock, user: Callable[[], str]) -> None:
        self._client = client
        self._clock = clock
        self._user = user
        self._lock = threading.Lock()
        self._seen = CommonsStatus("")
        self._name = ""

    def look(self, tell: Callable[[str, str], None]) -> None:
        """Asks for the version. Whatever the answer, it is an answer."""
        answer = self._client.version()
        if isinstance(answer, Version) and not self._name:
            self._name = self._user()
        # Some commons answer 404 here; that is a commons that answers. Only silence and 5xx mean trouble.
        problem = "" if isinstance(answer, Version) else _trouble(answer)
        with self._lock:
            before = self._seen
            reachable = not problem
            since = before.since if before.reachable is reachable else self._clock.now().isoformat(timespec="seconds")
            version, dictionary = before.version, before.dictionary
            if isinstance(answer, Version):
                version, dictionary = answer.version, answer.dictionary_version
            self._seen = CommonsStatus(before.url, reachable, since, problem, version, dictionary)
        if before.reachable is not reachable and (before.reachable is not None or problem):
            tell(
                *(
                    ("warning", f"the commons does not answer: {problem}")
                    if problem
                    else ("info", "the commons answers again")
                )
            )

    def commons(self) -> CommonsStatus:
        """As last seen."""
        try:
            url = self._client.url
        except Gen3SyncError:
            url = ""
        with self._lock:
            seen = self._seen
        return CommonsStatus(url, seen.reachable, seen.since, seen.problem, seen.version, seen.dictionary)

    def key(self) -> KeyStatus:
        """What the token manager knows, without asking the commons."""
        status = self._client.tokens.status()
        key_ends, token_ends = status.key_expires_at, status.token_expires_at
        return KeyStatus(
            user=self._name,
            key_expires_at=key_ends.isoformat(timespec="seconds") if key_ends else None,
            token_expires_at=token_ends.isoformat(timespec="seconds") if token_ends else None,
            problem=status.problem or "",
        )


def _trouble(answer: object) -> str:
    from gen3sync.commons.replies import Broken, BrokenCause, Busy

    match answer:
        case Broken(cause=BrokenCause.CREDENTIALS):
            return ""  # told as the key's problem, not the commons'
        case Broken(message=message) | Busy(message=message):
            return message
    return ""
