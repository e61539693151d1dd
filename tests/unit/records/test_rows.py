"""Single rows: what is refused, what is mended, and that the rows around go on."""

from __future__ import annotations

import json

import pytest

from gen3sync.names import Project
from gen3sync.records.problems import MendKind, ProblemKind
from gen3sync.records.rows import BadRow, Row, columns_of
from gen3sync.records.table import Table
from tests.unit.records.support import bad_rows, file_problems, opened, rows_of

HEAD = "type\tsubmitter_id\texperiments.submitter_id\tdisease_type\tprimary_site\n"
GOOD = "case\tC-0\tEXP-1\tGlioma\tBrain\n"
LAST = "case\tC-9\tEXP-1\tGlioma\tBrain\n"


def refused(row: str, head: str = HEAD) -> BadRow:
    """The one bad row of a file in which good rows stand around it."""
    rows = list(opened(head + GOOD + row + LAST))
    bad = [one for one in rows if isinstance(one, BadRow)]
    assert [one.submitter_id for one in rows if isinstance(one, Row)] == ["C-0", "C-9"]
    assert len(bad) == 1
    assert bad[0].line == 3
    assert all(problem.line == 3 and problem.remedy for problem in bad[0].problems)
    return bad[0]


def mends_of(table: Table) -> list[tuple[MendKind, int | None, int]]:
    list(table)
    return [(mend.kind, mend.line, mend.rows) for mend in table.mends]


@pytest.mark.parametrize(
    ("row", "kind", "column"),
    [
        ("case\tC-1\tEXP-1\ta\tb\tc\n", ProblemKind.TOO_MANY_CELLS, "6"),
        ('case\tC-1\tEXP-1\t"5" inch\tx\n', ProblemKind.STRAY_QUOTE, "disease_type"),
        ('case\tC-1\tEXP-1\t"5 inch\tx\ncase\tC-2\tEXP-1\t"6 inch\tx\n', ProblemKind.SWALLOWED_ROWS, "disease_type"),
        ('case\tC-1\tEXP-1\t"5 inch\tx\ncase\tC-2\tEXP-1\t6"\n', ProblemKind.SWALLOWED_ROWS, "disease_type"),
        (f"case\tC-1\tEXP-1\t{'x' * 131_073}\tb\n", ProblemKind.CELL_TOO_LONG, "disease_type"),
        ("case\tC-1\tEXP-1\ta\0b\tb\n", ProblemKind.NUL, "disease_type"),
        ("\tC-1\tEXP-1\ta\tb\n", ProblemKind.BLANK_TYPE, "type"),
        ("cases\tC-1\tEXP-1\ta\tb\n", ProblemKind.UNKNOWN_TYPE, "type"),
        ("null\tC-1\tEXP-1\ta\tb\n", ProblemKind.UNKNOWN_TYPE, "type"),
        ("project\tC-1\tEXP-1\ta\tb\n", ProblemKind.UNKNOWN_TYPE, "type"),
        ("Case\tC-1\tEXP-1\ta\tb\n", ProblemKind.UNKNOWN_TYPE, "type"),
        ("case\t\tEXP-1\ta\tb\n", ProblemKind.MISSING_SUBMITTER_ID, "submitter_id"),
        ("case\tnull\tEXP-1\ta\tb\n", ProblemKind.MISSING_SUBMITTER_ID, "submitter_id"),
        ("case\n", ProblemKind.MISSING_SUBMITTER_ID, "submitter_id"),
    ],
)
def test_refused_rows(row: str, kind: ProblemKind, column: str | None) -> None:
    problems = [problem for problem in refused(row).problems if problem.kind is kind]
    assert problems
    assert problems[0].column == column


@pytest.mark.parametrize("name", ["type", "*type"])
def test_a_header_in_the_middle_is_called_so(name: str) -> None:
    """Two tables were written one after the other."""
    (problem,) = refused(f"{name}\tsubmitter_id\texperiments.submitter_id\tdisease_type\tx\n").problems
    assert (problem.kind, problem.column, problem.remedy) == (ProblemKind.UNKNOWN_TYPE, "type", "Delete the row.")
    assert problem.message.startswith("The header stands here once more")


