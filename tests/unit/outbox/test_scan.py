"""What counts as a file in the outbox."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest

from gen3sync.outbox.scan import Oddity, Outlook, never_counts


@pytest.mark.parametrize(
    "name",
    [".hidden", "~$case.tsv", "case.tsv~", "case.tsv.part", "case.tsv.filepart", "case.TMP", "case.tsv.crdownload",
     ".case.tsv.swp", ".~lock.case.tsv#", "#case.tsv#", "Thumbs.db", "case.tsv.aria2"],
)  # fmt: skip
def test_names_that_never_count(name: str) -> None:
    assert never_counts(name)


@pytest.mark.parametrize("name", ["case.tsv", "case.part2.tsv", "tmp.tsv", "bak.tsv", "lock.tsv"])
def test_names_that_count(name: str) -> None:
    assert not never_counts(name)


def test_a_scan_sees_files_and_tells_what_it_will_never_take(tmp_path: Path) -> None:
    (tmp_path / "DEV/test/.git").mkdir(parents=True)
    (tmp_path / "DEV/test/.git/config.tsv").write_text("x")
    (tmp_path / "DEV/test/case.tsv").write_text("x")
    (tmp_path / "DEV/test/skip.me").write_text("x")
    (tmp_path / "DEV/test/link.tsv").symlink_to("case.tsv")
    (tmp_path / "DEV/linked").symlink_to(tmp_path / "DEV/test")
    os.mkfifo(tmp_path / "DEV/test/pipe.tsv")
    outlook = Outlook(tmp_path, ("*.me",))
    found = outlook.scan()
    assert set(found.files) == {"DEV/test/case.tsv"}
    assert {odd.path for odd in found.odd} == {"DEV/test/link.tsv", "DEV/linked", "DEV/test/pipe.tsv"}
    assert outlook.look(PurePosixPath("DEV/test/case.tsv")) == found.files["DEV/test/case.tsv"]
    assert isinstance(outlook.look(PurePosixPath("DEV/test/link.tsv")), Oddity)
    assert outlook.look(PurePosixPath("DEV/test/.git/config.tsv")) is None
    assert outlook.look(PurePosixPath("gone.tsv")) is None


def test_with_a_ready_marker_only_marked_files_count(tmp_path: Path) -> None:
    for name in ("a.tsv", "b.tsv", "b.tsv.ready"):
        (tmp_path / name).write_text("x")
    outlook = Outlook(tmp_path, ready_marker=True)
    assert set(outlook.scan().files) == {"b.tsv"}
    assert outlook.look(PurePosixPath("a.tsv")) is None
    assert outlook.look(PurePosixPath("b.tsv")) is not None
