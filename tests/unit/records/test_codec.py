"""What the commons makes of cells: the conversions of sheepdog, kind by kind."""

from __future__ import annotations

import pytest

from gen3sync.records.codec import LinkRef, desired
from gen3sync.records.convert import same_value, text_to_value, value_to_text
from gen3sync.records.dictionary import Kind, Property
from gen3sync.records.problems import ProblemKind
from tests.unit.records.support import node, rows_of, understood


def one(kind: Kind, item_kind: Kind | None = None) -> Property:
    return Property("x", kind, item_kind)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Kind.STRING, "007", "007"),
        (Kind.STRING, "None", "None"),
        (Kind.STRING, "TRUE", "TRUE"),
        (Kind.STRING, "NaN", "NaN"),
        (Kind.ENUM, "nothing in the list", "nothing in the list"),
        (Kind.UNKNOWN, "5", "5"),
        (Kind.OPAQUE, "5", "5"),
        (Kind.INTEGER, "12", 12),
        (Kind.INTEGER, "-1", -1),
        (Kind.INTEGER, "+5", 5),
        (Kind.INTEGER, "1_000", 1000),
        (Kind.INTEGER, "12.0", "12.0"),
        (Kind.INTEGER, "1e3", "1e3"),
        (Kind.INTEGER, "", ""),
        (Kind.INTEGER, "9" * 5000, "9" * 5000),
        (Kind.NUMBER, "12.0", 12),
        (Kind.NUMBER, "1e2", 100),
        (Kind.NUMBER, "0.10", 0.1),
        (Kind.NUMBER, "-0", 0),
        (Kind.NUMBER, "0.30000000000000004", 0.30000000000000004),
        (Kind.NUMBER, "123456789012345678901234567890", 123456789012345677877719597056),
        (Kind.NUMBER, "twelve", "twelve"),
        (Kind.BOOLEAN, "TRUE", True),
        (Kind.BOOLEAN, "False", False),
        (Kind.BOOLEAN, "yes", "yes"),
        (Kind.BOOLEAN, "1", "1"),
    ],
)
def test_conversions(kind: Kind, text: str, value: object) -> None:
    found = text_to_value(text, one(kind))
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("items", "text", "value"),
    [
        (Kind.STRING, "GRU,HMB", ["GRU", "HMB"]),
        (Kind.STRING, " GRU , HMB", ["GRU", "HMB"]),
        (Kind.STRING, "GRU,,HMB", ["GRU", "", "HMB"]),
        (Kind.STRING, ",", ["", ""]),
        (Kind.STRING, '["GRU","HMB"]', ['["GRU"', '"HMB"]']),
        (Kind.UNKNOWN, "1,2", ["1", "2"]),
        (Kind.OPAQUE, "a,b", "a,b"),
        (Kind.INTEGER, "1,2.0,1e1", [1, 2, 10]),
        (Kind.INTEGER, "1,x", "1,x"),
        (Kind.NUMBER, "1,2.5", [1.0, 2.5]),
        (Kind.BOOLEAN, "t,YES,no,x", [True, True, False, False]),
    ],
)
def test_lists(items: Kind, text: str, value: object) -> None:
    assert text_to_value(text, one(Kind.ARRAY, items)) == value


def test_equality_is_the_stores() -> None:
    assert same_value(2, 2.0)
    assert not same_value(True, 1)
    assert not same_value(1, True)
    assert not same_value(["a", "b"], ["b", "a"])
    assert same_value([1, [2.0]], [1.0, [2]])
    assert not same_value("2", 2)
    assert same_value(1e23, 10**23)  # as it was written; its bits are 8,388,608 less
    assert same_value(int(1e23), 1e23)
    assert not same_value(10**23 + 1, 1e23)
    assert not same_value(2**53 + 1, 2.0**53)
    assert not same_value("1e23", 1e23)


@pytest.mark.parametrize(
    "value", [10**22, 1e22, 5e-324, 1.7976931348623157e308, 0.1, -0.0, 123456789012345677877719597056]
)
def test_numbers_survive_their_cells(value: float) -> None:
    assert same_value(text_to_value(value_to_text(value), one(Kind.NUMBER)), value)


def test_blanks_erase_and_links_do_not() -> None:
    head = "type\tsubmitter_id\texperiments.submitter_id\tconsent_codes\tdisease_type\tprimary_site\n"
    (wanted,) = understood(head + 'case\tC-1\t\t\tnull\t"  "\n')
    assert wanted.blanks == {"consent_codes", "disease_type", "primary_site"}
    assert wanted.links == {"experiments": ()}
    assert not wanted.properties


