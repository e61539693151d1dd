"""Files that survive: writes, moves, locks, names."""

from __future__ import annotations

import fcntl
import json
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gen3sync.clock import ManualClock
from gen3sync.errors import FolderError, LockedError
from gen3sync.files import (
    FilesystemKind,
    Fingerprint,
    FolderLock,
    filesystem_kind,
    folder_error,
    holder_of,
    inside,
    move,
    open_regular,
    remove_leftovers,
    safe_name,
    sha256_file,
    unique_path,
    write_atomic,
)
from gen3sync.files import moves as moves_module
from gen3sync.files.atomic import STEPS, is_temporary

# --- write_atomic ---------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """Stands for `kill -9`: no handler of the code under test may turn it into anything else."""


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", [Killed("kill"), OSError(28, "No space left on device")])
def test_a_write_that_fails_at_any_step_leaves_the_old_or_the_new_whole(
    tmp_path: Path, step: str, fault: BaseException
) -> None:
    path = tmp_path / "case.tsv"
    path.write_bytes(b"old")

    def fail(done: str) -> None:
        if done == step:
            raise fault

    with pytest.raises(type(fault)):
        write_atomic(path, b"new and longer", failpoint=fail)
    assert path.read_bytes() == (b"new and longer" if step in ("renamed", "folder synced") else b"old")
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", STEPS)
def test_a_process_killed_at_any_step_leaves_whole_files_and_removable_leftovers(tmp_path: Path, step: str) -> None:
    path = tmp_path / "case.tsv"
    path.write_bytes(b"old")
    program = (
        "import os, signal, sys; from pathlib import Path; from gen3sync.files import write_atomic\n"
        "kill = lambda done: os.kill(os.getpid(), signal.SIGKILL) if done == sys.argv[2] else None\n"
        "write_atomic(Path(sys.argv[1]), b'new', failpoint=kill)"
    )
    ended = subprocess.run([sys.executable, "-c", program, str(path), step], check=False)
    assert ended.returncode == -9
    assert path.read_bytes() == (b"new" if step in ("renamed", "folder synced") else b"old")
    with FolderLock(tmp_path):
        removed = remove_leftovers(tmp_path)
    assert len(removed) == (0 if step in ("renamed", "folder synced") else 1)
    assert {p.name for p in tmp_path.iterdir()} == {"case.tsv", ".gen3sync.lock"}


def test_mode_and_time_are_as_asked_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        write_atomic(tmp_path / "a", b"x", mode=0o664, mtime=1234.5)
    finally:
        os.umask(old)
    status = (tmp_path / "a").stat()
    assert stat.S_IMODE(status.st_mode) == 0o664
    assert status.st_mtime_ns == 1_234_500_000_000


def test_nobody_else_can_read_a_file_before_it_is_whole(tmp_path: Path) -> None:
    def look(out: BinaryIO) -> None:
        (temporary,) = tmp_path.iterdir()
        assert stat.S_IMODE(temporary.stat().st_mode) == 0o600
        assert is_temporary(temporary.name)
        out.write(b"whole")

    write_atomic(tmp_path / "a", look)
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_a_writer_that_raises_leaves_nothing(tmp_path: Path) -> None:
    def write(out: BinaryIO) -> None:
        out.write(b"half")
        raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        write_atomic(tmp_path / "a", write)
    assert list(tmp_path.iterdir()) == []


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(target)
    write_atomic(tmp_path / "link", b"new")
    assert target.read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


def test_a_folder_in_the_way_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "a", b"x")
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_the_longest_name_a_file_may_have_can_be_written(tmp_path: Path) -> None:
    name = "é" * 127
    write_atomic(tmp_path / name, b"x")
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_leftovers_of_a_living_writer_stay(tmp_path: Path) -> None:
    writing, cleaned = threading.Event(), threading.Event()

    def write(out: BinaryIO) -> None:
        writing.set()
        assert cleaned.wait(60)
        out.write(b"whole")

    writer = threading.Thread(target=write_atomic, args=(tmp_path / "a", write))
    writer.start()
    assert writing.wait(60)
    assert remove_leftovers(tmp_path) == ()
    cleaned.set()
    writer.join()
    assert (tmp_path / "a").read_bytes() == b"whole"


def test_only_temporary_files_are_leftovers(tmp_path: Path) -> None:
    below = tmp_path / "DEV" / "test"
    below.mkdir(parents=True)
    mine, theirs = below / ".case.tsv.gen3sync-tmp-00000000", below / "case.gen3sync-tmp-1.tsv"
    mine.touch()
    theirs.touch()
    (tmp_path / ".link.gen3sync-tmp-1").symlink_to(theirs)
    assert remove_leftovers(tmp_path, recursive=False) == ()
    assert remove_leftovers(tmp_path) == (mine,)
    assert theirs.exists()


# --- FolderLock -----------------------------------------------------------------------------------------------------