@pytest.mark.parametrize("character", "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029")
@pytest.mark.parametrize("row", ["case\tC-1\tEXP-1\ta{}b\tx\n", 'case\tC-1\tEXP-1\t"a{}b"\tx\n'])
def test_characters_that_the_commons_splits_at(character: str, row: str) -> None:
    bad = refused(row.format(character))
    assert [(one.kind, one.column) for one in bad.problems] == [(ProblemKind.LINE_SEPARATOR, "disease_type")]


def test_several_problems_of_a_row_are_told_at_once() -> None:
    kinds = [problem.kind for problem in refused("cses\t\tEXP-1\ta\tb\tc\n").problems]
    assert kinds == [ProblemKind.TOO_MANY_CELLS, ProblemKind.UNKNOWN_TYPE, ProblemKind.MISSING_SUBMITTER_ID]


def test_suggestions() -> None:
    assert "'case'" in refused("cases\tC-1\tEXP-1\ta\tb\n").problems[0].remedy
    head = HEAD.replace("primary_site", "Primary Site")
    assert "'primary_site'" in bad_rows(head + GOOD)[0].problems[0].remedy
    head = HEAD.replace("experiments.submitter_id", "experiment.submitter_id")
    assert "'experiments.submitter_id'" in bad_rows(head + GOOD)[0].problems[0].remedy


@pytest.mark.parametrize(
    ("column", "remedy"),
    [
        ("cases", "Do you mean 'cases.submitter_id'?"),
        ("cases.name", "Do you mean 'cases.submitter_id'?"),
        ("case.submitter_id", "Do you mean 'cases.submitter_id'?"),
        ("case.id", "Do you mean 'cases.id'?"),
        ("cases.submitter_id#2", "Parents share one cell of 'cases.submitter_id': with commas between them"),
        ("visits.submitter_id", "Its parents are named in 'cases.submitter_id', 'diagnoses.submitter_id'."),
        ("typ", "Delete the column, or empty its cells."),
        ("Freezing Method", "Do you mean 'freezing_method'?"),
    ],
)
def test_what_may_have_been_meant_by_a_column(column: str, remedy: str) -> None:
    # Never a column that the file must have already, and never a parent's id where its name will do.
    (bad,) = bad_rows(f"type\tsubmitter_id\t{column}\nsample\tS-1\tx\n")
    assert bad.problems[0].remedy.startswith(remedy)


def test_unknown_columns_matter_only_where_they_say_something() -> None:
    head = HEAD.rstrip("\n") + "\tcolour\n"
    table = opened(f"{head}case\tC-1\tE\tx\ty\tblue\ncase\tC-2\tE\tx\ty\t\ncase\tC-3\tE\tx\ty\tnull\n")
    bad, *good = table
    assert isinstance(bad, BadRow)
    assert [(one.kind, one.column) for one in bad.problems] == [(ProblemKind.UNKNOWN_COLUMN, "colour")]
    assert all(isinstance(row, Row) and "colour" not in row.cells for row in good)
    assert (MendKind.BLANK_UNKNOWN_COLUMN, 3, 2) in mends_of(table)


def test_rows_of_several_types_are_read_each_by_its_own() -> None:
    head = "type\tsubmitter_id\texperiments.submitter_id\tcases.submitter_id\tis_ffpe\n"
    case, sample, wrong = opened(f"{head}case\tC-1\tE\t\t\nsample\tS-1\t\tC-1\ttrue\nsample\tS-2\tE\tC-1\t\n")
    assert isinstance(case, Row)
    assert columns_of(case) == ("type", "submitter_id", "experiments.submitter_id")
    assert isinstance(sample, Row)
    assert columns_of(sample) == ("type", "submitter_id", "cases.submitter_id", "is_ffpe")
    assert isinstance(wrong, BadRow)


def test_short_rows_leave_out_what_they_lack() -> None:
    row, _ = rows_of(HEAD + "case\tC-1\tEXP-1\tGlioma\n" + LAST)
    assert columns_of(row) == ("type", "submitter_id", "experiments.submitter_id", "disease_type")


def test_missing_link_cells_are_blank_as_for_the_commons() -> None:
    row, _ = rows_of(HEAD + "case\tC-1\n" + LAST)
    assert row.cells == {"type": "case", "submitter_id": "C-1", "experiments.submitter_id": ""}


