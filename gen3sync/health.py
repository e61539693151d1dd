"""How well things are, weighed from what status.json says: for people, for monitors and for exit codes.

Pure but for one look whether the daemon's process lives. Imports nothing heavy, as `status.py`.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gen3sync.errors import ExitCode
from gen3sync.status import DaemonState, Status, Writer, moment

STALE_AFTER = 60.0
"""Seconds without a new status after which a daemon counts as down; it writes at least every 15 s."""
LATE_AFTER = 35.0
"""Seconds after which that is worth a look: two words did not come. A full disk can be told in no other way."""
PASS_GRACE = 900.0
FIRST_PASS = 25 * 3600.0
"""Where cron calls `gen3sync once`: seconds beside twice the usual time between passes after which one is missed, and
after the first pass, when nobody knows yet how often it is called, a day and a little more."""
PAUSE_WARNING = 60.0
"""Seconds from which on a commons that takes no submissions is worth a look."""
KEY_WARNING = 7 * 86400.0
"""Seconds before a key's expiry from which status is degraded: a person must make a new one."""


class Health(StrEnum):
    """How things are, for people and for monitors."""

    WELL = "well"
    DEGRADED = "degraded"
    DOWN = "down"

    @property
    def exit_code(self) -> ExitCode:
        return {"well": ExitCode.OK, "degraded": ExitCode.DEGRADED, "down": ExitCode.DOWN}[self.value]


@dataclass(frozen=True, slots=True)
class Judgement:
    """How things are, how old the news is in seconds, and one sentence for each thing that is not well."""

    health: Health
    age: float
    reasons: tuple[str, ...]


def judge(status: Status, now: datetime, *, alive: bool) -> Judgement:
    """Weighs a status. `alive` says whether the daemon's process exists (see `process_alive`)."""
    ago = (now - moment(status.written_at)).total_seconds()
    age = max(0.0, ago)
    reasons = []
    down = True
    if status.daemon.by is Writer.ONCE:
        every = status.daemon.pass_every
        down = age > (FIRST_PASS if every is None else 2 * every + PASS_GRACE)
        if down:
            usual = "" if every is None else f"; they came at least every {long_span(every)}"
            reasons.append(f"no daemon runs here, and the last pass of `gen3sync once` was {long_span(age)} ago{usual}")
    elif status.daemon.state is DaemonState.STOPPED:
        reasons.append("the daemon was stopped")
    elif not alive:
        reasons.append("the daemon ended without saying so")
    elif age > STALE_AFTER:
        reasons.append(f"the daemon has not written its status for {int(age)} s")
    elif ago < -STALE_AFTER:
        # A clock was set back: a daemon that lives writes anew within seconds.
        reasons.append(f"the daemon's last word is {long_span(-ago)} ahead of the clock, and it has said nothing since")
    else:
        down = False
        if age > LATE_AFTER:
            reasons.append(f"the daemon has not written its status for {int(age)} s, though it does so every 15 s")
    reasons += _worries(status, now)
    return Judgement(Health.DOWN if down else Health.DEGRADED if reasons else Health.WELL, age, tuple(reasons))


def _worries(status: Status, now: datetime) -> list[str]:
    reasons = []
    if status.daemon.problem:
        reasons.append(status.daemon.problem)
    if status.commons.reachable is False:
        reasons.append(f"the commons does not answer: {status.commons.problem}".rstrip(": "))
    elif status.outbox.pause is not None and not status.key.problem:
        # Shorter ones are a proxy's hiccup. What answers the look at the commons need not be what takes submissions.
        said, since = status.outbox.pause.reason, moment(status.outbox.pause.since)
        if (now - since).total_seconds() >= PAUSE_WARNING:
            reasons.append(f"nothing is sent: {said[:1].lower()}{said[1:]}".rstrip("."))
    if status.key.problem:
        reasons.append(status.key.problem)
    elif status.key.key_expires_at:
        left = (moment(status.key.key_expires_at) - now).total_seconds()
        if left <= 0:
            reasons.append("the API key has expired: make a new one on the commons' profile page")
        elif left < KEY_WARNING:
            days = int(left // 86400)
            when = f"in {days} day{'s' * (days != 1)}" if days else "today"
            reasons.append(f"the API key expires {when}: make a new one on the commons' profile page")
    reasons += [f"{parked.project} is parked: {parked.reason}" for parked in status.outbox.parked_projects]
    shown = sum(drop.state == "parked" for drop in status.outbox.open)
    parked_drops = status.outbox.states.get("parked", shown)
    if parked_drops:
        reasons.append(f"{parked_drops} drop{'s' * (parked_drops != 1)} parked")
    # What has landed and is not out of the outbox: its receipt waits for somebody to make room.
    stuck = [drop for drop in status.outbox.open if drop.state == "verifying" and drop.reason]
    if stuck:
        more = f" (and {len(stuck) - 1} more)" if len(stuck) > 1 else ""
        reasons.append(f"{stuck[0].reason.rstrip('.')}{more}")
    for outcome in ("failed", "guarded"):
        bad = sum(mirror.outcome == outcome for mirror in status.inbox.mirrors)
        if bad:
            reasons.append(f"{bad} mirror{'s' * (bad != 1)} {outcome}")
    # A mirror that was never there is either on its way or counted as failed.
    old = sum(mirror.stale and mirror.checked_at is not None for mirror in status.inbox.mirrors)
    if old:
        reasons.append(f"{old} mirror{'s' * (old != 1)} older than {'they' if old != 1 else 'it'} should be")
    # Without a key nobody knows what to mirror: that is said once.
    reasons += [why for why in status.inbox.problems if not (status.key.problem and status.key.problem in why)]
    if status.notify.problem:
        said = status.notify.problem
        reasons.append(said if said.startswith("Notifications ") else f"notifications: {said}")
    return reasons


def long_span(seconds: float) -> str:
    """A length of time that is counted in minutes at least: `40 min`, `3 h`, `12 days`."""
    minutes = max(0, round(seconds / 60))
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2880 else f"{minutes // 1440} days"


def process_alive(status: Status) -> bool:
    """Whether the process that wrote the status exists. On another host nobody can tell, so age must decide."""
    if status.daemon.host != socket.gethostname():
        return True
    try:
        os.kill(status.daemon.pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # it runs as another user
    return True
