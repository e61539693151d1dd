"""Has anything changed? One GraphQL query that reads all of GEN3.md's signature in one snapshot of the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from gen3sync.commons import journal
from gen3sync.commons.asking import Asks, Nothing, checked, portions, text_or_none, unseen
from gen3sync.commons.journal import Journal
from gen3sync.commons.parsing import is_number
from gen3sync.commons.replies import GraphqlData, NodeSignature, Pending, Signature, Unknown
from gen3sync.names import Project, printable

_NODES_AT_ONCE = 240  # two aliases a node; 500 aliases work in one query, 2,000 do not


def signature(client: Asks, project: Project, nodes: Sequence[str]) -> Signature | Unknown | Nothing:
    """What tells whether nodes changed (GEN3.md, "Has anything changed?"). Unknown: keep what you have."""
    parts: list[Signature] = []
    for some in portions(nodes, _NODES_AT_ONCE) if nodes else [[]]:
        part = _signature(client, project, some)
        if not isinstance(part, Signature):
            return part
        parts.append(part)
    first = parts[0]
    if any((part.ok, part.state, part.pending) != (first.ok, first.state, first.pending) for part in parts):
        # More nodes than one query takes, and something was written between the queries: no one snapshot.
        return Unknown("the commons changed while its nodes were counted")
    return Signature(
        first.project_id,
        first.state,
        first.ok,
        tuple(n for part in parts for n in part.nodes),
        first.pending,
        first.newest,
    )


def signature_and_written(
    client: Asks, project: Project, nodes: Sequence[str], ids: Sequence[int]
) -> tuple[Signature | Unknown | Nothing, Journal | None]:
    """As `signature`, and of the transactions `ids`, in the same snapshot, what those that have succeeded wrote.

    Which transactions a commons will have next can only be guessed, so the journal need not be whole; None: it tells
    nothing. A transaction that there is not, or not yet, costs the commons a look at its key.
    """
    if not ids or len(nodes) > _NODES_AT_ONCE:
        return signature(client, project, nodes), None
    answer = _asked(client, project, nodes, journal.asked(ids))
    if not isinstance(answer, GraphqlData):
        return answer, None
    found = _read_signature(project, nodes, answer.data)
    if not isinstance(found, Signature):
        return found, None
    return found, journal.read(found.ok, {f"t{id}": answer.data.get(f"t{id}") for id in ids})


def _signature(client: Asks, project: Project, nodes: Sequence[str]) -> Signature | Unknown | Nothing:
    answer = _asked(client, project, nodes, [])
    return _read_signature(project, nodes, answer.data) if isinstance(answer, GraphqlData) else answer


def _asked(client: Asks, project: Project, nodes: Sequence[str], further: list[str]) -> GraphqlData | Nothing:
    log = "program:$p,project:$c,is_dry_run:false"
    parts = [
        "project(project_id:$P){id state}",
        f'ok:_transaction_log_count({log},state:"SUCCEEDED")',
        f'pending:transaction_log({log},state:"PENDING",first:0){{id created_datetime}}',
        "newest:transaction_log(program:$p,project:$c,last:1){id}",
    ]
    for node in map(checked, nodes):
        parts.append(f"n_{node}:_{node}_count(project_id:$P)")
        parts.append(f'u_{node}:{node}(project_id:$P,order_by_desc:"updated_datetime",first:1){{id updated_datetime}}')
    query = f"query($P:[String],$p:String,$c:String){{{' '.join(parts + further)}}}"
    return client.graphql(query, {"P": [project.id], "p": project.program, "c": project.code})


def _read_signature(project: Project, nodes: Sequence[str], data: Mapping[str, object]) -> Signature | Unknown:
    seen = data.get("project")
    if not isinstance(seen, list) or len(seen) != 1 or not isinstance(seen[0], dict):
        return Unknown(unseen(project))
    ok, pending = data.get("ok"), data.get("pending")
    if not isinstance(ok, int) or not isinstance(pending, list):
        return Unknown("the transaction log could not be read")
    signatures = []
    for node in nodes:
        number, newest = data.get(f"n_{node}"), data.get(f"u_{node}")
        if not isinstance(number, int) or not isinstance(newest, list):
            return Unknown(f"node {printable(node, 80)} could not be read")
        top = newest[0] if newest and isinstance(newest[0], dict) else {}
        signatures.append(
            NodeSignature(node, number, text_or_none(top.get("id")), text_or_none(top.get("updated_datetime")))
        )
    waiting = tuple(
        Pending(int(entry["id"]), _moment(entry.get("created_datetime")))
        for entry in pending
        if isinstance(entry, dict) and is_number(entry.get("id", ""))
    )
    return Signature(
        project.id,
        text_or_none(seen[0].get("state")),
        ok,
        tuple(signatures),
        tuple(sorted(waiting, key=lambda w: w.id)),
        _newest(data.get("newest")),
    )


def _newest(entries: object) -> int | None:
    match entries:
        case []:
            return 0
        case [{"id": id}] if is_number(id):
            return int(str(id))
        case _:
            return None


def count(client: Asks, project: Project, node: str) -> int | Unknown | Nothing:
    """How many records of `node` the project has; Unknown when the project itself cannot be seen."""
    answer = signature(client, project, [node])
    return answer.nodes[0].count if isinstance(answer, Signature) else answer


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
