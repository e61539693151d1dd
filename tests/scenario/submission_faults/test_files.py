"""Files that change, hide, lie or come in crowds (docs/reference/submission-faults.md, "Files")."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from watchdog.observers import Observer

from gen3sync.clock import SystemClock
from gen3sync.ledger import Verdict
from gen3sync.outbox import snapshot, watch
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Story, names, persons, subjects

ONE = subjects(*persons(4))
TWO = subjects(*(row.replace("human", "dog") for row in persons(4)))
QUEUED = Path("/proc/sys/fs/inotify/max_queued_events")
CUT = ONE[: ONE.rindex("emale")]  # in the middle of the last row: P3 is of the sex "f"


def test_an_undo_file_dropped_under_its_own_name(story: Story) -> None:
    """Its own undo file must not take its place."""
    story.drop("subject.tsv", ONE)
    story.goes()
    story.drop("subject.tsv", TWO)
    story.goes(2)
    undo = (story.folder / "sent/DEV/test/subject-2.tsv.undo.tsv").read_bytes()
    story.drop("undo.tsv", undo)
    [*_, drop] = story.goes(3)
    assert (drop.verdict, drop.counts["updated"]) == (Verdict.LANDED, 4)
    assert (story.folder / "sent/DEV/test/undo.tsv").read_bytes() == undo
    assert story.says("undo.tsv")["undo"]["files"] == {"undo.tsv": 4}
    assert {story.subject(name)["species"] for name in names(4)} == {"human"}
    story.whole(*names(4), writes=3)


def replaced(story: Story, path: Path) -> None:
    beside = path.with_name(".subject.tsv.swp")
    beside.write_text(TWO)
    beside.replace(path)


def truncated(story: Story, path: Path) -> None:
    path.write_text(CUT)


def deleted(story: Story, path: Path) -> None:
    path.unlink()


def renamed(story: Story, path: Path) -> None:
    path.rename(path.with_name("other.tsv"))


CHANGES = {each.__name__: each for each in (replaced, truncated, deleted, renamed)}
LANDED, PARTLY = Verdict.LANDED, Verdict.PARTLY
FIRST = ("subject.tsv", LANDED)
ENDS: dict[tuple[str, str], list[tuple[str, Verdict]]] = {
    # (change, stage): the drops it comes to
    ("replaced", "settling"): [("subject.tsv", LANDED)],
    ("truncated", "settling"): [("subject.tsv", PARTLY)],
    ("deleted", "settling"): [],
    ("renamed", "settling"): [("other.tsv", LANDED)],
    ("replaced", "taking"): [("subject.tsv", LANDED)],
    ("truncated", "taking"): [("subject.tsv", PARTLY)],
    ("deleted", "taking"): [],
    ("renamed", "taking"): [("other.tsv", LANDED)],
    ("replaced", "sending"): [FIRST, ("subject.tsv", LANDED)],
    ("truncated", "sending"): [FIRST, ("subject.tsv", PARTLY)],
    ("deleted", "sending"): [FIRST],
    ("renamed", "sending"): [FIRST, ("other.tsv", LANDED)],
    ("replaced", "archiving"): [FIRST, ("subject.tsv", LANDED)],
    ("truncated", "archiving"): [FIRST, ("subject.tsv", PARTLY)],
    ("deleted", "archiving"): [FIRST],
    ("renamed", "archiving"): [FIRST, ("other.tsv", LANDED)],
}


EARLY = ("settling", "taking")
"""Stages before anything was taken: what was there before the change never arrives."""


def while_taken(monkeypatch: pytest.MonkeyPatch, change: Callable[[], None]) -> list[int]:
    """Lets `change` happen when the first bytes of a file have been read for its snapshot; how often one was begun."""
    opened = snapshot._opened
    begun: list[int] = []

    class Slow(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                return super().read(size)
            some = super().read(20)
            if len(begun) == 1:
                change()
            return some

    def slow(source: Path, beneath: Path | None) -> Any:
        with opened(source, beneath) as file:
            begun.append(os.fstat(file.fileno()).st_size)
            return Slow(os.dup(file.fileno()))

    monkeypatch.setattr(snapshot, "_opened", slow)
    return begun


@pytest.mark.parametrize("stage", ["settling", "taking", "sending", "archiving"])
@pytest.mark.parametrize("change", CHANGES)
def test_changed_while(story: Story, monkeypatch: pytest.MonkeyPatch, change: str, stage: str) -> None:
    wanted = ENDS[change, stage]
    done: list[str] = []

    def changes() -> None:
        CHANGES[change](story, path)
        done.append(change)

    if stage == "taking":
        while_taken(monkeypatch, changes)

    def failpoint(step: str) -> None:
        if step == "archive: papers placed" and stage == "archiving" and not done:
            changes()

    path = story.outbox / "DEV/test/subject.tsv"
    with story.running(failpoint) as days:
        if stage == "settling":
            story.drop("subject.tsv", ONE, whole=change == "renamed")
            days.until(lambda: days.outbox.status().settling == 1, "a file that settles", pace=0)
            changes()
        elif stage == "taking":
            story.drop("subject.tsv", ONE, whole=change == "renamed")
            days.until(lambda: done, "the change")
        elif stage == "sending":
            with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold:
                story.drop("subject.tsv", ONE)
                days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
                changes()
        else:
            story.drop("subject.tsv", ONE)
        drops = days.ended(len(wanted))
        days.passes(120)
        days.until(lambda: days.outbox.status().settling == 0, "quiet")
        assert [(drop.path.removeprefix("DEV/test/"), drop.verdict) for drop in drops] == wanted
        assert len(days.ledger.drops.recent(10)) == len(wanted)
    stored = names(3) if change == "truncated" and stage in EARLY else names(4)
    story.whole(*(stored if wanted else ()), writes=2 if change == "replaced" and stage not in EARLY else 1)
    if stage == "taking":
        left = list((story.settings.state.path / snapshot.FOLDER).iterdir())
        assert not left, "nothing of what was read in vain is left"
    if wanted:
        assert story.subject("P0")["species"] == ("dog" if change == "replaced" else "human")
    if change == "truncated":
        [bad] = story.rejects("subject.tsv" if stage in EARLY else "subject-2.tsv")
        assert (bad["_line"], "'f'" in bad["_errors"]) == ("5", True)


def test_grown_while_it_is_taken(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that had paused for longer than files settle: not the half of it arrives, but all, once it rests."""
    more = "".join(f"subject\tP{i}\tS1\tmale\thuman\n" for i in range(4, 8))

    def grows() -> None:
        with path.open("a") as file:
            file.write(more)

    path = story.outbox / "DEV/test/subject.tsv"
    begun = while_taken(monkeypatch, grows)
    story.dropped.add(_sha(ONE + more))
    with story.running() as days:
        story.drop("subject.tsv", ONE, whole=False)
        [drop] = days.ended()
        days.passes(120)
        days.until(lambda: days.outbox.status().settling == 0, "quiet")
        assert len(days.ledger.drops.recent(10)) == 1
    assert begun == [len(ONE), len(ONE + more)]
    assert (drop.verdict, drop.counts["created"], drop.sha256) == (LANDED, 8, _sha(ONE + more))
    story.whole(*names(8))


