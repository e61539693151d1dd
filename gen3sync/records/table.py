"""Opens a dropped file: proves it whole, then yields its rows with their lines, constant in memory.

`open_table` reads the file once to its end, so that whatever is wrong with the file as a whole (encoding, quotes,
header, broken JSON, records named twice) is known before the first row is handed out. Iterating reads it again and
yields a `Row` or a `BadRow` for every record. Understanding values is `codec`'s, comparing them `compare`'s.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from gen3sync.names import Project
from gen3sync.pglower import pg_lower
from gen3sync.records.delimited import TextRecord, read_delimited
from gen3sync.records.dictionary import Dictionary
from gen3sync.records.header import OURS, Header, is_header, mend_nameless, mend_separator, read_header, refuse_nameless
from gen3sync.records.jsonfile import JsonRecord, read_json
from gen3sync.records.jsonrows import JsonRows
from gen3sync.records.places import column_of_bad_bytes
from gen3sync.records.problems import Mend, MendKind, Mends, Problem, ProblemKind, TableError
from gen3sync.records.rowchecks import same_id, twin
from gen3sync.records.rows import BadRow, Form, Row
from gen3sync.records.source import MAX_UNPACKED, Source, form_of, is_workbook
from gen3sync.records.textrows import TextRows
from gen3sync.records.twins import Seen, Twins

_ABOVE = 10
"""Lines among which a header is looked for that is not the first."""


@dataclass
class Table:
    """A file whose text has been proven whole. Iterate as often as needed; each time reads from the start.

    `columns` are the header's names as the commons reads them, without our own (empty for JSON). `record_count` counts
    records, lines of blanks aside. `mends` is complete once an iteration has come to its end. `line_end` and `bom` are
    how the file ends its lines and whether it begins with a byte order mark. `dictionary` is the one it is read by.
    """

    name: str
    form: Form
    columns: tuple[str, ...]
    record_count: int
    header: Header | None
    _source: Source
    dictionary: Dictionary
    _project: Project | None
    _twins: Twins
    _ids: Twins
    _file_mends: tuple[Mend, ...]
    _last_line: int
    _main_type: str
    line_end: str = "\n"
    bom: bool = False
    _row_mends: Mends = field(default_factory=Mends)

    @property
    def mends(self) -> tuple[Mend, ...]:
        """What was mended, equal mendings counted together."""
        return (*self._file_mends, *self._row_mends.all())

    def __iter__(self) -> Iterator[Row | BadRow]:
        self._row_mends = Mends()
        builder = _builder(
            self.form, self.header, self.dictionary, self._project, self._row_mends, self._last_line, self._main_type
        )
        number = 0
        for record in _records(self._source, self.form, self.header):
            built = builder.build(record)  # type: ignore[arg-type]
            if built is not None:
                number += 1
                checked = self._check_twins(built, number, builder.record_id(record))  # type: ignore[arg-type]
                if checked is not None:
                    yield checked

    @property
    def left_out_unknown(self) -> bool:
        """Whether a blank cell was left out, so far, because the dictionary does not have its column."""
        return any(mend.kind is MendKind.BLANK_UNKNOWN_COLUMN for mend in self._row_mends.all())

    def may_name(self, node: str, key: str, id: str | None = None) -> bool:
        """Whether a row of the file may be about this record (`key` in lower case as the database has it), or name this
        id: never wrongly no, until `forget_names`."""
        return (node, key) in self._twins or (id is not None and ("", id) in self._ids)

    def forget_names(self) -> None:
        """Nobody asks `may_name` any more: 16 MB for a million rows."""
        self._twins.forget()
        self._ids.forget()

    def _check_twins(self, row: Row | BadRow, number: int, record_id: str | None) -> Row | BadRow | None:
        if not row.node or not row.submitter_id:
            return row
        problems: list[Problem] = []
        if record_id is not None:
            known, others = self._ids.look(("", record_id), row.line, number)
            if known is Seen.TWIN:
                problems.append(same_id(record_id, others, row.line))
        seen, others = self._twins.look((row.node, pg_lower(row.submitter_id)), row.line, number)
        if seen is Seen.REPEATED and isinstance(row, Row) and not problems:
            text = "A row that stands in the file twice, word for word, is sent once."
            self._row_mends.add(MendKind.REPEATED_ROW, text, row.line, rows=1)
            return None
        if seen is Seen.TWIN:
            problems.insert(0, twin(row.submitter_id, others, row.line))
        if not problems:
            return row
        earlier = row.problems if isinstance(row, BadRow) else ()
        return BadRow(row.line, row.end_line, row.raw, (*earlier, *problems), row.node, row.submitter_id)


def open_table(
    origin: Path | bytes,
    *,
    name: str,
    dictionary: Dictionary,
    project: Project | None,
    max_unpacked: int = MAX_UNPACKED,
) -> Table:
    """Opens a file (or its bytes) dropped under `name`, which decides its form: .tsv .txt .csv .json .jsonl, also .gz.

    `project` is where the file is routed: blank `project_id` cells are filled with it, others must agree.
    Raises TableError with everything that makes the file as a whole unusable, OSError when it cannot be read.
    """
    form = form_of(name)
    if form is None:
        text = "The name does not say what the file holds."
        remedy = "Let it end in .tsv, .csv, .json or .jsonl (each may be packed: .tsv.gz)."
        if workbook := is_workbook(name):
            text = f"The name says that the file is a workbook ({workbook}), which is no table of text."
            remedy = "Save its sheet as text: in Excel as 'CSV UTF-8', in LibreOffice as 'Text CSV' in UTF-8."
        raise TableError([Problem(ProblemKind.UNKNOWN_FORMAT, text, remedy)], name)
    source = Source(origin, name, max_unpacked)
    try:
        return _prove(source, form, dictionary, project)
    except TableError as wrong:
        raise TableError([_placed(problem, source, form) for problem in wrong.problems], name) from wrong


def _prove(source: Source, form: Form, dictionary: Dictionary, project: Project | None) -> Table:
    bom, problems = source.look()
    if problems:
        raise TableError(problems)
    mends = Mends()
    if bom:
        mends.add(MendKind.BOM, "The byte order mark at the start of the file is left out.", 1, was="U+FEFF")
    header: Header | None = None
    if form.delimited:
        header = _header(source, form, mends)
    builder = _builder(form, header, dictionary, project, Mends(), 0, "")
    twins, ids, types = Twins(), Twins(), Types(dictionary)
    count = last_line = 0
    ends: set[str] = set()
    for record in _records(source, form, header, ends):
        if isinstance(record, TextRecord) and builder.says_nothing(record):  # type: ignore[union-attr]
            continue
        if header is not None and header.unnamed:
            refuse_nameless(header, record)  # type: ignore[arg-type]
        count += 1
        last_line = record.line
        key = builder.key(record)  # type: ignore[arg-type]
        if key is not None:
            types.add(key[0], record.line)
            key = (key[0], pg_lower(key[1]))
            twins.add(key, builder.content(record), record.line, count)  # type: ignore[arg-type]
            record_id = builder.record_id(record)  # type: ignore[arg-type]
            if record_id is not None:
                ids.add(("", record_id), hash(key), record.line, count)
    twins.release()
    ids.release()
    if not count:
        kind, text = (
            (ProblemKind.HEADER_ONLY, "The file has a header and no rows.")
            if form.delimited
            else (ProblemKind.EMPTY, "The file holds no records.")
        )
        raise TableError([Problem(kind, text, "Was it still being written? Drop it again with its rows.")])
    if form.delimited and ends - {"\n"}:
        shown = ", ".join({"\r\n": "CRLF", "\r": "CR", "\n": "LF"}[end] for end in sorted(ends - {"\n"}))
        mends.add(MendKind.LINE_ENDS, "Line ends are sent as LF, as the commons reads them.", was=shown, now="LF")
    types.tell(mends)
    if header is not None:
        mend_nameless(header, mends)
    columns = tuple(one for one in header.names if one and one not in OURS) if header else ()
    parts = (source, dictionary, project, twins, ids, mends.all(), last_line, types.main)
    return Table(source.name, form, columns, count, header, *parts, ends.pop() if len(ends) == 1 else "\n", bom)


class Types:
    """Counts the node types of a file. A file may hold several; whoever meant one only has to hear of it."""

    def __init__(self, dictionary: Dictionary) -> None:
        self._dictionary = dictionary
        self._rows: Counter[str] = Counter()
        self._first: dict[str, int] = {}

    def add(self, name: str, line: int) -> None:
        self._rows[name] += 1
        self._first.setdefault(name, line)

    @property
    def main(self) -> str:
        """The type of most rows, of the first of them where there are as many of others; '' where none is known."""
        return next(iter(self._known()), "")

    def tell(self, mends: Mends) -> None:
        """Notes rows of other types than most have."""
        main, *others = self._known() or ("",)
        for name in others:
            text = f"Rows of '{name}' stand among rows of '{main}': each node type is sent by itself, parents first."
            mends.add(MendKind.MIXED_TYPES, text, self._first[name], "type", main, name, self._rows[name])

    def _known(self) -> list[str]:
        return [name for name, _ in self._rows.most_common() if self._dictionary.submittable(name) is not None]


def _placed(problem: Problem, source: Source, form: Form) -> Problem:
    """With the column in which the first bytes stand that are no UTF-8."""
    if problem.kind is not ProblemKind.ENCODING or problem.line is None:
        return problem
    return replace(problem, column=column_of_bad_bytes(source, form))


def _header(source: Source, form: Form, mends: Mends) -> Header:
    with source.text() as text:
        records = (one for one in read_delimited(text, "\t" if form is Form.TSV else ",") if one.raw.strip())
        for record in records:
            if mend_separator(record, form, mends):
                continue
            try:
                return read_header(record, form, mends)
            except TableError as wrong:
                below = next((one for one in itertools.islice(records, _ABOVE) if is_header(one)), None)
                if below is None or is_header(record, any):
                    raise
                said = f"The header does not stand here, but in line {below.line}."
                problem = Problem(ProblemKind.MISSING_COLUMN, said, "Delete what stands above it.", record.line)
                raise TableError([problem]) from wrong
    raise TableError([Problem(ProblemKind.EMPTY, "The file is empty.", "Was it still being written? Drop it again.")])


def _builder(
    form: Form,
    header: Header | None,
    dictionary: Dictionary,
    project: Project | None,
    mends: Mends,
    last_line: int,
    main_type: str,
) -> TextRows | JsonRows:
    if header is not None:
        return TextRows(header, form, dictionary, project, mends, last_line, main_type)
    return JsonRows(form, dictionary, project, mends)


def _records(
    source: Source, form: Form, header: Header | None, ends: set[str] | None = None
) -> Iterator[TextRecord | JsonRecord]:
    """Records after the header; `ends` gathers the kinds of line end met."""
    with source.text() as text:
        if header is None:
            yield from read_json(text, lines=form is Form.JSONL)
            return
        records = read_delimited(text, "\t" if form is Form.TSV else ",", header.names)
        yield from itertools.dropwhile(lambda record: record.line <= header.line, records)
        if ends is not None and text.newlines:
            ends.update([text.newlines] if isinstance(text.newlines, str) else text.newlines)
