"""Earlier versions: other names of the same files, so many or for so long."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gen3sync.config.values import Keep
from gen3sync.files import sha256_file
from gen3sync.inbox.versions import FOLDER, PRUNE_EVERY, Pruning, keep_version, prune, versions

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


def test_versions_of_a_file_that_stays_are_looked_at_now_and_then(tmp_path: Path) -> None:
    path, pruning, keep = tmp_path / "case.tsv", Pruning(), Keep(age=3600)
    publish(path, "old", AT, keep)
    publish(path, "new", AT + timedelta(hours=1), keep)
    look = AT + timedelta(hours=1, minutes=30)
    pruning.prune(path, keep, look)
    pruning.prune(path, keep, look + timedelta(minutes=45))
    assert texts(path) == ["old"], "too old by now, but looked at a while ago"
    pruning.prune(path, keep, look + PRUNE_EVERY)
    assert texts(path) == []
    assert path.read_text() == "new"


def test_another_keep_holds_at_once(tmp_path: Path) -> None:
    path, pruning = tmp_path / "case.tsv", Pruning()
    for number in range(4):
        publish(path, f"{number}", AT + timedelta(minutes=number), Keep(count=3))
    notes = tmp_path / FOLDER / "case.tsv/notes.txt"
    notes.write_text("somebody's own")
    for count, left in [(3, ["0", "1", "2"]), (1, ["2"]), (0, [])]:
        pruning.prune(path, Keep(count=count), AT + timedelta(hours=1))
        assert texts(path) == left
    assert notes.read_text() == "somebody's own"
    assert path.read_text() == "3"


def test_versions_are_left_alone_while_the_file_is_replaced(tmp_path: Path) -> None:
    """The newest is current until the new file is there, however old it is."""
    path, pruning, keep = tmp_path / "case.tsv", Pruning(), Keep(age=3600)
    publish(path, "old", AT, keep)
    with pruning.replacing(path):
        keep_version(path, sha256_file(path))
        other = threading.Thread(target=pruning.prune, args=(path, keep, AT + timedelta(days=30)))
        other.start()
        other.join()
        assert texts(path) == ["old"]
    assert pruning.due(path, keep, AT + timedelta(days=30))


def test_a_folder_of_versions_that_is_a_link_is_not_pruned(tmp_path: Path) -> None:
    path, elsewhere = tmp_path / "case.tsv", tmp_path / "elsewhere"
    publish(path, "new", AT, Keep())
    theirs = elsewhere / "case.tsv/20200101T000000.000000Z.tsv"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    (tmp_path / FOLDER).symlink_to(elsewhere)
    Pruning().prune(path, Keep(), AT)
    assert theirs.read_text() == "theirs"


def test_a_version_that_cannot_be_removed_waits(tmp_path: Path) -> None:
    path, pruning = tmp_path / "case.tsv", Pruning()
    publish(path, "new", AT, Keep())
    (tmp_path / FOLDER / "case.tsv/20200101T000000.000000Z.tsv").mkdir(parents=True)
    pruning.prune(path, Keep(), AT)
    assert not pruning.due(path, Keep(), AT)
    assert pruning.due(path, Keep(), AT + PRUNE_EVERY)
