"""Anything may happen, in any order: Hypothesis drops, edits, deletes, undoes, kills, breaks, fills disks, sets clocks,
writes from elsewhere and lets time pass, in two projects whose records have the same names.

The engine lives in a process of its own and dies by SIGKILL; the sandbox is the truth. After every run all troubles
end, and when time has passed all of this must hold: each record equals the newest green drop that named it, property by
property (unless somebody else wrote it since); receipts are true, recounted from the commons' own log; every dropped
file is in exactly one place; nothing was refused, erased or doubled without need; and no two requests in flight wrote
one record or named one id.

`outbox_machine/` has the parts: `machine.py` the rules, `witness.py` what the commons saw, `ended.py`, `receipts.py`
and `verdicts.py` what must hold.

GEN3SYNC_EXAMPLES (32) and GEN3SYNC_STEPS (18) make it deeper; GEN3SYNC_SEED tries one seed's examples,
GEN3SYNC_SHRINK=1 looks for the shortest story.
"""

from __future__ import annotations

import os

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.crash.nursery import Nursery
from tests.scenario.outbox_machine.machine import Machine

EXAMPLES = int(os.environ.get("GEN3SYNC_EXAMPLES", "32"))
LENGTH = int(os.environ.get("GEN3SYNC_STEPS", "18"))
SEED = os.environ.get("GEN3SYNC_SEED")

settings.register_profile(
    "outbox machine",
    max_examples=EXAMPLES,
    stateful_step_count=LENGTH,
    derandomize="GEN3SYNC_EXAMPLES" not in os.environ and SEED is None,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink) if os.environ.get("GEN3SYNC_SHRINK") else (Phase.generate,),
    print_blob=True,
)


@pytest.mark.timeout(36_000 if "GEN3SYNC_EXAMPLES" in os.environ else 3600)
def test_whatever_happens_the_receipts_are_true(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Nursery() as nursery:

        class Here(Machine):
            def __init__(self) -> None:
                super().__init__(nursery, tmp_path_factory.mktemp("world"))

        machine = Here if SEED is None else hypothesis.seed(int(SEED))(Here)
        run_state_machine_as_test(machine, settings=settings.get_profile("outbox machine"))
