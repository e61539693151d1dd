"""`gen3sync token`: whom the key belongs to, when it and the token expire. The token itself only with `--reveal`."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from gen3sync.cli.ask import commons_of, error_of
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.words import span
from gen3sync.errors import ExitCode
from gen3sync.names import printable


@verb("token", short_help="Whom the key belongs to and when it and the token expire.")
@json_option
@click.option("--reveal", is_flag=True, help="Print the access token itself, and nothing else.")
def token(invocation: Invocation, reveal: bool) -> int:
    """Exchange the API key for a token and say what it is good for.

    The token is a secret: whoever has it acts as you until it expires. It is shown only with --reveal, alone on
    standard output, so that a script can take it.
    """
    with commons_of(invocation) as client:
        held = client.tokens.token()
        if reveal:
            if sys.stdout.isatty():
                invocation.say("This token acts as you until it expires; do not paste it anywhere.", err=True)
            click.echo(held.value)
            return ExitCode.OK
        status = client.tokens.status()
        user = client.whoami()
        name = "" if error_of(user, "the user") else getattr(user, "username", "")
    now = datetime.now(UTC)
    if invocation.json:
        invocation.emit(
            {
                "commons": status.commons,
                "user": name,
                "key_expires_at": _iso(status.key_expires_at),
                "token_expires_at": _iso(status.token_expires_at),
                "token_ends_with_key": _ends_with_key(status.key_expires_at, status.token_expires_at),
                "clock_skew_seconds": status.clock_skew,
                "claims": {key: value for key, value in held.claims.items() if key != "jti"},
            }
        )
        return ExitCode.OK
    invocation.say(f"Commons  {printable(status.commons)}")
    invocation.say(f"User     {printable(name) or 'the commons does not say'}")
    invocation.say(f"API key  {_until(status.key_expires_at, now)}")
    with_key = _ends_with_key(status.key_expires_at, status.token_expires_at)
    renewed = (
        "it ends with the key, so make a new key on the commons' profile page before"
        if with_key
        else "the daemon renews it by itself"
    )
    invocation.say(f"Token    {_until(status.token_expires_at, now)}; {renewed}")
    if status.clock_skew is not None and abs(status.clock_skew) >= 5:
        ahead = "ahead of" if status.clock_skew < 0 else "behind"
        invocation.say(f"Clock    this machine is {span(abs(status.clock_skew))} {ahead} the commons")
    return ExitCode.OK


_LAST = 600.0
"""Seconds between a token's end and its key's within which no other token is worth speaking of."""


def _ends_with_key(key: datetime | None, token: datetime | None) -> bool:
    """Whether renewing will not go on for long after this token."""
    return key is not None and token is not None and (key - token).total_seconds() < _LAST


def _until(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "does not say when it expires"
    left = (at - now).total_seconds()
    day = at.astimezone().strftime("%Y-%m-%d %H:%M")
    return f"good until {day} (another {span(left)})" if left > 0 else f"expired {day}"


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
