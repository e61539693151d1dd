"""How rows go to the commons: TSV with every cell quoted, or JSON for what TSV cannot say.

Quoting every cell gives what the commons' own reading gives, and keeps the last row's blanks (GEN3.md, lie 6). Rows
sent together in one TSV share one set of columns: a cell that a row leaves out must not become a blank, which erases.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from gen3sync.records.rows import Form, Row

if TYPE_CHECKING:
    from gen3sync.records.codec import Desired, LinkRef

TSV_TYPE = "text/tab-separated-values"
JSON_TYPE = "application/json"


def tsv_can_say(row: Row) -> bool:
    """Whether TSV says what the row says: not JSON values, and not a CSV row that names a parent with a comma."""
    if row.form is Form.CSV:
        return not any("." in name and "," in cell for name, cell in row.cells.items())
    return row.form is Form.TSV


def wire_cells(row: Row) -> Mapping[str, str]:
    """The cells of a row as TSV writes them: CSV separates parents by `#`, TSV by `,`."""
    if row.form is not Form.CSV:
        return row.cells
    return {name: cell.replace("#", ",") if "." in name else cell for name, cell in row.cells.items()}


def wire_tsv(columns: Sequence[str], rows: Iterable[Row | Mapping[str, str]]) -> bytes:
    """A TSV body, every cell quoted, LF. Raises ValueError for no rows, and for a row with other columns than these."""
    lines = [_line(columns)]
    wanted = set(columns)
    for row in rows:
        cells = wire_cells(row) if isinstance(row, Row) else row
        if cells.keys() != wanted:
            raise ValueError("Rows with different columns cannot share one TSV: what a row leaves out would be erased.")
        lines.append(_line(cells[column] for column in columns))
    if len(lines) == 1:
        raise ValueError("A header alone is refused by the commons.")
    return "".join(lines).encode()


def wire_json(
    records: Iterable[Desired], *, keep: bool | Collection[str] = False, link_keys: Mapping[str, str] | None = None
) -> bytes:
    """A JSON body. Blanks are sent as null, which erases, unless `keep` is true or names the property.

    `link_keys` names the key of links that do not go by `submitter_id` (`{"projects": "code"}`).
    Raises ValueError for no records.
    """
    keys = {"projects": "code"} if link_keys is None else link_keys
    body = [wire_record(one, keep=keep, link_keys=keys) for one in records]
    if not body:
        raise ValueError("An empty list is refused by the commons.")
    return json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def wire_record(
    one: Desired, *, keep: bool | Collection[str] = False, link_keys: Mapping[str, str]
) -> dict[str, object]:
    """One record as JSON."""
    record: dict[str, object] = {"type": one.node, "submitter_id": one.submitter_id}
    if one.id is not None:
        record["id"] = one.id
    if one.project_id is not None:
        record["project_id"] = one.project_id
    record |= one.properties | one.unseen  # type: ignore[operator]
    if keep is not True:
        kept = () if keep is False else keep
        record |= dict.fromkeys(sorted(name for name in one.blanks if name not in kept))
    for name, refs in one.links.items():
        # An empty list is what a blank link cell of a TSV becomes: it unlinks nothing, and satisfies "required".
        key = link_keys.get(name, "submitter_id")
        record[name] = [_named(ref, key) for ref in refs]
    record |= dict.fromkeys(sorted(one.unlinked))
    return record


def _named(ref: LinkRef, key: str) -> dict[str, str]:
    """Both where a record names its parent by both: only then does the commons see that they contradict each other."""
    return {name: value for name, value in ((key, ref.submitter_id), ("id", ref.id)) if value is not None}


def _line(cells: Iterable[str]) -> str:
    return "\t".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\n"
