"""The exchange of an API key for an access token at fence, once: `POST /user/credentials/cdis/access_token`.

Owns what fence answers and what it means for the key; when to ask is `tokens.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import jwt

from gen3sync.clock import Clock
from gen3sync.commons.answers import retry_after
from gen3sync.commons.credentials import ApiKey
from gen3sync.commons.pages import looks_like_html, prose
from gen3sync.commons.parsing import parse
from gen3sync.commons.replies import Broken, BrokenCause
from gen3sync.commons.sentences import is_dying_key
from gen3sync.commons.transport import Answer, Request, Timeouts, Transport
from gen3sync.errors import CredentialsError, Gen3SyncError, UnreachableError

PATH = "/user/credentials/cdis/access_token"
_USUAL = 3600.0  # fence's MAX_ACCESS_TOKEN_TTL: in the key's last hour the plain request is refused
_MARGIN = 10.0  # fence compares with its own clock when the request arrives
_SHORTEST = 1.0
_TIMEOUTS = Timeouts(connect=10.0, read=60.0, deadline=90.0)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `lifetime`: seconds from `got_at` (our wall clock) and `got_monotonic`; `expires_at`: theirs.

    `limited_by_key`: it ends with the key, so renewing it early would gain nothing.
    """

    value: str = field(repr=False)
    expires_at: datetime
    lifetime: float
    got_at: datetime
    got_monotonic: float
    limited_by_key: bool = False
    claims: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Refusal:
    """No token: as an error for verbs, as `Broken` for the client. `lasting`: only a person can change it."""

    error: Gen3SyncError
    broken: Broken
    lasting: bool
    retry_after: float | None = None

    @classmethod
    def of(cls, error: Gen3SyncError) -> Refusal:
        """What no answer brought about: no usable key, or nobody to ask."""
        lasting = not isinstance(error, UnreachableError)
        cause = BrokenCause.CREDENTIALS if lasting else BrokenCause.TIMEOUT
        return cls(error, Broken(str(error), cause, remedy=error.remedy), lasting=lasting)


@dataclass(frozen=True, slots=True)
class Result:
    """What an exchange brought, and how far the commons' clock is ahead of ours (None: it did not say)."""

    outcome: Token | Refusal
    skew: float | None


def exchange(transport: Transport, origin: str, key: ApiKey, clock: Clock, skew: float) -> Result:
    """Asks for a token: one request, or two when fence refuses because the key is in its last hour."""
    asked = _shorter(key, clock, skew)
    answer = _ask(transport, origin, key, asked)
    seen = _skew(answer, clock)
    if isinstance(answer, Answer) and answer.status == 400 and is_dying_key(prose(answer.body)):
        # Our clock, or this commons' longest lifetime, is not what was assumed; now the server's clock is known.
        left = _left(key, clock, seen if seen is not None else skew)
        if left is not None and left > _SHORTEST:
            asked = min(left, (asked or _USUAL) / 2) if asked is not None and left >= asked else left
            answer = _ask(transport, origin, key, asked)
            seen = _skew(answer, clock) or seen
    outcome = _outcome(answer, origin, key, clock, seen if seen is not None else skew, asked)
    transport.observer.token_exchanged(_word(outcome))
    return Result(outcome, seen)


def _word(outcome: Token | Refusal) -> str:
    if isinstance(outcome, Token):
        return "renewed"
    return "refused" if outcome.lasting else "unreachable"


def _ask(transport: Transport, origin: str, key: ApiKey, expires_in: float | None) -> Answer | Broken:
    body = json.dumps({"api_key": key.value, "key_id": key.key_id}).encode()
    request = Request(
        "POST",
        origin + PATH,
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        params={"expires_in": str(int(expires_in))} if expires_in is not None else None,
        body=body,
    )
    limits = transport.timeouts
    bounded = Timeouts(
        min(limits.connect, _TIMEOUTS.connect),
        min(limits.read, _TIMEOUTS.read),
        min(limits.deadline, _TIMEOUTS.deadline),
    )
    return transport.send(request, limit=1024 * 1024, timeouts=bounded)


def _left(key: ApiKey, clock: Clock, skew: float) -> float | None:
    """Seconds until the key ends by the commons' clock, less the margin; None when the key names no end."""
    if key.expires_at is None:
        return None
    return (key.expires_at - clock.now()) / timedelta(seconds=1) - skew - _MARGIN


