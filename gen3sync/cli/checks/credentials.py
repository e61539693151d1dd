"""Is there an API key, may it be used, and for how long?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from gen3sync.cli.checks import Finding, Site, fail, ok, warn
from gen3sync.errors import ExitCode
from gen3sync.names import printable

TITLE = "API key"
NEEDS = ("configuration",)
_SOON = timedelta(days=7)


def look(site: Site) -> Iterator[Finding]:
    from gen3sync.commons.credentials import CredentialsSource, check_issuer

    settings = site.settings.commons
    source = CredentialsSource(settings.credentials, site.invocation.env)
    key = source.load()
    if settings.url:
        check_issuer(key, settings.url)
    label = printable(source.place().label)
    now = datetime.now(UTC)
    if key.expires_at is None:
        yield ok(f"{label} holds a key of {key.origin}")
    elif key.expires_at <= now:
        yield fail(f"The API key in {label} expired {_day(key.expires_at)}.", f"{key.remedy}.", ExitCode.NO_PERMISSION)
    elif key.expires_at - now < _SOON:
        yield warn(f"The API key in {label} expires {_day(key.expires_at)}.", f"{key.remedy} before then.")
    else:
        yield ok(f"{label} holds a key of {key.origin}, good until {_day(key.expires_at)}")


def _day(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M")
