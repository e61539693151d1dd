"""Reading a drop's file into the index, a slice at a time."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gen3sync.clock import ManualClock
from gen3sync.errors import FolderError
from gen3sync.ledger import NewDrop, open_ledger
from gen3sync.names import Project
from gen3sync.outbox import reading
from gen3sync.outbox.failpoint import no_failpoint
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.model import RowState, mark_of
from gen3sync.outbox.reading import read_some
from gen3sync.outbox.rooms import Rooms
from gen3sync.outbox.work import Stage, Work
from gen3sync.records.dictionary import Dictionary
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import Table
from tests.unit.records.support import dictionary, raw_dictionary

PROJECT = Project("DEV", "test")
ROWS = 12


@pytest.fixture
def work(tmp_path: Path) -> Work:
    folder = tmp_path / "drops" / "one"
    folder.mkdir(parents=True)
    lines = ["type\tsubmitter_id\texperiments.submitter_id", *(f"case\tC{i}\tE1" for i in range(ROWS))]
    (folder / "case.tsv").write_text("".join(f"{line}\n" for line in lines))
    new = NewDrop("DEV/test/case.tsv", "", 400, "drops/one/case.tsv", program="DEV", project="test")
    with open_ledger(tmp_path / "ledger.sqlite", ManualClock()) as ledger:
        return Work(ledger.drops.add(new), folder, Journal(folder))


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ValueError("nobody thought of it")])
def test_a_file_that_cannot_be_read_on_is_read_again_from_its_start(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """The rows that were still to come are not taken to be none."""
    whole, left = Table.__iter__, [error]

    def broken(table: Table) -> Iterator[Row | BadRow]:
        for number, row in enumerate(whole(table)):
            if number == 7 and left:
                raise left.pop()
            yield row

    monkeypatch.setattr(Table, "__iter__", broken)
    rooms = cast("Rooms", SimpleNamespace(state=tmp_path, failpoint=no_failpoint))
    with RowIndex(tmp_path / "lane.sqlite") as index:
        with pytest.raises((FolderError, ValueError)):
            read_some(rooms, index, work, PROJECT, dictionary(), lambda: None)
        assert work.stage is Stage.READ
        assert read_some(rooms, index, work, PROJECT, dictionary(), lambda: None)
        assert (work.stage, work.rows_read) == (Stage.WORK, ROWS)
        assert index.counts(work.id)[RowState.NEW] == ROWS


def test_a_file_over_which_gen3sync_stumbles_does_not_hold_up_others_for_ever(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_table: Table) -> Iterator[Row | BadRow]:
        raise ValueError("nobody thought of it")

    monkeypatch.setattr(Table, "__iter__", broken)
    rooms = cast("Rooms", SimpleNamespace(state=tmp_path, failpoint=no_failpoint))
    with RowIndex(tmp_path / "lane.sqlite") as index:
        for _ in range(2):
            with pytest.raises(ValueError, match="nobody thought"):
                read_some(rooms, index, work, PROJECT, dictionary(), lambda: None)
        assert read_some(rooms, index, work, PROJECT, dictionary(), lambda: None)
    assert work.stage is Stage.ARCHIVE
    assert "gen3sync stumbled over the file (ValueError)" in str(work.faults[0])


@pytest.mark.parametrize("marks", [True, False], ids=["by this version", "by one before it"])
@pytest.mark.parametrize("lines", [1, 2], ids=["one line", "a line each"])
def test_what_is_noted_of_rows_by_a_version_that_did_not_tell_them_apart_holds_only_where_it_can(
    tmp_path: Path, work: Work, lines: int, marks: bool
) -> None:
    """An upgrade finds the journal of a JSON drop whose second record had landed, noted as line 1."""
    records = [{"type": "case", "submitter_id": f"C{i}", "experiments": {"submitter_id": "E1"}} for i in range(2)]
    between = ",\n" if lines > 1 else ","
    (work.folder / "case.json").write_text(f"[{between.join(map(json.dumps, records))}]")
    work.drop = replace(work.drop, path="DEV/test/case.json", snapshot="drops/one/case.json")
    note: dict[str, Any] = {"state": int(RowState.DONE), "values": 1, "kept": [], "lines": [[lines, lines]]}
    if marks:
        note |= {"marks": True, "lines": [[mark_of(1, 1)] * 2 if lines == 1 else [2, 2]]}
    work.journal.note("done", proof="values", why_not="", **note)
    rooms = cast("Rooms", SimpleNamespace(state=tmp_path, failpoint=no_failpoint))
    with RowIndex(tmp_path / "lane.sqlite") as index:
        assert read_some(rooms, index, work, PROJECT, dictionary(), lambda: None)
        done = [row.submitter_id for row in index.rows(work.id, RowState.DONE)]
    known = marks or lines > 1
    assert done == (["C1"] if known else [])
    assert sum(work.proofs.values()) == known


def test_a_file_opened_by_a_dictionary_that_another_file_has_found_to_be_old_is_read_by_the_newest(
    tmp_path: Path, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The column is in the dictionary that is known by now, but not in the one by which the file was opened."""
    monkeypatch.setattr(reading, "SLICE", ROWS - 1)
    header, *lines = (work.folder / "case.tsv").read_text().splitlines()
    lines = [f"{header}\tnews", *(f"{line}\t{'new' if i == ROWS - 1 else ''}" for i, line in enumerate(lines))]
    (work.folder / "case.tsv").write_text("".join(f"{line}\n" for line in lines))
    raw = json.loads(json.dumps(raw_dictionary()))
    raw["case"]["properties"]["news"] = {"type": "string"}
    old, new = dictionary(), Dictionary.from_json(raw)
    catalog = SimpleNamespace(dictionary_changed=lambda known: known.digest != new.digest)
    rooms = cast("Rooms", SimpleNamespace(state=tmp_path, failpoint=no_failpoint, catalog=catalog))
    with RowIndex(tmp_path / "lane.sqlite") as index:
        assert read_some(rooms, index, work, PROJECT, old, lambda: None)
        while work.stage is Stage.READ:
            assert read_some(rooms, index, work, PROJECT, new, lambda: None)
        assert (index.counts(work.id)[RowState.NEW], work.bad_rows) == (ROWS, 0)
