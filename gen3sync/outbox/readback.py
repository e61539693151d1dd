"""Reads back what requests have written: at a glance where that can prove it, else by an export.

A glance is never believed when it says that something is missing or differs: then an export tells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.plan import PlanRow
from gen3sync.outbox.send import Answer
from gen3sync.outbox.sight import Nothing
from gen3sync.outbox.stock import Record
from gen3sync.records.compare import compare


def read_back(
    lookup: Lookup, answers: Sequence[Answer], ids: Mapping[Answer, Mapping[int, str]]
) -> dict[str, Record] | Nothing:
    """Records by key. `ids` are those of each request's rows, as far as the commons named them."""
    node_type = answers[0].parcel.node_type
    rows = [
        (PlanRow(row, want), ids[answer].get(row.id, ""))
        for answer in answers
        for row, want in zip(answer.parcel.rows, answer.parcel.wants, strict=True)
        # Blanks that were kept away are stored still: nothing that is sent tells what they are.
        if not answer.parcel.keeps_blanks
    ]
    named = [(one, id) for one, id in rows if id]
    seen = lookup.glimpse([one for one, _ in named], node_type, [id for _, id in named])
    proven: dict[str, Record] = {}
    done: set[str] = set()
    for one, id in named:
        record = seen.get(one.row.key)
        if record is None or record.get("id") != id:
            continue
        found = compare(one.desired, record, node_type)
        if not (found.changes or found.erased or found.renamed or found.problems):
            proven[one.row.key] = record
            done.add(id)
    rest = [id for some in ids.values() for id in some.values() if id and id not in done]
    if not rest and proven:
        return proven
    others = lookup.read_back(node_type.name, rest)
    return {**proven, **others} if isinstance(others, dict) else others
