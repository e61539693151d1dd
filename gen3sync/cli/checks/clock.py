"""Does this machine's clock agree with the commons'?"""

from __future__ import annotations

from collections.abc import Iterator

from gen3sync.cli.checks import Finding, Site, ok, warn
from gen3sync.cli.words import span

TITLE = "Clock"
NEEDS = ("configuration", "credentials", "commons")
_MUCH = 60.0


def look(site: Site) -> Iterator[Finding]:
    site.client.tokens.token()
    skew = site.client.tokens.status().clock_skew
    if skew is None:
        yield ok("The commons does not say what time it has")
    elif abs(skew) > _MUCH:
        side = "behind" if skew > 0 else "ahead of"
        much = span(5 * round(abs(skew) / 5))  # the commons says its time in whole seconds
        yield warn(
            f"This machine's clock is {much} {side} the commons'; times in receipts are off by that much.",
            "Set the clock, best by NTP: timedatectl set-ntp true.",
        )
    else:
        yield ok(f"It agrees with the commons' to {max(1, round(abs(skew)))} s")
