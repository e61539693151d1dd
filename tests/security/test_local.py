"""Other users of the machine, and what they may leave for the daemon to find."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.clock import SystemClock
from gen3sync.daemon.privacy import OURS, close_to_others
from gen3sync.daemon.recall import Refusal, refusal_of
from gen3sync.errors import FolderError
from gen3sync.inbox.index import INDEX, read_index
from gen3sync.ledger import open_ledger
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.inbox_house import house, study
from tests.scenario.lab import CONFIG, Lab, until
from tests.unit.openly import open_folder

NOBODY = 65534
STUDIES = [{"projects": ["DEV-test"], "nodes": ["study"], "every": "1h"}]
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
    etc = Path("/etc").stat().st_mode
    (tmp_path / "lanes").mkdir(mode=0o777)
    (tmp_path / "lanes").chmod(0o777)
    close_to_others(tmp_path)
    assert {(tmp_path / name).stat().st_mode & 0o777 for name in OURS} == {0o700}
    (tmp_path / "drops").rmdir()
    (tmp_path / "drops").symlink_to("/etc")
    with pytest.raises(FolderError):
        close_to_others(tmp_path)
    assert Path("/etc").stat().st_mode == etc


@pytest.mark.skipif(os.geteuid() != 0, reason="looks as another user, which only root can")
def test_another_user_reads_neither_ledger_nor_snapshots_nor_receipts() -> None:
    # Not in pytest's own folders, which are closed to others already: here all above the state folder is open.
    with open_folder() as folder, Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(folder, sandbox)
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


INDEXES = {
    "nested": b'{"files": ' + b"[" * 100_000,
    "other types": b'{"files": {"study.tsv": {"columns": "abc", "rows": "many"}}}',
    "no time": b"TIME",
    "no JSON": b"\x00\xff",
}


@pytest.mark.parametrize("planted", [*INDEXES, "a FIFO", "a device"])
def test_what_the_group_plants_as_an_index_is_no_obstacle(tmp_path: Path, planted: str) -> None:
    with house(tmp_path, mirror=STUDIES) as h:
        study(h.sandbox, "ST-1")
        h.look()
        index = tmp_path / "inbox/DEV/test" / INDEX
        good = index.read_bytes()
        index.unlink()
        if planted == "a FIFO":
            os.mkfifo(index)
        elif planted == "a device":
            index.symlink_to("/dev/zero")
        elif planted == "no time":
            index.write_bytes(re.sub(rb'"checked_at": "[^"]*"', b'"checked_at": "soon"', good))
        else:
            index.write_bytes(INDEXES[planted])
        assert read_index(index.parent) == {}
        h.restart()
        study(h.sandbox, "ST-2")
        h.look()
        assert sorted(h.rows("DEV/test/study.tsv")) == ["ST-1", "ST-2"]
        assert set(read_index(index.parent)) == {"study.tsv"}


@pytest.mark.parametrize("where", [".versions", ".versions/study.tsv"])
def test_a_folder_of_versions_that_is_a_link_costs_nobody_a_file(tmp_path: Path, where: str) -> None:
    """Old versions are removed: through a link that would have been the ledger."""
    with house(tmp_path, mirror=[{**STUDIES[0], "keep": 1}]) as h:
        study(h.sandbox, "ST-1")
        h.look()
        link = tmp_path / "inbox/DEV/test" / where
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(tmp_path / "state")
        before = {path.name for path in (tmp_path / "state").iterdir()}
        for name in ("ST-2", "ST-3", "ST-4"):
            study(h.sandbox, name)
            h.look()
        assert before <= {path.name for path in (tmp_path / "state").iterdir()}
        assert not list((tmp_path / "state").rglob("*.tsv"))


@pytest.mark.parametrize("planted", ["a FIFO", "a device", "nested"])
def test_what_the_group_plants_as_a_receipt_holds_up_no_status(tmp_path: Path, planted: str) -> None:
    """Status tells why rows were refused, from receipts, which lie where the group may write."""
    path = tmp_path / "x.tsv.receipt.json"
    if planted == "a FIFO":
        os.mkfifo(path)
    elif planted == "a device":
        path.symlink_to("/dev/zero")
    else:
        path.write_bytes(b"[" * 100_000)
    assert refusal_of(str(path)) == Refusal()
