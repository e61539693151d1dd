"""The papers beside a receipt: rejects (refused rows, ready to be corrected and dropped again) and undo (the values
before).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from gen3sync.names import printable
from gen3sync.outbox.index import RejectedRow, RowIndex
from gen3sync.outbox.model import Action, IndexedRow, RowState
from gen3sync.outbox.reading import reasons_in
from gen3sync.outbox.work import Work
from gen3sync.pglower import pg_lower
from gen3sync.records.delimited import quote
from gen3sync.records.header import OURS
from gen3sync.records.rows import Form


def write_rejects(work: Work, index: RowIndex, folder: Path) -> list[Path]:
    """The refused rows in their original text. Our columns come first: a row shorter than its header stays so, and
    nobody has to scroll to the reasons."""
    if work.table is None or not index.counts(work.id)[RowState.REJECTED]:
        return []
    form = work.table.form
    path = folder / f"rejects.{'json' if form is Form.JSON else form.value}"
    with path.open("w", encoding="utf-8", newline="") as out:
        rows = index.rejected(work.id)
        if work.table.header is None:
            _json_rejects(out, rows, lines=form is Form.JSONL)
        else:
            comma = "," if form is Form.CSV else "\t"
            names = [name for name in work.table.header.names if name not in OURS]
            out.write(comma.join([*OURS, *(_cell(name, form) for name in names)]) + "\n")
            for row in rows:
                types, words = _told(row)
                ours = [str(row.line), _cell(types, form), _cell(words, form)]
                out.write(comma.join(ours) + comma + row.raw + "\n")
    return [path]


def write_undo(work: Work, index: RowIndex, folder: Path) -> tuple[list[Path], dict[str, Any]]:
    """Tables that restore the values before, and what they cannot restore. One for each set of columns."""
    tables: dict[tuple[str, ...], tuple[Path, TextIOWrapper]] = {}
    restores = created = unseen = 0
    linked: set[str] = set()
    try:
        for row, before in index.sent_before(work.id):
            if row.state not in (RowState.DONE, RowState.ACCEPTED):
                continue
            if not isinstance(before, dict):
                created += row.sent is Action.CREATE
                unseen += row.sent is not Action.CREATE
                continue
            columns = ("type", "submitter_id", *(c for c in before if c not in ("type", "submitter_id", "project_id")))
            if columns not in tables:
                number = f"-{len(tables) + 1}" if tables else ""
                path = folder / f"undo{number}.tsv"
                out = path.open("w", encoding="utf-8", newline="")
                out.write("\t".join(columns) + "\n")
                tables[columns] = (path, out)
            tables[columns][1].write("\t".join(quote(str(before.get(c, ""))) for c in columns) + "\n")
            linked.update(c for c in columns if "." in c and _adds(work, row, c, str(before[c])))
            restores += 1
    finally:
        for _path, out in tables.values():
            out.close()
    cannot = []
    if created:
        cannot.append(f"{created} new records stay: a PUT cannot delete.")
    if unseen:
        cannot.append(f"{unseen} records were there before, but their values could not be seen.")
    if linked:
        cannot.append(f"Links that were added stay: a PUT cannot unlink ({', '.join(sorted(linked))}).")
    return [path for path, _ in tables.values()], {"restores": restores, "cannot": cannot}


def _adds(work: Work, row: IndexedRow, column: str, before: str) -> bool:
    """Whether the row links to a parent in `column` that was not linked before. JSON rows are not looked into."""
    if not isinstance(row.cells, list):
        return True
    comma = "#" if work.table is not None and work.table.form is Form.CSV else ","
    wanted = {pg_lower(one.strip()) for one in str(row.cells[work.columns(row.shape).index(column)]).split(comma)}
    return bool(wanted - {pg_lower(one.strip()) for one in before.split(",")} - {"", "null"})


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
        types, words = _told(row)
        ours = json.dumps(dict(zip(OURS, (row.line, types, words), strict=True)), ensure_ascii=False)
        raw = row.raw.strip()
        rest = raw[1:].lstrip() if raw.startswith("{") else f'"_value": {raw}}}'
        text = ours[:-1] + ("" if rest == "}" else ", ") + rest
        out.write(("" if lines or first else ",\n") + text + ("\n" if lines else ""))
        first = False
    if not lines:
        out.write("]\n")
