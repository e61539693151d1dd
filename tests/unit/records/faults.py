"""Every fault of a file that is to be found before anything is sent, as a table: what stands where, in each form.

Each file holds the good sample S-1 in its second line and the fault in its third, unless the fault says otherwise.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass

from gen3sync.records.problems import ProblemKind

HEAD = ("type", "submitter_id", "project_id", "cases.submitter_id", "freezing_method", "initial_weight")
GOOD = ("sample", "S-1", "DEV-test", "case-001", "slow", "1")
FORMS = ("tsv", "csv", "tsv.gz", "csv.gz", "json")
LONG = "x" * 131_073


@dataclass(frozen=True)
class Fault:
    """`kind` is found in `line` and `column`. `table` is what a TSV holds, its CSV has commas for tabs; `json` what a
    JSON drop holds, None where no such file can have the fault."""

    name: str
    kind: ProblemKind
    line: int | None
    column: str | None
    table: bytes | None
    json: bytes | None = None
    json_column: str | None = None

    def content(self, form: str) -> bytes | None:
        """The bytes of a file in this form."""
        if form == "json":
            return self.json
        if self.table is None:
            return None
        plain = self.table if form.startswith("tsv") else self.table.replace(b",", b"#").replace(b"\t", b",")
        return gzip.compress(plain, mtime=0) if form.endswith(".gz") else plain

    def place(self, form: str) -> str | None:
        """The column that is named for this form."""
        return (self.json_column or self.column) if form == "json" else self.column


def _line(*cells: str) -> bytes:
    return "\t".join(cells).encode() + b"\n"


def rows(*more: bytes, head: tuple[str, ...] = HEAD) -> bytes:
    return b"".join((_line(*head), _line(*GOOD), *more))


def sample(**changed: str) -> bytes:
    """A row like the good one but for its name and what is changed; a dot in a column's name is written `__`."""
    values = dict(zip(HEAD, GOOD, strict=True)) | {"submitter_id": "S-2"}
    return _line(*(values | {name.replace("__", "."): value for name, value in changed.items()}).values())


def records(*more: str) -> bytes:
    """A list of records, one in a line, the good one in the second."""
    return ("[\n" + ",\n".join((record(submitter_id="S-1"), *more)) + "\n]\n").encode()


def record(**changed: object) -> str:
    good = {"type": "sample", "submitter_id": "S-2", "cases": {"submitter_id": "case-001"}, "initial_weight": 1}
    return json.dumps(good | changed)


def _row(name: str, kind: ProblemKind, column: str, table: bytes | None, text: str | None = None) -> Fault:
    return Fault(name, kind, 3, column, None if table is None else rows(table), None if text is None else records(text))


WIDE = (*GOOD[:1], "S-2", *GOOD[2:])
CASE_HEAD = HEAD[:4]

