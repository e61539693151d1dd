"""Can messages be sent to people? The targets are read, and nothing is sent: `gen3sync notify test` does that."""

from __future__ import annotations

from collections.abc import Iterator

from gen3sync.cli.checks import Finding, Site, ok

TITLE = "Notifications"
NEEDS = ("configuration",)


def look(site: Site) -> Iterator[Finding]:
    from gen3sync.notify.post import open_post
    from gen3sync.notify.targets import find_targets

    targets = find_targets(site.settings.notify, site.invocation.env)
    if not targets:
        yield ok("None are configured")
        return
    open_post()
    yield ok(f"They go to {', '.join(target.label for target in targets)}; `gen3sync notify test` tries them")