def test_written_to_in_the_very_last_moment(story: Story) -> None:
    """Somebody who has the file open appends a row after it was taken away from its place."""

    def failpoint(step: str) -> None:
        if step == "archive: original aside" and not opened.closed:
            with opened:
                opened.write("subject\tP4\tS1\tmale\thuman\n")

    path = story.drop("subject.tsv", ONE)
    opened = path.open("a")
    story.dropped.add(_sha(ONE + "subject\tP4\tS1\tmale\thuman\n"))
    with story.running(failpoint) as days:
        first, second = days.ended(2)
    assert (first.verdict, first.counts["created"]) == (LANDED, 4)
    assert (second.verdict, second.counts["created"], second.counts["unchanged"]) == (LANDED, 1, 4)
    story.whole(*names(5))


def test_a_copy_that_pauses_in_a_line_is_awaited(story: Story) -> None:
    path = story.drop("subject.tsv", ONE[:70], whole=False)
    with story.running() as days:
        days.until(lambda: days.outbox.status().settling == 1, "a file that settles", pace=0)
        days.passes(0.2)  # four times what a finished file needs
        days.until(lambda: days.outbox.status().settling == 1, pace=0)
        assert days.ledger.drops.recent(1) == ()
        with path.open("a") as out:
            out.write(ONE[70:])
        story.dropped.add(_sha(ONE))
        [drop] = days.ended()
        assert len(days.ledger.drops.recent(5)) == 1
    assert (drop.verdict, drop.counts["created"]) == (LANDED, 4)
    story.whole(*names(4))


