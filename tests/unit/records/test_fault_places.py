"""Whatever is wrong with a file is said with line, column and remedy, in every form that a file may have."""

from __future__ import annotations

import pytest

from gen3sync.records.codec import desired
from gen3sync.records.problems import Problem, ProblemKind, TableError
from gen3sync.records.rows import BadRow
from tests.unit.records.faults import Fault, files
from tests.unit.records.support import node, opened

CASES = [pytest.param(*one, id=f"{one[0].name}, {one[1]}") for one in files()]


def found(content: bytes, form: str) -> list[Problem]:
    """Everything that is wrong with a file, wherever it is noticed."""
    try:
        table = opened(content, f"sample.{form}")
    except TableError as wrong:
        return list(wrong.problems)
    return [
        problem
        for row in table
        for problem in (row.problems if isinstance(row, BadRow) else desired(row, node(row.node)).problems)
    ]


@pytest.mark.parametrize(("fault", "form", "content"), CASES)
def test_line_column_and_remedy(fault: Fault, form: str, content: bytes) -> None:
    told = [one for one in found(content, form) if one.kind is fault.kind and one.line in (fault.line, None)]
    assert told, found(content, form)
    problem = told[-1]
    assert (problem.line, problem.column) == (fault.line, fault.place(form))
    assert problem.message.endswith(".")
    assert problem.remedy
    if problem.line is not None:
        assert f"ine {problem.line}" in str(problem)
    if problem.column is not None:
        assert problem.column in str(problem)


def test_each_kind_of_fault_that_concerns_a_file_alone_has_its_row() -> None:
    """But for those that only the commons' records show, and a few that no form of table can have."""
    others = {
        ProblemKind.OTHER_ID,
        ProblemKind.OTHER_PARENT,
        ProblemKind.SAME_ID,
        ProblemKind.UNKNOWN_FORMAT,
        ProblemKind.BROKEN_ARCHIVE,
        ProblemKind.TOO_LARGE,
        ProblemKind.MISSING_COLUMN,
        ProblemKind.BAD_HEADER,
        ProblemKind.STRAY_QUOTE,
        ProblemKind.BAD_CHARACTER,
        ProblemKind.NOT_A_RECORD,
        ProblemKind.UNKNOWN_COLUMN,
        ProblemKind.BAD_LINK,
    }
    assert {fault.kind for fault, _, _ in files()} == set(ProblemKind) - others
