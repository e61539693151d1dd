"""What an answer of the commons means for the rows of a request.

Pure: rows and a reply come in, a decision goes out (GEN3.md, "Retry or not"). Doing it is `lane.py`'s.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Entity,
    Forbidden,
    Landed,
    Missing,
    RefusalKind,
    Refused,
    SubmitReply,
    TooLarge,
    Unauthorised,
)
from gen3sync.commons.sentences import closed_state, missing_right
from gen3sync.names import printable
from gen3sync.outbox.model import Action, IndexedRow, Reason
from gen3sync.pglower import pg_lower

FILES_REFUSED = "file node refused"
"""Why a drop is parked that only a person may try again."""
_LONG = 20_000
"""Characters of a reason; lists of allowed values are long and wanted whole."""


class Step(Enum):
    """What to do with a request that was answered, or was not."""

    PROVE = "prove"  # the commons says it landed: look
    SORT = "sort"  # some rows are at fault; the others were in bad company and go again
    AGAIN = "again"  # no row is at fault by name: find out what is stored, send the same rows once more
    HALVE = "halve"  # it failed again: the halves go separately, down to a lone row
    SMALLER = "smaller"  # too large
    LOST = "lost"  # it may have landed: lock its records until that is known
    LATER = "later"  # certainly nothing was done; the commons is down or busy
    PARK_PROJECT = "park project"  # forbidden, or not open
    PARK_DROP = "park drop"  # no such project; files that are refused as a whole


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an answer means. `rejects` are reasons by row id; `ids` the record ids that the commons named by row id;
    `dropped` rows of which the answer says nothing though it says success."""

    step: Step
    message: str = ""
    error_class: str = ""
    rejects: dict[int, tuple[Reason, ...]] = field(default_factory=dict)
    ids: dict[int, str] = field(default_factory=dict)
    dropped: frozenset[int] = frozenset()
    acted: dict[int, Action] = field(default_factory=dict)
    """Rows of which the commons says that it did something else than was planned: updated what seemed to be new (it
    came meanwhile, or its name differs by letter case), created what could not be seen."""
    retry_after: float | None = None
    slow: bool = False
    """It took too long: smaller requests from now on."""


def judge(rows: Sequence[IndexedRow], reply: SubmitReply, *, is_file: bool) -> Outcome:
    """What `reply` to a request with `rows` means. Requests for file nodes are never taken apart: each try writes to
    the file index."""
    match reply:
        case Landed():
            found = _match(rows, reply.entities)
            ids = {row: entity.id for row, entity in found.items() if entity.id}
            dropped = frozenset(row.id for row in rows if row.id not in found) if reply.entities else frozenset()
            return Outcome(Step.PROVE, reply.message, ids=ids, dropped=dropped, acted=_acted(rows, found))
        case Refused(kind=RefusalKind.CLOSED):
            return Outcome(Step.PARK_PROJECT, _closed(reply.message), "closed")
        case Refused():
            return _refused(rows, reply, is_file=is_file)
        case Unauthorised(message):
            return Outcome(Step.LATER, message, "credentials")
        case Forbidden(message):
            return Outcome(Step.PARK_PROJECT, message, "forbidden")
        case Missing(message):
            said = (
                f"The commons does not find the project ({message.rstrip('.')}). Ask the commons' staff, or move the "
                "file to another project's folder; gen3sync looks again by itself."
            )
            return Outcome(Step.PARK_DROP, said, "missing")
        case TooLarge(message):
            if len(rows) > 1:
                return Outcome(Step.SMALLER, message, "too large")
            return Outcome(Step.SORT, message, rejects={rows[0].id: (Reason("TOO_LARGE", message),)})
        case Busy(message, _, retry_after):
            return Outcome(Step.LATER, message, "busy", retry_after=retry_after)
        case Broken():
            slow = reply.cause is BrokenCause.TIMEOUT or reply.status == 504
            step = Step.LOST if reply.may_have_landed else Step.LATER
            return Outcome(step, reply.message, f"broken: {reply.cause.value}", slow=slow)


def _closed(message: str) -> str:
    state = printable(closed_state(message) or "", 60)
    return (
        f"Project is in state '{state}' and takes nothing until it is open. Ask the commons' staff; gen3sync looks "
        "again by itself."
    )