def test_a_copy_that_pauses_at_a_line_end_arrives_twice(story: Story) -> None:
    """Nothing tells the first half from a whole file; the second arrival brings the rest."""
    half = subjects(*persons(2))
    path = story.drop("subject.tsv", half)
    with story.running() as days:
        days.ended()
        path.write_text(ONE)
        story.dropped.add(_sha(ONE))
        drop = days.ended(2)[1]
    assert (drop.verdict, drop.counts["created"], drop.counts["unchanged"]) == (LANDED, 2, 2)
    story.whole(*names(4))


def test_a_copy_that_broke_off_is_sent_as_far_as_it_is_whole(story: Story) -> None:
    path = story.drop("subject.tsv", CUT)
    with story.running() as days:
        [drop] = days.ended()
        assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (PARTLY, 3, 1)
        story.drop(path.name, ONE)
        drop = days.ended(2)[1]
    assert (drop.verdict, drop.counts["created"], drop.counts["unchanged"]) == (LANDED, 1, 3)
    story.whole(*names(4))


def test_an_archive_that_is_still_being_copied(story: Story) -> None:
    packed = gzip.compress(ONE.encode())
    path = story.drop("subject.tsv.gz", packed[:60], whole=False)
    with story.running() as days:
        days.until(lambda: days.outbox.status().settling == 1, "a file that settles", pace=0)
        days.passes(0.2)
        days.until(lambda: days.outbox.status().settling == 1, pace=0)
        path.write_bytes(packed)
        story.dropped.add(_sha(packed))
        [drop] = days.ended()
        assert len(days.ledger.drops.recent(5)) == 1
    assert (drop.verdict, drop.counts["created"]) == (LANDED, 4)
    story.whole(*names(4))


def test_reverted(story: Story) -> None:
    """v1, v2, v1 again: content that was sent before is compared like any other."""
    with story.running() as days:
        for number, text in enumerate((ONE, TWO, ONE), 1):
            story.drop("subject.tsv", text)
            days.ended(number)
    drops = story.goes(3)
    assert [drop.verdict for drop in drops] == [LANDED] * 3
    assert [drop.counts["updated"] for drop in drops] == [0, 4, 4]
    assert {record["species"] for record in story.sandbox.records("DEV-test", "subject")} == {"human"}
    story.whole(*names(4), writes=3)


def test_reverted_while_the_first_is_on_its_way(story: Story) -> None:
    with story.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, story.running() as days:
        story.drop("subject.tsv", ONE)
        days.until(lambda: hold.fault.waiting, "an upload held before its commit", pace=0.2)
        for number, text in enumerate((TWO, ONE), 2):
            story.drop("subject.tsv", text)
            days.arrived(number, pace=0.2)
        hold.release()
        drops = days.ended(3)
    assert [drop.verdict for drop in drops] == [LANDED, Verdict.SUPERSEDED, LANDED]
    assert {record["species"] for record in story.sandbox.records("DEV-test", "subject")} == {"human"}
    story.whole(*names(4), writes=3)


def test_the_same_name_thrice(story: Story) -> None:
    """Three arrivals before the first could be sent: the newest counts, every content is kept."""
    rows = [f"P{i} S9 male human" for i in range(3)]
    with story.running() as days:
        for number, row in enumerate(rows, 1):
            story.drop("subject.tsv", subjects(row))
            days.arrived(number)
        story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
        drops = days.ended(3)
    assert [drop.verdict for drop in drops] == [Verdict.SUPERSEDED, Verdict.SUPERSEDED, LANDED]
    assert [story.says(name)["verdict"] for name in ("subject.tsv", "subject-2.tsv", "subject-3.tsv")] == [
        "superseded", "superseded", "landed",
    ]  # fmt: skip
    story.whole("P2")


def test_the_same_content_again_sends_nothing(story: Story) -> None:
    story.drop("subject.tsv", ONE)
    story.goes()
    sent = len(story.puts())
    story.drop("subject.tsv", ONE)
    drop = story.goes(2)[1]
    assert (drop.verdict, drop.reason) == (LANDED, "The commons already held all of it; nothing was sent.")
    assert len(story.puts()) == sent
    story.whole(*names(4))


