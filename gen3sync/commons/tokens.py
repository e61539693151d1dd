"""Access tokens: one manager for the whole daemon, which gets them, renews them ahead of need, and drops refused ones.

    TokenManager(transport, credentials, clock, url=…)      a requests.auth.AuthBase

- Single flight: however many threads find no usable token, one request is made and all share its outcome, failures
  included. After a failure nobody asks again for a while (longer each time, as Retry-After says, and at once when the
  credentials file changes), so a dead token service is not hammered.
- A token's end is its own `exp`, read against the server's clock (the Date header of the very answer), then measured by
  the monotonic clock as well: a machine whose clock is wrong or being set neither uses dead tokens nor loses good ones.
- A 401 drops the very token that failed, and the request is repeated exactly once. A 403 is an answer, not a reason.

Tokens live in memory only. The exchange itself is in `exchange.py`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests
from requests.auth import AuthBase

from gen3sync import redaction
from gen3sync.clock import Clock
from gen3sync.commons.addresses import is_loopback, origin_of
from gen3sync.commons.credentials import ApiKey, CredentialsSource, check_issuer
from gen3sync.commons.exchange import Refusal, Token, exchange
from gen3sync.commons.replies import Broken, BrokenCause
from gen3sync.commons.transport import NoTokenError, Transport
from gen3sync.errors import ConfigError, CredentialsError, Gen3SyncError, UnreachableError

_LEEWAY = 30.0  # seconds before its end a token is no longer given out (less for short-lived ones)
_AHEAD = 600.0  # the scheduler's job renews this long before the end (less for short-lived ones)
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_BAD_KEY_PAUSE = 60.0
_WAIT = 200.0  # an exchange is at most two requests of 90 s


@dataclass(frozen=True, slots=True)
class TokenStatus:
    """What `gen3sync token`, `check` and `status` show; times are the commons' own, aware, UTC."""

    commons: str | None
    key_expires_at: datetime | None
    token_expires_at: datetime | None
    clock_skew: float | None  # seconds the commons' clock is ahead of ours; None before the first contact
    problem: str | None


@dataclass(slots=True)
class _Flight:
    """One exchange under way; waiters read `outcome` once `done` is set."""

    done: threading.Event = field(default_factory=threading.Event)
    outcome: Token | Refusal | None = None


@dataclass(frozen=True, slots=True)
class _Failure:
    """The last exchange failed: until `until` (monotonic) and while `mark` stands, nobody asks again."""

    refusal: Refusal
    until: float
    mark: object
    pause: float


