"""Can the folders be written, and are they on file systems that can do what is asked of them?"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gen3sync.cli.checks import Finding, Site, fail, ok, warn
from gen3sync.errors import ExitCode
from gen3sync.files import FilesystemKind, filesystem_kind, folder_error

TITLE = "Folders"
NEEDS = ("configuration",)
_LITTLE_ROOM = 1_000_000_000


def look(site: Site) -> Iterator[Finding]:
    settings = site.settings
    outbox, inbox, state = settings.outbox, settings.inbox, settings.state
    places = {
        "outbox": outbox.path,
        "sent": outbox.sent,
        "rejected": outbox.rejected,
        "inbox": inbox.path,
        "state": state.path,
    }
    for name, path in places.items():
        yield _writable(name, path)
    yield from _kinds(site, places)
    for name, path in places.items():
        room = _room(path)
        if room is not None and room < _LITTLE_ROOM:
            yield warn(
                f"Only {room // 1_000_000} MB are free where {name} is ({path}).", "Make room, or move the folder."
            )


def _writable(name: str, path: Path) -> Finding:
    if not path.exists():
        parent = next(p for p in path.parents if p.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return ok(f"{name}: {path} does not exist yet and will be made")
        return fail(
            f"{name}: {path} does not exist and cannot be made in {parent}.",
            f"Make it for the daemon's user: mkdir -p {path}; chown USER: {path}.",
            ExitCode.CANT_CREATE,
        )
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".gen3sync-check-"):
            pass
    except OSError as error:
        told = folder_error(f"{name}: {path} cannot be written", error)
        return fail(told.what, told.remedy, ExitCode.CANT_CREATE)
    return ok(f"{name}: {path} can be written")


def _kinds(site: Site, places: dict[str, Path]) -> Iterator[Finding]:
    if filesystem_kind(places["state"]) is FilesystemKind.NETWORK:
        yield fail(
            f"The state folder {places['state']} is on a network file system, where SQLite's ledger can be damaged.",
            'Put it on a local disk: [state] path = "/var/lib/gen3sync/NAME".',
            ExitCode.CONFIG,
        )
    if filesystem_kind(places["state"]) is FilesystemKind.MEMORY:
        yield warn(
            f"The state folder {places['state']} is in memory and is gone after a restart of the machine.",
            'Put it on a disk: [state] path = "/var/lib/gen3sync/NAME".',
        )
    watch = site.settings.outbox.watch
    if filesystem_kind(places["outbox"]) is FilesystemKind.NETWORK and watch == "inotify":
        yield warn(
            f"The outbox {places['outbox']} is on a network file system: what other machines write gives no event.",
            'Set [outbox] watch = "auto" or "poll"; the scan every `rescan` finds everything anyway.',
        )


def _room(path: Path) -> int | None:
    there = next(p for p in (path, *path.parents) if p.exists())
    try:
        found = os.statvfs(there)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