FAULTS = (
    Fault(
        "not UTF-8",
        ProblemKind.ENCODING,
        3,
        "freezing_method",
        rows(sample(freezing_method="caf@").replace(b"@", b"\xe9")),
        records(record(freezing_method="caf@")).replace(b"@", b"\xe9"),
    ),
    Fault(
        "not UTF-8 in the header",
        ProblemKind.ENCODING,
        1,
        "5",
        rows(head=(*HEAD[:4], "m@", "x")).replace(b"@", b"\xe9"),
    ),
    Fault(
        "UTF-16", ProblemKind.UTF16, None, None, rows().decode().encode("utf-16"), records().decode().encode("utf-16")
    ),
    Fault(
        "NUL",
        ProblemKind.NUL,
        3,
        "freezing_method",
        rows(sample(freezing_method="a\0b")),
        records(record(freezing_method="a\0b")),
    ),
    Fault("binary", ProblemKind.BINARY, None, None, bytes(range(256)) * 10, bytes(range(256)) * 10),
    Fault("empty", ProblemKind.EMPTY, None, None, b"", b""),
    Fault("header only", ProblemKind.HEADER_ONLY, None, None, _line(*HEAD)),
    Fault(
        "a column twice", ProblemKind.DUPLICATE_COLUMN, 1, "freezing_method", rows(head=(*HEAD[:5], "freezing_method"))
    ),
    Fault("a column without a name", ProblemKind.BLANK_COLUMN, 1, "5", rows(head=(*HEAD[:4], "", "initial_weight"))),
    _row("more cells than columns", ProblemKind.TOO_MANY_CELLS, "8", _line(*WIDE, "", "over")),
    _row(
        "a cell too long",
        ProblemKind.CELL_TOO_LONG,
        "freezing_method",
        sample(freezing_method=LONG),
    ),
    Fault(
        "an unclosed quote",
        ProblemKind.UNCLOSED_QUOTE,
        3,
        "freezing_method",
        rows(sample(freezing_method='"5 inch'), sample()),
    ),
    Fault(
        "a quote closed too late",
        ProblemKind.SWALLOWED_ROWS,
        3,
        "freezing_method",
        rows(sample(freezing_method='"5'), sample(freezing_method='6"')),
    ),
    *(
        _row(
            f"a line separator U+{ord(one):04X}",
            ProblemKind.LINE_SEPARATOR,
            "freezing_method",
            sample(freezing_method=f"a{one}b"),
        )
        for one in "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
    ),
    _row("a blank type", ProblemKind.BLANK_TYPE, "type", sample(type=""), record(type="")),
    _row("an unknown type", ProblemKind.UNKNOWN_TYPE, "type", sample(type="smaple"), record(type="smaple")),
    _row("a type that the header is not meant for", ProblemKind.OTHER_TYPE, "type", sample(type="case")),
    _row(
        "no submitter_id",
        ProblemKind.MISSING_SUBMITTER_ID,
        "submitter_id",
        sample(submitter_id=""),
        record(submitter_id=""),
    ),
    _row(
        "twins",
        ProblemKind.TWIN,
        "submitter_id",
        sample(submitter_id="S-1", initial_weight="2"),
        record(submitter_id="S-1", initial_weight=2),
    ),
    _row(
        "twins by letter case", ProblemKind.TWIN, "submitter_id", sample(submitter_id="s-1"), record(submitter_id="s-1")
    ),
    Fault(
        "twins by the database's lower()",
        ProblemKind.TWIN,
        4,
        "submitter_id",
        rows(sample(submitter_id="İÄ-2"), sample(submitter_id="iä-2")),
        records(record(submitter_id="İÄ-2"), record(submitter_id="iä-2")),
    ),
    _row(
        "another project",
        ProblemKind.OTHER_PROJECT,
        "project_id",
        sample(project_id="DEV-other"),
        record(project_id="DEV-other"),
    ),
    _row(
        "NaN",
        ProblemKind.NOT_FINITE,
        "initial_weight",
        sample(initial_weight="NaN"),
        record(initial_weight=float("nan")),
    ),
    _row(
        "infinity",
        ProblemKind.NOT_FINITE,
        "initial_weight",
        sample(initial_weight="-inf"),
        record(initial_weight=float("inf")),
    ),
    _row(
        "two parents",
        ProblemKind.TWO_PARENTS,
        "cases.submitter_id",
        sample(cases__submitter_id="case-001,case-002"),
        record(cases=[{"submitter_id": "case-001"}, {"submitter_id": "case-002"}]),
    ),
    Fault("broken JSON", ProblemKind.BROKEN_JSON, 3, None, None, records('{"type": "sample",}'), "19"),
    Fault(
        "a key twice",
        ProblemKind.DUPLICATE_KEY,
        3,
        None,
        None,
        records('{"type": "sample", "submitter_id": "S-2", "type": "case"}'),
        "type",
    ),
)


def files() -> Iterator[tuple[Fault, str, bytes]]:
    """Each fault in each form that can have it: fault, form, content."""
    for fault in FAULTS:
        for form in FORMS:
            if (content := fault.content(form)) is not None:
                yield fault, form, content
