"""Other users of the machine, and what they may leave for the daemon to find."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.daemon.privacy import OURS, close_to_others
from gen3sync.errors import FolderError
from gen3sync.ledger import open_ledger
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import CONFIG, Lab, until

NOBODY = 65534
ORDERS = (
    ("format-the-disk", {"x": 1}),
    ("pull", {"mirrors": ["../../../etc/passwd", "\x1b[2J"]}),
    ("pull", {"mirrors": "DEV"}),
    ("retry", {"names": ["../../../etc/passwd", "9" * 5000, "²"]}),
    ("retry", {"names": 7, "erase": "perhaps"}),
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        lab.config.write_text(CONFIG.replace('"experiment", "case", "sample", "aliquot"', '"study"'))
        yield lab


def test_orders_that_mean_nothing_are_answered_and_stop_nobody(lab: Lab) -> None:
    """Only the daemon's own user can write into its ledger; even so, an order is answered, whatever it says."""
    with lab.daemon(), open_ledger(lab.folder / "state/ledger.sqlite", SystemClock()) as ledger:
        placed = [ledger.orders.place(verb, arguments) for verb, arguments in ORDERS]
        last = ledger.orders.place("retry", {"names": [], "erase": False})
        until(lambda: ledger.orders.get(last.id).result)
        answers = [json.loads(ledger.orders.get(order.id).result or "{}") for order in placed]
        assert [answer["ok"] for answer in answers] == [False] * len(ORDERS)
        for answer in answers:
            assert answer["what"].isprintable()
        lab.drop("study.tsv", "type\tsubmitter_id\tprojects.code\nstudy\tS\ttest\n")
        until(lambda: lab.receipt("study.tsv"))


def test_the_state_s_folders_are_closed_also_where_they_were_open(tmp_path: Path) -> None:
    (tmp_path / "lanes").mkdir(mode=0o777)
    (tmp_path / "lanes").chmod(0o777)
    close_to_others(tmp_path)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in OURS} == {0o700}
    (tmp_path / "drops").rmdir()
    (tmp_path / "drops").symlink_to("/etc")
    with pytest.raises(FolderError):
        close_to_others(tmp_path)
    assert Path("/etc").stat().st_mode & 0o777 == 0o755


@pytest.mark.skipif(os.geteuid() != 0, reason="looks as another user, which only root can")
def test_another_user_reads_neither_ledger_nor_snapshots_nor_receipts() -> None:
    # Not in pytest's own folders, which are closed to others already: here all above the state folder is open.
    with tempfile.TemporaryDirectory() as folder, Sandbox(projects=["DEV-test"]) as sandbox:
        Path(folder).chmod(0o755)
        lab = Lab(Path(folder), sandbox)
        lab.config.write_text(CONFIG.replace('"experiment", "case", "sample", "aliquot"', '"study"'))
        _look_as_nobody(lab)


def _look_as_nobody(lab: Lab) -> None:
    with lab.daemon():
        lab.drop("study.tsv", "type\tsubmitter_id\tprojects.code\nstudy\tS\ttest\n")
        until(lambda: lab.receipt("study.tsv"))
        until(lambda: (lab.inbox / "study.tsv").exists())
    script = """
import os, sys
os.setgroups([]); os.setgid(int(sys.argv[2])); os.setuid(int(sys.argv[2]))
read = []
for where, _, names in os.walk(sys.argv[1]):
    for name in names:
        try:
            open(os.path.join(where, name), "rb").close()
            read.append(name)
        except PermissionError:
            pass
print("\\n".join(sorted(read)))
"""
    said = subprocess.run(
        [sys.executable, "-c", script, str(lab.folder), str(NOBODY)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    read = set(said.stdout.split())
    assert "gen3sync.toml" in read, "the other user can look at all"
    assert not {name for name in read if "sqlite" in name or "tsv" in name or name in ("key.json", "status.json")}
