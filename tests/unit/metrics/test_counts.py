"""What the rooms tell is counted, and no word from outside makes a series of its own."""

from __future__ import annotations

import threading

import pytest
from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from gen3sync.commons.replies import BrokenCause
from gen3sync.ledger.rows import Outcome, Verdict
from gen3sync.metrics.counts import Counts
from gen3sync.outbox.outcome import Step
from tests.unit.metrics.exposition import read, value


class Told:
    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.counts = Counts(self.registry)

    def __call__(self, name: str, **labels: str) -> float | None:
        return value(self.text, name, **labels)

    @property
    def text(self) -> str:
        return generate_latest(self.registry).decode()


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_drop_that_ended_counts_with_its_rows_and_its_time(told: Told) -> None:
    told.counts.drop_ended("partly", {"read": 10, "created": 7, "rejected": 3}, 42.0)
    assert told("gen3sync_drops_ended_total", verdict="partly") == 1
    assert told("gen3sync_rows_total", result="created") == 7
    assert told("gen3sync_rows_total", result="rejected") == 3
    assert told("gen3sync_rows_total", result="other") is None  # "read" is their sum
    assert told("gen3sync_drop_duration_seconds_sum") == 42
    assert told("gen3sync_drop_duration_seconds_bucket", le="60.0") == 1
    assert told("gen3sync_drop_duration_seconds_bucket", le="15.0") == 0


def test_a_chunk_counts_with_its_size_and_whether_it_goes_again(told: Told) -> None:
    told.counts.chunk(Step.PROVE.value, 100, 20_000)
    told.counts.chunk(Step.LOST.value, 50, 9_000)
    told.counts.retried("busy")
    assert told("gen3sync_chunks_total", outcome="landed") == 1
    assert told("gen3sync_chunks_total", outcome="lost") == 1
    assert told("gen3sync_chunk_rows_sum") == 150
    assert told("gen3sync_chunk_size_bytes_count") == 2
    assert told("gen3sync_retries_total", reason="lost") == 1
    assert told("gen3sync_retries_total", reason="busy") == 1


def test_every_step_has_its_word(told: Told) -> None:
    for step in Step:
        told.counts.chunk(step.value, 1, 1)
    assert told("gen3sync_chunks_total", outcome="other") is None


def test_everything_that_may_happen_stands_at_zero_from_the_start(told: Told) -> None:
    assert all(told("gen3sync_drops_ended_total", verdict=verdict.value) == 0 for verdict in Verdict)
    assert all(told("gen3sync_refreshes_total", outcome=outcome.value) == 0 for outcome in Outcome)
    assert told("gen3sync_token_renewals_total", outcome="refused") == 0
    assert told("gen3sync_request_duration_seconds_count", kind="submit") == 0


@pytest.mark.parametrize(
    ("result", "status"),
    [("200", "200"), ("503", "503"), ("599", "5xx"), ("999", "9xx"), ("timeout", "timeout"), ("<html>", "other")],
)
def test_a_status_is_one_of_a_few(told: Told, result: str, status: str) -> None:
    told.counts.asked("submit", result, 0.2)
    assert told("gen3sync_requests_total", kind="submit", status=status) == 1
    assert told("gen3sync_request_duration_seconds_bucket", kind="submit", le="0.25") == 1


def test_every_cause_is_a_status(told: Told) -> None:
    for cause in BrokenCause:
        told.counts.asked("export", cause.value, 1)
    assert told("gen3sync_requests_total", kind="export", status="other") is None


def test_reasons_of_parking_are_bounded_whatever_they_say(told: Told) -> None:
    told.counts.parked("drop", "question refused")
    told.counts.parked("project", "broken: timeout")
    for number in range(500):
        told.counts.parked("drop", f"reason {number}")
    samples = read(told.text)["gen3sync_parked_total"].samples
    assert len(samples) <= 22
    assert sum(samples.values()) == 502
    assert told("gen3sync_parked_total", what="drop", reason="question_refused") == 1
    assert told("gen3sync_parked_total", what="project", reason="broken") == 1


def test_threads_do_not_lose_counts(told: Told) -> None:
    def work() -> None:
        for _ in range(500):
            told.counts.arrived(2)
            told.counts.refreshed("updated")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told("gen3sync_drops_arrived_total") == 2000
    assert told("gen3sync_drops_arrived_bytes_total") == 4000
    assert told("gen3sync_refreshes_total", outcome="updated") == 2000
