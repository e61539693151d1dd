"""Are there enough inotify watches for the folders of the outbox?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gen3sync.cli.checks import Finding, Site, ok, warn
from gen3sync.files import walk

TITLE = "File events"
NEEDS = ("configuration",)
LIMITS = Path("/proc/sys/fs/inotify")


def look(site: Site) -> Iterator[Finding]:
    outbox = site.settings.outbox
    if outbox.watch in ("poll", "off"):
        yield ok(
            f'[outbox] watch = "{outbox.watch}": file events are not used, arrivals are found every {outbox.rescan:g} s'
        )
        return
    try:
        watches = int((LIMITS / "max_user_watches").read_text())
        instances = int((LIMITS / "max_user_instances").read_text())
    except (OSError, ValueError):
        yield ok("This system has no inotify limits to look at")
        return
    folders = sum(1 for _ in walk(outbox.path))
    if folders * 2 > watches:
        yield warn(
            f"The outbox has {folders:,} folders and this user may watch {watches:,}: some may go unwatched.",
            f"Raise it: sysctl fs.inotify.max_user_watches={max(folders * 4, 524288)}. Until then the scan finds them.",
        )
    elif instances < 16:
        yield warn(
            f"This user may have only {instances} inotify instances, which other programs share.",
            "Raise it: sysctl fs.inotify.max_user_instances=128.",
        )
    else:
        yield ok(f"{folders:,} folder{'s' * (folders != 1)} to watch, {watches:,} watches allowed")
