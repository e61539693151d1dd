"""Once a day: what is older than is kept leaves sent/, rejected/ and the ledger; so do leftovers of killed writers. A
daemon does it, or `once` after a pass.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gen3sync.clock import Clock
from gen3sync.config import Settings
from gen3sync.errors import LedgerError
from gen3sync.files import folder_error, remove_leftovers, walk
from gen3sync.ledger import Ledger

log = logging.getLogger(__name__)

_HISTORY = timedelta(days=365)
"""How long the ledger remembers, whatever is kept in the folders."""


_NOTE = "once:housekeeping"
_DAILY = timedelta(hours=20)
"""A pass each morning comes a little earlier or later."""


def keep_house_daily(settings: Settings, ledger: Ledger, clock: Clock) -> None:
    """For passes of `once`: with the first of a day. What goes wrong is told and no more."""
    now = clock.now()
    try:
        last = ledger.notes.get(_NOTE)
        if isinstance(last, str) and now - _DAILY < datetime.fromisoformat(last) <= now:
            return
        keep_house(settings, ledger, clock)
        ledger.notes.set(_NOTE, now.isoformat())
    except OSError as error:
        log.error("%s", folder_error("Old files cannot be removed", error).what)  # noqa: TRY400 - a sentence
    except LedgerError as error:
        log.error("%s", error.what)  # noqa: TRY400


def keep_house(settings: Settings, ledger: Ledger, clock: Clock) -> None:
    """Raises LedgerError; a file that cannot be removed is told and left for tomorrow."""
    now = clock.now()
    keep = settings.outbox.keep
    for folder in (settings.outbox.sent, settings.outbox.rejected):
        remove_leftovers(folder)
    pruned = ledger.prune(now - _HISTORY)
    if pruned.drops or pruned.events or pruned.refreshes:
        log.info("forgot old history", extra={"drops": pruned.drops, "events": pruned.events})
    if keep is None:
        return
    before = now - timedelta(seconds=keep)
    removed = 0
    for root in (settings.outbox.sent, settings.outbox.rejected):
        for path in _older(root, before):
            try:
                path.unlink()
                removed += 1
            except OSError as error:
                log.warning("%s cannot be removed: %s", path, error.strerror)
    if removed:
        log.info("removed old files", extra={"files": removed, "keep_days": round(keep / 86_400, 1)})


def _older(root: Path, before: datetime) -> Iterator[Path]:
    """Files below `root` that were archived before that moment. ctime: moving a file here sets it, its age does not."""
    for folder, names in walk(root):
        for name in names:
            path = folder / name
            try:
                status = path.lstat()
            except OSError:
                continue
            if datetime.fromtimestamp(status.st_ctime, UTC) < before:
                yield path
