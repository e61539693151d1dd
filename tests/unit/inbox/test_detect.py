"""The rules of "Has anything changed?"."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gen3sync.inbox.detect import Known, Signature, Why, after_export, after_look, decide

START = datetime(2026, 1, 1, tzinfo=UTC)
HORIZON = timedelta(seconds=300)


def seen(ok: int = 5, count: int = 3, newest: str = "id@t", pending: str = "") -> Signature:
    return Signature(ok, frozenset(pending.split()), {"case": (count, newest)})


def why(known: Known, now: Signature | None, after: float = 10, node: str = "case") -> Why:
    moment = START + timedelta(seconds=after)
    return decide(known, now, node, moment, horizon=HORIZON, full_every=timedelta(days=1))


def exported(before: Signature | None, known: Known | None = None, at: float = 0) -> Known:
    return after_export(known or Known(), before, "case", START + timedelta(seconds=at), horizon=HORIZON)


def test_an_equal_signature_means_unchanged() -> None:
    assert why(exported(seen()), seen()) is Why.UNCHANGED


@pytest.mark.parametrize("other", [seen(ok=6), seen(count=2), seen(count=4), seen(newest="id@earlier")])
def test_any_difference_means_changed(other: Signature) -> None:
    assert why(exported(seen()), other) is Why.CHANGED


def test_fewer_transactions_than_before_are_an_alarm() -> None:
    assert why(exported(seen()), seen(ok=4)) is Why.BACKWARDS


def test_never_exported_comes_first_and_old_ones_are_refreshed_unconditionally() -> None:
    assert why(Known(), seen()) is Why.FIRST
    assert why(exported(seen()), seen(), after=86399) is Why.UNCHANGED
    assert why(exported(seen()), seen(), after=86400) is Why.FULL


def test_a_clock_set_back_by_days_does_not_silence_a_mirror() -> None:
    assert why(exported(seen(), at=3 * 86400), seen()) is Why.FULL


def test_without_graphql_or_for_a_node_it_does_not_know_every_time() -> None:
    assert why(exported(seen()), None) is Why.BLIND
    assert why(exported(seen()), seen(), node="other") is Why.BLIND
    assert why(exported(None), seen()) is Why.CHANGED


def test_a_pending_transaction_is_waited_for_once_and_then_forgotten() -> None:
    known = exported(seen(pending="7"))
    assert why(known, seen(pending="7"), after=299) is Why.UNCHANGED
    assert why(known, seen(pending="7"), after=300) is Why.SETTLED
    later = exported(seen(pending="7"), known, at=300)
    assert later.forgotten == {"7"}
    assert why(later, seen(pending="7"), after=4000) is Why.UNCHANGED


def test_a_pending_transaction_that_ended_needs_no_export_of_its_own() -> None:
    assert why(exported(seen(pending="7")), seen(), after=400) is Why.UNCHANGED


def test_an_export_before_its_time_does_not_end_the_waiting_nor_prolong_it() -> None:
    known = exported(seen(pending="7"))
    known = exported(seen(ok=6, pending="7"), known, at=100)
    assert why(known, seen(ok=6, pending="7"), after=300) is Why.SETTLED


def test_a_pending_transaction_met_between_exports_is_waited_for_too() -> None:
    known = after_look(exported(seen()), seen(pending="9"), START + timedelta(seconds=50))
    assert why(known, seen(pending="9"), after=349) is Why.UNCHANGED
    assert why(known, seen(pending="9"), after=350) is Why.SETTLED
    assert after_look(known, seen(pending="9"), START + timedelta(seconds=60)) is known
    assert not after_look(known, seen(), START + timedelta(seconds=60)).pending


def test_what_is_known_survives_as_json_and_damage_means_nothing_known() -> None:
    known = exported(seen(pending="7 8"), exported(seen(pending="7")), at=300)
    assert Known.from_json(known.to_json()) == known
    every: tuple[object, ...] = (None, {}, [], {"signature": 1}, {"signature": "", "exported_at": "x", "pending": 3})
    for damaged in every:
        assert Known.from_json(damaged) == Known()