def test_cells_are_trimmed_and_stars_dropped() -> None:
    (row,) = rows_of(" *type \t**submitter_id\t* disease_type\n case \t\u00a0C-1 \t a  b \n")
    assert row.cells == {"type": "case", "submitter_id": "C-1", "disease_type": "a  b"}


def test_lines_count_as_an_editor_counts() -> None:
    table = opened('type\tsubmitter_id\tdisease_type\n\n\ncase\tC-1\t"two\nlines"\n\ncase\tC-2\tx\n')
    assert [(row.line, row.end_line) for row in table] == [(4, 5), (7, 7)]


def test_raw_is_the_original_text() -> None:
    row, _ = rows_of(f'{HEAD}case\tC-1\t EXP-1 \t"a ""b"""\tx\n{LAST}')
    assert row.raw == 'case\tC-1\t EXP-1 \t"a ""b"""\tx'


class TestProjectId:
    HEAD = "type\tproject_id\tsubmitter_id\texperiments.submitter_id\n"

    @pytest.mark.parametrize("cell", ["", "null", "  "])
    def test_blank_is_filled(self, cell: str) -> None:
        table = opened(f"{self.HEAD}case\t{cell}\tC-1\tE\ncase\t{cell}\tC-2\tE\n")
        rows = [row for row in table if isinstance(row, Row)]
        assert [row.cells["project_id"] for row in rows] == ["DEV-test", "DEV-test"]
        assert [(mend.kind, mend.now, mend.rows) for mend in table.mends] == [(MendKind.PROJECT_ID, "DEV-test", 2)]

    def test_another_project_is_refused(self) -> None:
        (bad,) = bad_rows(f"{self.HEAD}case\tOTHER-proj\tC-1\tE\n")
        assert bad.problems[0].kind is ProblemKind.OTHER_PROJECT
        assert "DEV/test" in bad.problems[0].message

    def test_the_same_project_is_kept(self) -> None:
        assert rows_of(f"{self.HEAD}case\tDEV-test\tC-1\tE\n")[0].cells["project_id"] == "DEV-test"

    def test_hyphens_do_not_confuse(self) -> None:
        table = opened(f"{self.HEAD}case\tA-B-C\tC-1\tE\n", project=Project("A-B", "C"))
        assert all(isinstance(row, Row) for row in table)

    def test_a_short_row_needs_none(self) -> None:
        (row, _) = rows_of("type\tsubmitter_id\tdisease_type\tproject_id\ncase\tC-1\tx\ncase\tC-2\tx\t\n")
        assert "project_id" not in row.cells


