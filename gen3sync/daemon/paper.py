"""Writes status.json for a running daemon, and says elsewhere when that is not possible.

A full disk cannot take the word that it is full. The work goes on; systemd's line, the metrics port and the log have
it at once, and whoever reads the file sees by its age that something is wrong (`health.LATE_AFTER`).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from gen3sync.files import folder_error, write_atomic
from gen3sync.status import FILE, Status

log = logging.getLogger(__name__)


def write_status(state: Path, status: Status) -> Status:
    """The status as it is to be told elsewhere: with one more problem where the file could not be written."""
    try:
        write_atomic(state / FILE, status.to_json())
    except OSError as error:
        what = folder_error("The status cannot be written", error).what
        log.warning("%s", what)
        problem = "; ".join(filter(None, (what.rstrip("."), status.daemon.problem)))
        return replace(status, daemon=replace(status.daemon, problem=problem))
    return status