def _link(story: Story, path: Path) -> None:
    secret = story.folder / "secret.tsv"
    secret.write_text(ONE)
    path.symlink_to(secret)


def _folder_link(story: Story, path: Path) -> None:
    (story.folder / "secrets").mkdir()
    (story.folder / "secrets/subject.tsv").write_text(ONE)
    path.symlink_to(story.folder / "secrets")


def _fifo(story: Story, path: Path) -> None:
    os.mkfifo(path)


def _socket(story: Story, path: Path) -> None:
    before = Path.cwd()
    os.chdir(path.parent)  # the whole path may be too long for a socket's name
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


ODD: dict[str, tuple[Callable[[Story, Path], None], str]] = {
    "a symbolic link": (_link, "is ignored: a symbolic link is not followed"),
    "a symbolic link to a folder": (_folder_link, "is ignored: a symbolic link is not followed"),
    "a FIFO": (_fifo, "is ignored: a FIFO is not a file"),
    "a socket": (_socket, "is ignored: a socket is not a file"),
}


@pytest.mark.parametrize("kind", ODD)
def test_no_file(story: Story, kind: str) -> None:
    make, words = ODD[kind]
    story.drop("subject.tsv", ONE)
    odd = story.outbox / "DEV/test/odd.tsv"
    make(story, odd)
    with story.running() as days:
        [drop] = days.ended()
        days.hears(words)
        days.passes(600)
        days.outbox.wake()
        days.until(lambda: days.outbox.status().settling == 0)
        assert len([text for text in days.told() if text.startswith("DEV/test/odd.tsv") and words in text]) == 1
    assert (drop.verdict, os.path.lexists(odd)) == (LANDED, True)
    odd.unlink()
    story.whole(*names(4))


def test_a_file_becomes_a_link_while_it_settles(story: Story) -> None:
    secret = story.folder / "secret.tsv"
    secret.write_text(TWO)
    with story.running() as days:
        path = story.drop("subject.tsv", ONE, whole=False)
        days.until(lambda: days.outbox.status().settling == 1, "a file that settles", pace=0)
        path.unlink()
        path.symlink_to(secret)
        days.hears("symbolic link")
        assert days.ledger.drops.recent(5) == ()
    path.unlink()
    story.whole()


def test_names_of_unfinished_files_are_left_alone(story: Story) -> None:
    for name in (".subject.tsv", "subject.tsv.part", "~$subject.tsv", "subject.tsv~", ".nfs0001"):
        story.drop(name, ONE, whole=False)
    story.drop("subject.tsv", ONE)
    with story.running() as days:
        days.ended()
        days.passes(600)
        days.outbox.wake()
        days.until(lambda: days.outbox.status().settling == 0)
        assert len(days.ledger.drops.recent(10)) == 1
    story.whole(*names(4), left=5)


CROWD = int(os.environ.get("GEN3SYNC_CROWD", "1000"))


@pytest.mark.timeout(3600 if CROWD > 1000 else 600)
def test_a_crowd_of_small_files(tmp_path: Path, sandbox: Sandbox) -> None:
    """1,000 in `make test`, 10,000 in `make crash`: minutes, since each drop is flushed to the disk and proven."""
    story = Story(tmp_path, sandbox)
    story.clock = SystemClock()
    for i in range(CROWD):
        story.drop(f"s{i}.tsv", subjects(f"P{i} S1 male human"))
    with story.running() as days:
        days.until(lambda: not any(story.outbox.rglob("*.tsv")), "an empty outbox", patience=max(CROWD, 240))
        drops = days.ended(CROWD)
    assert {drop.verdict for drop in drops} == {LANDED}
    assert len(list((story.folder / "sent/DEV/test").glob("*.receipt.json"))) == CROWD
    story.whole(*(f"P{i}" for i in range(CROWD)))


