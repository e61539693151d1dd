"""What the rooms ask of the ledger, group by group."""

from __future__ import annotations

import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.exc import StatementError

from gen3sync.clock import ManualClock
from gen3sync.errors import LedgerError
from gen3sync.ledger import (
    DropState,
    EventLevel,
    Ledger,
    NewDrop,
    NewRefresh,
    NewRequest,
    Outcome,
    RequestState,
    Verdict,
)
from gen3sync.names import Project

DEV = Project("DEV", "test")


def drop(path: str = "DEV/test/case.tsv") -> NewDrop:
    return NewDrop(path, "0" * 64, 10, "snapshots/1", program="DEV", project="test")


def request(drop_id: int, name: str = "gen3sync-1", project: Project = DEV) -> NewRequest:
    return NewRequest(drop_id, name, project.program, project.code, "case", 3, 2, ("case a", "case b"), 77)


def refresh(outcome: Outcome, clock: ManualClock, node: str = "case", mirror: str = "clinical") -> NewRefresh:
    return NewRefresh(mirror, "DEV", "test", node, "tsv", clock.now(), outcome, rows=3, signature="s")


# --- drops ----------------------------------------------------------------------------------------------------------


def test_a_drop_lives_and_ends(ledger: Ledger, clock: ManualClock) -> None:
    made = ledger.drops.add(drop())
    assert (made.state, made.arrived_at, made.ended_at, made.counts) == (DropState.WAITING, clock.now(), None, {})
    clock.advance(5)
    sending = ledger.drops.update(made.id, state=DropState.SENDING, attempts=1, counts={"created": 3})
    assert (sending.updated_at, sending.counts, sending.path) == (clock.now(), {"created": 3}, made.path)
    ended = ledger.drops.update(made.id, state=DropState.ENDED, verdict=Verdict.LANDED, receipt="sent/x.receipt.json")
    clock.advance(5)
    assert (
        ledger.drops.update(made.id, state=DropState.ENDED).ended_at
        == ended.ended_at
        == clock.now() - timedelta(seconds=5)
    )
    assert ledger.drops.open() == ()
    again = ledger.drops.update(made.id, state=DropState.WAITING, verdict=None)
    assert (again.ended_at, again.verdict) == (None, None)
    assert ledger.drops.open() == (again,) == (ledger.drops.get(made.id),)


def test_times_come_back_aware_in_utc_to_the_microsecond(ledger: Ledger) -> None:
    at = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    made = ledger.drops.add(replace(drop(), next_attempt_at=at))
    found = ledger.drops.get(made.id).next_attempt_at
    assert found == at
    assert found is not None
    assert found.tzinfo is UTC
    with pytest.raises(StatementError, match="aware datetimes"):
        ledger.drops.update(made.id, next_attempt_at=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test


def test_drops_are_found_by_path_and_by_name(ledger: Ledger) -> None:
    one, two = ledger.drops.add(drop()), ledger.drops.add(drop())
    other = ledger.drops.add(drop("DEV/other/case.tsv"))
    odd = ledger.drops.add(drop("DEV/other/c_se.tsv"))
    assert ledger.drops.by_path("DEV/test/case.tsv") == (two, one)
    assert ledger.drops.recent(file="case.tsv") == (other, two, one)
    assert ledger.drops.recent(file="c_se.tsv") == (odd,)
    assert ledger.drops.recent(file="se.tsv") == ()
    assert ledger.drops.recent(2) == (odd, other)
    assert ledger.drops.open(Project("DEV", "other")) == ()
    assert ledger.drops.open(DEV) == (one, two, other, odd)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=25, deadline=None
)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.text(string.printable))
def test_any_text_comes_back_as_it_was(ledger: Ledger, path: str, reason: str) -> None:
    made = ledger.drops.add(replace(drop(path), reason=reason))
    assert ledger.drops.get(made.id) == made
    assert (made.path, made.reason) == (path, reason)
    assert made in ledger.drops.by_path(path)


