"""Questions to a commons through GraphQL: which records are there, what became of a transaction, has anything changed.

GraphQL is an accelerator, never a requirement: some commons have none (`Missing`, `Broken`), and a user without read
access is answered 200 with zero and [] (GEN3.md). Each function says what its answer proves.

Names come in as variables, node names as part of the query after a check; project arguments are `[String]`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gen3sync.commons.asking import GUARD, Asks, Nothing, checked, guarded, odd, portions
from gen3sync.commons.replies import GraphqlData, Known
from gen3sync.commons.signatures import count, signature, signature_and_written
from gen3sync.commons.transactions import find_transaction, last_transaction_id, transaction, transactions
from gen3sync.commons.writers import wrote, wrote_since
from gen3sync.names import Project
from gen3sync.pglower import pg_lower

__all__ = [
    "Children",
    "children",
    "count",
    "few",
    "find_ids",
    "find_spelled",
    "find_transaction",
    "last_transaction_id",
    "list_ids",
    "names_like",
    "owners",
    "search",
    "shown",
    "shown_by_id",
    "signature",
    "signature_and_written",
    "transaction",
    "transactions",
    "written_since",
    "wrote",
    "wrote_since",
]

_IDS_AT_ONCE = 1000
_SEARCHES_AT_ONCE = 20  # each is a scan of the node's table
_FEW = 40
_PAGE = 5000


class Children(NamedTuple):
    """A parent's id, and the ids of its children among those asked for."""

    id: str
    kids: frozenset[str]


class Owner(NamedTuple):
    """The project (its id) and the node type of a record."""

    project_id: str
    node: str


def find_ids(client: Asks, project: Project, node: str, submitter_ids: Iterable[str]) -> dict[str, Known] | Nothing:
    """Records of `node` by submitter_id in whatever letter case: `{pg_lower(submitter_id): Known(id, spelling)}`.

    peregrine compares `submitter_id` exactly, while PUT finds (and renames) records in any letter case. So each is
    asked for as given, in lower and upper case and capitalised; those not found are searched for case-blindly while
    they are few. A record stored in some other mixture can still be missed when more than 40 are new: PUT then answers
    `update` where a create was planned, or take `list_ids`. Forbidden when the project itself cannot be seen: that is
    asked in the same query, so an empty answer means that there is nothing.
    """
    wanted = list(dict.fromkeys(submitter_ids))
    found = find_spelled(client, project, node, wanted)
    if not isinstance(found, dict):
        return found
    searched = search(client, project, node, [given for given in wanted if pg_lower(given) not in found])
    if searched is None:
        return found
    return {**found, **searched} if isinstance(searched, dict) else searched


def find_spelled(client: Asks, project: Project, node: str, submitter_ids: Iterable[str]) -> dict[str, Known] | Nothing:
    """As `find_ids`, in the spellings that are asked for alone."""
    rows = shown(client, project, node, submitter_ids, ())
    return dict(_known(rows)) if isinstance(rows, list) else rows


def few(missing: Iterable[str]) -> bool:
    """Whether `find_ids` looks for so many missing names in every letter case."""
    return len(_cased(missing)) <= _FEW


def search(client: Asks, project: Project, node: str, missing: Iterable[str]) -> dict[str, Known] | Nothing | None:
    """Those of `missing` that are stored in a letter case that was not asked for; None when they are too many to look
    for each."""
    cased = _cased(missing)
    if not cased:
        return {}
    if len(cased) > _FEW:
        return None
    searched = _search(client, project, node, cased)
    if not isinstance(searched, dict):
        return searched
    keys = {pg_lower(given) for given in cased}
    return {found_key: known for found_key, known in searched.items() if found_key in keys}


