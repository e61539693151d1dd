"""What the newest transactions of a project wrote, as their own answers in the commons' log tell it.

One GraphQL query, or a part of another (`signatures`). A transaction's document holds the answer that its submitter got
(`response_json`): the records it created, updated or deleted, by id. Whether that is the whole story is for the reader
to prove (`inbox.touch`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gen3sync.commons.asking import Asks, Nothing, odd
from gen3sync.commons.parsing import is_number, parse
from gen3sync.commons.replies import GraphqlData
from gen3sync.names import Project


@dataclass(frozen=True, slots=True)
class Touch:
    """One record that a transaction wrote. `submitter_id` as the transaction gave it, None where it gave none."""

    node: str
    id: str
    action: str
    submitter_id: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """One transaction that succeeded. `touches` is None when its document does not tell all that it wrote."""

    id: int
    role: str
    touches: tuple[Touch, ...] | None


@dataclass(frozen=True, slots=True)
class Journal:
    """`ok`: how many have succeeded in all, in the same snapshot of the database as `written`."""

    ok: int
    written: tuple[Written, ...]


_WHERE = 'program:$p,project:$c,is_dry_run:false,state:"SUCCEEDED"'
_TOLD = "{id role documents{response_json}}"


def journal(client: Asks, project: Project, newest: int, ids: Iterable[int] = ()) -> Journal | Nothing:
    """The `newest` succeeded transactions of a project by id, and those of `ids` that have succeeded. No dry runs."""
    parts = [f"ok:_transaction_log_count({_WHERE})", f"log:transaction_log({_WHERE},last:$n){_TOLD}"]
    parts += asked(ids)
    query = f"query($p:String,$c:String,$n:Int){{{' '.join(parts)}}}"
    answer = client.graphql(query, {"p": project.program, "c": project.code, "n": newest})
    if not isinstance(answer, GraphqlData):
        return answer
    ok = answer.data.pop("ok", None)
    if not isinstance(ok, int) or not isinstance(answer.data.get("log"), list):
        return odd("transactions")
    return read(ok, answer.data) or odd("transactions")


def asked(ids: Iterable[int]) -> list[str]:
    """Parts of a query with the variables $p and $c (program, project): those of `ids` that have succeeded."""
    return [f't{id}:transaction_log(id:"{id}",{_WHERE}){_TOLD}' for id in sorted(set(ids))]


def read(ok: int, data: Mapping[str, object]) -> Journal | None:
    """The journal in lists of transactions, None where they hold anything else."""
    found = {}
    for entries in data.values():
        for entry in entries if isinstance(entries, list) else ():
            written = _written(entry)
            if written is None:
                return None
            found[written.id] = written
    return Journal(ok, tuple(found[id] for id in sorted(found)))


def _written(entry: object) -> Written | None:
    match entry:
        case {"id": id, "role": str(role), "documents": list(documents)} if is_number(id):
            touches = _touches(documents[0], int(str(id))) if len(documents) == 1 else None
            return Written(int(str(id)), role, touches)
        case {"id": id} if is_number(id):
            return Written(int(str(id)), "", None)
        case _:
            return None


def _touches(document: object, id: int) -> tuple[Touch, ...] | None:
    """The records in a transaction's answer, None unless it says of each what was done to it, and of how many."""
    try:
        answer = parse(document["response_json"])  # type: ignore[index]
        if answer["success"] is not True or answer["transaction_id"] != id:
            return None
        entities = answer["entities"]
        touches = tuple(
            Touch(_text(one["type"]), _text(one["id"]), _text(one["action"]), _name(one)) for one in entities
        )
        counts = ("created_entity_count", "updated_entity_count", "deleted_entity_count")
        whole = sum(int(answer.get(count) or 0) for count in counts) == len(entities)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None
    return touches if whole else None


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a name is missing")
    return value


def _name(entity: dict[str, object]) -> str | None:
    match entity.get("unique_keys"):
        case [{"submitter_id": str(name)}]:
            return name
        case _:
            return None
