"""A page with tables of faults held against the tests that prove them: no row without its test, no test without a row.

The last column of a row names its tests, each in backticks, as `test_file.py::test_name` below the page's own folder of
tests or as `tests/…` from the root. A test that runs once for each of a list of words may be named as
`test_name[word]`; then each of its words must have its row.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parent.parent.parent
_NAMED = re.compile(r"`([\w/.]+\.py)::(\w+)(?:\[([^`]*)\])?`")


@dataclass(frozen=True, slots=True)
class Named:
    """A test as a row names it. `file` is from the root; `word` is None for the whole test."""

    file: str
    test: str
    word: str | None


@dataclass(frozen=True, slots=True)
class Row:
    """One fault."""

    fault: str
    tests: tuple[Named, ...]


def rows(page: Path, folder: str) -> list[Row]:
    """The faults of all tables of `page` that have a column `test`. `folder` is where its tests are, from the root."""
    found, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not cells or cells[-1] == "test":
            inside = bool(cells)
        elif inside and not set(cells[0]) <= set("-: "):
            named = (Named(_from_root(file, folder), test, word) for file, test, word in _NAMED.findall(cells[-1]))
            found.append(Row(cells[0], tuple(Named(n.file, n.test, n.word or None) for n in named)))
    return found


def _from_root(file: str, folder: str) -> str:
    return file if file.startswith("tests/") else f"{folder}/{file}"


def faults_of_table(page: Path, folder: str, files: Iterable[Path]) -> list[str]:
    """What is wrong between `page` and the tests in `files`, in sentences; empty when they agree."""
    wrong: list[str] = []
    table = rows(page, folder)
    named = {each for row in table for each in row.tests}
    wrong += [f"the row {row.fault!r} names no test" for row in table if not row.tests]
    for name, number in _count(row.fault for row in table).items():
        if number > 1:
            wrong.append(f"there are {number} rows {name!r}")
    known = {file.relative_to(ROOT).as_posix(): tests_of(file) for file in files}
    for each in sorted(named, key=str):
        tests = known.get(each.file)
        if tests is None:
            path = ROOT / each.file
            tests = tests_of(path) if path.is_file() else {}
        if each.test not in tests:
            wrong.append(f"there is no test {each.file}::{each.test}")
        elif each.word is not None and each.word not in tests[each.test]:
            wrong.append(f"{each.file}::{each.test} is not run for {each.word!r}")
    for file, tests in known.items():
        for test, all_words in tests.items():
            mine = [each for each in named if (each.file, each.test) == (file, test)]
            if not mine:
                wrong.append(f"{file}::{test} has no row")
            elif all(each.word is not None for each in mine):
                missing = sorted(all_words - {each.word for each in mine if each.word is not None})
                wrong += [f"{file}::{test}[{word}] has no row" for word in missing]
    return wrong


def tests_of(file: Path) -> dict[str, frozenset[str]]:
    """The tests in a file, with the words each is run for (empty where it is not run for a list of words)."""
    name = file.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    module: ModuleType = importlib.import_module(name)
    found = {}
    for test, function in vars(module).items():
        if test.startswith("test_") and callable(function) and function.__module__ == name:
            marks = [mark for mark in getattr(function, "pytestmark", ()) if mark.name == "parametrize"]
            values = [value for mark in marks for value in mark.args[1]] if len(marks) == 1 else []
            words = frozenset(value for value in values if isinstance(value, str))
            found[test] = words if len(words) == len(values) else frozenset()
    return found


def _count(names: Iterable[str]) -> dict[str, int]:
    counted: dict[str, int] = {}
    for name in names:
        counted[name] = counted.get(name, 0) + 1
    return counted