def test_events_are_lost(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an overflow of inotify's queue comes to: nobody hears of a file. The scan finds it."""
    monkeypatch.setattr(watch.Marks, "add", lambda self, path: None)
    story.drop("first.tsv", subjects("P0 S1 male human"))
    with story.running() as days:
        days.ended()
        story.drop("subject.tsv", ONE)
        started = story.time.monotonic()
        days.arrived(2, pace=0.2)
        assert story.time.monotonic() - started < 300
        drop = days.ended(2)[1]
    assert drop.verdict is LANDED
    story.whole(*names(4))


@pytest.mark.skipif(
    not QUEUED.exists() or int(QUEUED.read_text()) > 500_000, reason="needs inotify, and a queue that can be filled"
)
def test_a_real_overflow_of_inotify(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader is held back until the kernel's queue is full and the kernel says so. What was dropped then is found
    by the next scan, and what comes later is heard of again, in folders too that nobody heard of."""
    story = Story(tmp_path, sandbox, options='chunk_rows = 4\nrescan = "10m"')
    from watchdog.observers.inotify_c import InotifyConstants, InotifyFD

    overflown: list[Any] = []
    slow, held, quick = threading.Event(), threading.Event(), threading.Event()
    real = InotifyFD.read_events

    def read_events(self: Any, **options: Any) -> Any:
        events = real(self, **options)
        overflown.extend(event for event in events if event.mask & InotifyConstants.IN_Q_OVERFLOW)
        if slow.is_set():
            held.set()
            assert quick.wait(200)
        return events

    monkeypatch.setattr(InotifyFD, "read_events", read_events)
    with story.running() as days:
        story.drop("first.tsv", subjects("P0 S1 male human"))
        days.ended()
        assert days.outbox.status().watch == "inotify"
        noise = [story.outbox / f".noise{i}" for i in range(2)]
        slow.set()
        noise[0].touch()
        assert held.wait(60)
        for number in range(int(QUEUED.read_text()) + 100):
            noise[number % 2].touch()
        for i in range(1, 5):
            story.drop(f"new{i}/s.tsv", subjects(f"P{i} S1 male human"))
        quick.set()
        days.until(lambda: overflown, "the overflow", pace=0)
        assert {drop.verdict for drop in days.ended(5)} == {LANDED}
        scanned = story.time.monotonic()
        story.drop("new4/last.tsv", subjects("P5 S1 male human"))
        days.arrived(6, pace=0.02)
        assert story.time.monotonic() - scanned < 300, "heard, not found by the next scan"
        days.ended(6)
        for path in noise:
            path.unlink()
    story.whole(*names(6))


def test_more_events_than_can_be_kept(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_MOST_MARKS", 3)
    with story.running() as days:
        for i in range(20):
            story.drop(f"s{i}.tsv", subjects(f"P{i} S1 male human"))
        assert {drop.verdict for drop in days.ended(20)} == {LANDED}
    story.whole(*names(20))


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EMFILE], ids=["watches", "instances"])
def test_no_watches_left(story: Story, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(self: Any, *args: Any, **options: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Observer, "schedule", refuse)
    with story.running() as days:
        status = days.outbox.status()
        assert (status.watch, "left, so new files are found by scanning" in status.problem) == ("poll", True)
        days.hears("fs.inotify.max_user_")
        story.drop("subject.tsv", ONE)
        [drop] = days.ended()
    assert drop.verdict is LANDED
    story.whole(*names(4))


def test_the_outbox_is_replaced_under_the_watch(story: Story) -> None:
    with story.running() as days:
        story.drop("a.tsv", subjects("P0 S1 male human"))
        days.ended()
        story.outbox.rename(story.outbox.with_name("old"))
        story.outbox.mkdir()
        days.hears("it is watched again")
        story.drop("b.tsv", subjects("P1 S1 male human"))
        days.ended(2)
    story.whole("P0", "P1")


def test_names_that_would_trick_a_terminal(story: Story) -> None:
    story.drop("a\x1b[31m\nb.tsv", subjects("P0 S1 male human"))
    [drop] = story.goes()
    assert drop.verdict is LANDED
    assert all(text.isprintable() for text in story.events())
    story.whole("P0")


def _sha(text: str | bytes) -> str:
    return hashlib.sha256(text if isinstance(text, bytes) else text.encode()).hexdigest()


def test_a_name_as_long_as_can_be(tmp_path: Path, sandbox: Sandbox) -> None:
    story = Story(tmp_path, sandbox)
    name = "ä" * 125 + ".tsv"
    story.drop(name, subjects(*persons(2)))
    [drop] = story.goes()
    assert drop.verdict is LANDED
    assert not any("cannot be removed" in text for text in story.events())
    story.whole(*names(2))
