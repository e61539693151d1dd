"""Counters and histograms of what the rooms do: an `observe.Observer`.

They begin at zero with the process and survive a reload. No label holds a name from outside: whatever is not a word of
ours becomes `other`, so the number of time series is bounded whatever a commons answers.
"""

from __future__ import annotations

import http
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram

from gen3sync.commons.metered import Kind
from gen3sync.commons.replies import BrokenCause
from gen3sync.ledger.rows import Outcome, Verdict

OTHER = "other"
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900)
_DROP_SECONDS = (1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86_400)
_ROWS = (1, 10, 30, 100, 300, 1000, 3000, 10_000)
_BYTES = (1e3, 1e4, 1e5, 3e5, 9e5, 3e6, 1e7)
_STATUSES = frozenset(str(int(status)) for status in http.HTTPStatus)
_CAUSES = frozenset(cause.value for cause in BrokenCause)
_ENDS = ("created", "updated", "written", "unchanged", "rejected", "superseded", "withdrawn", "waiting")
_ALL = "read"  # the sum of the others
_TOKENS = ("renewed", "refused", "unreachable")
_AT_ONCE = ("busy", BrokenCause.CONNECT.value, BrokenCause.RESET.value)
_MOST_REASONS = 20

_CHUNKS = {
    "prove": "landed",
    "sort": "refused",
    "again": "unclear",
    "halve": "unclear",
    "smaller": "too_large",
    "lost": "lost",
    "later": "unavailable",
    "park project": "parked",
    "park drop": "parked",
}
"""What follows from a chunk's answer (`outbox.outcome.Step`), in words for operators."""
_GOES_AGAIN = ("refused", "unclear", "too_large", "lost", "unavailable")


class Counts:
    """See `Observer` for what each method is told."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, meaning: str, labels: Iterable[str] = ()) -> Counter:
            return Counter(f"gen3sync_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: Iterable[float], labels: Iterable[str] = ()) -> Histogram:
            return Histogram(f"gen3sync_{name}", meaning, labels, buckets=tuple(buckets), registry=registry)

        self._requests = counter("requests_total", "Exchanges with the commons that ended.", ("kind", "status"))
        self._seconds = histogram(
            "request_duration_seconds",
            "How long exchanges with the commons took, bodies included.",
            _SECONDS,
            ("kind",),
        )
        self._tokens = counter("token_renewals_total", "Exchanges of the API key for a token.", ("outcome",))
        self._arrived = counter("drops_arrived_total", "Files that became drops.")
        self._arrived_bytes = counter("drops_arrived_bytes_total", "Bytes of files that became drops.")
        self._ended = counter("drops_ended_total", "Drops that ended.", ("verdict",))
        self._rows = counter("rows_total", "Rows of drops that ended, by what became of them.", ("result",))
        self._drop_seconds = histogram(
            "drop_duration_seconds", "From a file's arrival to its receipt, waiting included.", _DROP_SECONDS
        )
        self._parked = counter("parked_total", "Drops and projects that were parked.", ("what", "reason"))
        self._chunks = counter("chunks_total", "Chunks sent, by what came of them.", ("outcome",))
        self._chunk_rows = histogram("chunk_rows", "Rows in a chunk.", _ROWS)
        self._chunk_bytes = histogram("chunk_size_bytes", "Bytes of a chunk.", _BYTES)
        self._retries = counter("retries_total", "Chunks whose rows are sent again, by why.", ("reason",))
        self._refreshes = counter("refreshes_total", "Looks at mirrors, by outcome.", ("outcome",))
        self._reasons: set[str] = set()
        self._begin()

    def asked(self, kind: str, result: str, seconds: float) -> None:
        self._requests.labels(kind, _status(result)).inc()
        self._seconds.labels(kind).observe(seconds)

    def token_exchanged(self, outcome: str) -> None:
        self._tokens.labels(outcome).inc()

    def arrived(self, size: int) -> None:
        self._arrived.inc()
        self._arrived_bytes.inc(size)

    def chunk(self, outcome: str, rows: int, size: int) -> None:
        word = _CHUNKS.get(outcome, OTHER)
        self._chunks.labels(word).inc()
        self._chunk_rows.observe(rows)
        self._chunk_bytes.observe(size)
        if word in _GOES_AGAIN:
            self._retries.labels(word).inc()

    def retried(self, reason: str) -> None:
        self._retries.labels(reason if reason in _AT_ONCE else OTHER).inc()

    def parked(self, what: str, reason: str) -> None:
        word = reason.partition(":")[0].strip().replace(" ", "_") or OTHER
        if word not in self._reasons and len(self._reasons) >= _MOST_REASONS:
            word = OTHER
        self._reasons.add(word)
        self._parked.labels(what, word).inc()

    def drop_ended(self, verdict: str, rows: Mapping[str, int], seconds: float) -> None:
        self._ended.labels(verdict).inc()
        self._drop_seconds.observe(max(0.0, seconds))
        for end, number in rows.items():
            if end != _ALL:
                self._rows.labels(end if end in _ENDS else OTHER).inc(number)

    def refreshed(self, outcome: str) -> None:
        self._refreshes.labels(outcome).inc()

    def _begin(self) -> None:
        """Series that exist from the start: the first refusal after a restart is a rise then, not a new series."""
        for verdict in Verdict:
            self._ended.labels(verdict.value)
        for outcome in Outcome:
            self._refreshes.labels(outcome.value)
        for word in dict.fromkeys(_CHUNKS.values()):
            self._chunks.labels(word)
        for word in (*_GOES_AGAIN, *_AT_ONCE):
            self._retries.labels(word)
        for end in _ENDS:
            self._rows.labels(end)
        for word in _TOKENS:
            self._tokens.labels(word)
        for kind in Kind:
            self._seconds.labels(kind.value)


def _status(result: str) -> str:
    if result in _STATUSES or result in _CAUSES:
        return result
    return f"{result[0]}xx" if result.isdecimal() and len(result) == 3 else OTHER
