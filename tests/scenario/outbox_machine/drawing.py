"""Files as people might drop them, drawn by Hypothesis: any form, any node type, blanks, twins, ids, odd letter case.

A draft is drawn before it is known what the commons holds; its ids are found when it is written.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.scenario.outbox_machine.sheets import NODES, Value

FORMS = ("tsv", "tsv", "tsv", "csv", "json", "jsonl", "tsv.gz", "csv.gz", "json.gz")
PLACES = ("a", "b", "deep/c")
IDS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in range(3))
"""Ids that anybody may name for any record."""
NAMES = {
    "study": ("S0", "S1", "S2", "X0"),
    "subject": ("P0", "P1", "P2", "X0"),
    "visit": ("V0", "V1", "X0"),
    "publication": ("B0", "B1"),
}
"""X0 is a name in several node types; all of them are names in both projects."""
VALUES: Mapping[str, tuple[Value, ...]] = {
    "title": ("One", "Two", "Zwei Ämter"),
    "planned_subjects": (1, 20),
    "keywords": (["a"], ["a", "b"]),
    "is_public": (True, False),
    "sex": ("male", "female"),
    "species": ("human", "dog", "cat"),
    "height_cm": (170.5, 180),
    "consent_codes": (["GRU"], ["GRU", "HMB"]),
    "visit_number": (1, 2, 3),
    "notes": ("fine", "well"),
    "doi": ("10.1/a", "10.1/b"),
    "year": (1999, 2020),
    "authors": (["Ada"], ["Ada", "Bo"]),
}
ONLY_JSON: Mapping[str, Value] = {"title": " null ", "keywords": ["a,b"], "notes": "null", "authors": ["Bo, Ada"]}
"""Values that TSV cannot say."""

Find = Callable[[str, str], str | None]
"""The id of the record of a node type and a name, where there is one."""


@dataclass(frozen=True)
class Draft:
    """A file to be. Rows are records as in JSON; `id` may be "own", the record's, or "other", another record's."""

    form: str
    rows: tuple[dict[str, Any], ...]
    bom: bool = False
    crlf: bool = False
    project_id: bool = False
    """A blank column `project_id`, as in the commons' template."""
    short: bool = False
    """Blanks at the ends of rows are left out."""

    def at(self, place: str) -> str:
        return f"{place}.{self.form}"

    def written(self, find: Find, code: str) -> bytes:
        """The file's bytes, for the project `code`."""
        rows = [_identified({**row, **_home(row, code)}, find) for row in self.rows]
        kind = self.form.removesuffix(".gz")
        match kind:
            case "json":
                text = "[\n" + ",\n".join(map(json.dumps, rows)) + "\n]\n"
            case "jsonl":
                text = "".join(f"{json.dumps(row)}\n" for row in rows)
            case _:
                text = self._table(rows, "," if kind == "csv" else "\t", "#" if kind == "csv" else ",")
        data = (("\ufeff" if self.bom else "") + text).encode()
        return gzip.compress(data, mtime=0) if self.form.endswith(".gz") else data

    def _table(self, rows: list[dict[str, Any]], comma: str, between: str) -> str:
        said = [_cells(row, between) for row in rows]
        columns = list(dict.fromkeys(column for row in said for column in row))
        if self.project_id:
            columns.insert(2, "project_id")
        out = io.StringIO()
        table = csv.writer(out, delimiter=comma, lineterminator="\r\n" if self.crlf else "\n")
        table.writerow(columns)
        for number, row in enumerate(said):
            cells = [row.get(column, "") for column in columns]
            while self.short and number + 1 < len(said) and len(cells) > 3 and not cells[-1]:
                cells.pop()
            table.writerow(cells)
        return out.getvalue()


def _home(row: Mapping[str, Any], code: str) -> dict[str, Any]:
    return {"projects": {"code": code}} if row["type"] == "study" else {}


def _identified(row: dict[str, Any], find: Find) -> dict[str, Any]:
    wished = row.pop("id", None)
    if wished == "own":
        wished = find(row["type"], row["submitter_id"])
    elif wished == "other":
        found = (find(row["type"], name) for name in NAMES[row["type"]] if name != row["submitter_id"].upper())
        wished = next((one for one in found if one), None)
    return {**row, "id": wished} if wished else row


