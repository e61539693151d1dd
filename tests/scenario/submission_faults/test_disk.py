"""Disks that are full, elsewhere or gone (docs/reference/submission-faults.md, "Disks")."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen3sync.files import fsync_folder, move, write_atomic
from gen3sync.ledger import Verdict
from gen3sync.outbox import snapshot
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.proofs import act
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import Table
from gen3sync.sandbox import Sandbox
from tests.scenario.submission_faults.kit import Story, names, persons, subjects


@contextmanager
def small_disk(folder: Path, size: str = "96k") -> Iterator[Path]:
    """A tiny file system mounted at `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.geteuid() != 0:
        pytest.skip("mounting a tmpfs needs root; the injected twin of this test runs everywhere")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(ballast: Path) -> None:
    """Takes all the room there is."""
    with ballast.open("wb", buffering=0) as out, contextlib.suppress(OSError):
        while out.write(bytes(4096)):
            pass


def full(times: list[int], then: Callable[..., Any]) -> Callable[..., Any]:
    """Fails with "no space left" that many times."""

    def call(*args: Any, **options: Any) -> Any:
        if times[0] > 0:
            times[0] -= 1
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return then(*args, **options)

    return call


def test_no_space_for_the_snapshot(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [3]
    monkeypatch.setattr("gen3sync.outbox.snapshot.fsync_folder", full(left, fsync_folder))
    with story.running() as days:
        path = story.drop("subject.tsv", subjects(*persons(4)))
        days.hears("cannot be taken")
        assert path.exists()
        [drop] = days.ended()
        assert any("the disk is full" in text for text in days.told())
    assert (left, drop.verdict) == ([0], Verdict.LANDED)
    assert list((story.settings.state.path / snapshot.FOLDER).iterdir()) == []
    story.whole(*names(4))


def test_no_space_for_the_journal(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The snapshot was written, the line about it cannot be: the file counts as not taken."""
    left = [3]
    monkeypatch.setattr(Journal, "arrived", full(left, Journal.arrived))
    with story.running() as days:
        story.drop("subject.tsv", subjects(*persons(4)))
        days.hears("cannot be taken")
        [drop] = days.ended()
    assert (left, drop.verdict) == ([0], Verdict.LANDED)
    assert list((story.settings.state.path / snapshot.FOLDER).iterdir()) == []
    story.whole(*names(4))


def test_no_space_while_sending(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is about to be sent cannot be written down: so it is not sent."""
    left = [3]
    monkeypatch.setattr(Journal, "sending", full(left, Journal.sending))
    with story.running() as days:
        story.drop("subject.tsv", subjects(*persons(8)))
        days.hears("cannot be written down: the disk is full")
        [drop] = days.ended()
    assert (left, drop.verdict, drop.counts["created"]) == ([0], Verdict.LANDED, 8)
    story.whole(*names(8))


def test_no_space_for_an_answer(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commons has answered, and that cannot be written down."""
    left = [2]
    monkeypatch.setattr(Journal, "answered", full(left, Journal.answered))
    story.drop("subject.tsv", subjects(*persons(8)))
    [drop] = story.goes()
    assert (left, drop.verdict, drop.counts["created"]) == ([0], Verdict.LANDED, 8)
    story.whole(*names(8))


def test_no_space_for_a_proof(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The values were read back and are right, and that cannot be written down."""
    left = [2]
    monkeypatch.setattr("gen3sync.outbox.flow.act", full(left, act))
    story.drop("subject.tsv", subjects(*persons(8)))
    [drop] = story.goes()
    assert (left, drop.verdict, drop.counts["created"], len(story.puts())) == ([0], Verdict.LANDED, 8, 2)
    story.whole(*names(8))


def test_no_space_for_the_rows_of_a_file(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows were read, and there is no room for them: they are read again, not skipped."""
    left = [2]
    monkeypatch.setattr(RowIndex, "add", full(left, RowIndex.add))
    story.drop("subject.tsv", subjects(*persons(8)))
    [drop] = story.goes()
    assert (left, drop.verdict, drop.counts["read"], drop.counts["created"]) == ([0], Verdict.LANDED, 8, 8)
    story.whole(*names(8))


def test_the_disk_fails_while_the_snapshot_is_read(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that were still to come are not taken to be none."""
    left, whole = [2], Table.__iter__

    def breaks_off(table: Table) -> Iterator[Row | BadRow]:
        for number, row in enumerate(whole(table)):
            if number == 5 and left[0] > 0:
                left[0] -= 1
                raise OSError(errno.EIO, os.strerror(errno.EIO))
            yield row

    monkeypatch.setattr(Table, "__iter__", breaks_off)
    with story.running() as days:
        story.drop("subject.tsv", subjects(*persons(8)))
        days.hears("The snapshot of DEV/test/subject.tsv cannot be read")
        [drop] = days.ended()
    assert (left, drop.verdict, drop.counts["read"], drop.counts["created"]) == ([0], Verdict.LANDED, 8, 8)
    story.whole(*names(8))


def test_no_space_on_a_real_disk_for_the_snapshot(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox)
    with small_disk(story.settings.state.path / snapshot.FOLDER, "400k") as disk:
        ballast = disk / "ballast"
        with story.running() as days:
            fill(ballast)
            path = story.drop("subject.tsv", subjects(*persons(400)))
            days.hears("cannot be taken")
            assert any("the disk is full" in text for text in days.told())
            assert path.exists()
            ballast.unlink()
            [drop] = days.ended()
        assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 400)
        story.whole(*names(400))


def test_no_space_on_a_real_disk_for_the_rows_at_work(tmp_path: Path, sandbox: Sandbox) -> None:
    """The lane's own index of rows has no room: nothing of a file is overlooked, and work goes on when there is."""
    story = Story(tmp_path, sandbox)
    with small_disk(story.settings.state.path / "lanes", "400k") as disk:
        ballast = disk / "ballast"
        with story.running() as days:
            story.drop("first.tsv", subjects("P0 S1 male human"))
            days.ended()
            fill(ballast)
            story.drop("subject.tsv", subjects(*persons(400)))
            days.hears("the disk is full")
            assert len(days.ended(1)) == 1
            ballast.unlink()
            drop = days.ended(2)[1]
        assert (drop.verdict, drop.counts["read"], drop.counts["created"]) == (Verdict.LANDED, 400, 399)
        story.whole(*names(400))


def test_no_space_for_the_archive(
    story: Story, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    left = [3]
    monkeypatch.setattr("gen3sync.outbox.archive.move", full(left, move))
    with story.running() as days:
        path = story.drop("subject.tsv", subjects(*persons(4)))
        days.hears("cannot be archived")
        assert any("the disk is full" in text for text in days.told())
        assert path.exists()
        [drop] = days.ended()
    assert (left, drop.verdict, len(story.puts())) == ([0], Verdict.LANDED, 1)
    said = [record for record in caplog.records if "cannot be archived" in record.getMessage()]
    assert {vars(record)["drop"] for record in said} == {drop.id}
    story.whole(*names(4))


def test_no_space_for_receipt_and_rejects(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    left = [2]
    monkeypatch.setattr("gen3sync.outbox.archive.write_atomic", full(left, write_atomic))
    story.drop("subject.tsv", subjects(*persons(3), "P3 S1 wrong human"))
    [drop] = story.goes()
    assert (left, drop.verdict) == ([0], Verdict.PARTLY)
    assert [row["submitter_id"] for row in story.rejects("subject.tsv")] == ["P3"]
    assert story.says("subject.tsv")["rows"]["created"] == 3
    story.whole(*names(3))


def test_no_space_on_a_real_disk_for_the_archive(tmp_path: Path, sandbox: Sandbox) -> None:
    """sent/ lies on another file system, which is full."""
    with small_disk(tmp_path / "sent") as disk:
        story = Story(tmp_path, sandbox)
        ballast = disk / "ballast"
        with story.running() as days:
            ballast.write_bytes(b"x" * 90_000)
            story.drop("subject.tsv", subjects(*persons(400)))
            days.hears("cannot be archived")
            assert any("the disk is full" in text for text in days.told())
            [drop] = days.ledger.drops.open()
            assert "cannot be archived: the disk is full" in drop.reason, "status tells it, not only the history"
            assert not list(disk.rglob("*.receipt.json"))
            ballast.unlink()
            [drop] = days.ended()
        assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 400)
        assert story.says("subject.tsv")["verdict"] == "landed"
        story.whole(*names(400))


def test_the_archive_on_another_file_system(tmp_path: Path, sandbox: Sandbox) -> None:
    with small_disk(tmp_path / "elsewhere", "4m") as disk:
        story = Story(tmp_path, sandbox, options=f'sent = "{disk}/sent"\nrejected = "{disk}/rejected"')
        story.drop("good.tsv", subjects(*persons(4)))
        story.drop("bad.tsv", subjects("P9 S1 wrong human"))
        good, bad = sorted(story.goes(2), key=lambda drop: drop.path, reverse=True)
        assert (good.verdict, bad.verdict) == (Verdict.LANDED, Verdict.REJECTED)
        assert {path.name for path in (disk / "sent/DEV/test").iterdir()} == {"good.tsv", "good.tsv.receipt.json"}
        assert {path.name for path in (disk / "rejected/DEV/test").iterdir()} == {
            "bad.tsv", "bad.tsv.receipt.json", "bad.tsv.rejects.tsv",
        }  # fmt: skip
        story.whole(*names(4))


def test_killed_between_copy_and_removal_on_another_file_system(tmp_path: Path, sandbox: Sandbox) -> None:
    """The archive has the file, the state folder has it too: the next life sees that they are one."""
    with small_disk(tmp_path / "elsewhere", "4m") as disk:
        story = Story(tmp_path, sandbox, options=f'sent = "{disk}/sent"')
        story.drop("subject.tsv", subjects(*persons(4)))

        def failpoint(step: str) -> None:
            if step == "archive: snapshot placed":
                kept = disk / "sent/DEV/test/subject.tsv"
                [drop] = days.ledger.drops.open()
                (story.settings.state.path / drop.snapshot).write_bytes(kept.read_bytes())
                raise OSError(errno.EIO, "the power is gone")

        with story.running(failpoint) as days:
            days.hears("cannot be archived")
        [drop] = story.goes()
        assert drop.verdict is Verdict.LANDED
        assert {path.name for path in (disk / "sent/DEV/test").iterdir()} == {"subject.tsv", "subject.tsv.receipt.json"}
        story.whole(*names(4))


def test_the_outbox_may_not_be_written(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """The original cannot be taken away (a read-only share): it stays, is told of, and is not sent again."""
    rename = Path.rename

    def refuse(self: Path, target: Any) -> Path:
        if self.parent == story.outbox / "DEV/test":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with story.running() as days:
        path = story.drop("subject.tsv", subjects(*persons(4)))
        [drop] = days.ended()
        days.hears("is done with but cannot be removed from the outbox")
        days.passes(3600)
        days.outbox.wake()
        days.until(lambda: days.outbox.status().settling == 0)
        assert len(days.ledger.drops.recent(10)) == 1
    assert (drop.verdict, path.exists()) == (Verdict.LANDED, True)
    story.goes()
    monkeypatch.undo()
    story.drop("subject.tsv", subjects("P0 S1 other human"))
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.counts["updated"]) == (Verdict.LANDED, 1)
    story.whole(*names(4), writes=2)


def test_the_outbox_is_gone_for_a_while(story: Story) -> None:
    """A share that is not mounted: nothing is taken for withdrawn, and work goes on when it is back."""
    with story.running() as days:
        story.drop("a.tsv", subjects("P0 S1 male human"))
        days.ended()
        away = story.outbox.with_name("away")
        story.outbox.rename(away)
        days.hears("The outbox cannot be read")
        away.rename(story.outbox)
        story.drop("b.tsv", subjects("P1 S1 male human"))
        days.ended(2)
    story.whole("P0", "P1")


def test_what_was_taken_is_deleted_from_the_state_folder(story: Story) -> None:
    """Its file still lies in the outbox and arrives anew; the project's other drops do not wait for what is gone."""
    story.sandbox.set_project("DEV-test", state="closed")
    with story.running() as days:
        story.drop("subject.tsv", subjects(*persons(4)))
        days.parked_project()
    [folder] = (story.settings.state.path / snapshot.FOLDER).iterdir()
    shutil.rmtree(folder)
    story.sandbox.set_project("DEV-test", state="open")
    story.drop("more.tsv", subjects(*persons(4, first=4)))
    drops = story.goes(3)
    assert [drop.verdict for drop in drops] == [Verdict.REJECTED, Verdict.LANDED, Verdict.LANDED]
    assert drops[0].reason == "What was taken of the file is no longer in the state folder. Drop the file again."
    story.whole(*names(8))