def test_what_is_not_there_is_told(ledger: Ledger) -> None:
    for ask in (
        lambda: ledger.drops.get(7),
        lambda: ledger.drops.update(7, reason="x"),
        lambda: ledger.requests.finish(7, RequestState.LANDED),
        lambda: ledger.requests.get(7),
        lambda: ledger.orders.get(7),
    ):
        with pytest.raises(LedgerError, match=r"The ledger knows no \w+ 7"):
            ask()


# --- requests -------------------------------------------------------------------------------------------------------


def test_a_request_is_unsettled_until_its_end_is_known(ledger: Ledger, clock: ManualClock) -> None:
    owner = ledger.drops.add(drop())
    landed = ledger.requests.begin(request(owner.id))
    assert (landed.keys, landed.log_mark, landed.state) == (("case a", "case b"), 77, RequestState.IN_FLIGHT)
    lost = ledger.requests.begin(request(owner.id, "gen3sync-2", Project("DEV", "other")))
    assert ledger.requests.unsettled() == (landed, lost)
    assert ledger.requests.unsettled(DEV) == (landed,)
    assert ledger.requests.finish(landed.id, RequestState.LANDED, 78).transaction_id == 78
    assert ledger.requests.finish(lost.id, RequestState.LOST, 79).ended_at is None
    assert [each.state for each in ledger.requests.unsettled()] == [RequestState.LOST]
    clock.advance(600)
    settled = ledger.requests.finish(lost.id, RequestState.SETTLED)
    assert (settled.transaction_id, settled.ended_at) == (79, clock.now())
    assert ledger.requests.unsettled() == ()
    assert [each.document_name for each in ledger.requests.of_drop(owner.id)] == ["gen3sync-1", "gen3sync-2"]


def test_the_newest_landed_transactions_of_a_project(ledger: Ledger, clock: ManualClock) -> None:
    owner = ledger.drops.add(drop())
    begun = clock.now()
    ends = [(1, DEV, RequestState.LANDED), (2, DEV, RequestState.REFUSED), (3, DEV, RequestState.LANDED)]
    ends += [(4, Project("DEV", "other"), RequestState.LANDED), (5, DEV, RequestState.LANDED)]
    for number, project, state in ends:
        sent = ledger.requests.begin(request(owner.id, f"gen3sync-{number}", project))
        ledger.requests.finish(sent.id, state, number)
        clock.advance(10)
    told = ledger.requests.begin(request(owner.id, "gen3sync-6"))
    ledger.requests.finish(told.id, RequestState.LANDED)  # without its transaction's id
    assert ledger.requests.landed_since(DEV, begun, 2) == (
        (3, begun + timedelta(seconds=20)),
        (5, begun + timedelta(seconds=40)),
    )
    assert [id for id, _ in ledger.requests.landed_since(DEV, begun + timedelta(seconds=30), 4)] == [5]
    assert ledger.requests.landed_since(Project("DEV", "none"), begun, 4) == ()


def test_a_document_name_is_used_once_and_a_request_has_a_drop(ledger: Ledger) -> None:
    owner = ledger.drops.add(drop())
    ledger.requests.begin(request(owner.id))
    with pytest.raises(LedgerError):
        ledger.requests.begin(request(owner.id))
    with pytest.raises(LedgerError):
        ledger.requests.begin(request(owner.id + 1, "gen3sync-2"))
    assert len(ledger.requests.unsettled()) == 1


# --- refreshes ------------------------------------------------------------------------------------------------------


