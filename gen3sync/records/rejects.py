"""Writes refused rows so that the very file can be corrected and dropped again: the original text, led by the reasons.

Our columns stand first, so that short rows stay short and rows with too many cells stay as they are. `header` and
`jsonrows` recognise and ignore them. Where rejects files go is the outbox's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from gen3sync.records.delimited import quote
from gen3sync.records.header import OURS
from gen3sync.records.rows import Form
from gen3sync.records.table import Table


def rejects_head(table: Table) -> str:
    """What a rejects file begins with; '' for JSON, whose rejects are JSON lines."""
    if table.header is None:
        return ""
    delimiter = "\t" if table.form is Form.TSV else ","
    return delimiter.join((*OURS, table.raw_header)) + "\n"


def rejects_row(table: Table, raw: str, line: int, types: Iterable[str], messages: Iterable[str]) -> str:
    """One refused row: its line in the dropped file, its kinds of error and the sentences, and its original text."""
    kinds, text = ",".join(dict.fromkeys(types)), " | ".join(dict.fromkeys(messages))
    if table.header is not None:
        delimiter = "\t" if table.form is Form.TSV else ","
        ours = (str(line), kinds, " ".join(text.split()))
        return delimiter.join((*(quote(cell, delimiter) for cell in ours), raw)) + "\n"
    head = json.dumps(dict(zip(OURS, (line, kinds, text), strict=True)), ensure_ascii=False)
    body = " ".join(raw.splitlines()) if "\n" in raw or "\r" in raw else raw
    if not body.startswith("{"):
        return json.dumps({**json.loads(head), "_raw": raw}, ensure_ascii=False) + "\n"
    inner = body[1:].lstrip()
    return head[:-1] + ("" if inner.startswith("}") else ", ") + inner + "\n"


def rejects_suffix(table: Table) -> str:
    """The ending of a rejects file's name: that of its form, unpacked; JSON rejects are JSON lines."""
    return f".{table.form.value}" if table.header is not None else ".jsonl"
