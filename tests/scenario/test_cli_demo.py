"""`make demo` is the first thing anybody runs: it must be true, end by itself, and leave nothing behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_the_demo_is_true(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "gen3sync", "demo"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-4000:] + ended.stderr[-2000:]
    assert ended.stdout.count("✓ true") == 9
    assert "gen3sync init" in ended.stdout
    assert not list(tmp_path.iterdir())
