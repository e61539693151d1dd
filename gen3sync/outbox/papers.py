"""The papers beside a receipt: rejects (refused rows, ready to be corrected and dropped again) and undo (the values
before).
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from gen3sync.names import printable
from gen3sync.outbox.before import ADDED, ERASED, WHOLE
from gen3sync.outbox.index import RejectedRow, RowIndex
from gen3sync.outbox.model import Action, RowState
from gen3sync.outbox.reading import reasons_in
from gen3sync.outbox.work import Work
from gen3sync.records.delimited import quote, raw_cells
from gen3sync.records.header import OURS
from gen3sync.records.jsontext import with_first
from gen3sync.records.rows import Form

_RENAMED = 100


def write_rejects(work: Work, index: RowIndex, folder: Path) -> list[Path]:
    """The refused rows in their original text, with the line ends and the byte order mark of their file (spreadsheets
    need it). Our columns come first: a row shorter than its header stays so, and nobody has to scroll to the reasons.
    """
    if work.table is None or not index.counts(work.id)[RowState.REJECTED]:
        return []
    form, header, end = work.table.form, work.table.header, work.table.line_end
    path = folder / f"rejects.{'json' if form is Form.JSON else form.value}"
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = index.rejected(work.id)
        if header is None:
            _json_rejects(out, rows, lines=form is Form.JSONL)
        else:
            comma = "," if form is Form.CSV else "\t"
            names = [name for place, name in enumerate(raw_cells(header.raw, comma)) if place not in header.ours]
            out.write(("\ufeff" if work.table.bom else "") + comma.join([*OURS, *names]) + end)
            for row in rows:
                types, words = _told(row)
                ours = [str(row.line), _cell(types, form), _cell(words, form)]
                out.write(comma.join(ours) + comma + row.raw + end)
    return [path]


@dataclass(slots=True)
class Changed:
    """What a drop's requests did to records that were there: stored values erased, by column, and names re-spelled."""

    erased: Counter[str] = field(default_factory=Counter)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    renamed_total: int = 0

    def saw(self, was: str, now: str, erased: Iterable[str]) -> None:
        """One record."""
        self.erased.update(erased)
        if was != now:
            self.renamed_total += 1
            if len(self.renamed) < _RENAMED:
                self.renamed.append((was, now))

    def told(self) -> dict[str, Any]:
        """As the receipt tells it."""
        renamed = [{"from": printable(old), "to": printable(new)} for old, new in self.renamed]
        return {"erased": dict(self.erased), "renamed": renamed, "renamed_total": self.renamed_total}


def write_undo(work: Work, index: RowIndex, folder: Path) -> tuple[list[Path], dict[str, Any], Changed]:
    """Files that restore the values before, and what they cannot restore: a table for each set of columns, and records
    as JSON where TSV cannot say a value. And what was changed, from the same notes: they outlive a restart."""
    changed = Changed()
    tables: dict[tuple[str, ...], _Undo] = {}
    created = unseen = unknown = 0
    linked: set[str] = set()
    with ExitStack() as stack:
        for row, before in index.sent_before(work.id):
            if row.state not in (RowState.DONE, RowState.ACCEPTED):
                continue
            if not isinstance(before, dict):
                created += row.sent is Action.CREATE
                unknown += row.sent is Action.WRITE
                unseen += row.sent not in (Action.CREATE, Action.WRITE)
                continue
            linked.update(before.get(ADDED, ()))
            changed.saw(str(before.get("submitter_id", row.submitter_id)), row.submitter_id, before.get(ERASED, ()))
            columns: tuple[str, ...] = ()
            if WHOLE not in before:
                own = (c for c in before if c not in ("type", "submitter_id", "project_id", ADDED, ERASED))
                columns = ("type", "submitter_id", *own)
            if columns not in tables:
                number = sum(map(bool, tables)) + 1
                name = f"undo{f'-{number}' if number > 1 else ''}.tsv" if columns else "undo.json"
                out = stack.enter_context((folder / name).open("w", encoding="utf-8", newline=""))
                out.write("\t".join(columns) + "\n" if columns else "[")
                tables[columns] = _Undo(folder / name, out)
            undo = tables[columns]
            if columns:
                undo.out.write("\t".join(quote(str(before.get(c, ""))) for c in columns) + "\n")
            else:
                undo.out.write((",\n" if undo.rows else "") + json.dumps(before[WHOLE], ensure_ascii=False))
            undo.rows += 1
        if () in tables:
            tables[()].out.write("]\n")
    cannot = []
    if created:
        stay = "1 new record stays" if created == 1 else f"{created:,} new records stay"
        cannot.append(f"{stay}: a PUT cannot delete.")
    if unseen:
        were = "1 record was" if unseen == 1 else f"{unseen:,} records were"
        cannot.append(f"{were} there before, but the values could not be seen.")
    if unknown:
        of = "1 record" if unknown == 1 else f"{unknown:,} records"
        cannot.append(
            f"Of {of} nobody knows whether they were there before: nothing could be read when they were sent, and the "
            "commons' answer was lost. A PUT cannot delete new ones, and the values of others could not be seen."
        )
    if linked:
        where = ", ".join(sorted(linked))
        cannot.append(f"Links that were added to others stay: a PUT cannot unlink some of them ({where}).")
    if work.overwritten and tables:
        were = "1 record was" if work.overwritten == 1 else f"{work.overwritten:,} records were"
        cannot.append(f"{were} written over by somebody else since: undoing puts back what stood before both.")
    if work.urls and tables:
        cannot.append(
            "Where data lies (`urls`) stays as it was sent: the commons does not tell what stood there before."
        )
    files = {undo.path.name: undo.rows for undo in tables.values()}
    told = {"restores": sum(files.values()), "files": files, "cannot": cannot}
    return [undo.path for undo in tables.values()], told, changed


@dataclass
class _Undo:
    """An undo file that is being written."""

    path: Path
    out: TextIO
    rows: int = 0


def _told(row: RejectedRow) -> tuple[str, str]:
    reasons = reasons_in(row.detail)
    types = ", ".join(dict.fromkeys(reason.type for reason in reasons))
    return types, printable("; ".join(str(reason) for reason in reasons), 4000)


def _cell(text: str, form: Form) -> str:
    if form is Form.CSV:
        out = io.StringIO()
        csv.writer(out, lineterminator="").writerow([text])
        return out.getvalue()
    return quote(text)


def _json_rejects(out: TextIO, rows: Iterator[RejectedRow], *, lines: bool) -> None:
    first = True
    if not lines:
        out.write("[")
    for row in rows:
        raw = row.raw if row.raw.startswith("{") else f'{{"_value": {row.raw}}}'
        text = with_first(raw, dict(zip(OURS, (row.line, *_told(row)), strict=True)))
        out.write(("" if lines or first else ",\n") + text + ("\n" if lines else ""))
        first = False
    if not lines:
        out.write("]\n")