def _shorter(key: ApiKey, clock: Clock, skew: float) -> float | None:
    left = _left(key, clock, skew)
    # A key that looks expired is still asked about plainly: it may be our clock that is wrong.
    return left if left is not None and _SHORTEST < left < _USUAL else None


def _skew(answer: Answer | Broken, clock: Clock) -> float | None:
    date = answer.headers.get("date") if isinstance(answer, Answer) else None
    if date is None:
        return None
    try:
        told = parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return None
    told = told if told.tzinfo else told.replace(tzinfo=UTC)
    return (told - clock.now()) / timedelta(seconds=1)


def _outcome(
    answer: Answer | Broken, origin: str, key: ApiKey, clock: Clock, skew: float, asked: float | None
) -> Token | Refusal:
    if isinstance(answer, Broken):
        error = UnreachableError(
            f"No access token could be had. {answer.message}", "Check that the commons is up; it is tried again."
        )
        return Refusal(error, Broken(str(error), answer.cause, answer.status), lasting=False)
    if answer.status == 200:
        return _token(answer, origin, clock, skew, limited=asked is not None)
    said = prose(answer.body)
    if answer.status in {400, 401, 403}:
        return _bad_key(key, origin, clock, skew, answer.status, said)
    error = UnreachableError(
        f"The token service of {origin} answered {answer.status}: {said or 'nothing readable'}.",
        "It is tried again; if it stays so, ask the operators of the commons.",
    )
    return Refusal(
        error,
        Broken(str(error), BrokenCause.STATUS, answer.status),
        lasting=False,
        retry_after=retry_after(answer.headers),
    )


def _bad_key(key: ApiKey, origin: str, clock: Clock, skew: float, status: int, said: str) -> Refusal:
    """fence's words for bad keys vary with its libraries, so the key's own `exp` says whether it is expired."""
    now = clock.now() + timedelta(seconds=skew)
    told = f' It says: "{said}".' if said else ""
    if key.expires_at is not None and key.expires_at <= now:
        what = f"The API key for {key.origin} expired on {key.expires_at:%Y-%m-%d %H:%M} UTC."
    elif is_dying_key(said):
        what = f"The API key for {key.origin} expires at {key.expires_at:%Y-%m-%d %H:%M} UTC: too soon for a token."
    elif status == 401:
        what = f"{origin} does not accept the API key: it was revoked, or its user is gone.{told}"
    else:
        what = f"{origin} gives no access token for the API key (HTTP {status}).{told}"
    if origin != key.origin:  # two addresses of this machine
        what += f" The key was issued by {key.origin}."
    error = CredentialsError(what, f"{key.remedy}, and replace the credentials file with it (mode 600).")
    return Refusal(error, Broken(str(error), BrokenCause.CREDENTIALS, status, remedy=error.remedy), lasting=True)


def _token(answer: Answer, origin: str, clock: Clock, skew: float, *, limited: bool) -> Token | Refusal:
    value: object = None
    claims: dict[str, Any] = {}
    ends: datetime | None = None
    try:
        data = parse(answer.body)
        value = data.get("access_token") if isinstance(data, dict) else None
        # It becomes a header's value: base64 forgives what a header does not.
        if isinstance(value, str) and value.isascii() and value.isprintable():
            claims = jwt.decode(value, options={"verify_signature": False, "verify_exp": False})
        expires = claims.get("exp")
        if isinstance(expires, int | float) and not isinstance(expires, bool):
            ends = datetime.fromtimestamp(expires, UTC)
    except (ValueError, OverflowError, OSError, RecursionError, jwt.InvalidTokenError):
        ends = None
    if not isinstance(value, str) or ends is None:
        page = " (a web page)" if looks_like_html(answer.body) else ""
        error = UnreachableError(
            f"{origin} answered the request for a token with something else{page}.",
            "Check commons.url: is a Gen3 commons behind it? A login page or proxy may stand in between.",
        )
        return Refusal(error, Broken(str(error), BrokenCause.CONTENT, answer.status), lasting=False)
    now = clock.now()
    lifetime = (ends - now) / timedelta(seconds=1) - skew
    return Token(value, ends, lifetime, now, clock.monotonic(), limited_by_key=limited, claims=claims)
