"""What makes a file as a whole unusable: found before a single row is handed out, with line and remedy."""

from __future__ import annotations

import gzip
import zlib

import pytest

from gen3sync.records.problems import MendKind, ProblemKind, TableError
from gen3sync.records.rows import Row
from gen3sync.records.table import open_table
from tests.unit.records.support import PROJECT, dictionary, file_problems, opened

HEAD = "type\tsubmitter_id\texperiments.submitter_id\tdisease_type\n"
ROW = "case\tC-1\tEXP-1\tGlioma\n"


def only(content: str | bytes, name: str = "drop.tsv") -> tuple[ProblemKind, int | None, str]:
    problems = file_problems(content, name)
    assert len(problems) == 1, problems
    assert problems[0].remedy
    return problems[0].kind, problems[0].line, problems[0].message


@pytest.mark.parametrize("name", ["drop.xlsx", "drop", "drop.tsv.bak", "drop.gz"])
def test_a_name_that_promises_nothing(name: str) -> None:
    assert only(HEAD + ROW, name)[0] is ProblemKind.UNKNOWN_FORMAT


@pytest.mark.parametrize("above", ["Cases of November\t\t\n", "# a comment\n", "Cases\n\nof November\n"])
def test_a_title_above_the_header(above: str) -> None:
    [problem] = file_problems(above + HEAD + ROW, "drop.tsv")
    assert (problem.kind, problem.line) == (ProblemKind.MISSING_COLUMN, 1)
    assert problem.message == f"The header does not stand here, but in line {above.count(chr(10)) + 1}."
    assert problem.remedy == "Delete what stands above it."


def test_a_header_that_lacks_a_column_is_no_title() -> None:
    problems = file_problems("type\tsid\tdisease_type\n" + HEAD + ROW, "drop.tsv")
    assert "submitter_id" in problems[0].message


@pytest.mark.parametrize("name", ["drop.xlsx", "Drop.XLS", "drop.ods"])
def test_a_workbook_is_not_to_be_renamed(name: str) -> None:
    [problem] = file_problems(HEAD + ROW, name)
    assert "workbook" in problem.message
    assert "CSV UTF-8" in problem.remedy
    assert "Let it end" not in problem.remedy


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"])
@pytest.mark.parametrize("name", ["drop.tsv", "drop.csv", "drop.json"])
def test_empty(content: bytes, name: str) -> None:
    assert only(content, name)[0] is ProblemKind.EMPTY


@pytest.mark.parametrize("content", [HEAD, HEAD + "\n\n", HEAD.rstrip("\n"), HEAD + "\t\t\t\n"])
def test_header_only(content: str) -> None:
    assert only(content)[0] is ProblemKind.HEADER_ONLY


def test_no_records_in_json() -> None:
    assert only("[]", "drop.json")[0] is ProblemKind.EMPTY


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf16_is_named(encoding: str) -> None:
    kind, _, message = only((HEAD + ROW * 20).encode(encoding))
    assert kind is ProblemKind.UTF16
    assert encoding[:6].upper() in message


@pytest.mark.parametrize(
    ("encoding", "word", "named"),
    [
        ("cp1252", "Müller’s", "Windows-1252"),
        ("latin-1", "café", "Latin-1"),
        ("mac_roman", "Müllerstraße", "Mac Roman"),
        ("cp437", "Müllerin über", "cp437"),
        ("cp437", "schöne Größe", "cp437"),
        ("cp1252", "a “smart” quote", "Windows-1252"),
        ("cp1252", "2020–2021 …", "Windows-1252"),
        ("cp1252", "€ 5", "Windows-1252"),
        ("cp1252", "Škoda", "Windows-1252"),
        ("cp1252", "½ dose at 37 °C", "Latin-1"),
        ("mac_roman", "37 °C", "Mac Roman"),
        ("cp437", "Größe", "cp437"),
        ("cp1251", "Образец крови", "cp1251"),
    ],
)
def test_what_it_seems_to_be(encoding: str, word: str, named: str) -> None:
    content = HEAD.encode() + ROW.encode() * 3 + f"case\tC-9\tEXP-1\t{word}\n".encode(encoding) + ROW.encode()
    kind, line, message = only(content)
    assert (kind, line) == (ProblemKind.ENCODING, 5)
    assert named in message
    assert word in message


