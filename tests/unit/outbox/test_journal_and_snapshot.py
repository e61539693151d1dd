"""What survives a crash: the journal, and snapshots that are whole or not there."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gen3sync.files import Fingerprint
from gen3sync.outbox import snapshot
from gen3sync.outbox.journal import DISPROVED, ChunkRecord, Journal, SentRow, UnseenRow
from gen3sync.outbox.model import Action, Reason

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def chunk(number: int, state: str = "in flight") -> ChunkRecord:
    return ChunkRecord(number, 1, "case", 2, (2, 3), f"doc/{number}", "2026-01-02T00:00:00+00:00", state=state)


def test_the_journal_tells_what_was_sent_and_what_became_of_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.arrived(Fingerprint(1, 2, 3, 4), "folder")
    journal.sending(chunk(1), [SentRow(2, Action.CREATE), SentRow(3, Action.UPDATE, {"sex": "male"})])
    journal.sending(chunk(2), [SentRow(4, Action.CREATE)])
    journal.answered(chunk(1, "landed"))
    again = Journal(tmp_path)
    assert again.fingerprint() == Fingerprint(1, 2, 3, 4)
    assert [(c.number, c.state) for c in again.chunks()] == [(1, "landed"), (2, "in flight")]
    assert [(row.line, row.action, row.before) for row in again.sent()] == [
        (2, Action.CREATE, None), (3, Action.UPDATE, {"sex": "male"}), (4, Action.CREATE, None)
    ]  # fmt: skip


def test_the_journal_tells_which_rows_are_refused_and_which_landed_since(tmp_path: Path) -> None:
    sexes = Reason(
        "ERROR", "sex must be male or female.", "sex", "Write one.", "a rule", "the commons' words", ("male",)
    )
    other = Reason("TWIN", "It stands there twice.")
    journal = Journal(tmp_path)
    journal.sending(chunk(1), [SentRow(line, Action.CREATE) for line in (2, 3, 4)])
    journal.answered(chunk(1, "refused"), [(2, (sexes,)), (3, (sexes, other))])
    journal.refused([(5, (other,))])
    journal.sending(chunk(2), [SentRow(3, Action.CREATE)])
    journal.answered(chunk(2, "landed"))
    first, *rest = Journal(tmp_path).refusals()
    assert first == (2, (sexes,))
    assert [(line, [reason.type for reason in reasons]) for line, reasons in rest] == [
        (3, ["ERROR", "TWIN"]), (5, ["TWIN"]), (3, [])
    ]  # fmt: skip
    assert [c.state for c in Journal(tmp_path).chunks()] == ["refused", "landed"]


def test_the_journal_tells_what_was_done_to_rows_but_not_by_a_request_that_did_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for number in (1, 2):
        journal.sending(chunk(number), [SentRow(2 * number, Action.CREATE), SentRow(2 * number + 1, Action.CREATE)])
        journal.answered(chunk(number, "landed"), acted={Action.UPDATE: [2 * number]})
    journal.answered(chunk(1, DISPROVED))
    again = Journal(tmp_path)
    assert list(again.corrections()) == [(Action.UPDATE, [4])]
    assert [row.line for row in again.sent()] == [4, 5]


def test_the_journal_tells_which_rows_a_request_carried_unseen(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.sending(chunk(1), [SentRow(2, Action.WRITE), SentRow(3, Action.WRITE)])
    journal.answered(chunk(1, "answer lost, expired"))
    journal.sending(chunk(2), [SentRow(4, Action.WRITE)])
    journal.answered(chunk(2, "refused"))
    rows = [SentRow(5, Action.CREATE), SentRow(3, Action.WRITE), SentRow(4, Action.WRITE)]
    journal.sending(chunk(3), rows)
    again = Journal(tmp_path)
    assert again.unseen("doc/1") == [UnseenRow(2, 0, True), UnseenRow(3, 1, True)]
    assert again.unseen("doc/3") == [UnseenRow(3, 1, False), UnseenRow(4, 2, True)]
    assert again.unseen("doc/2") == again.unseen("doc/4") == []


def test_a_torn_line_is_passed_over_and_the_next_one_is_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.sending(chunk(1), [SentRow(2, Action.CREATE)])
    path = tmp_path / "journal.jsonl"
    whole = path.read_bytes()
    for cut in range(len(whole)):
        path.write_bytes(whole + whole[:cut])
        Journal(tmp_path).answered(chunk(1, "landed"))
        assert [(c.number, c.state) for c in Journal(tmp_path).chunks()] == [(1, "landed")]


def test_a_snapshot_holds_the_bytes_and_their_hash(tmp_path: Path) -> None:
    source = tmp_path / "case.tsv"
    source.write_bytes(b"type\tsubmitter_id\n")
    shot = snapshot.take(source, tmp_path / "state", NOW)
    assert (tmp_path / "state" / shot.path).read_bytes() == source.read_bytes()
    assert shot.fingerprint == Fingerprint.at(source)
    assert snapshot.orphans(tmp_path / "state", {shot.path}) == []
    assert len(snapshot.orphans(tmp_path / "state", set())) == 1
    snapshot.discard(shot.path, tmp_path / "state")
    assert list((tmp_path / "state/drops").iterdir()) == []


def test_what_is_no_file_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "x")
    for name in ("link", "missing"):
        with pytest.raises(OSError):
            snapshot.take(tmp_path / name, tmp_path / "state", NOW)
    assert list((tmp_path / "state/drops").iterdir()) == []


def test_a_gzip_file_without_its_end_is_not_whole(tmp_path: Path) -> None:
    packed = gzip.compress(b"line\n" * 1000) + gzip.compress(b"more\n")
    source = tmp_path / "case.tsv.gz"
    for content, whole in ((packed, True), (packed[:-3], False), (packed[:20], False), (b"no gzip", True)):
        source.write_bytes(content)
        assert snapshot.take(source, tmp_path / "state", NOW).whole is whole