class TokenManager(AuthBase):
    """Puts `Authorization: bearer …` on requests to the commons, and nowhere else. Thread-safe.

    `url` is the configured address of the commons; without it the key's issuer is used, and kept for the manager's
    life: a new key of another commons is refused rather than followed.
    """

    def __init__(
        self, transport: Transport, credentials: CredentialsSource, clock: Clock, url: str | None = None
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._clock = clock
        self._lock = threading.Lock()
        self._origin = _checked(url) if url else None
        self._token: Token | None = None
        self._subject: str | None = None
        self._mark: object = None  # of the credentials that the token came from
        self._flight: _Flight | None = None
        self._failure: _Failure | None = None
        self._skew: float | None = None
        self._key_expires_at: datetime | None = None
        self.mended = 0
        """How often a token came after failures; to be read."""

    def __repr__(self) -> str:
        return f"<TokenManager for {self._origin or 'the commons of the key'}>"

    @property
    def origin(self) -> str:
        """Scheme, host and port of the commons. Raises CredentialsError when neither setting nor key says it."""
        with self._lock:
            if self._origin is not None:
                return self._origin
        key = self._credentials.load()
        with self._lock:
            if self._origin is None:
                self._origin = _checked(key.origin)
            return self._origin

    @property
    def subject(self) -> str:
        """Whose token, or before there is one whose key, is in use. Raises CredentialsError."""
        with self._lock:
            subject = self._subject
        return subject or self._credentials.load().person

    def token(self) -> Token:
        """A usable token, from memory or from the commons. Raises CredentialsError or UnreachableError."""
        match self._get():
            case Token() as token:
                return token
            case Refusal(error=error):
                raise error

    def status(self) -> TokenStatus:
        """What is known without asking the commons."""
        problem: str | None = None
        key: ApiKey | None = None
        try:
            key = self._credentials.load()
            origin: str | None = self.origin
        except Gen3SyncError as error:
            origin, problem = self._origin, str(error)
        with self._lock:
            if problem is None and self._failure is not None:
                problem = str(self._failure.refusal.error)
            return TokenStatus(
                commons=origin,
                key_expires_at=key.expires_at if key else self._key_expires_at,
                token_expires_at=self._token.expires_at if self._token else None,
                clock_skew=self._skew,
                problem=problem,
            )

    def renew_if_due(self) -> bool:
        """For a scheduler's job: renews a token that will soon end, so that no user work waits. True when renewed.

        Does nothing before the first token was needed, while a failure's pause lasts, or when the key's own end is what
        limits the token. Raises nothing; `status().problem` tells of failures.
        """
        with self._lock:
            token = self._token
        if token is None or self._remaining(token) > min(_AHEAD, token.lifetime / 4) or token.limited_by_key:
            return False
        return isinstance(self._get(renewing=token), Token)

    def forget_failure(self) -> None:
        """The next need asks the commons at once, whatever the pause (a person said `retry`)."""
        with self._lock:
            self._failure = None

    def refused_key_is_gone(self) -> bool:
        """Whether another key took the place of the one that failed, and nobody has tried it."""
        failure = self._failure
        return failure is not None and failure.mark != self._credentials.fingerprint()

    def drop(self, value: str) -> None:
        """The commons refused this very token: it is not given out again. Another thread's newer one stays."""
        with self._lock:
            if self._token is not None and self._token.value == value:
                redaction.forget(self._token.value)
                self._token = None

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        try:
            allowed = origin_of(prepared.url or "") == self.origin
        except Gen3SyncError as error:
            raise NoTokenError(Broken(str(error), BrokenCause.CREDENTIALS, remedy=error.remedy)) from None
        if not allowed:
            said = "A token was asked for an address that is not the commons'."
            raise NoTokenError(Broken(said, BrokenCause.REDIRECT))
        used = self._need()
        prepared.headers["Authorization"] = f"bearer {used}"

        def repeat_once(response: requests.Response, **options: Any) -> requests.Response:
            return self._repeat(response, used, options)

        prepared.register_hook("response", repeat_once)  # type: ignore[no-untyped-call]
        return prepared

    def _repeat(self, response: requests.Response, used: str, options: dict[str, Any]) -> requests.Response:
        if response.status_code != 401:
            return response
        response.close()
        self.drop(used)
        fresh = self._need()
        again = response.request.copy()
        again.headers["Authorization"] = f"bearer {fresh}"
        connection: Any = response.connection
        repeated: requests.Response = connection.send(again, **options)
        repeated.request = again
        return repeated

    def _need(self) -> str:
        outcome = self._get()
        if isinstance(outcome, Refusal):
            raise NoTokenError(outcome.broken)
        return outcome.value

    def _get(self, renewing: Token | None = None) -> Token | Refusal:
        """The current token, or the outcome of one exchange shared by all who wait. `renewing`: replace this one."""
        mark = self._credentials.fingerprint()
        with self._lock:
            token = self._token if self._token is not renewing else None
            if token is not None and not self._usable(token):
                token = None
            if token is not None and mark == self._mark:
                return token
            failure = self._failure
            if failure is not None and failure.mark == mark and self._clock.monotonic() < failure.until:
                return token or failure.refusal
            flight, leads = self._flight, self._flight is None
            if flight is None:
                flight = self._flight = _Flight()
        if leads:
            self._fly(flight, mark)
        elif not flight.done.wait(_WAIT):
            return token or Refusal.of(
                UnreachableError("The commons' token service does not answer.", "It is tried again.")
            )
        if token is not None and not isinstance(flight.outcome, Token):
            return token  # the key that took the other's place is no good, the token still is
        return flight.outcome or Refusal.of(UnreachableError("No access token could be had.", "It is tried again."))

    def _fly(self, flight: _Flight, mark: object) -> None:
        outcome: Token | Refusal | None = None
        subject = None
        try:
            outcome, subject = self._exchange()
        finally:
            with self._lock:
                if isinstance(outcome, Token):
                    self._replace(outcome)
                    self._mark, self._subject = mark, subject
                elif outcome is not None:
                    self._failure = self._paused(outcome, mark)
                flight.outcome = outcome
                self._flight = None
            flight.done.set()

    def _exchange(self) -> tuple[Token | Refusal, str | None]:
        try:
            key = self._credentials.load()
            origin = self.origin
            check_issuer(key, origin)
        except (CredentialsError, ConfigError) as error:
            return Refusal.of(error), None
        with self._lock:
            self._key_expires_at, skew = key.expires_at, self._skew
        result = exchange(self._transport, origin, key, self._clock, skew or 0.0)
        with self._lock:
            if result.skew is not None:
                self._skew = result.skew
        return result.outcome, key.person

    def _replace(self, token: Token) -> None:
        if self._token is not None and self._token.value != token.value:
            redaction.forget(self._token.value)
        redaction.register(token.value)
        self._token = token
        self.mended += self._failure is not None
        self._failure = None

    def _paused(self, refusal: Refusal, mark: object) -> _Failure:
        before = self._failure.pause if self._failure is not None else _FIRST_PAUSE / 2
        pause = _BAD_KEY_PAUSE if refusal.lasting else min(before * 2, _LONGEST_PAUSE)
        if refusal.retry_after is not None:
            pause = max(refusal.retry_after, _FIRST_PAUSE)
        return _Failure(refusal, self._clock.monotonic() + pause, mark, min(pause, _LONGEST_PAUSE))

    def _usable(self, token: Token) -> bool:
        return self._remaining(token) > min(_LEEWAY, token.lifetime / 10)

    def _remaining(self, token: Token) -> float:
        """Seconds the token has left. The wall clock counts sleep, the monotonic one survives being set: the less."""
        elapsed = self._clock.monotonic() - token.got_monotonic
        walked = (self._clock.now() - token.got_at) / timedelta(seconds=1)
        return token.lifetime - max(elapsed, walked)


def _checked(url: str) -> str:
    origin = origin_of(url)
    if origin.startswith("http://") and not is_loopback(origin):
        raise ConfigError(
            f"{origin} is plain http: the API key would cross the network readable by all.", "Use https (commons.url)."
        )
    return origin
