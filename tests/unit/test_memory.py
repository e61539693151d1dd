"""What was freed goes back to the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gen3sync.daemon import memory

PAGES = 20_000
PROGRAM = f"""
import re
from pathlib import Path
from gen3sync.daemon import memory

def resident():
    return int(re.findall(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[0])

held = [bytes(4000) for _ in range({PAGES})]
full = resident()
kept = held[::50]
del held
memory.give_back()
print(full - resident(), len(kept))
"""


@pytest.mark.skipif(memory._glibc() is None or not Path("/proc/self/status").exists(), reason="needs glibc on Linux")
def test_what_lies_between_the_few_that_are_kept_is_given_back() -> None:
    """In a process of its own: nothing else comes and goes in its memory."""
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=120, check=True)
    given_back, kept = map(int, ended.stdout.split())
    assert given_back > PAGES * 4 // 2  # KB
    assert kept == PAGES // 50


def test_both_do_nothing_without_glibc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    memory.few_pools()
    memory.give_back()
