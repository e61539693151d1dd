"""In which column of a file the first bytes stand that are no UTF-8. Only read where a file is refused for them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gen3sync.records.delimited import column_name, read_delimited
from gen3sync.records.header import clean_name, separator_told
from gen3sync.records.jsonfile import read_json
from gen3sync.records.problems import TableError
from gen3sync.records.rows import Form
from gen3sync.records.source import Source

_BAD = re.compile("[\udc80-\udcff]")
"""What Python's `surrogateescape` makes of bytes that it cannot decode."""


def column_of_bad_bytes(source: Source, form: Form) -> str | None:
    """The name of the column (the key, in JSON), or its number where it has none; None where nobody can tell."""
    try:
        return _in_table(source, form) if form.delimited else _in_records(source, form)
    except TableError as wrong:
        # Of a quote that is never closed it is the cell that it opened: everything before was looked at.
        return wrong.problems[0].column if form.delimited else None


def _in_table(source: Source, form: Form) -> str | None:
    names: Sequence[str] = ()
    with source.text(errors="surrogateescape") as text:
        for record in read_delimited(text, "\t" if form is Form.TSV else ","):
            place = next((place for place, cell in enumerate(record.cells) if _BAD.search(cell)), None)
            if place is not None:
                return column_name(names, place)
            if not names and record.raw.strip() and separator_told(record.raw) is None:
                names = [clean_name(cell) for cell in record.cells]
    return None


def _in_records(source: Source, form: Form) -> str | None:
    with source.text(errors="surrogateescape") as text:
        for record in read_json(text, lines=form is Form.JSONL):
            if _BAD.search(record.raw):
                value = record.value if isinstance(record.value, dict) else {}
                return next((key for key, one in value.items() if not _BAD.search(key) and _holds(one)), None)
    return None


def _holds(value: object) -> bool:
    match value:
        case str():
            return _BAD.search(value) is not None
        case list():
            return any(map(_holds, value))
        case dict():
            return any(_holds(part) for pair in value.items() for part in pair)
        case _:
            return False
