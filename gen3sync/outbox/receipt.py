"""The receipt of a drop: what it says, and how its verdict follows from what became of the rows.

Pure but for reading the index and the journal. docs/reference/receipt.md documents every field; a test compares.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from gen3sync.ledger.rows import Verdict
from gen3sync.names import Project, printable
from gen3sync.outbox.afterwards import only_compared, state_of
from gen3sync.outbox.frame import ALWAYS, About, frame
from gen3sync.outbox.index import RowIndex
from gen3sync.outbox.journal import ChunkRecord
from gen3sync.outbox.model import Action, RowState, rows_said
from gen3sync.outbox.proof import Proof
from gen3sync.outbox.reading import reasons_in
from gen3sync.outbox.work import Work

_GROUPS = 50
_SHOWN_LINES = 20
NOT_SENT = "NOT_SENT"
_FAULTS = 3
_DIFFERENT = 10_000
_COUNTED = 100_000


def counts_of(index: RowIndex, drop_id: int) -> dict[str, int]:
    """Rows by what became of them."""
    found: Counter[str] = Counter()
    for _node, state, action, sent, number in index.tally(drop_id):
        found["read"] += number
        found[_word(state, sent or action)] += number
    return {word: found[word] for word in _WORDS if found[word] or word in ALWAYS}


_WORDS = ("read", "created", "updated", "written", "unchanged", "rejected", "superseded", "withdrawn", "waiting")


_SENT = ("created", "updated", "written")
"""Words for rows that were sent and landed; `written` are those of which nobody knows which of the others they are."""


def _sent(counts: dict[str, int]) -> int:
    return sum(counts.get(word, 0) for word in _SENT)


def _word(state: RowState, action: Action | None) -> str:
    match state:
        case RowState.DONE | RowState.ACCEPTED:
            return {Action.CREATE: "created", Action.WRITE: "written"}.get(action or Action.UPDATE, "updated")
        case RowState.UNCHANGED:
            return "unchanged"
        case RowState.REJECTED:
            return "rejected"
        case RowState.SUPERSEDED:
            return "superseded"
        case RowState.WITHDRAWN:
            return "withdrawn"
        case _:
            return "waiting"


def verdict_of(work: Work, counts: dict[str, int], accepted: int) -> Verdict:
    """How the drop ended."""
    if work.faults:
        return Verdict.REJECTED
    held = _sent(counts) + counts["unchanged"]
    if counts.get("withdrawn") or (work.withdrawn and not counts["read"]):
        return Verdict.WITHDRAWN
    if counts.get("superseded"):
        return Verdict.SUPERSEDED
    if counts["rejected"]:
        return Verdict.PARTLY if held else Verdict.REJECTED
    return Verdict.UNVERIFIED if accepted else Verdict.LANDED


def compose(
    work: Work,
    index: RowIndex,
    project: Project,
    about: About,
    *,
    route: str,
    ended_at: datetime,
) -> dict[str, Any]:
    """The receipt, but for the names of the archived files and what `papers.write_undo` counts on its way."""
    drop, chunks = work.drop, work.journal.chunks()
    counts = counts_of(index, drop.id)
    accepted = index.counts(drop.id)[RowState.ACCEPTED]
    verdict = verdict_of(work, counts, accepted)
    nodes: dict[str, Counter[str]] = {}
    for node, state, action, sent, number in index.tally(drop.id):
        nodes.setdefault(node or "?", Counter())[_word(state, sent or action)] += number
    reasons, different = summary(index, work)
    reason = reason_of(work, verdict, counts, accepted, reasons, different)
    if senders := dict.fromkeys(chunk.submitter for chunk in chunks if chunk.submitter):
        about = replace(about, submitter=", ".join(senders))
    return frame(drop, verdict, reason, about, ended_at) | {
        "program": project.program,
        "project": project.code,
        "route": route,
        "rows": counts,
        "nodes": {node: dict(found) for node, found in nodes.items()},
        "problems": [str(fault) for fault in work.faults],
        "rejects": reasons,
        "rejects_total": different,
        "links_not_removed": dict(index.links_kept(drop.id)),
        "existed_before": work.existed,
        "letter_case_not_searched": work.unsearched,
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
        "chunks": [_chunk(work, chunk) for chunk in chunks],
        "untried": untried(work),
        "verification": verification(work, index, counts, accepted),
        "versions": about.versions,
    }


def _chunk(work: Work, chunk: ChunkRecord) -> dict[str, Any]:
    """A request under the name that the commons knows it by."""
    said = asdict(chunk) | {"transaction_state": state_of(work, chunk)}
    name = said.pop("sent_as") or chunk.document_name
    return said | {"document_name": name}


def verification(work: Work, index: RowIndex, counts: dict[str, int], accepted: int) -> dict[str, Any]:
    """How what landed was proven; the weakest proof of any row counts."""
    held = _sent(counts) + counts["unchanged"]
    weakest = next((proof for proof in reversed(Proof) if work.proofs[proof]), None)
    if weakest is None:
        weakest = (Proof.FULL if work.compared else Proof.VALUES) if held else None
    if weakest is Proof.FULL and only_compared(work):
        weakest = Proof.VALUES
    if weakest in (Proof.NONE, Proof.TRANSACTION) and not accepted:
        weakest = Proof.VALUES
    values = index.values(work.id)
    return {
        "method": weakest.value if weakest else "nothing to prove",
        "verified": accepted == 0 and not work.faults,
        "rows_proven": held - accepted - work.overwritten,
        "values": values[RowState.DONE],
        "values_unchanged": values[RowState.UNCHANGED],
        "rows_accepted_unverified": accepted,
        "overwritten_since": work.overwritten,
        "urls_sent_not_proven": work.urls,
        "why_not": _why_not(work, weakest, accepted, _sent(counts)),
    }


def _why_not(work: Work, weakest: Proof | None, accepted: int, sent: int) -> str:
    """What the proof of rows that landed lacks, in words; nothing where it lacks nothing."""
    why = []
    if accepted:
        why.append(work.proof_problem or "the values could not be read back")
    elif sent and weakest is not Proof.FULL:
        unsaid = "the commons' log does not say of every request that may have stored rows that it SUCCEEDED"
        why.append(work.proof_problem or unsaid)
    if work.overwritten:
        were, it = ("was", "it") if work.overwritten == 1 else ("were", "they")
        over = rows_said(work.overwritten)
        why.append(f"{over} {were} written over by somebody else before {it} could be read back")
    return "; ".join(why)


def reason_of(
    work: Work,
    verdict: Verdict,
    counts: dict[str, int],
    accepted: int,
    reasons: Sequence[dict[str, Any]] = (),
    different: int = 0,
) -> str:
    """A sentence or two for people."""
    if work.faults:
        return printable(" ".join(str(fault) for fault in work.faults[:_FAULTS]), 2000)
    sent = _sent(counts)
    if verdict is Verdict.WITHDRAWN:
        return _withdrawn(work, counts)
    if not sent and not counts["rejected"] and verdict is Verdict.LANDED:
        return "The commons already held all of it; nothing was sent."
    words = _counted(counts) or "no rows"
    if accepted:
        return f"accepted, unverified: {words}. {printable(work.proof_problem)}".strip()
    return f"{words}.{_over(work)}{told(reasons, different)}{_after_trial(work) if verdict is Verdict.PARTLY else ''}"


def _over(work: Work) -> str:
    """That the commons does not hold all of it any more, through no fault of ours."""
    were = "was" if work.overwritten == 1 else "were"
    return f" {rows_said(work.overwritten)} {were} overwritten since by somebody else." if work.overwritten else ""


def _after_trial(work: Work) -> str:
    """Why something of a file is stored that was to be sent whole or not at all."""
    if not work.whole:
        return ""
    files = ", ".join(untried(work))
    but = f" Rows of {files} are never tried: even a dry run writes to the file index." if files else ""
    return (
        f" Every row that is tried had passed a dry run; these were refused when they were sent.{but} The others stay."
    )


def untried(work: Work) -> list[str]:
    """Node types of rows that were sent without a dry run, though all rows are to pass one first."""
    return sorted(work.file_nodes) if work.whole else []


def _counted(counts: dict[str, int]) -> str:
    words = ("created", "updated", "written", "unchanged", "rejected", "superseded", "withdrawn")
    return ", ".join(f"{counts[word]:,} {word}" for word in words if counts.get(word))


def _withdrawn(work: Work, counts: dict[str, int]) -> str:
    done = [f"{counts[word]:,} {word}" for word in _SENT if counts.get(word)]
    if not done:
        # What was sent and refused is no news of the commons, but it was sent.
        return f"{work.withdrawn} Nothing of it was {'stored' if work.requests else 'sent'}."
    stays = " New records stay: a PUT cannot delete them." if counts.get("created") or counts.get("written") else ""
    undo = " The undo file writes back what was updated." if counts.get("updated") else ""
    return f"{work.withdrawn} Before that: {', '.join(done)}.{stays}{undo}"


def told(reasons: Sequence[dict[str, Any]], different: int) -> str:
    """The most frequent reason of a summary in a sentence, and how many more there are; nothing where there is none."""
    if not reasons:
        return ""
    first, more = reasons[0], different - 1
    said = f" {rows_said(first['rows'])}: {printable(first['message'], 300)}."
    return said + (f" And {more:,} other reason{'s' if more > 1 else ''}." if more > 0 else "")


def summary(index: RowIndex, work: Work) -> tuple[list[dict[str, Any]], int]:
    """Equal reasons of refused rows taken together, the most frequent first, and how many different ones there are."""
    lines: dict[tuple[str, str | None, str], list[int]] = {}
    numbers: Counter[tuple[str, str | None, str]] = Counter()
    remedies: dict[tuple[str, str | None, str], str] = {}
    further = 0
    for row in index.rejected(work.id):
        for reason in reasons_in(row.detail):
            key = reason.alike
            if len(numbers) >= _COUNTED and key not in numbers:
                further += 1
                continue
            numbers[key] += 1
            if len(lines) < _DIFFERENT and len(shown := lines.setdefault(key, [])) < _SHOWN_LINES:
                shown.append(row.line)
                remedies.setdefault(key, reason.remedy)
    groups = []
    # What was held back for the sake of other rows is no cause: it comes after these.
    frequent = sorted(numbers.items(), key=lambda one: (one[0][0] == NOT_SENT, -one[1]))
    for key, number in frequent[:_GROUPS]:
        first = work.said.get(key)
        groups.append(
            {
                "rows": number,
                "type": key[0],
                "column": key[1],
                "message": printable(key[2].removesuffix("."), 1000),
                "remedy": printable(remedies.get(key, ""), 1000),
                "said": printable(first.said, 20_000) if first else "",
                "allowed": list(first.allowed) if first else [],
                "lines": lines.get(key, []),
            }
        )
    return groups, len(numbers) + further
