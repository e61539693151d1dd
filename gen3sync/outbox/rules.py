"""Problems that gen3sync finds itself, as reasons, and the rule behind each: what is the same for every such row.

Pure. The problems and their sentences are `records.problems`'.
"""

from __future__ import annotations

from gen3sync.outbox.model import Reason
from gen3sync.records.problems import Problem, ProblemKind

RULES = {
    ProblemKind.TOO_MANY_CELLS: "The row has more cells than the header",
    ProblemKind.CELL_TOO_LONG: "A cell is longer than the commons reads",
    ProblemKind.LINE_SEPARATOR: "A cell holds a character that the commons takes for a line end",
    ProblemKind.TWIN: "The record stands in the file more than once with different content",
    ProblemKind.SAME_ID: "Different records of the file name the same `id`",
    ProblemKind.OTHER_PROJECT: "`project_id` names another project than the one that the file goes to",
    ProblemKind.TWO_PARENTS: "The row names several parents where there is one",
    ProblemKind.OTHER_ID: "`id` and `submitter_id` contradict what the commons holds",
    ProblemKind.OTHER_PARENT: "The parent differs from the stored one, and a PUT cannot change it",
}
"""Of kinds whose sentence names the row's own values: rows with the same rule are told together."""


def reason_of(problem: Problem) -> Reason:
    """A problem as the rejects file and the receipt tell it."""
    kind = problem.kind
    return Reason(kind.value.upper(), problem.message, problem.column, problem.remedy, RULES.get(kind, ""))