@pytest.mark.parametrize("before", [0, 1, 65_530, 65_536, 65_537, 200_000])
def test_the_line_of_a_bad_byte_is_right_at_any_distance(before: int) -> None:
    filler = ("case\tCé\t\t\n".encode() * (before // 11 + 1))[: before // 11 * 11]
    content = HEAD.encode() + filler + b"case\tC-9\tEXP-1\tcaf\xe9\r\n"
    assert only(content)[1] == content.count(b"\n")


def test_a_character_cut_at_the_end_of_the_file() -> None:
    assert only((HEAD + ROW + "case\tC-2\tEXP-1\té").encode()[:-1])[:2] == (ProblemKind.ENCODING, 3)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"PK\x03\x04" + b"\0" * 100, "Excel"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (gzip.compress(HEAD.encode(), mtime=0), "gzip"),
        (bytes(range(256)) * 10, "binary"),
        (b"\x89PNG\r\n", "picture"),
    ],
)
def test_binary_files(content: bytes, named: str) -> None:
    kind, _, message = only(content)
    assert kind is ProblemKind.BINARY
    assert named in message


def test_a_broken_archive() -> None:
    packed = gzip.compress((HEAD + ROW * 5000).encode())
    for broken in (packed[:-20], packed[:60], b"no gzip at all", packed[:40] + b"\0\0\0\0" + packed[44:]):
        assert only(broken, "drop.tsv.gz")[0] is ProblemKind.BROKEN_ARCHIVE


@pytest.mark.parametrize(
    ("content", "kind", "named"),
    [
        ((HEAD + ROW).encode(), ProblemKind.BROKEN_ARCHIVE, "is not packed"),
        (b"PK\x03\x04" + b"\0" * 100, ProblemKind.BINARY, "zip archive"),
    ],
)
def test_a_name_that_promises_an_archive(content: bytes, kind: ProblemKind, named: str) -> None:
    found, _, message = only(content, "drop.tsv.gz")
    assert found is kind
    assert named in message


def test_an_archive_that_never_ends() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(HEAD.encode()) + b"".join(packer.compress(ROW.encode() * 10_000) for _ in range(20))
    with pytest.raises(TableError, match="more than 1,000,000 bytes"):
        open_table(
            packed + packer.flush(),
            name="drop.tsv.gz",
            dictionary=dictionary(),
            project=PROJECT,
            max_unpacked=1_000_000,
        )


def test_an_archive_reads_like_the_file_in_it() -> None:
    assert list(opened(gzip.compress((HEAD + ROW).encode()), "d.tsv.gz")) == list(opened(HEAD + ROW))


def test_duplicate_columns_stars_aside() -> None:
    assert only("*type\tsubmitter_id\ttype\ncase\tC-1\tcase\n")[0] is ProblemKind.DUPLICATE_COLUMN


@pytest.mark.parametrize("head", ["type\tsubmitter_id\t", "type\t\tsubmitter_id", "\ttype\tsubmitter_id"])
def test_blank_column_names(head: str) -> None:
    assert only(f"{head}\nx\tcase\tC-1\n")[0] is ProblemKind.BLANK_COLUMN


@pytest.mark.parametrize("head", ["type\tsubmitter_id\t\t ", "type\t\tsubmitter_id\t", "\t*type\tsubmitter_id\t*"])
def test_columns_without_a_name_and_without_values_are_left_out(head: str) -> None:
    # Spreadsheets leave them behind. Unless the row is the last, the commons refuses it for them.
    names = head.split("\t")
    lines = [
        "\t".join({"type": "case", "submitter_id": sid}.get(name.strip("*"), "") for name in names) for sid in "ab"
    ]
    table = opened("\n".join([head, *lines]))
    rows = list(table)
    assert table.columns == ("type", "submitter_id")
    assert [row.cells for row in rows if isinstance(row, Row)] == [
        {"type": "case", "submitter_id": "a"},
        {"type": "case", "submitter_id": "b"},
    ]
    (mend,) = (one for one in table.mends if one.kind is MendKind.BLANK_COLUMN)
    assert mend.line == 1
    assert "neither a name nor values" in mend.message


def test_the_first_row_that_says_something_without_a_name_is_named() -> None:
    (problem,) = file_problems("\ttype\tsubmitter_id\n\tcase\tC-1\n7\tcase\tC-2\n")
    assert (problem.line, problem.column) == (1, "1")
    assert "line 3 says '7'" in problem.message


@pytest.mark.parametrize("name", ["drop.tsv", "drop.csv"])
def test_semicolons(name: str) -> None:
    kind, line, message = only("type;submitter_id\ncase;C-1\n", name)
    assert (kind, line) == (ProblemKind.MISSING_COLUMN, 1)
    assert "separated by semicolons" in message


