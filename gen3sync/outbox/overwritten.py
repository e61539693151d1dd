"""Rows that landed, and whose records somebody else has written since: their newer values are not taken back.

A lost answer whose transaction SUCCEEDED has landed, and so has what was answered just before a crash. Where the record
says something else by now, and a newer transaction names it, the row is done ("overwritten since"). Rows whose answer
came are judged the same way when they are read back (`proofs.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gen3sync.commons.replies import TransactionState
from gen3sync.outbox.index import Noted
from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.lookup import Lookup
from gen3sync.outbox.model import Action, IndexedRow, RowPlan, RowState
from gen3sync.outbox.sight import Nothing, Sight
from gen3sync.outbox.work import Work

_LANDED = ("landed", "answer lost, landed")


@dataclass(frozen=True, slots=True)
class Planned:
    """What a row that was sent before asks of the commons now."""

    work: Work
    row: IndexedRow
    plan: RowPlan


def own(document_name: str) -> str:
    """How the names of all our documents begin."""
    ours, host, _ = document_name.split("/", 2)
    return f"{ours}/{host}/"


def overwritten(lookup: Lookup, planned: Sequence[Planned]) -> set[int] | Nothing:
    """Ids of rows of one node that SUCCEEDED when they were sent last, and whose records somebody wrote or deleted
    since. Not those of which success was said and disproved before."""
    doubtful = [
        one for one in planned if one.row.sent and not one.row.tries and one.plan.action is not Action.UNCHANGED
    ]
    if not doubtful or lookup.sight() is not Sight.FULL:
        return set()
    sendings = {
        work.id: work.journal.newest_sendings() for work in {one.work.id: one.work for one in doubtful}.values()
    }
    by_transaction: dict[int, list[tuple[Planned, ChunkRecord]]] = defaultdict(list)
    for one in doubtful:
        chunk = sendings[one.work.id].get(one.row.line)
        if chunk is not None and chunk.state in _LANDED and chunk.transaction_id is not None:
            by_transaction[chunk.transaction_id].append((one, chunk))
    log = lookup.transactions(by_transaction.keys()) if by_transaction else {}
    if not isinstance(log, dict):
        return log
    found: set[int] = set()
    for number, some in by_transaction.items():
        entry = log.get(number)
        if entry is None or entry.state is not TransactionState.SUCCEEDED or entry.is_dry_run:
            continue
        wanted = {one.row.key: one.plan.record_id for one, _ in some}
        since = lookup.wrote_since(number, some[0][0].row.node, wanted, own(some[0][1].document_name))
        if not isinstance(since, dict):
            return since
        for one, _ in some:
            deleted = since.get(one.row.key)
            if deleted or (deleted is False and one.plan.action in (Action.UPDATE, Action.ERASE)):
                found.add(one.row.id)
    return found


def as_overwritten(work: Work, row: IndexedRow, plan: RowPlan) -> Noted:
    """The end of such a row."""
    work.overwritten += 1
    work.compared += 1
    return Noted(row, RowState.DONE, row.sent or Action.UPDATE, row.detail, plan.record_id)