def test_a_second_gen3sync_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    with FolderLock(tmp_path, clock=ManualClock()):
        with pytest.raises(LockedError) as caught:
            FolderLock(tmp_path).acquire()
        assert f"process {os.getpid()} on {os.uname().nodename}, since 2026-01-01T00:00:00" in str(caught.value)
        holder = holder_of(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert holder_of(tmp_path) is None
    with FolderLock(tmp_path):
        pass


def test_a_lock_left_by_a_dead_process_is_no_obstacle(tmp_path: Path) -> None:
    program = (
        "import os, sys; from pathlib import Path; from gen3sync.files import FolderLock\n"
        "FolderLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert json.loads((tmp_path / ".gen3sync.lock").read_text())["pid"] != os.getpid()
    assert holder_of(tmp_path) is None
    with FolderLock(tmp_path) as lock:
        assert lock.held


def test_a_lock_whose_file_was_taken_away_is_no_longer_held(tmp_path: Path) -> None:
    with FolderLock(tmp_path) as lock:
        lock.path.unlink()
        with FolderLock(tmp_path) as other:
            assert (lock.held, other.held) == (False, True)
    assert not other.held


def test_what_a_lock_file_says_cannot_reach_the_terminal_raw(tmp_path: Path) -> None:
    path = tmp_path / ".gen3sync.lock"
    path.write_text(json.dumps({"host": "\x1b[2J", "pid": 1, "started": "now"}))
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(LockedError) as caught:
            FolderLock(tmp_path).acquire()
    assert "\x1b" not in str(caught.value)


def test_a_lock_file_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (tmp_path / ".gen3sync.lock").symlink_to(target)
    with pytest.raises(FolderError):
        FolderLock(tmp_path).acquire()
    assert target.read_bytes() == b"precious"


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="it does not exist"):
        FolderLock(tmp_path / "missing").acquire()


# --- names ----------------------------------------------------------------------------------------------------------


@given(st.text(st.characters(), max_size=400))
@example("..")
@example(".")
@example("")
@example("a" * 5000 + ".tsv.gz")
@example("%" * 300)
def test_any_text_becomes_one_safe_name(text: str) -> None:
    name = safe_name(text)
    assert 0 < len(name.encode()) <= 200
    assert "/" not in name
    assert name[0] not in ".-"
    assert name.isprintable()
    assert (Path("/folder") / name).parent == Path("/folder")
    if "%~" not in name and name != "%" and not any(0xD800 <= ord(c) < 0xE000 for c in text):
        assert unquote(name) == text


@given(st.text(st.characters(), max_size=300), st.text(st.characters(), max_size=300))
@example("%2F", "/")
@example("", "%")
@example("a" * 250, "a" * 251)
@example("\ud800", "�")
def test_different_texts_have_different_names(one: str, other: str) -> None:
    assert (safe_name(one) == safe_name(other)) == (one == other)


def test_names_of_the_field_stay_as_they_are() -> None:
    for name in ("case", "DEV", "case one.tsv", "Überblick.tsv", "a-b_c.1"):
        assert safe_name(name) == name
    assert safe_name("x" * 300 + ".tsv").endswith(".tsv")


def test_a_unique_path_keeps_the_extension(tmp_path: Path) -> None:
    assert unique_path(tmp_path, "case.tsv.gz").name == "case.tsv.gz"
    for expected in ("case.tsv.gz", "case-2.tsv.gz", "case-3.tsv.gz"):
        path = unique_path(tmp_path, "case.tsv.gz")
        assert path.name == expected
        path.touch()
    (tmp_path / "dangling").symlink_to("nowhere")
    assert unique_path(tmp_path, "dangling").name == "dangling-2"


def test_inside_follows_links(tmp_path: Path) -> None:
    root, out = tmp_path / "root", tmp_path / "out"
    root.mkdir()
    out.mkdir()
    (root / "link").symlink_to(out)
    assert inside(root, root / "a" / "b")
    assert not inside(root, root / ".." / "out")
    assert not inside(root, root / "link" / "a")
    assert not inside(root, tmp_path / "root-2")


# --- move and read --------------------------------------------------------------------------------------------------


def test_a_move_keeps_the_file_and_never_overwrites(tmp_path: Path) -> None:
    src, dst = tmp_path / "a", tmp_path / "sub" / "b"
    dst.parent.mkdir()
    src.write_bytes(b"content")
    inode = src.stat().st_ino
    move(src, dst)
    assert dst.stat().st_ino == inode
    assert not src.exists()
    src.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        move(src, dst)
    with pytest.raises(FileExistsError):
        move(src, tmp_path / "sub" / ".." / "a")
    assert (src.read_bytes(), dst.read_bytes()) == (b"other", b"content")


@pytest.mark.parametrize("unsupported", [("exclusive",), ("exclusive", "link")])
def test_a_move_never_overwrites_where_the_system_helps_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unsupported: tuple[str, ...]
) -> None:
    monkeypatch.setattr(moves_module, "_rename_exclusive", lambda src, dst: 22)
    if "link" in unsupported:
        monkeypatch.setattr(os, "link", _not_permitted)
    src, dst = tmp_path / "a", tmp_path / "b"
    src.write_bytes(b"content")
    inode = src.stat().st_ino
    move(src, dst)
    assert dst.stat().st_ino == inode
    src.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        move(src, dst)
    assert (src.read_bytes(), dst.read_bytes()) == (b"other", b"content")