def test_the_newest_refresh_and_the_newest_success(ledger: Ledger, clock: ManualClock) -> None:
    updated = ledger.refreshes.add(refresh(Outcome.UPDATED, clock))
    failed = ledger.refreshes.add(refresh(Outcome.FAILED, clock))
    other = ledger.refreshes.add(refresh(Outcome.GUARDED, clock, node="sample"))
    assert ledger.refreshes.last(updated.key) == failed
    assert ledger.refreshes.last(updated.key, success_only=True) == updated
    assert ledger.refreshes.last(other.key, success_only=True) is None
    assert ledger.refreshes.last(replace(updated.key, format="json")) is None
    assert ledger.refreshes.latest_all() == (failed, other)
    assert ledger.refreshes.latest_all(success_only=True) == (updated,)
    assert ledger.refreshes.recent(node="case") == (failed, updated)
    assert ledger.refreshes.recent(1, mirror="clinical") == (other,)


def test_unchanged_after_unchanged_shares_a_row_that_tells_of_the_newest(ledger: Ledger, clock: ManualClock) -> None:
    start = clock.now()
    first = ledger.refreshes.add(refresh(Outcome.UNCHANGED, clock))
    clock.advance(10)
    many = ledger.refreshes.add_all([refresh(Outcome.UNCHANGED, clock) for _ in range(3)])[-1]
    assert (many.id, many.times, many.since, many.started_at) == (first.id, 4, start, clock.now())
    assert ledger.refreshes.last(first.key, success_only=True) == many
    failed = ledger.refreshes.add(refresh(Outcome.FAILED, clock))
    again = ledger.refreshes.add(refresh(Outcome.UNCHANGED, clock))
    assert (again.times, again.since) == (1, clock.now())
    assert ledger.refreshes.recent() == (again, failed, many)


# --- events, orders, projects, notes --------------------------------------------------------------------------------


def test_history(ledger: Ledger, clock: ManualClock) -> None:
    made = ledger.drops.add(drop())
    arrived = ledger.events.add(EventLevel.INFO, "arrived", "case.tsv arrived", drop_id=made.id)
    clock.advance(60)
    guarded = ledger.events.add(EventLevel.WARNING, "guarded", "case shrank", mirror="clinical")
    assert ledger.events.recent() == (guarded, arrived)
    assert ledger.events.recent(drop_id=made.id) == (arrived,) == ledger.events.recent(kind="arrived")
    assert ledger.events.recent(mirror="clinical") == (guarded,) == ledger.events.recent(since=clock.now())
    assert ledger.events.recent(1) == (guarded,)


def test_an_order_is_taken_once_and_taken_again_after_a_crash(ledger: Ledger, clock: ManualClock) -> None:
    one, two = ledger.orders.place("retry", {"file": "a"}), ledger.orders.place("pull", {})
    taken = ledger.orders.take()
    assert taken is not None
    assert (taken.id, taken.taken_at) == (one.id, clock.now())
    ledger.orders.finish(one.id, "done")
    assert ledger.orders.get(one.id).result == "done"
    assert ledger.orders.take() == ledger.orders.get(two.id)
    assert ledger.orders.take() is None
    assert ledger.orders.put_back() == 1
    again = ledger.orders.take()
    assert again is not None
    assert again.id == two.id


def test_a_project_is_parked_since_the_first_time(ledger: Ledger, clock: ManualClock) -> None:
    since = clock.now()
    ledger.projects.park(DEV, "closed", "closed", None)
    clock.advance(60)
    parked = ledger.projects.park(DEV, "forbidden", "forbidden", clock.now())
    assert (parked.since, parked.reason, parked.next_look_at) == (since, "forbidden", clock.now())
    assert ledger.projects.all() == (parked,)
    assert ledger.projects.release(DEV)
    assert not ledger.projects.release(DEV)


def test_notes(ledger: Ledger) -> None:
    assert ledger.notes.get("token", "none") == "none"
    for value in ({"a": [1, None, "é"]}, None, 0):
        ledger.notes.set("token", value)
        assert ledger.notes.get("token", "none") == value
    assert ledger.notes.forget("token")
    assert not ledger.notes.forget("token")
    assert [ledger.notes.once("warned") for _ in range(3)] == [True, False, False]


# --- pruning --------------------------------------------------------------------------------------------------------


