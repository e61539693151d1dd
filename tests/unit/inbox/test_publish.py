"""Files in the inbox: whole, unchanged where nothing changed, never over somebody's edits, gone wrong without harm."""

from __future__ import annotations

import errno
import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gen3sync.files import TEMPORARY_MARK
from gen3sync.inbox.index import INDEX, Entry, read_index
from gen3sync.inbox.pieces import Text
from gen3sync.inbox.plan import Format, Mirror
from gen3sync.inbox.publish import Folder, Published, Standing, Unmounted
from gen3sync.inbox.render import Rendered
from gen3sync.names import Project

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MIRROR = Mirror("DEV/a/case.tsv", Project("DEV", "a"), "case", Format.TSV, "m")


class Shelf:
    """A folder in use, and what was last put there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = Folder(root / "inbox", "https://commons.example.org")
        self.folder.mark()
        self.previous: str | None = None
        self.path = root / "inbox" / MIRROR.name

    def put(self, content: str, notes: str = "", at: datetime = AT) -> Published:
        text = self._text("spool", content)
        made = Rendered(text, ("id",), notes.count("\n"), self._text("notes", notes) if notes else None)
        moment = at.isoformat()
        entry = Entry("m", "DEV", "a", "case", "tsv", 1, text.size, text.sha256, ("id",), "1", moment, moment)
        put = self.folder.publish(MIRROR, made, entry, previous=self.previous, at=at)
        self.previous = text.sha256
        return put

    def _text(self, name: str, content: str) -> Text:
        path = self.root / name
        path.write_text(content)
        return Text(path, len(content.encode()), hashlib.sha256(content.encode()).hexdigest())

    def entry(self) -> Entry:
        return read_index(self.path.parent)["case.tsv"]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_the_file_is_as_old_as_its_data_and_the_index_knows_it(shelf: Shelf) -> None:
    assert shelf.put("one\n") == Published(written=True)
    assert shelf.path.read_text() == "one\n"
    assert shelf.path.stat().st_mtime == AT.timestamp()
    assert shelf.entry().sha256 == shelf.previous
    assert shelf.entry().next == ""
    assert not any(TEMPORARY_MARK in path.name for path in shelf.path.parent.iterdir())


def test_the_same_content_is_not_written_again(shelf: Shelf) -> None:
    shelf.put("one\n")
    before = shelf.path.stat()
    assert shelf.put("one\n", at=AT + timedelta(hours=1)) == Published(written=False)
    assert (shelf.path.stat().st_ino, shelf.path.stat().st_mtime) == (before.st_ino, before.st_mtime)


def test_edits_are_kept_aside_each_time(shelf: Shelf) -> None:
    shelf.put("one\n")
    for number in (1, 2):
        shelf.path.write_text(f"edit {number}\n")
        assert shelf.folder.standing(MIRROR, shelf.previous) is Standing.EDITED
        kept = shelf.put(f"{number}\n").kept_aside
        assert kept is not None
        assert kept.startswith("case.tsv.local-20260102T030405Z")
        assert (shelf.path.parent / kept).read_text() == f"edit {number}\n"


def test_what_a_killed_refresh_left_is_no_edit(shelf: Shelf) -> None:
    shelf.put("one\n")
    old = shelf.previous
    shelf.put("two\n")
    # As if killed between the rename and everything after it: the ledger still says "one".
    assert shelf.folder.standing(MIRROR, old) is Standing.MISSING
    shelf.previous = old
    assert shelf.put("three\n") == Published(written=True, kept_aside=None)


def test_notes_come_and_go_with_what_cannot_be_said(shelf: Shelf) -> None:
    beside = shelf.path.with_name("case.tsv.untellable.jsonl")
    shelf.put("one\n", notes="{}\n")
    assert beside.read_text() == "{}\n"
    shelf.put("two\n")
    assert not beside.exists()


def test_without_its_marker_nothing_is_written(shelf: Shelf) -> None:
    shelf.put("one\n")
    (shelf.root / "inbox/.gen3sync-inbox").unlink()
    with pytest.raises(Unmounted):
        shelf.put("two\n")
    assert shelf.path.read_text() == "one\n"


def test_a_spool_that_changed_is_not_published(shelf: Shelf) -> None:
    shelf.put("one\n")
    text = shelf._text("spool", "two\n")
    (shelf.root / "spool").write_text("tw")
    entry = shelf.entry()
    with pytest.raises(OSError) as caught:
        shelf.folder.publish(MIRROR, Rendered(text, ("id",)), entry, previous=shelf.previous, at=AT)
    assert caught.value.errno == errno.EIO
    assert shelf.path.read_text() == "one\n"


def test_checked_at_moves_at_most_once_a_minute(shelf: Shelf) -> None:
    shelf.put("one\n")
    shelf.folder.checked([(MIRROR, "s1")], AT + timedelta(seconds=5))
    shelf.folder.checked([(MIRROR, "s2")], AT + timedelta(seconds=15))
    assert shelf.entry().checked_at == (AT + timedelta(seconds=5)).isoformat()
    shelf.folder.checked([(MIRROR, "s2")], AT + timedelta(seconds=66))
    assert shelf.entry().signature == "s2"
    assert shelf.entry().exported_at == AT.isoformat()


def test_a_damaged_index_is_no_obstacle(shelf: Shelf) -> None:
    shelf.put("one\n")
    for damage in ("", "[]", '{"files": 3}', '{"files": {"case.tsv": {}}}', "\0"):
        (shelf.path.parent / INDEX).write_text(damage)
        assert read_index(shelf.path.parent) == {}
        assert shelf.folder.standing(MIRROR, shelf.previous) is Standing.INTACT
    shelf.put("two\n")
    assert shelf.entry().sha256 == shelf.previous
