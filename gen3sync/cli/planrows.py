"""`gen3sync plan --json`: written row by row, so that the rows of a large file are never in memory together.

Rows are planned by node type and told in the order of the file, below counts that are known at the end: until then they
lie packed on disk, in as many files as there are runs of rows in order, which are put together while they are printed.
"""

from __future__ import annotations

import gzip
import heapq
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gen3sync.cli.invocation import Invocation

if TYPE_CHECKING:
    from gen3sync.outbox.dry import Plan
    from gen3sync.outbox.model import RowPlan
    from gen3sync.records.problems import TableError

_AT_ONCE = 500
"""Rows printed at once."""
_END = "\n}"


class PlannedRows:
    """The rows of one file. `place` begins the names of files in which they may lie; whose folder it is clears them
    away."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._runs: list[Path] = []
        self._out: IO[str] | None = None
        self._line = 0

    def add(self, row: RowPlan) -> None:
        """The next row, as it was planned. Raises OSError."""
        if self._out is None or row.line < self._line:
            self.close()
            self._runs.append(self._place.with_suffix(f".{len(self._runs)}"))
            self._out = gzip.open(self._runs[-1], "wt", compresslevel=1, encoding="ascii")  # noqa: SIM115 - see `close`
        self._line = row.line
        self._out.write(f"{row.line} {json.dumps(_plain_row(row), default=str)}\n")

    def close(self) -> None:
        """All that was added is on disk."""
        if self._out is not None:
            self._out.close()
            self._out = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """In the order of the file."""
        self.close()
        with ExitStack() as files:
            runs = [files.enter_context(gzip.open(run, "rt", encoding="ascii")) for run in self._runs]
            for _, text in heapq.merge(*map(_numbered, runs), key=lambda one: one[0]):
                yield json.loads(text)


def _numbered(run: IO[str]) -> Iterator[tuple[int, str]]:
    for written in run:
        line, _, text = written.partition(" ")
        yield int(line), text


def emit_plans(
    invocation: Invocation, plans: Sequence[tuple[Plan, PlannedRows]], unusable: Mapping[Path, TableError]
) -> None:
    """One list: a plan for each file, with its rows, then the faults of files that cannot be used."""
    left = len(plans) + len(unusable)
    invocation.say("[")
    for plan, rows in plans:
        left -= 1
        invocation.say(f'{invocation.as_json(_plain(plan), indent=2).removesuffix(_END)},\n  "rows": [')
        _emit_rows(invocation, iter(rows))
        invocation.say(f"  ]{_END}{',' if left else ''}")
    for file, error in unusable.items():
        left -= 1
        faults = {"file": str(file), "faults": _faults(error)}
        invocation.say(f"{invocation.as_json(faults, indent=2)}{',' if left else ''}")
    invocation.say("]")


def _emit_rows(invocation: Invocation, rows: Iterator[dict[str, Any]]) -> None:
    """A row a line."""
    some = list(itertools.islice(rows, _AT_ONCE))
    while some:
        following = list(itertools.islice(rows, _AT_ONCE))
        text = ",\n".join(f"    {invocation.as_json(row)}" for row in some)
        invocation.say(f"{text}," if following else text)
        some = following


def _faults(error: TableError) -> list[dict[str, Any]]:
    return [
        {
            "kind": str(problem.kind),
            "line": problem.line,
            "column": problem.column,
            "message": problem.message,
            "remedy": problem.remedy,
        }
        for problem in error.problems
    ]


def _plain(plan: Plan) -> dict[str, Any]:
    """Without its rows."""
    return {
        "file": str(plan.path),
        "project": str(plan.project),
        "sight": str(plan.sight),
        "counts": {str(action): number for action, number in plan.counts.items()},
        "erases": plan.erases,
        "links_not_removed": plan.links_not_removed,
        "mends": [
            {
                "kind": str(mend.kind),
                "message": mend.message,
                "line": mend.line,
                "column": mend.column,
                "from": mend.was,
                "to": mend.now,
                "rows": mend.rows,
            }
            for mend in plan.mends
        ],
    }


def _plain_row(row: RowPlan) -> dict[str, Any]:
    return {
        "line": row.line,
        "node": row.node,
        "submitter_id": row.submitter_id,
        "action": str(row.action),
        "changes": {change.column: {"old": change.old, "new": change.new} for change in row.changes},
        "erased": {change.column: change.old for change in row.erased},
        "links_not_removed": list(row.links_not_removed),
        "waiting_for": [str(parent) for parent in row.waiting_for],
        "problems": [str(problem) for problem in row.problems],
        "reasons": [
            {
                "type": problem.type,
                "column": problem.column,
                "message": problem.message,
                "remedy": problem.remedy,
            }
            for problem in row.problems
        ],
    }