def test_pruning_forgets_what_ended_and_keeps_what_matters(ledger: Ledger, clock: ManualClock) -> None:
    ended, open_, locked = (ledger.drops.add(drop(name)) for name in ("ended", "open", "locked"))
    for i, owner in enumerate((ended, open_, locked)):
        ledger.requests.begin(request(owner.id, f"gen3sync-{i}"))
        ledger.events.add(EventLevel.INFO, "arrived", owner.path, drop_id=owner.id)
    ledger.requests.finish(1, RequestState.LANDED)
    ledger.requests.finish(2, RequestState.LANDED)
    for owner in (ended, locked):
        ledger.drops.update(owner.id, state=DropState.ENDED, verdict=Verdict.UNVERIFIED)
    ledger.events.add(EventLevel.INFO, "started", "gen3sync started")
    for outcome in (Outcome.UPDATED, Outcome.UPDATED, Outcome.FAILED, Outcome.FAILED):
        ledger.refreshes.add(refresh(outcome, clock))
    ledger.orders.finish(ledger.orders.place("pull", {}).id, "done")
    waiting = ledger.orders.place("pull", {})
    clock.advance(1)
    late = ledger.drops.add(drop("late"))
    ledger.drops.update(late.id, state=DropState.ENDED)

    pruned = ledger.prune(clock.now())

    assert (pruned.drops, pruned.requests, pruned.events, pruned.refreshes, pruned.orders) == (1, 1, 2, 2, 1)
    assert {each.path for each in ledger.drops.recent()} == {"open", "locked", "late"}
    assert {each.text for each in ledger.events.recent()} == {"open", "locked"}
    assert len(ledger.requests.of_drop(open_.id)) == 1
    assert [each.state for each in ledger.requests.unsettled()] == [RequestState.IN_FLIGHT]
    assert [each.outcome for each in ledger.refreshes.recent()] == [Outcome.FAILED, Outcome.UPDATED]
    assert ledger.orders.get(waiting.id) == waiting
    assert ledger.prune(clock.now()).drops == 0


def test_pruning_gives_room_back_and_ids_are_never_used_again(ledger: Ledger, clock: ManualClock) -> None:
    with ledger.together():
        for _ in range(60):
            made = ledger.drops.add(replace(drop(), reason="x" * 2000))
            ledger.drops.update(made.id, state=DropState.ENDED)
    clock.advance(1)
    before = _pages(ledger)
    ledger.prune(clock.now())
    assert _pages(ledger) < before / 2
    assert ledger.drops.add(drop()).id == 61


def _pages(ledger: Ledger) -> int:
    with ledger._database.reading() as connection:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())


def test_a_file_is_found_by_its_name_in_its_letter_case(ledger: Ledger) -> None:
    for path in ("DEV/test/Case.tsv", "DEV/test/case.tsv", "case.tsv", "DEV/test/CASE.TSV", "a_case.tsv", "DEV/É.tsv"):
        ledger.drops.add(NewDrop(path, "", 1, "x"))
    assert [drop.path for drop in ledger.drops.recent(file="case.tsv")] == ["case.tsv", "DEV/test/case.tsv"]
    assert [drop.path for drop in ledger.drops.recent(file="test/Case.tsv")] == ["DEV/test/Case.tsv"]
    assert [drop.path for drop in ledger.drops.recent(file="É.tsv")] == ["DEV/É.tsv"]


def test_open_drops_are_found_by_an_index_however_many_have_ended(ledger: Ledger) -> None:
    asked: list[tuple[str, object]] = []
    engine = ledger._database._engine
    event.listen(engine, "before_cursor_execute", lambda *call: asked.append((call[2], call[3])))
    assert ledger.drops.open() == ()
    [(statement, values)] = [one for one in asked if one[0].startswith("SELECT")]
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()  # type: ignore[arg-type]
    assert "USING INDEX drops_by_state" in str(plan)
