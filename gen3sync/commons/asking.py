"""What GraphQL functions share: putting a question, checking what comes back, and node names inside queries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from gen3sync.commons.replies import Broken, BrokenCause, Failure, Forbidden, GraphqlData, Refused
from gen3sync.names import Project, printable

Nothing = Refused | Failure
"""No answer to a question; `Missing` and many `Broken` mean that this commons has no GraphQL."""

GUARD = "seen:project(project_id:$P){id}"
"""Part of a query for records: an answer without exactly one project means that nothing can be seen, not that there is
nothing (GEN3.md: no read access, no such project and a failing authorisation service all answer 200 with 0 and [])."""

_NODE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_Item = TypeVar("_Item")


class Asks(Protocol):
    """Whoever can put a query: `client.CommonsClient`."""

    def graphql(self, query: str, variables: dict[str, object] | None = None) -> GraphqlData | Refused | Failure: ...


def rows_of(client: Asks, query: str, variables: dict[str, object], alias: str, what: str) -> list[object] | Nothing:
    """The list that a query puts under `alias`."""
    answer = client.graphql(query, variables)
    if not isinstance(answer, GraphqlData):
        return answer
    rows = answer.data.get(alias)
    return rows if isinstance(rows, list) else odd(what)


def guarded(
    client: Asks, project: Project, query: str, variables: dict[str, object]
) -> GraphqlData | Refused | Failure:
    """The answer to a query that holds `GUARD`; Forbidden when the project itself cannot be seen."""
    answer = client.graphql(query, variables)
    if not isinstance(answer, GraphqlData):
        return answer
    match answer.data.get("seen"):
        case [{}]:
            return answer
        case _:
            return Forbidden(unseen(project))


def unseen(project: Project) -> str:
    """Why nothing of a project is shown, as far as the answer tells."""
    return (
        f"{printable(project)} cannot be seen through GraphQL: no read access, no such project, or its authorisation "
        "service is failing"
    )


def odd(what: str) -> Broken:
    """GraphQL answered 200 in a shape that nobody expects."""
    return Broken(f"The commons answered a question for {what} with something else.", BrokenCause.CONTENT, 200)


def checked(node: str) -> str:
    """`node`, which becomes part of a query. Raises ValueError for anything that is not a name."""
    if not _NODE.fullmatch(node):
        raise ValueError(f"{printable(node, 80)!r} is not the name of a node")
    return node


def text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None


def portions(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """`items` in runs of at most `size`."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