class TestMends:
    def test_a_byte_order_mark(self) -> None:
        table = opened(b"\xef\xbb\xbf" + (HEAD + GOOD).encode())
        assert mends_of(table) == [(MendKind.BOM, 1, 0)]
        assert table.columns[0] == "type"

    @pytest.mark.parametrize(("line", "name"), [("sep=,", "d.csv"), ('"sep=,",,', "d.csv"), ("sep=\t", "d.tsv")])
    def test_a_line_for_excel(self, line: str, name: str) -> None:
        comma = "," if name == "d.csv" else "\t"
        text = (HEAD + LAST).replace("\t", comma)
        table = opened(f"{line}\n{text}", name)
        (row,) = table
        assert isinstance(row, Row)
        assert row.line == 3
        assert (table.columns[0], row.cells["type"]) == ("type", "case")
        (mend,) = table.mends
        assert (mend.kind, mend.line, mend.was) == (MendKind.SEPARATOR_LINE, 1, line.strip())

    def test_bad_bytes_below_a_line_for_excel_have_their_column(self) -> None:
        (problem,) = file_problems(b"sep=,\ntype,submitter_id,sex\ncase,C-1,\xff\n", "d.csv")
        assert (problem.line, problem.column) == (3, "sex")

    @pytest.mark.parametrize("end", ["\r\n", "\r"])
    def test_line_ends(self, end: str) -> None:
        table = opened((HEAD + 'case\tC-1\tE\t"a\nb"\tx\n').replace("\n", end))
        assert mends_of(table) == [(MendKind.LINE_ENDS, None, 0)]
        (row,) = table
        assert isinstance(row, Row)
        assert row.cells["disease_type"] == "a\nb"
        assert (row.line, row.end_line) == (2, 3)

    def test_blanks_at_the_end_of_the_last_row(self) -> None:
        table = opened(HEAD + GOOD + "case\tC-2\tE\t\t\n")
        assert mends_of(table) == [(MendKind.LAST_ROW_BLANKS, 3, 1)]
        assert mends_of(opened(HEAD + "case\tC-2\tE\t\t\n" + GOOD)) == []
        assert mends_of(opened(HEAD + GOOD + 'case\tC-2\tE\t""\t""\n')) == []

    def test_lines_of_blanks(self) -> None:
        table = opened(HEAD + GOOD + "\t\t\t\t\n  \n" + LAST + "\t\t\t\t\n")
        assert mends_of(table) == [(MendKind.BLANK_ROW, 3, 3)]
        assert table.record_count == 2

    def test_the_row_below_the_header_of_the_commons_own_template(self) -> None:
        table = opened(HEAD + "case\t\t\t\t\n" + GOOD + "case\t\t \t\t\n")
        assert mends_of(table) == [(MendKind.TEMPLATE_ROW, 2, 2)]
        assert [row.submitter_id for row in table] == ["C-0"]
        assert file_problems(HEAD + "case\t\t\t\t\n", "drop.tsv")[0].kind is ProblemKind.HEADER_ONLY
        rejects = "_line\t_errors\t" + HEAD + "2\tThe submitter_id is blank.\tcase\t\t\t\t\n7\tx\t" + GOOD
        assert [row.submitter_id for row in opened(rejects)] == ["C-0"]

    @pytest.mark.parametrize("row", ["case\n", "case\t\t\n", "nonsense\t\t\t\t\n", "case\t\t\t\tx\n"])
    def test_a_row_that_is_cut_or_says_more_is_none_of_these(self, row: str) -> None:
        assert ProblemKind.MISSING_SUBMITTER_ID in [problem.kind for problem in refused(row).problems]

    def test_blank_cells_beyond_the_header(self) -> None:
        assert mends_of(opened(HEAD + "case\tC-1\tE\ta\tb\t\t \n" + LAST)) == [(MendKind.EXTRA_BLANK_CELLS, 2, 1)]

    def test_a_row_that_stands_there_twice(self) -> None:
        table = opened(HEAD + GOOD + LAST + GOOD)
        assert [row.line for row in table] == [2, 3]
        assert mends_of(table) == [(MendKind.REPEATED_ROW, 4, 1)]

    def test_columns_the_commons_sets_itself(self) -> None:
        table = opened("type\tsubmitter_id\tstate\tcreated_datetime\tid\ncase\tC-1\tvalidated\t2020-01-01\t\n")
        (row,) = table
        assert columns_of(row) == ("type", "submitter_id")  # type: ignore[arg-type]
        assert {mend.column for mend in table.mends if mend.kind is MendKind.IGNORED_COLUMN} == {
            "state",
            "created_datetime",
        }

    def test_blank_columns_that_the_commons_fills_for_files(self) -> None:
        head = "type\tsubmitter_id\turls\tobject_id\tfile_name\n"
        table = opened(f"{head}slide_image\tF-1\t\t\tf\nslide_image\tF-2\ts3://b/k\tdg/1\tf\n")
        first, second = table
        assert columns_of(first) == ("type", "submitter_id", "file_name")  # type: ignore[arg-type]
        assert columns_of(second) == ("type", "submitter_id", "urls", "object_id", "file_name")  # type: ignore[arg-type]


class TestTwins:
    @pytest.mark.parametrize("other", ["C-1", "c-1"])
    def test_contradicting_rows_are_all_refused(self, other: str) -> None:
        bad = bad_rows(f"{HEAD}case\tC-1\tE\ta\tx\n{LAST}case\t{other}\tE\tb\tx\n")
        assert [(row.line, row.problems[0].kind) for row in bad] == [(2, ProblemKind.TWIN), (4, ProblemKind.TWIN)]
        assert "line 4" in bad[0].problems[0].message
        assert "line 2" in bad[1].problems[0].message

    def test_three_of_them(self) -> None:
        assert [row.line for row in bad_rows(HEAD + "".join(f"case\tC-1\tE\t{x}\tx\n" for x in "aab"))] == [2, 3, 4]

    def test_a_twin_of_another_node_type_is_none(self) -> None:
        head = "type\tsubmitter_id\texperiments.submitter_id\tcases.submitter_id\n"
        assert not bad_rows(f"{head}case\tX-1\tE\t\nsample\tX-1\t\tX-1\n")

    def test_non_ascii_case(self) -> None:
        assert len(bad_rows(f"{HEAD}case\tÄ-1\tE\ta\tx\ncase\tä-1\tE\tb\tx\n")) == 2

    def test_a_bad_row_may_be_a_twin_too(self) -> None:
        bad = bad_rows(f"{HEAD}case\tC-1\tE\ta\tx\ty\ncase\tC-1\tE\ta\tx\n")
        assert [[problem.kind for problem in row.problems] for row in bad] == [
            [ProblemKind.TOO_MANY_CELLS, ProblemKind.TWIN],
            [ProblemKind.TWIN],
        ]


