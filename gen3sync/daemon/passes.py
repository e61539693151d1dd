"""What `gen3sync once` leaves behind: a status that says that no daemon runs here and none is missed, and messages.

The status is written at the end of each pass, with how often passes come, so that one that does not come is noticed.
People are told what is new as a daemon would tell them; what does not get through goes with the next pass.

Other verbs that work without a daemon mend what the last word says, and count as no pass.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from gen3sync.daemon.gather import gather
from gen3sync.errors import Gen3SyncError, LedgerError
from gen3sync.files import folder_error, write_atomic
from gen3sync.notify.teller import Teller, name_of
from gen3sync.status import FILE, DaemonState, KeyStatus, Writer, moment, read_status

if TYPE_CHECKING:
    from gen3sync.daemon.compose import Rooms

log = logging.getLogger(__name__)

_NOTE = "once:passes"
_REMEMBERED = 6
_LAST_WORDS = 60.0
"""Seconds for messages, at most."""


def note_pass(rooms: Rooms, started: datetime, env: Mapping[str, str]) -> None:
    """Writes the status of a pass that has just ended. Whatever keeps it from being written is told and no more."""
    settings = rooms.settings
    try:
        rooms.look_at_commons()
        passes = [*rooms.ledger.notes.get(_NOTE, []), started.isoformat(timespec="seconds")][-_REMEMBERED:]
        rooms.ledger.notes.set(_NOTE, passes)
        gaps = [(moment(b) - moment(a)).total_seconds() for a, b in pairwise(passes)]
        live = rooms.live(DaemonState.STOPPED, started, "", {})
        live = replace(live, by=Writer.ONCE, pass_every=max(gaps, default=None))
        teller = Teller(settings.notify, rooms.ledger, rooms.clock, env, name_of(settings.path))
        teller.hear(gather(rooms.ledger, live, rooms.clock.now()))
        teller.stop(_LAST_WORDS)
        status = gather(rooms.ledger, replace(live, notify=teller.status()), rooms.clock.now())
        write_atomic(settings.state.path / FILE, status.to_json())
    except OSError as error:
        log.error("%s", folder_error("The status cannot be written", error).what)  # noqa: TRY400 - a sentence
    except LedgerError as error:
        log.error("%s", error.what)  # noqa: TRY400


def note_wish(rooms: Rooms, *, pulled: bool) -> None:
    """After `push`, `retry`, `withdraw` or `pull`: what the last word says of drops, mirrors and history is so no more.

    Where nobody has said a word nothing stands there to be mended. A pass that does not come must still be missed: the
    word of `once` keeps its time. Nobody is notified: whoever called is told on the screen.
    """
    state = rooms.settings.state.path
    try:
        before = read_status(state)
    except Gen3SyncError:
        return
    try:
        if before.commons.reachable is False or before.key.problem:
            rooms.look_at_commons()
        now = rooms.clock.now()
        live = rooms.live(DaemonState.STOPPED, now, "", {})
        status = gather(rooms.ledger, replace(live, notify=before.notify), now)
        problems = status.inbox.problems if pulled else before.inbox.problems
        status = replace(
            status,
            written_at=before.written_at if before.daemon.by is Writer.ONCE else status.written_at,
            daemon=replace(before.daemon, state=DaemonState.STOPPED, problem=live.problem),
            commons=before.commons if status.commons.reachable is None else status.commons,
            key=_key(before.key, status.key),
            inbox=replace(status.inbox, problems=problems),
        )
        write_atomic(state / FILE, status.to_json())
    except OSError as error:
        log.error("%s", folder_error("The status cannot be written", error).what)  # noqa: TRY400
    except LedgerError as error:
        log.error("%s", error.what)  # noqa: TRY400


def _key(before: KeyStatus, after: KeyStatus) -> KeyStatus:
    """What was known, where this process had no need of a key."""
    return replace(after, user=after.user or before.user) if after.key_expires_at or after.problem else before
