"""Who wrote a record since: the transactions after one of ours, by what their own answers say (`journal.py`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gen3sync.commons import journal
from gen3sync.commons.asking import Asks, Nothing, odd, portions
from gen3sync.commons.replies import GraphqlData, Transaction, TransactionState
from gen3sync.commons.transactions import newest_first
from gen3sync.names import Project
from gen3sync.pglower import pg_lower

_NEWER = 500
"""Transactions that are looked through. One that wrote the record before all of these is not found: no proof."""
_AT_ONCE = 5  # an answer names every record of its transaction, a thousand commonly
_STORED = (
    TransactionState.SUCCEEDED,
    TransactionState.PENDING,
)  # PENDING: by a server that died before it could say so


def wrote_since(
    client: Asks, project: Project, since_id: int, node: str, wanted: Mapping[str, str | None], own: str
) -> dict[str, bool] | Nothing:
    """Which of `wanted` (ids of records of `node`, as far as known, by key) were written by transactions after
    `since_id`, and whether the last of these deleted it.

    A transaction that does not tell what it wrote may have written any of them, unless it is ours: then the name of its
    document begins with `own`, and what we have yet to prove none of our requests writes.
    """
    newer: list[Transaction] = []
    for entry in newest_first(client, project, since_id):
        if not isinstance(entry, Transaction):
            return entry
        if entry.state in _STORED and not entry.is_dry_run:
            newer.append(entry)
        if len(newer) >= _NEWER:
            break
    keys = {id: key for key, id in wanted.items() if id}
    found: dict[str, bool] = {}
    for some in portions(newer, _AT_ONCE):
        told = _told(client, project, [entry.id for entry in some if entry.state is TransactionState.SUCCEEDED])
        if not isinstance(told, dict):
            return told
        for entry in some:
            touches = told.get(entry.id)
            if touches is None:
                ours = any(name.startswith(own) for name in entry.document_names)
                found = found if ours else dict.fromkeys(wanted, False) | found
                continue
            for touch in touches:
                key = keys.get(touch.id) or pg_lower(touch.submitter_id or "")
                if touch.node == node and key in wanted:
                    found.setdefault(key, touch.action == "delete")
        if len(found) == len(wanted):
            break
    return found


def wrote(client: Asks, project: Project, id: int) -> tuple[journal.Touch, ...] | Nothing | None:
    """What a transaction that SUCCEEDED did to which records; None where its document does not tell all of it."""
    told = _told(client, project, [id])
    return told.get(id) if isinstance(told, dict) else told


def _told(client: Asks, project: Project, ids: Iterable[int]) -> dict[int, tuple[journal.Touch, ...] | None] | Nothing:
    parts = journal.asked(ids)
    if not parts:
        return {}
    answer = client.graphql(
        f"query($p:String,$c:String){{{' '.join(parts)}}}", {"p": project.program, "c": project.code}
    )
    if not isinstance(answer, GraphqlData):
        return answer
    read = journal.read(0, answer.data)
    return odd("transactions") if read is None else {one.id: one.touches for one in read.written}
