"""The order of a drop's steps, where something cannot be written down in the middle of it."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gen3sync.errors import LedgerError
from gen3sync.ledger import Drop, DropState, Ledger, NewDrop
from gen3sync.observe import NOBODY
from gen3sync.outbox.archive import Archive
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.lane_state import LaneState
from gen3sync.outbox.steps import Steps
from gen3sync.outbox.work import Stage, Work


def test_drops_that_were_archived_have_ended_whatever_fails_after_that(tmp_path: Path, ledger: Ledger) -> None:
    """Else they would be archived once more, out of a work folder that is gone, for ever."""
    new = NewDrop("case.tsv", "", 1, "drops/one/case.tsv", program="DEV", project="test")
    works = [Work(ledger.drops.add(new), tmp_path, Journal(tmp_path), stage=Stage.ARCHIVE) for _ in range(3)]
    told: list[int] = []
    forgotten: list[int] = []

    def full_disk(*_args: object) -> list[Work]:
        raise LedgerError("The ledger cannot be written: the disk is full.", "")

    class Placed:
        def composed(self, _work: Work) -> bool:
            return True

        def archive_all(self, some: list[Work]) -> list[Drop]:
            return [ledger.drops.update(work.id, state=DropState.ENDED) for work in some]

    lane: Any = SimpleNamespace(
        works={work.id: work for work in works},
        rooms=SimpleNamespace(ledger=SimpleNamespace(together=nullcontext), observer=NOBODY),
        put=lambda *_args: None,
        planner=SimpleNamespace(refused_parents=SimpleNamespace(ended=full_disk)),
        index=SimpleNamespace(forget=forgotten.append),
        release_followers=lambda: None,
    )
    steps = Steps(
        cast("LaneState", lane), cast("Archive", Placed()), lambda _call: None, lambda drop: told.append(drop.id)
    )
    with pytest.raises(LedgerError):
        steps.step(works[0])
    assert (told, forgotten, lane.works) == ([1, 2, 3], [1, 2, 3], {})
    assert {work.stage for work in works} == {Stage.GONE}
