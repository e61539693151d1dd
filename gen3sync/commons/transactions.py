"""The commons' transaction log through GraphQL: what became of a request whose answer is doubted or lost.

SUCCEEDED means stored, FAILED and ERRORED mean not; PENDING and "no entry" prove nothing (GEN3.md, "Finding out
afterwards"). Without read access every answer is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from gen3sync.commons.asking import Asks, Nothing, odd, portions, rows_of, text_or_none
from gen3sync.commons.parsing import is_number
from gen3sync.commons.replies import GraphqlData, Transaction, TransactionState
from gen3sync.names import Project

_LOG_PAGE = 20  # reading document names loads the documents in the commons, so not too many at once
_LOG_PAGES = 105
_ALIASES = 100


def transaction(client: Asks, project: Project, id: int) -> Transaction | Nothing | None:
    """A transaction by its id; None when it is not there or the user may not read the project."""
    query = (
        "query($I:ID,$p:String,$c:String){log:transaction_log(id:$I,program:$p,project:$c)"
        "{id state is_dry_run created_datetime documents{name}}}"
    )
    entries = _log(client, query, {"I": str(id), "p": project.program, "c": project.code})
    if not isinstance(entries, tuple):
        return entries
    return next((entry for entry in entries if entry.id == id), None)


def transactions(client: Asks, project: Project, ids: Collection[int]) -> dict[int, Transaction] | Nothing:
    """Several transactions by id, in one question for each hundred; those that are not there, or may not be read, are
    left out. Document names are not asked for."""
    found: dict[int, Transaction] = {}
    for some in portions(sorted(set(ids)), _ALIASES):
        # The ids are our own integers, so they may stand in the query; as variables there would be a hundred of them.
        parts = " ".join(
            f't{id}:transaction_log(id:"{int(id)}",program:$p,project:$c){{id state is_dry_run created_datetime}}'
            for id in some
        )
        query = f"query($p:String,$c:String){{{parts}}}"
        answer = client.graphql(query, {"p": project.program, "c": project.code})
        if not isinstance(answer, GraphqlData):
            return answer
        for id in some:
            rows = answer.data.get(f"t{id}")
            if not isinstance(rows, list):
                return odd("transactions")
            for row in rows:
                if (read := _transaction(row)) is not None and read.id == id:
                    found[id] = read
    return found


def last_transaction_id(client: Asks, project: Project) -> int | Nothing | None:
    """The id of the project's newest transaction, dry runs included; None when it has none or may not be read.

    Read it before sending: whatever the request becomes has a greater id (ids are taken when a transaction starts).
    """
    query = "query($p:String,$c:String){log:transaction_log(last:1,program:$p,project:$c){id state is_dry_run}}"
    entries = _log(client, query, {"p": project.program, "c": project.code})
    if not isinstance(entries, tuple):
        return entries
    return entries[0].id if entries else None


def again_name(document_name: str, tries: int) -> str:
    """What a request is called that is sent once more, after so many tries: no two are called alike."""
    return f"{document_name}.{tries + 1}" if tries else document_name


def find_transaction(
    client: Asks, project: Project, document_name: str, since_id: int | None
) -> Transaction | Nothing | None:
    """The transaction of `document_name`, or of its repetitions (`again_name`), among those after `since_id`, paging
    from the newest back. Of several (a proxy sent the request twice) one that stored it, else one that may yet, else
    the newest.

    Looks through at most the newest 2,000 (`since_id` None: all of those). None is no proof that nothing was stored: a
    request may still wait in the commons' queue.
    """
    found: Transaction | None = None
    for entry in newest_first(client, project, since_id):
        if not isinstance(entry, Transaction):
            return entry
        if any(name == document_name or name.startswith(f"{document_name}.") for name in entry.document_names):
            if entry.state is TransactionState.SUCCEEDED:
                return entry
            if found is None or (entry.state is TransactionState.PENDING and found.state is not entry.state):
                found = entry
    return found


def newest_first(client: Asks, project: Project, since_id: int | None) -> Iterator[Transaction | Nothing]:
    """The log from its newest entry back to `since_id`, or what kept it from being read."""
    query = (
        "query($p:String,$c:String,$n:Int,$o:Int){log:transaction_log(last:$n,offset:$o,program:$p,project:$c)"
        "{id state is_dry_run created_datetime documents{name}}}"
    )
    for offset in range(0, _LOG_PAGES * (_LOG_PAGE - 1), _LOG_PAGE - 1):
        # Pages overlap by one: entries that arrive meanwhile shift them.
        variables = {"p": project.program, "c": project.code, "n": _LOG_PAGE, "o": offset}
        entries = _log(client, query, variables)
        if not isinstance(entries, tuple):
            yield entries
            return
        for entry in sorted(entries, key=lambda entry: -entry.id):
            if since_id is not None and entry.id <= since_id:
                return
            yield entry
        if len(entries) < _LOG_PAGE:
            return


def _log(client: Asks, query: str, variables: dict[str, object]) -> tuple[Transaction, ...] | Nothing:
    entries = rows_of(client, query, variables, "log", "transactions")
    if not isinstance(entries, list):
        return entries
    read = tuple(_transaction(entry) for entry in entries)
    return odd("transactions") if None in read else tuple(entry for entry in read if entry is not None)


def _transaction(entry: object) -> Transaction | None:
    if not isinstance(entry, dict):
        return None
    id, state, documents = str(entry.get("id")), entry.get("state"), entry.get("documents")
    if not is_number(id) or not isinstance(state, str) or state not in TransactionState.__members__:
        return None
    names = tuple(
        document["name"]
        for document in (documents if isinstance(documents, list) else [])
        if isinstance(document, dict) and isinstance(document.get("name"), str)
    )
    created = text_or_none(entry.get("created_datetime")) or ""
    return Transaction(int(id), TransactionState(state), entry.get("is_dry_run") is True, created, names)