def _acted(rows: Sequence[IndexedRow], found: Mapping[int, Entity]) -> dict[int, Action]:
    done: dict[int, Action] = {}
    for row in rows:
        said = entity.action if (entity := found.get(row.id)) is not None else None
        if said not in (Action.CREATE, Action.UPDATE):
            continue
        # A row sent before may have been created by that request if this one updated it; not if it created it.
        first = row.sent is None and not row.tries
        unseen = said == Action.CREATE and (row.sent or row.sent_as) is Action.WRITE
        if (first and said != row.sent_as) or unseen:
            done[row.id] = Action(said)
    return done


def part_of(outcome: Outcome, rows: Sequence[IndexedRow]) -> Outcome:
    """What an outcome says of some of its request's rows."""
    ids = {row.id for row in rows}
    return replace(
        outcome,
        rejects={row: why for row, why in outcome.rejects.items() if row in ids},
        ids={row: id for row, id in outcome.ids.items() if row in ids},
        dropped=outcome.dropped & ids,
        acted={row: action for row, action in outcome.acted.items() if row in ids},
    )


def _refused(rows: Sequence[IndexedRow], reply: Refused, *, is_file: bool) -> Outcome:
    at_fault = [entity for entity in reply.entities if entity.at_fault]
    for entity in at_fault:
        for error in entity.errors:
            if missing_right(error.message) is not None:
                return Outcome(Step.PARK_PROJECT, printable(error.message), "forbidden")
    found = _match(rows, at_fault)
    rejects = {row: reasons(entity) for row, entity in found.items()}
    if rejects:
        return Outcome(Step.SORT, reply.message, "refused", rejects=rejects)
    words = _words(reply)
    if len(rows) == 1 and (rows[0].tries > 0 or reply.kind is RefusalKind.UNREADABLE):
        return Outcome(Step.SORT, words, "refused", rejects={rows[0].id: (Reason(_type(reply), words),)})
    if rows[0].tries == 0 and reply.kind is not RefusalKind.UNREADABLE:
        return Outcome(Step.AGAIN, words, "refused without naming a row")
    if is_file:
        said = (
            f"{words.rstrip('.')}. It names no row, and each try of file nodes writes to the file index, so nothing is "
            "tried by itself: `gen3sync retry` sends them once more, or drop the file again in smaller ones."
        )
        return Outcome(Step.PARK_DROP, said, FILES_REFUSED)
    return Outcome(Step.HALVE, words, "refused without naming a row")


def reasons(entity: Entity) -> tuple[Reason, ...]:
    """The server's errors of one row, one for each column they are about."""
    return tuple(
        Reason(error.type, printable(error.message, _LONG), column)
        for error in entity.errors
        if not error.internal
        for column in (error.keys or (None,))[:1]
    )


def _words(reply: Refused) -> str:
    named = [error.message for entity in reply.entities for error in entity.errors]
    said = [*reply.transactional_errors, *named, reply.message]
    return printable(next((words for words in said if words), "The commons refused the request without a reason."))


def _type(reply: Refused) -> str:
    return {RefusalKind.UNREADABLE: "UNREADABLE", RefusalKind.INTERNAL: "ERROR"}.get(reply.kind, "REFUSED")


def _match(rows: Sequence[IndexedRow], entities: Sequence[Entity]) -> dict[int, Entity]:
    """Entities by row id. The answer has no row numbers: by type and submitter_id as sent, then as the commons
    compares them; an error without a type, by submitter_id alone where only one row has it."""
    exact: dict[tuple[str, str], Entity] = {}
    folded: dict[tuple[str, str], Entity] = {}
    bare: dict[str, list[Entity]] = defaultdict(list)
    for entity in entities:
        if entity.submitter_id is None:
            continue
        exact.setdefault((entity.type or "", entity.submitter_id), entity)
        folded.setdefault((entity.type or "", pg_lower(entity.submitter_id)), entity)
        if not entity.type:
            bare[pg_lower(entity.submitter_id)].append(entity)
    out: dict[int, Entity] = {}
    for row in rows:
        found = exact.get((row.node, row.submitter_id)) or folded.get((row.node, row.key))
        if found is None and len(bare.get(row.key, ())) == 1:
            found = bare[row.key][0]
        if found is not None:
            out[row.id] = found
    return out
