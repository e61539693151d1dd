"""What was freed goes back to the machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gen3sync.daemon import memory

PAGES = 20_000


def resident() -> int:
    """KB of this process."""
    return int(re.findall(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())[0])


@pytest.mark.skipif(memory._glibc() is None or not Path("/proc/self/status").exists(), reason="needs glibc on Linux")
def test_what_lies_between_the_few_that_are_kept_is_given_back() -> None:
    held = [bytes(4000) for _ in range(PAGES)]
    full = resident()
    kept = held[::50]
    del held
    memory.give_back()
    assert full - resident() > PAGES * 4 // 2
    assert len(kept) == PAGES // 50


def test_both_do_nothing_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    memory.few_pools()
    memory.give_back()
