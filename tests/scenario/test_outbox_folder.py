"""The outbox's folders as they may be: unreadable for a while, with markers that come and go."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen3sync.errors import UsageError
from gen3sync.ledger import DropState, Verdict
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Days, Story, persons, subjects


def guarded(story: Story, days: Days) -> Path:
    """A file that would erase a stored value, parked."""
    story.drop("subject.tsv", subjects(*persons(1)))
    days.ended()
    path = story.drop("blank.tsv", subjects("P0 S1 male ."))
    days.parked()
    return path


def refusing(folder: Path, then: Callable[..., Any], refuses: list[bool]) -> Callable[..., Any]:
    """A system call that is refused for `folder` while `refuses` holds something, as it never is for root."""

    def call(given: Any, *args: Any, **options: Any) -> Any:
        if refuses and not isinstance(given, int) and os.fspath(given) in (os.fspath(folder), folder.name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return then(given, *args, **options)

    return call


def test_a_folder_that_cannot_be_read_for_a_while_has_lost_no_file(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has deleted the file of the drop that waits: it is not taken back, now or after a restart."""
    story = Story(tmp_path, sandbox)
    refuses: list[bool] = []
    folder = story.outbox / "DEV" / "test"
    for name in ("scandir", "open", "lstat"):
        monkeypatch.setattr(os, name, refusing(folder, getattr(os, name), refuses))
    with story.running() as days:
        path = guarded(story, days)
        refuses.append(True)
        days.hears("the folder cannot be read: Permission denied")
        days.passes(600)
        days.outbox.wake()
        story.drop("other.tsv", subjects(*persons(1, first=1)), project="DEV/other", whole=False)
        days.arrived(3)
        assert days.ledger.drops.open()[0].state is DropState.PARKED
    with story.running() as days:
        days.passes(600)
        days.until(lambda: not days.outbox.status().settling)
        assert days.ledger.drops.open()[0].state is DropState.PARKED
        refuses.clear()
        path.unlink()
        assert days.ended(2)[-1].verdict is Verdict.WITHDRAWN
    assert story.subject("P0")["species"] == "human"


@pytest.fixture
def marked(tmp_path: Path, sandbox: Sandbox) -> Story:
    """Files are taken when a marker lies beside them."""
    return Story(tmp_path, sandbox, options="ready_marker = true")


def mark(path: Path) -> Path:
    """Says that a file is done, after it was written."""
    marker = path.with_name(f"{path.name}.ready")
    marker.touch()
    os.utime(marker, ns=(path.stat().st_mtime_ns + 1,) * 2)
    return marker


def test_the_marker_of_a_newer_file_stays_when_the_older_one_is_done_with(marked: Story) -> None:
    with marked.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, marked.running() as days:
        path = marked.drop("subject.tsv", subjects(*persons(1)))
        mark(path)
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        marked.drop("subject.tsv", subjects(*persons(2)))
        marker = mark(path)
        hold.release()
        days.ended(pace=0)
        assert marker.exists()
        assert [drop.verdict for drop in days.ended(2)] == [Verdict.LANDED, Verdict.LANDED]
        assert not marker.exists()
    marked.whole("P0", "P1")


def test_the_marker_of_a_file_that_is_done_with_goes_though_a_newer_one_has_none_yet(marked: Story) -> None:
    with marked.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, marked.running() as days:
        path = marked.drop("subject.tsv", subjects(*persons(1)))
        marker = mark(path)
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        marked.drop("subject.tsv", subjects(*persons(2)))
        os.utime(path, ns=(marker.stat().st_mtime_ns + 1,) * 2)
        hold.release()
        days.ended(pace=0)
        days.until(lambda: not marker.exists(), "the end of the marker", pace=0)
        mark(path)
        assert [drop.verdict for drop in days.ended(2)] == [Verdict.LANDED, Verdict.LANDED]
    marked.whole("P0", "P1")


def test_a_marker_that_is_removed_takes_no_file_back(marked: Story) -> None:
    with marked.running() as days:
        mark(marked.drop("subject.tsv", subjects(*persons(1))))
        days.ended()
        path = marked.drop("blank.tsv", subjects("P0 S1 male ."))
        marker = mark(path)
        days.parked()
        marker.unlink()
        days.passes(600)
        days.outbox.wake()
        marked.drop("other.tsv", subjects(*persons(1, first=1)))
        mark(marked.outbox / "DEV/test/other.tsv")
        days.ended(2)
        assert days.ledger.drops.open()[0].state is DropState.PARKED
        path.unlink()
        assert [drop.verdict for drop in days.ended(3)].count(Verdict.WITHDRAWN) == 1


def test_a_file_that_never_had_a_project_is_not_sent_again_to_none(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox)
    story.drop("subject.tsv", subjects(*persons(1)), project="DEV/tset")
    with story.running() as days:
        days.outbox.withdraw(days.parked().id)
        days.ended()
        with pytest.raises(UsageError, match="never had a project"):
            days.outbox.retry("subject.tsv")
        assert len(days.ledger.drops.recent()) == 1
