"""Whoever may write to the outbox, and to sent/ and rejected/, gains nothing else by it, and stops nobody."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from gen3sync.files import DEEPEST, lstat_beneath, open_beneath, remove_leftovers, walk
from gen3sync.ledger import Verdict
from gen3sync.names import printable
from gen3sync.outbox.scan import Oddity, Outlook
from gen3sync.outbox.snapshot import _GzipEnd
from gen3sync.sandbox import Sandbox
from tests.scenario.submission_faults.kit import Story, persons, subjects
from tests.unit.records.support import file_problems

GOOD = subjects("P0 S1 male human")


# --- links, hard links, FIFOs


def test_a_folder_that_becomes_a_link_between_two_looks_leads_nowhere(story: Story, tmp_path: Path) -> None:
    """The daemon may read what the person who drops files may not: its key, for one. Here the folder of a file that was
    seen is replaced by a link to where a file of that name lies."""
    private = tmp_path / "private"
    private.mkdir()
    (private / "api-key.tsv").write_text(GOOD.replace("P0", "PRIVATE"))
    dropped = story.drop("sub/api-key.tsv", GOOD, whole=False)
    story.drop("good.tsv", subjects("P1 S1 male human"))

    def swap(step: str) -> None:
        if step == "intake: seen" and dropped.parent.exists() and not dropped.parent.is_symlink():
            shutil.rmtree(dropped.parent)
            dropped.parent.symlink_to(private)

    with story.running(swap) as days:
        days.ended(1)
        days.outbox.retry(None)
        days.hears("sub is ignored: a symbolic link")
    assert story.subjects() == ["P1"]
    assert (private / "api-key.tsv").exists()
    everywhere = [path for name in ("sent", "rejected", "state") for path in (tmp_path / name).rglob("*")]
    assert not [path for path in everywhere if path.is_file() and b"PRIVATE" in path.read_bytes()]


def test_no_link_on_the_way_to_a_file_is_followed(tmp_path: Path) -> None:
    root, away = tmp_path / "outbox", tmp_path / "away"
    for folder in (root / "DEV", away / "test"):
        folder.mkdir(parents=True)
    (away / "test" / "x.tsv").write_text("x")
    (root / "DEV" / "test").symlink_to(away / "test")
    path = PurePosixPath("DEV/test/x.tsv")
    for look in (open_beneath, lstat_beneath):
        with pytest.raises(OSError):
            look(root, path)
        with pytest.raises(OSError):
            look(root, PurePosixPath("DEV/../../away/test/x.tsv"))
    assert Outlook(root).look(path) is None
    # The outbox itself may be a link: an administrator made it.
    (tmp_path / "linked").symlink_to(away)
    with open_beneath(tmp_path / "linked", PurePosixPath("test/x.tsv")) as file:
        assert file.read() == b"x"


def test_a_hard_link_is_taken_as_a_file_and_its_other_name_stays(story: Story, tmp_path: Path) -> None:
    other = tmp_path / "mine.tsv"
    other.write_text(GOOD)
    (story.outbox / "DEV/test").mkdir(parents=True)
    os.link(other, story.outbox / "DEV/test/mine.tsv")
    (drop,) = story.goes()
    assert drop.verdict is Verdict.LANDED
    assert other.read_text() == GOOD


def test_what_is_no_file_holds_nobody_up(story: Story) -> None:
    folder = story.outbox / "DEV/test"
    folder.mkdir(parents=True)
    os.mkfifo(folder / "pipe.tsv")
    (folder / "link.tsv").symlink_to("/dev/zero")
    (folder / "round").symlink_to(folder)
    story.drop("good.tsv", GOOD)
    with story.running() as days:
        days.ended(1)
        told = "\n".join(days.told())
    assert "pipe.tsv is ignored: a FIFO" in told
    assert "link.tsv is ignored: a symbolic link" in told
    assert "round is ignored: a symbolic link" in told
    assert story.subjects() == ["P0"]


@pytest.mark.parametrize("root", ["sent", "rejected"])
def test_a_link_in_the_archive_is_not_written_through(
    story: Story, tmp_path: Path, caplog: pytest.LogCaptureFixture, root: str
) -> None:
    """Members of the lab's group may write there; the daemon may write where they may not: its own state, for one."""
    (tmp_path / root).mkdir()
    (tmp_path / root / "DEV").symlink_to(tmp_path / "state")
    content = GOOD if root == "sent" else GOOD.replace("S1", "S1\t\t")
    story.drop("file.tsv", content)
    with story.running() as days:
        days.until(lambda: "cannot be archived" in caplog.text, "a word about it")
        assert days.ledger.drops.open(), "it waits: a person who takes the link away lets it end"
    assert not (tmp_path / "state" / "test").exists()


# --- names