def names_like(client: Asks, project: Project, node: str, part: str, most: int) -> dict[str, Known] | Nothing | None:
    """All records whose submitter_id (or id) contains `part` in whatever letter case; None when they are more than
    `most`. The commons reads the node's whole table for it."""
    fields = "(project_id:$P,quick_search:$q,first:$F){id submitter_id}"
    query = f"query($P:[String],$q:String,$F:Int){{{GUARD} rows:{checked(node)}{fields}}}"
    rows = _rows(client, project, query, {"P": [project.id], "q": part, "F": most + 1})
    if not isinstance(rows, list):
        return rows
    return dict(_known(rows)) if len(rows) <= most else None


def shown(
    client: Asks, project: Project, node: str, submitter_ids: Iterable[str], properties: Sequence[str]
) -> list[dict[str, object]] | Nothing:
    """What GraphQL shows of records: id, submitter_id and `properties`, null where there is nothing. In whatever letter
    case that `find_ids` asks for. A tenth of an export's price (GEN3.md), without links, numbers as floats."""
    names = list(dict.fromkeys(submitter_ids))
    wanted = [list(dict.fromkeys(s for one in some for s in _spellings(one))) for some in portions(names, _IDS_AT_ONCE)]
    return _shown(client, project, node, "submitter_id", wanted, properties)


def shown_by_id(
    client: Asks, project: Project, node: str, ids: Sequence[str], properties: Sequence[str]
) -> list[dict[str, object]] | Nothing:
    """The same of records whose ids are known."""
    return _shown(client, project, node, "ids", list(portions(ids, _IDS_AT_ONCE)), properties)


def children(
    client: Asks, project: Project, parent: str, backref: str, parents: Sequence[str], submitter_ids: Sequence[str]
) -> dict[str, Children] | Nothing:
    """Which records of `submitter_ids` are linked directly to each of `parents`, records of node `parent`, by the
    link that these call `backref`; by the parent's name as given. Parents that are not there are left out.

    Asked from the parents' side because a question for the parents of each child is a query of its own to the commons
    (3.5 ms); so it is cheap for few parents only.
    """
    whole = parent == "project"  # there is one, and it goes by its code
    fields = f"id name:{'code' if whole else 'submitter_id'} kids:{checked(backref)}(submitter_id:$S,first:0){{id}}"
    named = f"project_id:$P,{'' if whole else 'submitter_id:$E,'}first:0"
    names = "$P:[String],$S:[String]" + ("" if whole else ",$E:[String]")
    query = f"query({names}){{{GUARD} rows:{checked(parent)}({named}){{{fields}}}}}"
    variables: dict[str, object] = {"P": [project.id], "S": list(submitter_ids)}
    rows = _rows(client, project, query, variables if whole else {**variables, "E": list(parents)})
    if not isinstance(rows, list):
        return rows
    found: dict[str, Children] = {}
    for row in rows:
        match row:
            case {"id": str(id), "name": str(stored), "kids": list(kids_of)} if stored in parents:
                found[stored] = Children(id, frozenset(str(kid["id"]) for kid in kids_of if isinstance(kid, dict)))
    return found


def written_since(
    client: Asks, project: Project, node: str, time: str, most: int
) -> list[tuple[str, Known, str | None]] | Nothing:
    """Records by key whose transaction began after `time` (of the commons' clock, without zone), with that time; of
    more than `most`, any `most`."""
    query = (
        f"query($P:[String],$T:String,$F:Int){{{GUARD} rows:{checked(node)}"
        "(project_id:$P,updated_after:$T,first:$F){id submitter_id updated_datetime}}"
    )
    rows = _rows(client, project, query, {"P": [project.id], "T": time, "F": most})
    if not isinstance(rows, list):
        return rows
    found: list[tuple[str, Known, str | None]] = []
    for row in rows:
        match row:
            case {"id": str(id), "submitter_id": str(stored), "updated_datetime": str() | None as moment}:
                found.append((pg_lower(stored), Known(id, stored), moment))
    return found


