"""How things are now, as gauges: from the status last gathered, so that a scrape asks neither ledger nor commons.

Ages are reckoned at the moment of the scrape: they go on growing when the daemon hangs. Names of mirrors come from
outside, so they are made printable and only so many of them are shown; the sums are of all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gen3sync import __version__
from gen3sync.clock import Clock
from gen3sync.health import Health
from gen3sync.ledger.rows import DropState, Outcome
from gen3sync.metrics.picture import MAIN, Picture
from gen3sync.names import printable
from gen3sync.status import MirrorStatus, Status, moment

MOST_MIRRORS = 1000
_DAEMON = ("scheduler", "ledger", "orders", "job")
_LOOPS = frozenset({MAIN, *_DAEMON, "outbox", "watch", "lane", "request", "proof", "inbox", "look", "export"})
_STATES = tuple(state.value for state in DropState if state is not DropState.ENDED)
_OUTCOMES = (*(outcome.value for outcome in Outcome), "never")


class Gauges(Collector):
    """Of one daemon."""

    def __init__(self, picture: Picture, clock: Clock) -> None:
        self._picture = picture
        self._clock = clock

    def collect(self) -> Iterator[Metric]:
        view = self._picture.view
        status = view.status if view is not None else None
        yield _gauge("build_info", "Which gen3sync this is; always 1.", [((__version__,), 1)], ["version"])
        yield from self._life()
        now = self._clock.now()
        yield from _commons(status, now)
        yield from _outbox(status, now)
        yield from _inbox(status, now)

    def _life(self) -> Iterator[Metric]:
        judgement = self._picture.judgement()
        states = [((health.value,), judgement.health is health) for health in Health]
        yield _gauge("health", "1 for how things are, as `gen3sync status` says.", states, ["state"])
        yield _gauge("problems", "Things that are not well.", [((), len(judgement.reasons))])
        yield _gauge("ready", "1 when a file dropped now would be taken.", [((), not self._picture.unready())])
        ages: dict[str, float] = {}
        for name, age in self._picture.ages().items():
            loop = name.split(" ")[0]
            loop = loop if loop in _LOOPS else "other"
            ages[loop] = max(age, ages.get(loop, 0.0))
        yield _gauge(
            "heartbeat_age_seconds",
            "Since the loops of a kind last showed life; of several the one silent longest.",
            [((loop,), age) for loop, age in sorted(ages.items())],
            ["loop"],
        )
        silent = len(self._picture.silent())
        yield _gauge("loops_silent", "Loops that should have shown life by now.", [((), silent)])


def _commons(status: Status | None, now: datetime) -> Iterator[Metric]:
    commons, key = (status.commons, status.key) if status else (None, None)
    reachable = commons.reachable if commons else None
    yield _gauge(
        "commons_up", "1 when the commons answered the last look.", [] if reachable is None else [((), reachable)]
    )
    usable = [((), not key.problem)] if key else []
    yield _gauge("key_usable", "0 when there is no usable API key or token.", usable)
    yield _gauge(
        "key_remaining_seconds", "Until the API key expires.", _until(key.key_expires_at if key else None, now)
    )
    yield _gauge(
        "token_remaining_seconds", "Until the access token ends.", _until(key.token_expires_at if key else None, now)
    )


def _outbox(status: Status | None, now: datetime) -> Iterator[Metric]:
    outbox = status.outbox if status else None
    settling = [((), outbox.settling)] if outbox else []
    yield _gauge("outbox_settling_files", "Files that are still being written.", settling)
    numbers = outbox.states if outbox else {}
    counts = [((state,), numbers.get(state, 0)) for state in _STATES] if outbox else []
    yield _gauge("drops_open", "Drops that have not ended.", counts, ["state"])
    ages = [((state,), _age(outbox.oldest.get(state), now)) for state in _STATES] if outbox else []
    yield _gauge("oldest_drop_age_seconds", "Since the oldest drop in a state arrived; 0 without one.", ages, ["state"])
    parked = [((), len(outbox.parked_projects))] if outbox else []
    yield _gauge("projects_parked", "Projects that take nothing at the moment.", parked)


def _inbox(status: Status | None, now: datetime) -> Iterator[Metric]:
    mirrors = status.inbox.mirrors if status else ()
    outcomes = Counter(mirror.outcome for mirror in mirrors)
    counts = [((outcome,), outcomes[outcome]) for outcome in _OUTCOMES] if status else []
    yield _gauge("mirrors", "Mirrors by the outcome of their last refresh.", counts, ["outcome"])
    stale = [((), sum(mirror.stale for mirror in mirrors))] if status else []
    yield _gauge("mirrors_stale", "Mirrors that are older than they should be.", stale)
    ages = [_age(mirror.checked_at, now) for mirror in mirrors if mirror.checked_at]
    yield _gauge("oldest_mirror_age_seconds", "Age of the oldest mirror.", [((), max(ages))] if ages else [])
    problems = [((), len(status.inbox.problems))] if status else []
    yield _gauge("inbox_problems", "Things that keep mirrors from being known at all.", problems)
    shown = _shown(mirrors)
    yield _gauge("mirrors_not_shown", "Mirrors without series of their own.", [((), len(mirrors) - len(shown))])
    labels = ["mirror", "project", "node"]
    each = list(shown.items())
    yield _gauge(
        "mirror_age_seconds",
        "Since the commons was last known to hold exactly what the file shows.",
        [(names, _age(mirror.checked_at, now)) for names, mirror in each if mirror.checked_at],
        labels,
    )
    rows = [(names, mirror.rows) for names, mirror in each if mirror.rows is not None]
    yield _gauge("mirror_rows", "Records in a mirror.", rows, labels)
    sizes = [(names, mirror.bytes) for names, mirror in each if mirror.bytes is not None]
    yield _gauge("mirror_size_bytes", "Size of a mirror's file.", sizes, labels)
    held = [(names, mirror.outcome in (Outcome.GUARDED, Outcome.FAILED)) for names, mirror in each]
    yield _gauge("mirror_held", "1 when the last refresh was guarded or failed and the old file stays.", held, labels)


def _shown(mirrors: Iterable[MirrorStatus]) -> dict[tuple[str, ...], MirrorStatus]:
    """By their labels, in the configuration's order: which ones are shown does not change from scrape to scrape."""
    shown: dict[tuple[str, ...], MirrorStatus] = {}
    for mirror in mirrors:
        if len(shown) < MOST_MIRRORS:
            names = tuple(printable(name, 200) for name in (mirror.mirror, mirror.project, mirror.node))
            shown.setdefault(names, mirror)
    return shown


def _age(since: str | None, now: datetime) -> float:
    return max(0.0, (now - moment(since)).total_seconds()) if since else 0.0


def _until(at: str | None, now: datetime) -> list[tuple[tuple[str, ...], float]]:
    """Negative once it is over."""
    return [((), (moment(at) - now).total_seconds())] if at else []


def _gauge(
    name: str, meaning: str, values: Iterable[tuple[tuple[str, ...], float]], labels: Iterable[str] = ()
) -> Metric:
    family = GaugeMetricFamily(f"gen3sync_{name}", meaning, labels=tuple(labels))
    for names, value in values:
        family.add_metric(names, float(value))
    return family