class TestSameId:
    HEAD = "type\tsubmitter_id\tid\tdisease_type\n"
    ID = "7b1b2f0c-0000-4000-8000-000000000001"

    def test_different_records_with_one_id_are_all_refused(self) -> None:
        text = f"{self.HEAD}case\tC-1\t{self.ID}\ta\ncase\tC-2\t\ta\ncase\tC-3\t {self.ID}\ta\ncase\tC-4\tnull\ta\n"
        bad = bad_rows(text)
        assert [(row.line, row.problems[0].kind) for row in bad] == [(2, ProblemKind.SAME_ID), (4, ProblemKind.SAME_ID)]
        problem = bad[1].problems[0]
        assert f"lines 2 and 4 name the same `id` '{self.ID}'" in problem.message
        assert (problem.column, problem.line) == ("id", 4)
        assert [row.submitter_id for row in opened(text) if isinstance(row, Row)] == ["C-2", "C-4"]

    def test_node_types_do_not_matter(self) -> None:
        assert len(bad_rows(f"type\tsubmitter_id\tid\ncase\tX-1\t{self.ID}\nsample\tX-1\t{self.ID}\n")) == 2

    def test_many_of_them(self) -> None:
        bad = bad_rows(self.HEAD + "".join(f"case\tC-{i}\t{self.ID}\ta\n" for i in range(9)))
        assert len(bad) == 9
        assert "lines 2, 3, 4, 5, 6 and 10 name" in bad[-1].problems[0].message

    def test_a_row_repeated_word_for_word_is_still_mended_away(self) -> None:
        row = f"case\tC-1\t{self.ID}\ta\n"
        table = opened(self.HEAD + row * 2)
        assert mends_of(table) == [(MendKind.REPEATED_ROW, 3, 1)]
        assert len(list(table)) == 1

    def test_twins_that_share_an_id_are_twins_alone(self) -> None:
        bad = bad_rows(f"{self.HEAD}case\tC-1\t{self.ID}\ta\ncase\tc-1\t{self.ID}\tb\n")
        assert [[problem.kind for problem in row.problems] for row in bad] == [[ProblemKind.TWIN]] * 2

    def test_in_json(self) -> None:
        records = [{"type": "case", "submitter_id": f"C-{i}", "id": self.ID} for i in range(2)]
        bad = bad_rows(json.dumps(records), "d.json")
        assert [row.problems[0].kind for row in bad] == [ProblemKind.SAME_ID] * 2
        assert "rows on line 1 name the same" in bad[0].problems[0].message


def test_iterating_again_gives_the_same() -> None:
    table = opened(HEAD + GOOD + GOOD + "case\tC-2\tE\t\t\n")
    first, mends = list(table), table.mends
    assert list(table) == first
    assert table.mends == mends


def test_unclosed_looking_quotes_inside_a_cell_are_plain_text() -> None:
    (row,) = rows_of(HEAD + "case\tC-1\tE\t5\" pipe\tit's\n")
    assert row.cells["disease_type"] == '5" pipe'


def test_the_word_null_is_no_id_and_nobodys_twin() -> None:
    rows = list(opened(HEAD + "case\tnull\tEXP-1\ta\tb\n" + "case\tNULL\tEXP-1\tc\td\n"))
    assert isinstance(rows[0], BadRow)
    assert [problem.kind for problem in rows[0].problems] == [ProblemKind.MISSING_SUBMITTER_ID]
    assert isinstance(rows[1], Row)