def _cells(row: Mapping[str, Any], between: str) -> dict[str, str]:
    node = NODES[row["type"]]
    named = row[node.link] if isinstance(row[node.link], list) else [row[node.link]]
    key = "code" if node.parent == "project" else "submitter_id"
    cells = {"type": row["type"], "submitter_id": row["submitter_id"]}
    if "id" in row:
        cells["id"] = row["id"]
    cells[f"{node.link}.{key}"] = between.join(one[key] for one in named)
    for name in node.props:
        if name in row:
            value = row[name]
            cells[name] = "" if value is None else ",".join(value) if isinstance(value, list) else str(value)
    return cells


@st.composite
def drafts(draw: st.DrawFn, *, node: str | None = None) -> Draft:
    """Some rows of one node type, now and then of two; with blanks, fewer columns, twins, ids, a bad value."""
    form = draw(st.sampled_from(FORMS))
    kinds = [node or draw(st.sampled_from(["study", "subject", "subject", "subject", "visit", "publication"]))]
    if node is None and draw(st.integers(0, 7)) == 0:
        kinds.append(draw(st.sampled_from(["study", "subject", "visit"])))
    rows = [row for kind in dict.fromkeys(kinds) for row in draw(_some(kind, "json" in form))]
    rows = draw(st.permutations(rows)) if len(kinds) > 1 else rows
    return Draft(
        form,
        tuple(rows),
        bom="json" not in form and draw(st.integers(0, 7)) == 0,
        crlf=draw(st.integers(0, 7)) == 0,
        project_id=draw(st.integers(0, 5)) == 0,
        short=draw(st.integers(0, 5)) == 0,
    )


@st.composite
def _some(draw: st.DrawFn, kind: str, json_form: bool) -> list[dict[str, Any]]:
    names = draw(st.lists(st.sampled_from(NAMES[kind]), min_size=1, max_size=3, unique=True))
    columns = [name for name in NODES[kind].props if name == "visit_number" or draw(st.booleans())]
    ids = draw(st.integers(0, 4)) == 0
    rows = [draw(_row(kind, name, columns, json_form, ids)) for name in names]
    if draw(st.integers(0, 11)) == 0:
        rows.append({**rows[0], "submitter_id": rows[0]["submitter_id"].swapcase()})
    return rows


@st.composite
def _row(draw: st.DrawFn, kind: str, name: str, columns: list[str], json_form: bool, ids: bool) -> dict[str, Any]:
    number = int(name[1:])
    row: dict[str, Any] = {"type": kind, "submitter_id": name if draw(st.integers(0, 4)) else name.lower()}
    match kind:
        case "study":
            row["projects"] = {}
        case "publication":
            few = draw(st.lists(st.sampled_from(NAMES["study"]), min_size=1, max_size=2, unique=True))
            row["studies"] = [{"submitter_id": one} for one in few]
        case _:
            other = draw(st.integers(0, 14)) == 0
            place = (number + other) % (2 if kind == "subject" else 3)
            parent = f"{'S' if kind == 'subject' else 'P'}{place}"
            link = NODES[kind].link
            row[link] = {"submitter_id": parent if draw(st.integers(0, 4)) else parent.lower()}
    for column in columns:
        row[column] = draw(_value(column, json_form))
    if draw(st.integers(0, 19)) == 0 and {"sex", "visit_number"} & row.keys():
        bad = "sex" if "sex" in row else "visit_number"
        row[bad] = "wrong"
    if ids:
        row["id"] = draw(st.sampled_from(["own", "own", "other", None, *IDS]))
    return row


@st.composite
def _value(draw: st.DrawFn, column: str, json_form: bool) -> Value:
    if column != "visit_number" and draw(st.integers(0, 7)) == 0:
        return None
    if json_form and column in ONLY_JSON and draw(st.integers(0, 4)) == 0:
        return ONLY_JSON[column]
    return draw(st.sampled_from(VALUES[column]))


def seeds(number: int) -> list[Draft]:
    """What is dropped before anything else happens: nothing, studies, or studies and subjects."""
    study = [{"type": "study", "submitter_id": f"S{i}", "projects": {}, "title": "One"} for i in range(3)]
    subject = [
        {"type": "subject", "submitter_id": f"P{i}", "studies": {"submitter_id": f"S{i % 2}"}, "species": "human"}
        for i in range(3)
    ]
    return [Draft("tsv", tuple(study)), Draft("tsv", tuple(subject))][:number]


def edited(draft: Draft, column: str, value: Value) -> Draft:
    """The same with another value where the column stands."""
    return replace(draft, rows=tuple({**row, column: value} if column in row else row for row in draft.rows))
