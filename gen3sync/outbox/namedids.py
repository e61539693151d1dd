"""Ids that rows name themselves: whose they are.

An id is a record's in the whole commons, whatever its node type and project. A row that names another record's is
answered 200, and nothing of its request is stored (GEN3.md, lie 10); so it is found before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gen3sync.commons import queries
from gen3sync.commons.asking import Asks
from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import Broken
from gen3sync.names import Project, printable
from gen3sync.outbox.stock import Record
from gen3sync.records.codec import Desired
from gen3sync.records.problems import Problem, ProblemKind

_ELSEWHERE = "elsewhere"
"""In a record: the other project that it belongs to. Besides its type nothing is known of it then."""
_MIXED = 500
"""What the commons answers when it is asked for records of several node types at once."""
_MOST_QUESTIONS = 64


def owned(client: CommonsClient, asks: Asks | None, project: Project, ids: Sequence[str]) -> dict[str, Record]:
    """Records by id, as far as they can be had: where not, the proof after sending finds out. `asks` GraphQL, if there
    is one, for the projects of those that are not in this one."""
    found: dict[str, Record] = {}
    portions = [list(ids)]
    questions = 0
    while portions and questions < _MOST_QUESTIONS:
        some = portions.pop()
        questions += 1
        records = client.export_records(project, some)
        if isinstance(records, tuple):
            found.update((str(record.get("id")), record) for record in records)
        elif isinstance(records, Broken) and records.status == _MIXED and len(some) > 1:
            middle = len(some) // 2
            portions += [some[:middle], some[middle:]]
    rest = [id for id in ids if id not in found]
    owners = queries.owners(asks, project, rest) if asks is not None and rest else {}
    if isinstance(owners, dict):
        others = {id: owner for id, owner in owners.items() if owner.project_id != project.id}
        found.update((id, {"id": id, "type": own.node, _ELSEWHERE: own.project_id}) for id, own in others.items())
    return found


def elsewhere(desired: Desired, by_id: Mapping[str, object] | None) -> Problem | None:
    """What is wrong with a row whose id is a record's of another project."""
    if by_id is None or _ELSEWHERE not in by_id:
        return None
    text = (
        f"The id {printable(desired.id, 80)} belongs to a {printable(by_id.get('type'), 80)} of another project, "
        f"{printable(by_id[_ELSEWHERE], 80)}; the commons would say 200 and store nothing."
    )
    remedy = "Delete the cell 'id': the commons makes ids, and each project has records of its own."
    return Problem(ProblemKind.OTHER_ID, text, remedy, desired.line, "id")
