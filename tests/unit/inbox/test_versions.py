"""Earlier versions: other names of the same files, so many or for so long."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gen3sync.config.values import Keep
from gen3sync.files import sha256_file
from gen3sync.inbox.versions import FOLDER, keep_version, prune, versions

AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


def publish(path: Path, text: str, at: datetime, keep: Keep) -> None:
    if path.exists():
        keep_version(path, sha256_file(path))
    fresh = path.with_name(".fresh")
    fresh.write_text(text)
    os.utime(fresh, (at.timestamp(), at.timestamp()))
    fresh.rename(path)
    prune(path, keep, at)


def texts(path: Path) -> list[str]:
    return [one.read_text() for one in versions(path)]


def test_so_many_versions_stay(tmp_path: Path) -> None:
    path = tmp_path / "case.tsv"
    for number in range(6):
        publish(path, f"{number}", AT + timedelta(hours=number), Keep(count=3))
    assert texts(path) == ["2", "3", "4"]
    assert versions(path)[0].name == "20260101T140000.000000Z.tsv"
    assert versions(path)[0].parent == tmp_path / FOLDER / "case.tsv"


def test_an_age_counts_from_when_a_version_was_replaced(tmp_path: Path) -> None:
    path = tmp_path / "case.tsv"
    publish(path, "old", AT, Keep(age=86_400))
    publish(path, "new", AT + timedelta(days=30), Keep(age=86_400))
    assert texts(path) == ["old"], "it was current until just now"
    publish(path, "newer", AT + timedelta(days=30, hours=12), Keep(age=86_400))
    assert texts(path) == ["old", "new"]
    publish(path, "newest", AT + timedelta(days=31, hours=1), Keep(age=86_400))
    assert texts(path) == ["new", "newer"]


def test_a_version_costs_nothing_and_equal_ones_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "case.tsv"
    publish(path, "a", AT, Keep(count=9))
    inode = path.stat().st_ino
    for hour, text in enumerate(["b", "a", "c"], 1):
        publish(path, text, AT + timedelta(hours=hour), Keep(count=9))
    assert texts(path) == ["a", "b", "a"]
    first, _, third = versions(path)
    assert first.stat().st_ino == third.stat().st_ino == inode


def test_nothing_kept_leaves_no_folder(tmp_path: Path) -> None:
    path = tmp_path / "case.tsv"
    publish(path, "a", AT, Keep(count=2))
    publish(path, "b", AT + timedelta(hours=1), Keep(count=2))
    prune(path, Keep(count=0), AT)
    assert not (tmp_path / FOLDER / "case.tsv").exists()