def owners(client: Asks, project: Project, ids: Sequence[str]) -> dict[str, Owner] | Nothing:
    """Whose these ids are, in `project` and in any other that the key may read. Ids of projects that it may not read
    look as if nobody had them."""
    query = f"query($P:[String],$I:[String]){{{GUARD} rows:node(ids:$I,first:0){{id type project_id}}}}"
    found: dict[str, Owner] = {}
    for some in portions(list(dict.fromkeys(ids)), _IDS_AT_ONCE):
        rows = _rows(client, project, query, {"P": [project.id], "I": list(some)})
        if not isinstance(rows, list):
            return rows
        for row in rows:
            match row:
                case {"id": str(id), "type": str(node), "project_id": str(project_id)}:
                    found[id] = Owner(project_id, node)
    return found


def list_ids(client: Asks, project: Project, node: str) -> dict[str, Known] | Nothing:
    """All records of `node` in `project`, paged by id: `{pg_lower(submitter_id): Known}`. 1,000 take about 0.2 s."""
    query = (
        f"query($P:[String],$F:Int,$O:Int){{{GUARD} rows:{checked(node)}"
        '(project_id:$P,first:$F,offset:$O,order_by_asc:"id"){id submitter_id}}'
    )
    found: dict[str, Known] = {}
    offset = 0
    while True:
        rows = _rows(client, project, query, {"P": [project.id], "F": _PAGE, "O": offset})
        if not isinstance(rows, list):
            return rows
        found.update(_known(rows))
        if len(rows) < _PAGE:
            return found
        offset += _PAGE


def _search(client: Asks, project: Project, node: str, wanted: Sequence[str]) -> dict[str, Known] | Nothing:
    """Case-blind: `quick_search` finds substrings of ids and submitter_ids (and reads % and _ as wildcards)."""
    found: dict[str, Known] = {}
    for some in portions(list(wanted), _SEARCHES_AT_ONCE):
        names = ",".join(f"$s{i}:String" for i in range(len(some)))
        parts = " ".join(
            f"r{i}:{checked(node)}(project_id:$P,quick_search:$s{i},first:0){{id submitter_id}}"
            for i in range(len(some))
        )
        variables: dict[str, object] = {"P": [project.id]}
        variables.update({f"s{i}": given for i, given in enumerate(some)})
        answer = guarded(client, project, f"query($P:[String],{names}){{{GUARD} {parts}}}", variables)
        if not isinstance(answer, GraphqlData):
            return answer
        for rows in (answer.data.get(f"r{i}") for i in range(len(some))):
            found.update(_known(rows if isinstance(rows, list) else []))
    return found


def _cased(names: Iterable[str]) -> list[str]:
    return [given for given in names if given.lower() != given.upper()]


def _spellings(given: str) -> tuple[str, ...]:
    return (given, given.lower(), given.upper(), given.capitalize(), given.title())


def _shown(
    client: Asks, project: Project, node: str, by: str, wanted: Iterable[Sequence[str]], properties: Sequence[str]
) -> list[dict[str, object]] | Nothing:
    fields = f"id submitter_id {' '.join(map(checked, properties))}"
    query = f"query($P:[String],$S:[String]){{{GUARD} rows:{checked(node)}(project_id:$P,{by}:$S,first:0){{{fields}}}}}"
    found: list[dict[str, object]] = []
    for some in wanted:
        rows = _rows(client, project, query, {"P": [project.id], "S": list(some)})
        if not isinstance(rows, list):
            return rows
        found += [row for row in rows if isinstance(row, dict)]
    return found


def _rows(client: Asks, project: Project, query: str, variables: dict[str, object]) -> list[object] | Nothing:
    answer = guarded(client, project, query, variables)
    if not isinstance(answer, GraphqlData):
        return answer
    rows = answer.data.get("rows")
    return rows if isinstance(rows, list) else odd("records")


def _known(rows: Iterable[object]) -> Iterator[tuple[str, Known]]:
    for row in rows:
        match row:
            case {"id": str(id), "submitter_id": str(stored)}:
                yield pg_lower(stored), Known(id, stored)
