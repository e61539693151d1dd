"""A node exported whole and read as it streams: for many records much cheaper than asking for them by name or id.

What is not whole is an answer that says so, never fewer records. Who keeps what of it is the caller's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from gen3sync.commons.client import CommonsClient
from gen3sync.commons.export import ExportBroken, NodeExport
from gen3sync.commons.replies import Broken, BrokenCause, Failure, Refused
from gen3sync.names import Project
from gen3sync.outbox.sight import Nothing
from gen3sync.outbox.stock import Record
from gen3sync.records.exported import BrokenExportError, records_of
from gen3sync.records.merge import ContradictionError

_Taken = TypeVar("_Taken")


def whole(
    client: CommonsClient, project: Project, node: str, take: Callable[[Iterator[Record]], _Taken]
) -> _Taken | Nothing:
    """What `take` makes of all pieces of the node's records, once they are proven whole, or what kept them away."""
    export = client.export_node(project, node)
    if isinstance(export, Refused | Failure):
        return export
    try:
        with export:
            return take(_pieces(export))
    except ExportBroken as error:
        return error.broken
    except BrokenExportError as error:
        return Broken(f"The commons' export of {node} is not whole: {error}.", BrokenCause.CONTENT)
    except ContradictionError as error:
        return Broken(str(error), BrokenCause.CONTENT)


def _pieces(export: NodeExport) -> Iterator[Record]:
    for piece in records_of(export):
        if isinstance(piece, dict):
            yield piece
