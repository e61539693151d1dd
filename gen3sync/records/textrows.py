"""Makes a `Row` or a `BadRow` of one TSV or CSV record: every check that needs no other row and no commons."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from enum import Enum, auto

from gen3sync.names import Project, printable
from gen3sync.records.delimited import TextRecord, column_name, raw_cells
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.header import Header
from gen3sync.records.problems import MendKind, Mends, Problem, ProblemKind
from gen3sync.records.rowchecks import (
    is_blank,
    lacking_links,
    missing_submitter_id,
    other_project,
    other_type,
    unknown_column,
    unknown_type,
)
from gen3sync.records.rows import BadRow, Form, Row
from gen3sync.records.separators import find_separator, separator_name

#: The commons' csv reader refuses longer cells ("field larger than field limit").
MAX_CELL = 131_072


class _Use(Enum):
    """What becomes of a column's cells for one node type."""

    KEEP = auto()
    OURS = auto()  # or nobody's: a column without a name
    IGNORED = auto()  # the commons throws them away: left out
    FILLED = auto()  # by the commons where blank: left out then
    UNKNOWN = auto()


class TextRows:
    """Builds rows of one file. `last_line` is where the last record begins: its trailing blanks need a mend.
    `main_type` is the node type of most rows: the header may be meant for it alone."""

    def __init__(
        self,
        header: Header,
        form: Form,
        dictionary: Dictionary,
        project: Project | None,
        mends: Mends,
        last_line: int,
        main_type: str,
    ) -> None:
        self._header = header
        self._form = form
        self._delimiter = "\t" if form is Form.TSV else ","
        self._dictionary = dictionary
        self._project = project
        self._mends = mends
        self._last_line = last_line
        self._main_type = main_type
        self._type = header.place("type")
        self._id = header.place("submitter_id")
        self._record_id = header.place("id") if "id" in header.names else None
        self._lacks: dict[str, tuple[str, ...]] = {}
        self._plans: dict[str, tuple[tuple[int, str, _Use], ...]] = {}

    def key(self, record: TextRecord) -> tuple[str, str] | None:
        """Node type and submitter_id where both are given."""
        if len(record.cells) <= max(self._type, self._id):
            return None
        node, submitter_id = record.cells[self._type].strip(), record.cells[self._id].strip()
        return (node, submitter_id) if node and not is_blank(submitter_id) else None

    def says_nothing(self, record: TextRecord) -> bool:
        """Whether all of the row is blank, or all but its type, as in the commons' own template below the header. A
        short row with its type alone says something: that the file was cut off there."""
        cells = record.cells
        if self._id < len(cells) and cells[self._id].strip():
            return False
        name = cells[self._type].strip() if self._type < len(cells) else ""
        if len(cells) < len(self._header.names) or self._dictionary.submittable(name) is None:
            return not any(map(str.strip, cells))
        but = {self._type, *self._header.ours}
        return not any(cell.strip() for place, cell in enumerate(cells) if place not in but)

    def record_id(self, record: TextRecord) -> str | None:
        """The cell `id`, where it is given."""
        if self._record_id is None or len(record.cells) <= self._record_id:
            return None
        value = record.cells[self._record_id].strip()
        return None if is_blank(value) else value

    def content(self, record: TextRecord) -> int:
        """Equal for records that say the same, whatever our own columns say."""
        ours = self._header.ours
        if not ours:
            return hash(tuple(map(str.strip, record.cells)))
        return hash(tuple(cell.strip() for place, cell in enumerate(record.cells) if place not in ours))

    def build(self, record: TextRecord) -> Row | BadRow | None:
        """The row, or why it cannot be one; None for a line of blanks, which the commons drops too."""
        values = [cell.strip() for cell in record.cells]
        if self.says_nothing(record):
            kind, text = MendKind.BLANK_ROW, "A line of blank cells is left out."
            if any(values):
                kind, text = MendKind.TEMPLATE_ROW, "A line that says its type and nothing else is left out."
            self._mends.add(kind, text, record.line, rows=1)
            return None
        problems = [*self._shape(record, values), *self._characters(record)]
        name = values[self._type] if self._type < len(values) else ""
        node = self._dictionary.submittable(name)
        submitter_id = values[self._id] if self._id < len(values) else ""
        if node is None:
            problems.append(unknown_type(name, self._dictionary, record.line))
        if is_blank(submitter_id):
            problems.append(missing_submitter_id(record.line))
        cells: dict[str, str] = {}
        if node is not None and (lacking := self._lacking(node)):
            # What else is wrong with it for that type is of no use to anybody.
            problems.append(other_type(node.name, self._main_type, lacking, record.line))
        elif node is not None:
            cells = self._cells(record, values, node, problems)
        raw = self.raw(record)
        if problems or node is None:
            named = None if is_blank(submitter_id) else submitter_id
            return BadRow(record.line, record.end_line, raw, tuple(problems), name or None, named)
        if record.line == self._last_line:
            self._last_blanks(record, values)
        return Row(record.line, record.end_line, node.name, submitter_id, raw, self._form, cells)

    def raw(self, record: TextRecord) -> str:
        """The original text without the columns that gen3sync added to an earlier rejects file."""
        ours = self._header.ours
        if not ours:
            return record.raw
        cells = raw_cells(record.raw, self._delimiter)
        return self._delimiter.join(cell for place, cell in enumerate(cells) if place not in ours)

    def _shape(self, record: TextRecord, values: Sequence[str]) -> Iterator[Problem]:
        width = len(self._header.names)
        swallowed = record.stray if record.stray is not None else len(values) - 1 if len(values) < width else None
        if record.spans_lines and swallowed is None:
            swallowed = self._row_within(record)
        if record.spans_lines and swallowed is not None:
            yield Problem(
                ProblemKind.SWALLOWED_ROWS,
                f"A double quote opens a cell that runs on to line {record.end_line}, taking the rows between with it.",
                'Close the quote, or put the cell in quotes and double the inner one: 5" pipe becomes "5"" pipe".',
                record.line,
                self._name(swallowed),
            )
        elif record.stray is not None:
            yield Problem(
                ProblemKind.STRAY_QUOTE,
                "There is text after the closing double quote of a cell.",
                'Put the whole cell in quotes and double the inner ones: "5"" pipe".',
                record.line,
                self._name(record.stray),
            )
        if len(values) > width:
            place = next((place for place in range(width, len(values)) if values[place]), None)
            if place is not None:
                held = printable(values[place], 40)
                yield Problem(
                    ProblemKind.TOO_MANY_CELLS,
                    f"The row has {len(values)} cells, the header {width}: no column is above cell {place + 1} "
                    f"('{held}').",
                    "A tab inside a cell makes two of it: put such a cell in double quotes."
                    if self._form is Form.TSV
                    else "A comma inside a cell makes two of it: put such a cell in double quotes.",
                    record.line,
                    self._name(place),
                )
            else:
                text = "Blank cells beyond the last column are left out."
                self._mends.add(MendKind.EXTRA_BLANK_CELLS, text, record.line, rows=1)

    def _row_within(self, record: TextRecord) -> int | None:
        """The place of a cell whose last line reads like the row in which its quote was closed by chance: with a node
        type where the types stand, and as many cells before as this one has."""
        for place, cell in enumerate(record.cells):
            pieces = cell.rpartition("\n")[2].split(self._delimiter) if "\n" in cell else ()
            if not max(self._type, self._id) < place == len(pieces) - 1:
                continue
            if pieces[self._id].strip() and self._dictionary.submittable(pieces[self._type].strip()) is not None:
                return place
        return None

    def _characters(self, record: TextRecord) -> Iterator[Problem]:
        raw = record.raw
        if "\0" in raw:
            place = next((at for at, cell in enumerate(record.cells) if "\0" in cell), None)
            remedy = "Delete it; if there are many, the file was damaged or is not text."
            text = "A cell holds a NUL character, which the commons cannot store."
            yield Problem(ProblemKind.NUL, text, remedy, record.line, self._name(place))
        if find_separator(raw):
            for place, cell in enumerate(record.cells):
                if found := find_separator(cell):
                    what = separator_name(found)
                    text = f"A cell holds a character that the commons takes for a line end ({what})."
                    remedy = "Replace it by a space, or by a plain line break inside double quotes; JSON can keep it."
                    yield Problem(ProblemKind.LINE_SEPARATOR, text, remedy, record.line, self._name(place))
        if len(raw) > MAX_CELL:
            for place, cell in enumerate(record.cells):
                if len(cell) > MAX_CELL:
                    text = f"A cell holds {len(cell):,} characters; the commons reads at most {MAX_CELL:,}."
                    remedy = "Shorten it, or drop the record as JSON."
                    yield Problem(ProblemKind.CELL_TOO_LONG, text, remedy, record.line, self._name(place))

    def _cells(
        self, record: TextRecord, values: Sequence[str], node: NodeType, problems: list[Problem]
    ) -> dict[str, str]:
        cells: dict[str, str] = {}
        plan = self._plans.get(node.name) or self._plan(node)
        width = len(values)
        for place, name, use in plan:
            if place >= width:
                # A short row: what it leaves out keeps its stored value (GEN3.md, lie 13). The commons reads missing
                # link cells as blank ones, which unlink nothing but satisfy its check for required links.
                if use is _Use.KEEP and "." in name:
                    cells[name] = ""
                continue
            value = values[place]
            if use is _Use.KEEP:
                cells[name] = value
            elif use is _Use.UNKNOWN:
                if is_blank(value):
                    text = f"The column '{printable(name)}' is unknown to {node.name} and blank: left out."
                    self._mends.add(MendKind.BLANK_UNKNOWN_COLUMN, text, record.line, name, rows=1)
                else:
                    problems.append(unknown_column(name, node, record.line))
            elif use is _Use.FILLED:
                if not is_blank(value):
                    cells[name] = value
                elif name in ("object_id", "urls"):
                    text = f"The blank column '{name}' is left out, so that the commons fills or keeps it."
                    self._mends.add(MendKind.BLANK_GENERATED, text, record.line, name, rows=1)
            elif use is _Use.IGNORED and not is_blank(value):
                text = f"The commons sets '{name}' itself and ignores what a file says: left out."
                self._mends.add(MendKind.IGNORED_COLUMN, text, record.line, name, rows=1)
        if "project_id" in cells:
            self._project_id(record.line, cells, problems)
        return cells

    def _project_id(self, line: int, cells: dict[str, str], problems: list[Problem]) -> None:
        value = cells["project_id"]
        if self._project is None:
            if is_blank(value):
                del cells["project_id"]
        elif is_blank(value):
            cells["project_id"] = self._project.id
            text = f"A blank project_id is filled with {self._project.id}."
            self._mends.add(MendKind.PROJECT_ID, text, line, "project_id", value, self._project.id, 1)
        elif value != self._project.id:
            problems.append(other_project(value, self._project, line))

    def _plan(self, node: NodeType) -> tuple[tuple[int, str, _Use], ...]:
        """How each column is used for a node type; worked out once per file."""
        plan = []
        for place, name in enumerate(self._header.names):
            if place in self._header.ours or place in self._header.unnamed:
                use = _Use.OURS
            elif name not in node.known_columns:
                use = _Use.UNKNOWN
            elif name in node.ignored:
                use = _Use.IGNORED
            elif name == "project_id":
                use = _Use.KEEP
            elif name == "id" or name in node.system or (node.is_file and name in ("object_id", "urls")):
                use = _Use.FILLED
            else:
                use = _Use.KEEP
            if use is not _Use.OURS:
                plan.append((place, name, use))
        self._plans[node.name] = tuple(plan)
        return self._plans[node.name]

    def _lacking(self, node: NodeType) -> tuple[str, ...]:
        """Of a node type that is not the file's: what its rows would need and the header does not have."""
        if not self._main_type or node.name == self._main_type:
            return ()
        if node.name not in self._lacks:
            self._lacks[node.name] = lacking_links(node, frozenset(self._header.names))
        return self._lacks[node.name]

    def _last_blanks(self, record: TextRecord, values: Sequence[str]) -> None:
        stripped = record.raw[len(record.raw.rstrip()) :]
        if self._form is Form.TSV and "\t" in stripped and len(values) <= len(self._header.names):
            places = list(itertools.takewhile(lambda place: not values[place], reversed(range(len(values)))))[::-1]
            names = ", ".join(filter(None, map(self._name, places)))
            text = f"The blank cells at the end of the last row ({names}) count as in other rows; the commons would "
            text += "overlook them, were they not quoted."
            self._mends.add(MendKind.LAST_ROW_BLANKS, text, record.line, self._name(places[0]), "", '""', 1)

    def _name(self, place: int | None) -> str | None:
        return None if place is None else column_name(self._header.names, place)
