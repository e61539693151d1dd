"""What the daemon remembers between two pictures of how things are."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from gen3sync.clock import ManualClock
from gen3sync.daemon.recall import Pace, Recall, refusal_of
from gen3sync.ledger import DropState, EventLevel, Ledger, MirrorKey, NewDrop, NewRefresh, Outcome, Verdict


def ends(ledger: Ledger, path: str, verdict: Verdict, receipt: str | None = None) -> int:
    drop = ledger.drops.add(NewDrop(path, "0" * 64, 1, f"drops/{path}"))
    ledger.drops.update(drop.id, state=DropState.ENDED, verdict=verdict, receipt=receipt)
    ledger.events.add(EventLevel.INFO, verdict.value, f"{path} {verdict}", drop_id=drop.id)
    return drop.id


def test_a_new_recall_knows_what_an_old_one_knows(ledger: Ledger, clock: ManualClock) -> None:
    old = Recall()
    old.look(ledger, clock.now())
    for number in range(30):
        ends(ledger, f"{number}.tsv", Verdict.REJECTED if number % 3 else Verdict.LANDED)
        clock.advance(60)
        old.look(ledger, clock.now())
    new = Recall()
    new.look(ledger, clock.now())
    assert old.today == new.today == {"landed": 10, "rejected": 20}
    assert [drop.path for drop in old.ended] == [drop.path for drop in new.ended]
    assert old.ended[0].path == "29.tsv"
    assert [drop.path for drop in old.refused] == [drop.path for drop in new.refused]


def test_more_than_a_few_hundred_files_a_day_are_counted(ledger: Ledger, clock: ManualClock) -> None:
    recall = Recall()
    recall.look(ledger, clock.now())
    with ledger.together():
        for number in range(1200):
            ends(ledger, f"{number}.tsv", Verdict.LANDED)
    recall.look(ledger, clock.now())
    assert recall.today == {"landed": 1200}
    assert len(recall.ended) == 20


def test_a_day_is_forgotten_after_a_day(ledger: Ledger, clock: ManualClock) -> None:
    recall = Recall()
    ends(ledger, "a.tsv", Verdict.PARTLY)
    recall.look(ledger, clock.now())
    assert (recall.today, len(recall.refused)) == ({"partly": 1}, 1)
    clock.advance(86_400)
    recall.look(ledger, clock.now())
    assert (recall.today, recall.refused) == ({}, ())
    assert [drop.path for drop in recall.ended] == ["a.tsv"]


def test_the_one_that_ended_last_comes_first_whenever_it_came(ledger: Ledger, clock: ManualClock) -> None:
    early = ledger.drops.add(NewDrop("early.tsv", "0" * 64, 1, "drops/1"))
    ends(ledger, "late.tsv", Verdict.LANDED)
    clock.advance(10)
    ledger.drops.update(early.id, state=DropState.ENDED, verdict=Verdict.LANDED)
    recall = Recall()
    recall.look(ledger, clock.now())
    assert [drop.path for drop in recall.ended] == ["early.tsv", "late.tsv"]


def test_why_rows_were_refused_comes_from_the_receipt(ledger: Ledger, tmp_path: Path) -> None:
    receipt = tmp_path / "a.tsv.receipt.json"
    groups = [{"rows": n, "type": "X", "column": "sex", "message": f"reason {n}", "lines": []} for n in range(9, 0, -1)]
    receipt.write_text(json.dumps({"rejects": groups, "papers": ["rejects.tsv", "undo.tsv"]}))
    found = refusal_of(str(receipt))
    assert found.rejects == tmp_path / "a.tsv.rejects.tsv"
    assert found.reasons[0] == (9, "reason 9", "sex")
    assert len(found.reasons) == 5


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rejects": [{}]}', '{"rejects": 1, "papers": []}'])
def test_a_receipt_that_says_nothing_says_nothing(tmp_path: Path, text: str) -> None:
    receipt = tmp_path / "a.tsv.receipt.json"
    receipt.write_text(text)
    assert refusal_of(str(receipt)).reasons == ()
    assert refusal_of(str(tmp_path / "gone.receipt.json")).reasons == ()
    assert refusal_of(None).reasons == ()


def test_the_last_change_of_a_mirror_outlives_looks_that_find_nothing(ledger: Ledger, clock: ManualClock) -> None:
    recall, key = Recall(), MirrorKey("DEV/x/case.tsv", "DEV", "x", "case", "tsv")

    def run(outcome: Outcome, reason: str = "") -> None:
        ledger.refreshes.add(NewRefresh(key.mirror, "DEV", "x", "case", "tsv", clock.now(), outcome, reason=reason))
        clock.advance(60)
        recall.look(ledger, clock.now())

    run(Outcome.UPDATED, "3 added.")
    run(Outcome.UNCHANGED)
    run(Outcome.FAILED, "no answer")
    change = recall.change(key)
    assert change is not None
    assert change.reason == "3 added."
    run(Outcome.UPDATED, "1 removed.")
    assert recall.change(key).reason == "1 removed."  # type: ignore[union-attr]
    fresh = Recall()
    fresh.look(ledger, clock.now() + timedelta(days=40))
    assert fresh.change(key).reason == "1 removed."  # type: ignore[union-attr]


def test_pace_says_how_long_it_will_take() -> None:
    pace = Pace()
    assert pace.left(0, 1000, 0.0) is None
    assert pace.left(100, 1000, 10.0) == pytest.approx(90)
    assert pace.left(100, 1000, 15.0) == pytest.approx(85)  # between two answers time goes on
    assert pace.left(300, 1000, 20.0) == pytest.approx(700 / 15)
    assert pace.left(1000, 1000, 30.0) is None


def test_pace_is_not_known_of_what_stands_still() -> None:
    pace = Pace()
    pace.left(0, 1000, 0.0)
    pace.left(10, 1000, 1.0)
    assert pace.left(10, 1000, 50.0) is not None
    assert pace.left(10, 1000, 62.0) is None


def test_pace_follows_the_last_minutes_and_begins_again_with_a_new_plan() -> None:
    pace = Pace()
    pace.left(0, 10_000, 0.0)
    for second in range(1, 20):
        pace.left(second, 10_000, float(second))  # slow
    for second in range(20, 620):
        left = pace.left(19 + 10 * (second - 19), 10_000, float(second))  # ten times as fast
    assert left == pytest.approx((10_000 - 6019) / 10, rel=0.05)
    assert pace.left(5, 10_000, 700.0) is None
