"""systemd's STATUS= line: what a person wants to know first, in one line of `systemctl status`."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from gen3sync.health import Judgement
from gen3sync.status import Status, moment


def status_line(status: Status, judgement: Judgement, now: datetime) -> str:
    """As in "3 files waiting, last mirror 2 min ago, key expires in 12 days"; what is wrong comes after it."""
    words = [*_drops(status), *_mirrors(status, now), *_key(status, now)]
    return "; ".join([", ".join(words), *judgement.reasons[:2]])


def _drops(status: Status) -> list[str]:
    outbox = status.outbox
    states = outbox.states or Counter(drop.state for drop in outbox.open)
    moving = sum(states.get(state, 0) for state in ("planning", "sending", "verifying"))
    parked = states.get("parked", 0)
    waiting = outbox.settling + outbox.open_total - moving - parked
    words = [f"{number} {word}" for number, word in ((moving, "sending"), (parked, "parked")) if number]
    if waiting or not words:
        words.insert(0, f"{waiting or 'no'} {'file' if waiting == 1 else 'files'} waiting")
    return words


def _mirrors(status: Status, now: datetime) -> list[str]:
    if not status.inbox.mirrors:
        return ["no mirrors"]
    checked = [moment(mirror.checked_at) for mirror in status.inbox.mirrors if mirror.checked_at]
    return [f"last mirror {_ago(max(checked), now)}" if checked else "no mirror yet"]


def _key(status: Status, now: datetime) -> list[str]:
    if not status.key.key_expires_at or status.key.problem:
        return []  # the problem is said as such
    left = (moment(status.key.key_expires_at) - now).total_seconds()
    if left <= 0:
        return []
    days = int(left // 86_400)
    hours = int(left // 3600)
    span = f"{days} day{'s' * (days != 1)}" if days else f"{hours} h" if hours else f"{int(left // 60)} min"
    return [f"key expires in {span}"]


def _ago(then: datetime, now: datetime) -> str:
    minutes = int(max(0.0, (now - then).total_seconds()) // 60)
    if minutes < 1:
        return "just now"
    if minutes < 60:
        return f"{minutes} min ago"
    return f"{minutes // 60} h ago" if minutes < 2880 else f"{minutes // 1440} days ago"