def _not_permitted(*args: object, **kwargs: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_move_that_was_killed_half_way_finishes(tmp_path: Path) -> None:
    src, dst = tmp_path / "a", tmp_path / "b"
    src.write_bytes(b"content")
    dst.hardlink_to(src)
    move(src, dst)
    assert not src.exists()
    assert dst.read_bytes() == b"content"


def _far(src: Path, dst: Path) -> int:
    """As if every folder were a file system of its own."""
    return 18 if src.parent != dst.parent else moves_module_rename(src, dst)


moves_module_rename = moves_module._rename_exclusive


def test_a_move_to_another_file_system_copies_and_proves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves_module, "_rename_exclusive", _far)
    src, dst = tmp_path / "a", tmp_path / "sub" / "b"
    dst.parent.mkdir()
    src.write_bytes(b"content" * 1000)
    src.chmod(0o644)
    os.utime(src, (1000, 1000))
    move(src, dst)
    assert dst.read_bytes() == b"content" * 1000
    assert (stat.S_IMODE(dst.stat().st_mode), dst.stat().st_mtime) == (0o644, 1000)
    assert not src.exists()
    src.write_bytes(b"other")
    with pytest.raises(FileExistsError):
        move(src, dst)
    assert [p.name for p in dst.parent.iterdir()] == ["b"]


def test_a_file_that_changes_while_it_is_copied_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moves_module, "_rename_exclusive", _far)
    src, dst = tmp_path / "a", tmp_path / "sub" / "b"
    dst.parent.mkdir()
    src.write_bytes(b"content")
    whole = moves_module.sha256_file

    def someone_appends(path: Path) -> str:
        with src.open("ab") as out:
            out.write(b" and more")
        return whole(path)

    monkeypatch.setattr(moves_module, "sha256_file", someone_appends)
    with pytest.raises(OSError, match="changed while it was moved"):
        move(src, dst)
    assert src.read_bytes() == b"content and more"
    assert list(dst.parent.iterdir()) == []


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "fifo")
    with open_regular(tmp_path / "file") as source:
        assert source.read() == b"x"
    for name in ("link", "fifo", "."):
        with pytest.raises(OSError):
            open_regular(tmp_path / name)
    assert sha256_file(tmp_path / "file") == "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"


def test_a_fingerprint_sees_a_change_and_a_replacement(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"1")
    before = Fingerprint.at(path)
    assert before == Fingerprint.of(path.stat())
    write_atomic(path, b"1", mtime=before.mtime_ns / 1e9)
    assert Fingerprint.at(path) != before


# --- kinds of disks, sentences --------------------------------------------------------------------------------------

MOUNTS = r"""22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw
30 22 0:5 / /data rw shared:1 - nfs4 server:/export rw
31 30 0:6 / /data/fast\040disk rw - xfs /dev/sdb1 rw
32 22 0:7 / /tmp rw - tmpfs tmpfs rw
33 22 0:8 / /odd rw - fuse.newthing x rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/x", "local"),
        ("/data/lab/outbox", "network"),
        ("/database", "local"),
        ("/data/fast disk/x", "local"),
        ("/tmp/x", "memory"),
        ("/odd/x", "unknown"),
    ],
)
def test_the_kind_of_disk_is_that_of_the_nearest_mount(tmp_path: Path, path: str, kind: str) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert filesystem_kind(Path(path), tmp_path / "mountinfo") == FilesystemKind(kind)


def test_without_a_mount_table_the_kind_is_unknown(tmp_path: Path) -> None:
    assert filesystem_kind(tmp_path, tmp_path / "missing") is FilesystemKind.UNKNOWN


def test_system_errors_become_sentences() -> None:
    error = folder_error("The receipt of case.tsv cannot be written", OSError(28, "No space left on device"))
    assert str(error) == (
        "The receipt of case.tsv cannot be written: the disk is full. Make room there; gen3sync goes on by itself."
    )
    assert "Numerical result out of range" in str(folder_error("X", OSError(34, os.strerror(34))))


@pytest.mark.parametrize("namesakes", [0, 1, 2, 3, 6, 7, 8, 100, 100_000])
def test_a_free_name_is_the_next_one_and_found_without_trying_them_all(tmp_path: Path, namesakes: int) -> None:
    taken = {"case.tsv.gz", *(f"case-{number}.tsv.gz" for number in range(2, namesakes + 1))} if namesakes else set()
    tried: list[str] = []

    def free(path: Path) -> bool:
        tried.append(path.name)
        return path.name not in taken

    found = unique_path(tmp_path, "case.tsv.gz", free).name
    assert found == (f"case-{namesakes + 1}.tsv.gz" if namesakes else "case.tsv.gz")
    assert len(tried) < 40
