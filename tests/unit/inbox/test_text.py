"""A patched text is the text that would be written anew, whatever was put where."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.inbox import text as module
from gen3sync.inbox.copy import Copy
from gen3sync.inbox.pieces import Pieces
from gen3sync.inbox.plan import Format
from gen3sync.inbox.render import Rendered, merge, painter_of, render
from gen3sync.inbox.text import NotInBlocksError, patch
from gen3sync.inbox.views import blocks_of, keep_view
from tests.unit.inbox.test_render import case, path_of

RECORD = st.fixed_dictionaries(
    {"id": st.integers(0, 60).map("{:03}".format)},
    optional={"note": st.sampled_from(["plain", "null", 'a "quote"', "two\nlines", "ö"]), "age": st.integers(0, 9)},
)


def whole(record: dict[str, Any]) -> dict[str, Any]:
    return {"type": "case", "project_id": "P-C", "submitter_id": f"C{record['id']}", **record}


def poured(text: Any, path: Path) -> bytes:
    with path.open("wb") as out:
        text.pour(out)
    return path.read_bytes()


@settings(max_examples=150, deadline=None)
@given(
    format=st.sampled_from([Format.TSV, Format.JSON, Format.JSONL]),
    first=st.lists(RECORD, max_size=40, unique_by=lambda r: r["id"]),
    rounds=st.lists(st.lists(RECORD, max_size=12, unique_by=lambda r: r["id"]), min_size=1, max_size=3),
    columns=st.sampled_from([(), ("submitter_id", "note")]),
)
def test_a_patched_text_is_the_whole_text(
    format: Format, first: list[Any], rounds: list[list[Any]], columns: tuple[str, ...]
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as small:
        small.setattr(module, "BLOCK", 4)
        folder = Path(name)
        with Copy(folder / "copy") as copy:
            copy.fill(iter(sorted(map(whole, first), key=lambda r: r["id"])), merge)
            made = render(copy, format, case(), folder / "spool", columns)
            keep_view(copy, "m", made, "1")
        old, notes = path_of(made.text), made.notes and path_of(made.notes)
        for number, records in enumerate(rounds):
            with Copy(folder / "copy", lasting=True) as copy, old.open("rb") as source:
                copy.begin()
                changes = copy.put(map(whole, records))
                told = notes.open("rb") if notes else None
                painter = painter_of(format, case(), columns, made.columns)
                ids = [change.id for change in changes]
                found = patch(blocks_of(copy, "m"), ids, copy.between, painter, source, told)
                keep_view(copy, "m", Rendered(found.text, made.columns, found.told, found.notes, patched=found), "1")
                copy.commit()
                fresh = render(copy, format, case(), folder / "fresh", columns)
                text = poured(found.text, folder / f"text-{number}")
                assert text == path_of(fresh.text).read_bytes()
                assert (found.text.sha256, found.text.size) == (fresh.text.sha256, fresh.text.size)
                assert found.told == fresh.untellable
                assert (found.notes is None) == (fresh.notes is None)
                if found.notes is not None and fresh.notes is not None:
                    assert poured(found.notes, folder / f"notes-{number}") == path_of(fresh.notes).read_bytes()
                    found.notes.close()
                assert found.same == (text == old.read_bytes()), "told without a hash"
                found.text.close()
                if told:
                    told.close()
                assert sum(block.size for block in blocks_of(copy, "m")) <= fresh.text.size
            old = folder / f"text-{number}"
            notes = folder / f"notes-{number}" if found.notes is not None else None


def test_a_file_that_is_not_in_these_blocks_is_not_patched(tmp_path: Path) -> None:
    with Copy(tmp_path / "copy") as copy:
        copy.fill(iter([whole({"id": "001"})]), merge)
        made = render(copy, Format.TSV, case(), tmp_path / "spool")
        (tmp_path / "other").write_bytes(path_of(made.text).read_bytes() + b"x")
        with (tmp_path / "other").open("rb") as source, pytest.raises(NotInBlocksError):
            patch(made.blocks, ["001"], copy.between, painter_of(Format.TSV, case()), source, None)


def test_a_file_that_became_shorter_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"0123456789")
    with (tmp_path / "old").open("r+b") as source:
        pieces = Pieces(source, [b"a", (2, 3), (5, 2), b"b"])
        assert poured(pieces, tmp_path / "out") == b"a23456b"
        source.truncate(4)
        with pytest.raises(OSError, match="shorter"):
            poured(pieces, tmp_path / "out")
        pieces.close()