@pytest.mark.parametrize(
    ("line", "name", "says", "does"),
    [
        ("sep=;", "d.csv", "semicolons", "with commas"),
        ("sep=\t", "d.csv", "tabs", ".tsv"),
        ('"sep=,"', "d.tsv", "commas", ".csv"),
        ("SEP=|,,", "d.csv", "'|'", "with commas"),
    ],
)
def test_a_line_for_excel_that_contradicts_the_name(line: str, name: str, says: str, does: str) -> None:
    (problem,) = file_problems(f"{line}\ntype;submitter_id\ncase;C-1\n", name)
    assert (problem.kind, problem.line) == (ProblemKind.BAD_HEADER, 1)
    assert f"tells Excel that {says} separate the cells" in problem.message
    assert problem.remedy.startswith("Delete the line, and ")
    assert does in problem.remedy


def test_all_faults_of_a_header_are_told_at_once() -> None:
    kinds = {problem.kind for problem in file_problems("sex\tsex\t\nf\tf\tf\n")}
    assert kinds == {ProblemKind.DUPLICATE_COLUMN, ProblemKind.BLANK_COLUMN, ProblemKind.MISSING_COLUMN}


@pytest.mark.parametrize(
    ("content", "name", "hint"),
    [
        ("Type\tsubmitter_id\ncase\tC-1\n", "d.tsv", "'Type'"),
        ("type\tSubmitter ID\ncase\tC-1\n", "d.tsv", "'Submitter ID'"),
        ("type,submitter_id\ncase,C-1\n", "d.tsv", ".csv"),
        ("type\tsubmitter_id\ncase\tC-1\n", "d.csv", ".tsv"),
        ("type;submitter_id\ncase;C-1\n", "d.tsv", "tab-separated"),
        ("submitter_id\tsex\nC-1\tf\n", "d.tsv", "node type"),
    ],
)
def test_missing_columns_are_missed_with_a_hint(content: str, name: str, hint: str) -> None:
    problems = file_problems(content, name)
    assert {problem.kind for problem in problems} == {ProblemKind.MISSING_COLUMN}
    assert hint in problems[0].remedy


def test_a_header_with_a_line_separator() -> None:
    assert only("type\tsubmitter_id\tdisease\u2028type\ncase\tC-1\tx\n")[0] is ProblemKind.BAD_HEADER


@pytest.mark.parametrize("end", ["\n", "", "\r\n"])
def test_an_unclosed_quote_names_the_line_that_opened_it(end: str) -> None:
    content = HEAD + ROW + 'case\tC-2\tEXP-1\t"5 inch\n' + ROW.replace("C-1", "C-3") + "case\tC-4\tEXP-1\tx" + end
    assert only(content)[:2] == (ProblemKind.UNCLOSED_QUOTE, 3)


def test_the_opening_line_within_a_record_of_several_lines() -> None:
    assert only(HEAD + 'case\t"C\n2"\tEXP-1\t"open\nmore\n')[:2] == (ProblemKind.UNCLOSED_QUOTE, 3)


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[{"type": "case", "submitter_id": "A"},\n {"type": "case", "submitter_id": "B"', 2),
        ('[{"type": "case"},\n', 2),
        ('[{"type": "case"}\n {"type": "case"}]', 2),
        ('{"type": "case"}\n{"type": "case"}', 2),
        ('[{"type": "case",}]', 1),
        ("type\tsubmitter_id\n", 1),
        ('[{"type": "case"}] x', 1),
        ('{"data": [{"type": "case"}]', 1),
        ("[" * 100_000, 1),
        ('[{"type": "case", "n": ' + "9" * 5000 + "}]", 1),
    ],
)
def test_broken_json(content: str, line: int) -> None:
    kind, at, _ = only(content, "drop.json")
    assert (kind, at) == (ProblemKind.BROKEN_JSON, line)


@pytest.mark.parametrize("name", ["drop.json", "drop.jsonl"])
@pytest.mark.parametrize("before", [1, 7, 6000])  # of the last the file is read in several pieces
def test_broken_json_among_others_is_named_where_it_stands(name: str, before: int) -> None:
    records = [f'{{"type": "case", "submitter_id": "C-{number:04}", "x": 1}}' for number in range(before + 2)]
    records[before] = records[before].replace('"x": 1', '"x": y')
    text = "\n".join(records) if name.endswith("l") else f"[{(',' + chr(10)).join(records)}]"
    [problem] = file_problems(text, name)
    place = str(records[before].index("y}") + 1)
    assert (problem.kind, problem.line, problem.column) == (ProblemKind.BROKEN_JSON, before + 1, place)
    assert problem.message == "The file is not JSON that gen3sync can read: Expecting value."


def test_the_error_speaks_for_itself() -> None:
    with pytest.raises(TableError) as caught:
        opened("Type\tsubmitter_id\ncase\tC-1\n", "cases.tsv")
    assert str(caught.value).startswith("cases.tsv: Line 1: The column 'type' is missing.")
    assert caught.value.exit_code == 65
