"""Can the configuration be read, and does it say anything to do?"""

from __future__ import annotations

from collections.abc import Iterator

from gen3sync.cli.checks import Finding, Site, ok, warn

TITLE = "Configuration"
NEEDS: tuple[str, ...] = ()


def look(site: Site) -> Iterator[Finding]:
    settings = site.settings
    yield ok(f"{settings.path} is in order")
    if not settings.inbox.mirror:
        yield warn(
            "No mirror is configured, so nothing will appear in the inbox.",
            "Add an [[inbox.mirror]] with projects, nodes and every; docs/reference/configuration.md shows one.",
        )