def test_what_a_row_says_of_itself() -> None:
    head = "type\tid\tproject_id\tsubmitter_id\terror_type\texperiments.submitter_id\n"
    (wanted,) = understood(head + "case\tabc\tDEV-test\tC-1\t\tE-1\n")
    assert (wanted.id, wanted.project_id, wanted.submitter_id) == ("abc", "DEV-test", "C-1")
    assert not wanted.properties
    assert not wanted.blanks


def test_urls_are_sent_and_never_compared() -> None:
    (wanted,) = understood("type\tsubmitter_id\turls\tfile_name\nslide_image\tF-1\ts3://b/k\tf\n")
    assert wanted.unseen == {"urls": "s3://b/k"}
    assert wanted.properties == {"file_name": "f"}


@pytest.mark.parametrize(
    ("cell", "name", "refs"),
    [
        ("S-1,S-2", "d.tsv", ["S-1", "S-2"]),
        (" S-1 , S-2 ,", "d.tsv", ["S-1", "S-2"]),
        ("S-1,null,S-1", "d.tsv", ["S-1"]),
        ("S-1, null", "d.tsv", ["S-1", "null"]),  # the commons looks for the word before it trims
        ("null", "d.tsv", []),
        ("S-1#S-2", "d.tsv", ["S-1#S-2"]),
        ("S-1#S-2", "d.csv", ["S-1", "S-2"]),
        ('"S,1#S-2"', "d.csv", ["S,1", "S-2"]),
    ],
)
def test_link_cells(cell: str, name: str, refs: list[str]) -> None:
    mark = "\t" if name.endswith("tsv") else ","
    text = f"{mark.join(('type', 'submitter_id', 'samples.submitter_id'))}\n{mark.join(('aliquot', 'A-1', cell))}\n"
    (wanted,) = understood(text, name)
    assert wanted.links == {"samples": tuple(LinkRef(ref) for ref in refs)}


def test_links_by_id_and_code() -> None:
    (wanted,) = understood("type\tsubmitter_id\tsamples.id\tsamples.submitter_id\naliquot\tA-1\tu1\tS-1\n")
    assert wanted.links == {"samples": (LinkRef(id="u1"), LinkRef("S-1"))}
    (wanted,) = understood("type\tsubmitter_id\tprojects.code\nexperiment\tE-1\ttest\n")
    assert wanted.links == {"projects": (LinkRef("test"),)}


@pytest.mark.parametrize(
    ("columns", "cells", "bad"),
    [
        ("cases.submitter_id", "C-1,C-2", True),
        ("cases.id", "u1,u2", True),
        ("cases.submitter_id", "C-1,c-1", False),
        ("cases.id\tcases.submitter_id", "u1\tC-1", False),
        ("diagnoses.submitter_id", "D-1,D-2", True),
    ],
)
def test_two_parents_where_one_may_be(columns: str, cells: str, bad: bool) -> None:
    (row,) = rows_of(f"type\tsubmitter_id\t{columns}\nsample\tS-1\t{cells}\n")
    problems = desired(row, node("sample")).problems
    assert [problem.kind for problem in problems] == ([ProblemKind.TWO_PARENTS] if bad else [])


@pytest.mark.parametrize(
    ("name", "comma", "sign", "told"),
    [
        ("drop.tsv", "\t", ",", " A comma separates parents; one whose id contains it is named by its id."),
        ("drop.csv", ",", "#", " In CSV a '#' separates parents; one whose id contains it is named by its id."),
    ],
)
def test_what_separates_parents_is_told(name: str, comma: str, sign: str, told: str) -> None:
    """Case #1 is one case, and two in CSV."""
    lines = ("type submitter_id cases.submitter_id", f"sample S-1 Case{sign}1")
    (wanted,) = understood("\n".join(line.replace(" ", comma) for line in lines) + "\n", name)
    assert [problem.remedy for problem in wanted.problems] == [f"Keep one of them.{told}"]


@pytest.mark.parametrize("cell", ["NaN", "nan", "inf", "-Infinity", "1e400", "+nan"])
def test_numbers_that_are_none(cell: str) -> None:
    (wanted,) = understood(f"type\tsubmitter_id\tinitial_weight\nsample\tS-1\t{cell}\n")
    assert [(problem.kind, problem.column) for problem in wanted.problems] == [
        (ProblemKind.NOT_FINITE, "initial_weight")
    ]


def test_nan_is_a_word_where_words_are_meant() -> None:
    (wanted,) = understood("type\tsubmitter_id\tdisease_type\ncase\tC-1\tNaN\n")
    assert not wanted.problems
