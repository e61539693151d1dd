"""What counts as a file in the outbox."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from gen3sync.outbox.scan import Oddity, Outlook, is_gone, never_counts


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


def refusing(path: Path, number: int, then: Callable[..., Any]) -> Callable[..., Any]:
    """A system call that fails for `path`, as it does not for root."""

    def call(given: Any, *args: Any, **options: Any) -> Any:
        if not isinstance(given, int) and os.fspath(given) in (os.fspath(path), path.name):
            raise OSError(number, os.strerror(number))
        return then(given, *args, **options)

    return call


def test_what_cannot_be_looked_at_hides_nothing_else_and_is_not_taken_to_be_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEV/other/case.tsv", "DEV/test/case.tsv"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text("x")
    monkeypatch.setattr(os, "scandir", refusing(tmp_path / "DEV/test", errno.EACCES, os.scandir))
    monkeypatch.setattr(os, "open", refusing(tmp_path / "DEV/test", errno.ESTALE, os.open))
    found = Outlook(tmp_path).scan()
    assert set(found.files) == {"DEV/other/case.tsv"}
    assert [(odd.path, odd.why) for odd in found.odd] == [("DEV/test", "the folder cannot be read: Permission denied")]
    assert not is_gone(tmp_path, PurePosixPath("DEV/test/case.tsv"))
    assert not is_gone(tmp_path, PurePosixPath("DEV/other/case.tsv"))
    assert is_gone(tmp_path, PurePosixPath("DEV/other/gone.tsv"))
    assert is_gone(tmp_path, PurePosixPath("DEV/gone/case.tsv"))
    assert is_gone(tmp_path, PurePosixPath("DEV/other/case.tsv/case.tsv"))


def test_an_entry_that_cannot_be_looked_at_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ls` shows with question marks: the folder lists it, and the server knows it no more."""
    for name in ("a.tsv", "stale.tsv", "z.tsv"):
        (tmp_path / name).write_text("x")
    listed = os.scandir

    class Stale:
        name, path = "stale.tsv", str(tmp_path / "stale.tsv")

        def is_dir(self, *, follow_symlinks: bool) -> bool:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    class Listing:
        def __init__(self, folder: str) -> None:
            self._entries = [Stale() if entry.name == "stale.tsv" else entry for entry in listed(folder)]

        def __enter__(self) -> Iterator[Any]:
            return iter(self._entries)

        def __exit__(self, *_: object) -> None: ...

        def __iter__(self) -> Iterator[Any]:
            return iter(self._entries)

    monkeypatch.setattr(os, "scandir", Listing)
    found = Outlook(tmp_path).scan()
    assert set(found.files) == {"a.tsv", "z.tsv"}
    assert [(odd.path, odd.why) for odd in found.odd] == [("stale.tsv", "it cannot be looked at: Stale file handle")]
