"""The commons' reading of TSV and CSV, written down once more and as simply as it can be, from sheepdog's source
(`utils/transforms/__init__.py`) and the recordings. The tests hold gen3sync's own reader against it.
"""

from __future__ import annotations

import csv
import io


def server_rows(document: str, delimiter: str) -> list[dict[str, str | None]]:
    """Rows as dictionaries of trimmed cells; None for cells that a short row lacks. Raises where the commons would."""
    text = "\n".join(document.strip().splitlines())
    rows = []
    for raw in csv.DictReader(io.StringIO(text), delimiter=delimiter):
        row = {key.strip(): None if value is None else value.strip() for key, value in raw.items()}
        for key in list(row):
            row[key.lstrip("*")] = row.pop(key)
        if row.get("type"):
            rows.append(row)
    return rows


def server_links(cell: str | None, delimiter: str) -> list[str]:
    parts = [] if cell is None else cell.split("," if delimiter == "\t" else "#")
    return [part.strip() for part in parts if part not in ("", "null") and part.strip()]