NAMES = {
    "control": "x\n\x1b[2J\r.tsv",
    "percent": "%s{}$(id)`id`;.tsv",
    "dash": "-rf.tsv",
    "right to left": "x\u202etsv.exe.tsv",
    "encoded": "x%2F..%2F..%2Fetc.tsv",
    "formula": "=cmd|' C'!A0.tsv",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_file_name_stays_a_name(story: Story, tmp_path: Path, name: str) -> None:
    story.drop(NAMES[name], GOOD)
    with story.running() as days:
        days.ended(1)
        told = "\n".join(days.told())
    assert all(character.isprintable() or character == "\n" for character in told)
    assert NAMES[name] == printable(NAMES[name]) or NAMES[name] not in told
    archived = [path for path in (tmp_path / "sent").rglob("*") if path.is_file()]
    assert {path.parent for path in archived} == {tmp_path / "sent/DEV/test"}
    assert all(path.name.isprintable() and not path.name.startswith("-") for path in archived)
    story.whole("P0")


def test_names_that_are_no_text_are_told_and_stop_nobody(story: Story) -> None:
    """One such file stopped the whole outbox: no ledger and no receipt can hold its name."""
    folder = os.fsencode(story.outbox / "DEV/test")
    for name in (b"caf\xe9.tsv", b"folder\xff/x.tsv"):
        path = Path(os.fsdecode(folder + b"/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(GOOD)
    story.drop("good.tsv", GOOD)
    with story.running() as days:
        days.ended(1)
        told = "\n".join(days.told())
    assert r"DEV/test/caf\udce9.tsv is ignored: its name is not UTF-8" in told
    assert r"DEV/test/folder\udcff is ignored: its name is not UTF-8" in told
    assert isinstance(Outlook(story.outbox).look(PurePosixPath("DEV/test/caf\udce9.tsv")), Oddity)
    assert story.subjects() == ["P0"]


def test_folders_without_end_are_told_and_stop_nobody(story: Story, tmp_path: Path) -> None:
    """A thousand folders inside one another end `os.walk`, and with it whoever walks."""
    story.drop("good.tsv", GOOD)
    fd = os.open(story.outbox / "DEV/test", os.O_RDONLY)
    for _ in range(1200):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    try:
        with story.running() as days:
            days.ended(1)
            assert any("nested too deeply" in text for text in days.told())
            assert days.outbox.status().watch == "poll"
        assert story.subjects() == ["P0"]
        remove_leftovers(story.outbox)
        assert sum(1 for _ in walk(story.outbox / "DEV/test")) == DEEPEST + 1
    finally:
        os.system(f"rm -rf '{story.outbox}'")  # shutil.rmtree falls over as well


# --- contents


def packed(*parts: tuple[bytes, int]) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    return b"".join(packer.compress(part) for part, times in parts for _ in range(times)) + packer.flush()


HEAD = b"type\tsubmitter_id\texperiments.submitter_id\n"
BOMBS: dict[str, tuple[str, Callable[[], bytes], str]] = {
    "one endless line": ("x.tsv.gz", lambda: packed((b"0" * (1 << 20), 60)), "longer than 8,388,608 characters"),
    "blank lines": ("x.tsv.gz", lambda: packed((HEAD, 1), (b"\n" * (1 << 20), 60)), "more than 300 times its size"),
    "spaces": ("x.json.gz", lambda: packed((b"[", 1), (b" " * (1 << 20), 60)), "more than 300 times its size"),
    "nested JSON": ("x.json", lambda: b'[{"x": ' + b"[" * 200_000, "nested too deeply"),
    "digits": ("x.json", lambda: b'[{"x": ' + b"1" * 100_000 + b"}]", "too many digits"),
    "a bomb in a bomb": ("x.tsv.gz", lambda: gzip.compress(packed((b"0" * 1000, 10))), "binary data"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_what_unfolds_without_end_is_refused_soon(bomb: str) -> None:
    name, make, why = BOMBS[bomb]
    (problem,) = file_problems(make(), name)
    assert why in problem.message


def test_an_archive_is_not_unfolded_without_end_while_it_is_taken() -> None:
    end = _GzipEnd()
    bomb = io.BytesIO(packed((b"\n" * (1 << 20), 200)))
    while block := bomb.read(1 << 16):
        end.feed(block)
    assert end.reached
    assert end._unpacked < 64 << 20


def test_many_doubled_keys_cost_no_more_than_reading_them() -> None:
    """They were counted by looking at all for each: 45 s for 600 KB."""
    from tests.unit.records.support import bad_rows

    keys = b",".join(b'"k%d":1,"k%d":2' % (number, number) for number in range(20_000))
    (row,) = bad_rows(b"[{" + keys + b"}]", "x.json")
    assert len(row.problems) >= 20_000


def test_a_hostile_file_holds_up_no_other_project(tmp_path: Path) -> None:
    with Sandbox(projects=["DEV-test", "DEV-other"]) as sandbox:
        story = Story(tmp_path, sandbox)
        sandbox.write(
            "DEV-other", [{"type": "study", "submitter_id": "S1", "projects": {"code": "other"}, "title": "One"}]
        )
        story.drop("bomb.tsv.gz", packed((HEAD, 1), (b"\n" * (1 << 20), 40)))
        story.drop("good.tsv", subjects(*persons(2)), project="DEV/other")
        with story.running() as days:
            drops = days.ended(2)
        assert {drop.verdict for drop in drops} == {Verdict.REJECTED, Verdict.LANDED}
        assert sandbox.count("DEV-other", "subject") == 2
