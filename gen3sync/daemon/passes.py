"""What `gen3sync once` leaves behind for `gen3sync status`: that no daemon runs here, and that none is missed.

A status is written at the end of each pass, with how often passes come, so that one that does not come is noticed.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from gen3sync.daemon.gather import gather
from gen3sync.errors import LedgerError
from gen3sync.files import folder_error, write_atomic
from gen3sync.status import FILE, DaemonState, Writer, moment

if TYPE_CHECKING:
    from gen3sync.daemon.compose import Rooms

log = logging.getLogger(__name__)

_NOTE = "once:passes"
_REMEMBERED = 6


def note_pass(rooms: Rooms, started: datetime) -> None:
    """Writes the status of a pass that has just ended. Whatever keeps it from being written is told and no more."""
    rooms._look_at_commons()
    try:
        passes = [*rooms.ledger.notes.get(_NOTE, []), started.isoformat(timespec="seconds")][-_REMEMBERED:]
        rooms.ledger.notes.set(_NOTE, passes)
        gaps = [(moment(b) - moment(a)).total_seconds() for a, b in pairwise(passes)]
        live = rooms.live(DaemonState.STOPPED, started, "", {})
        live = replace(live, by=Writer.ONCE, pass_every=max(gaps, default=None))
        status = gather(rooms.ledger, live, rooms.clock.now())
        write_atomic(rooms.settings.state.path / FILE, status.to_json())
    except OSError as error:
        log.error("%s", folder_error("The status cannot be written", error).what)  # noqa: TRY400 - a sentence
    except LedgerError as error:
        log.error("%s", error.what)  # noqa: TRY400
