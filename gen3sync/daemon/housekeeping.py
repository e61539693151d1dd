"""Once a day: what is older than is kept leaves sent/, rejected/ and the ledger; so do leftovers of killed writers."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gen3sync.clock import Clock
from gen3sync.config import Settings
from gen3sync.files import remove_leftovers, walk
from gen3sync.ledger import Ledger

log = logging.getLogger(__name__)

_HISTORY = timedelta(days=365)
"""How long the ledger remembers, whatever is kept in the folders."""


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
