"""What the inbox asks of what is known of the commons, where nothing may be known. Raises nothing."""

from __future__ import annotations

from gen3sync.catalog import Catalog
from gen3sync.commons.client import CommonsClient
from gen3sync.errors import Gen3SyncError
from gen3sync.inbox.outcomes import version_of
from gen3sync.names import Project


def address(client: CommonsClient) -> str:
    """The commons' address, for the index; "" while neither setting nor key says it."""
    try:
        return client.url
    except Gen3SyncError:
        return ""


def may_query(catalog: Catalog, project: Project) -> bool:
    """Whether the key may ask about the project through GraphQL; also where that is not known."""
    try:
        rights = catalog.permissions()
    except Gen3SyncError:
        return True
    return not rights.known or rights.may_query(project)


def version(catalog: Catalog) -> str | None:
    """The dictionary's version, None where it is not known."""
    try:
        return version_of(catalog.dictionary())
    except Gen3SyncError:
        return None
