"""Where a drop goes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import pytest

from gen3sync.names import Project
from gen3sync.outbox.route import Routed, Unrouted, matches, route

TEST, OTHER = Project("DEV", "test"), Project("DEV", "other")


@dataclass(frozen=True)
class Rule:
    pattern: str
    program: str
    project: str


def test_the_folder_says_where() -> None:
    assert route(PurePosixPath("DEV/test/case.tsv"), (), {TEST}) == Routed(TEST, "folder")
    assert route(PurePosixPath("DEV/test/batch 1/case.tsv"), (), {TEST}) == Routed(TEST, "folder")


def test_a_rule_goes_before_the_folder_and_the_first_rule_wins() -> None:
    rules = (Rule("*_other.tsv", "DEV", "other"), Rule("*.tsv", "DEV", "test"))
    assert route(PurePosixPath("DEV/test/case_other.tsv"), rules, None) == Routed(OTHER, "*_other.tsv")
    assert route(PurePosixPath("case.tsv"), rules, None) == Routed(TEST, "*.tsv")


@pytest.mark.parametrize("path", ["case.tsv", "DEV/case.tsv"])
def test_too_shallow_has_no_way(path: str) -> None:
    found = route(PurePosixPath(path), (), {TEST})
    assert isinstance(found, Unrouted)
    assert "PROGRAM/PROJECT" in found.remedy


def test_an_unknown_project_names_the_one_that_was_meant() -> None:
    found = route(PurePosixPath("dev/Test/case.tsv"), (), {TEST, OTHER})
    assert isinstance(found, Unrouted)
    assert "Did you mean DEV/test?" in found.remedy
    assert isinstance(route(PurePosixPath("dev/Test/case.tsv"), (), None), Routed)


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("*.tsv", "a/b/case.tsv", True),
        ("a/*.tsv", "a/case.tsv", True),
        ("a/*.tsv", "a/b/case.tsv", False),
        ("a/**/*.tsv", "a/b/c/case.tsv", True),
        ("a/**/*.tsv", "a/case.tsv", True),
        ("**", "a/b", True),
        ("case_?.tsv", "case_1.tsv", True),
        ("case_[0-9].tsv", "case_x.tsv", False),
        ("case_[!0-9].tsv", "case_x.tsv", True),
        ("[", "[", True),
        ("a.tsv", "axtsv", False),
        ("Case.tsv", "case.tsv", False),
    ],
)
def test_globs(pattern: str, path: str, fits: bool) -> None:
    assert matches(pattern, PurePosixPath(path)) is fits
