"""The receipt of a drop: what it says, and how its verdict follows from what became of the rows.

Pure but for reading the index and the journal. docs/reference/receipt.md documents every field; a test compares.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import datetime
from typing import Any

from gen3sync.ledger.rows import Verdict
from gen3sync.names import Project, printable
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.model import Action, RowState
from gen3sync.outbox.proof import Proof
from gen3sync.outbox.reading import reasons_in
from gen3sync.outbox.work import Work

SCHEMA = 1
_GROUPS = 50
_SHOWN_LINES = 20


def counts_of(index: RowIndex, drop_id: int) -> dict[str, int]:
    """Rows by what became of them."""
    found: Counter[str] = Counter()
    for _node, state, action, sent, number in index.tally(drop_id):
        found["read"] += number
        found[_word(state, sent or action)] += number
    return {word: found[word] for word in _WORDS if found[word] or word in _ALWAYS}


_WORDS = ("read", "created", "updated", "unchanged", "rejected", "superseded", "waiting")
_ALWAYS = ("read", "created", "updated", "unchanged", "rejected")


def _word(state: RowState, action: Action | None) -> str:
    match state:
        case RowState.DONE | RowState.ACCEPTED:
            return "created" if action is Action.CREATE else "updated"
        case RowState.UNCHANGED:
            return "unchanged"
        case RowState.REJECTED:
            return "rejected"
        case RowState.SUPERSEDED:
            return "superseded"
        case _:
            return "waiting"


def verdict_of(work: Work, counts: dict[str, int], accepted: int) -> Verdict:
    """How the drop ended."""
    if work.faults:
        return Verdict.REJECTED
    held = counts["created"] + counts["updated"] + counts["unchanged"]
    if counts.get("superseded"):
        return Verdict.SUPERSEDED
    if counts["rejected"]:
        return Verdict.PARTLY if held else Verdict.REJECTED
    return Verdict.UNVERIFIED if accepted else Verdict.LANDED


def compose(
    work: Work,
    index: RowIndex,
    project: Project,
    *,
    commons: str,
    submitter: str,
    route: str,
    ended_at: datetime,
    versions: dict[str, str],
) -> dict[str, Any]:
    """The receipt, but for the names of the archived files."""
    drop = work.drop
    counts = counts_of(index, drop.id)
    accepted = index.counts(drop.id)[RowState.ACCEPTED]
    verdict = verdict_of(work, counts, accepted)
    nodes: dict[str, Counter[str]] = {}
    for node, state, action, sent, number in index.tally(drop.id):
        nodes.setdefault(node or "?", Counter())[_word(state, sent or action)] += number
    return {
        "schema": SCHEMA,
        "verdict": verdict.value,
        "reason": reason_of(work, verdict, counts, accepted),
        "commons": commons,
        "submitter": submitter,
        "program": project.program,
        "project": project.code,
        "file": drop.path,
        "drop": drop.id,
        "source": drop.source,
        "sha256": drop.sha256,
        "bytes": drop.size,
        "route": route,
        "arrived_at": drop.arrived_at.isoformat(),
        "ended_at": ended_at.isoformat(),
        "rows": counts,
        "nodes": {node: dict(found) for node, found in nodes.items()},
        "problems": [str(fault) for fault in work.faults],
        "rejects": summary(index, drop.id),
        "erased": dict(work.erased),
        "links_not_removed": dict(work.links_not_removed),
        "existed_before": work.existed,
        "renamed": [{"from": printable(old), "to": printable(new)} for old, new in work.renamed[:100]],
        "mends": [
            {
                "kind": m.kind.value,
                "what": m.message,
                "line": m.line,
                "column": m.column,
                "from": m.was,
                "to": m.now,
                "rows": m.rows,
            }
            for m in (work.table.mends if work.table else ())
        ],
        "chunks": [_chunk(work, chunk) for chunk in work.journal.chunks()],
        "verification": verification(work, index, counts, accepted),
        "versions": versions,
    }


def _chunk(work: Work, chunk: ChunkRecord) -> dict[str, Any]:
    """A request, with the state of its transaction as read back."""
    state = work.states.get(chunk.document_name, chunk.transaction_state)
    return {**asdict(chunk), "transaction_state": state}


def verification(work: Work, index: RowIndex, counts: dict[str, int], accepted: int) -> dict[str, Any]:
    """How what landed was proven; the weakest proof of any row counts."""
    del index
    weakest = next((proof for proof in reversed(Proof) if work.proofs[proof]), None)
    if weakest is None:
        proven = counts["created"] + counts["updated"] + counts["unchanged"]
        weakest = Proof.VALUES if proven else None
    if weakest in (Proof.NONE, Proof.TRANSACTION) and not accepted:
        weakest = Proof.VALUES
    return {
        "method": weakest.value if weakest else "nothing to prove",
        "verified": accepted == 0 and not work.faults,
        "rows_proven": counts["created"] + counts["updated"] + counts["unchanged"] - accepted,
        "rows_accepted_unverified": accepted,
        "overwritten_since": work.overwritten,
        "urls_sent_not_proven": work.urls,
        "why_not": work.proof_problem if accepted or weakest is not Proof.FULL else "",
    }


def reason_of(work: Work, verdict: Verdict, counts: dict[str, int], accepted: int) -> str:
    """One sentence for people."""
    if work.faults:
        return printable(str(work.faults[0]), 1000)
    sent = counts["created"] + counts["updated"]
    if not sent and not counts["rejected"] and verdict is Verdict.LANDED:
        return "The commons already held all of it; nothing was sent."
    parts = [
        f"{counts[word]} {word}"
        for word in ("created", "updated", "unchanged", "rejected", "superseded")
        if counts.get(word)
    ]
    words = ", ".join(parts) or "no rows"
    if accepted:
        return f"accepted, unverified: {words}. {printable(work.proof_problem)}".strip()
    return f"{words}."


def summary(index: RowIndex, drop_id: int) -> list[dict[str, Any]]:
    """Equal reasons of refused rows taken together, the most frequent first."""
    groups: dict[tuple[str, str | None, str], list[int]] = {}
    numbers: Counter[tuple[str, str | None, str]] = Counter()
    for row in index.rejected(drop_id):
        for reason in reasons_in(row.detail):
            key = (reason.type, reason.column, printable(reason.message, 1000))
            numbers[key] += 1
            if len(groups) < 10_000 and len(lines := groups.setdefault(key, [])) < _SHOWN_LINES:
                lines.append(row.line)
    return [
        {"rows": number, "type": key[0], "column": key[1], "message": key[2], "lines": groups.get(key, [])}
        for key, number in numbers.most_common(_GROUPS)
    ]
