"""The few sentences of Gen3's services that mean something no structure of the answer says. All of them are here.

Each is a fact of GEN3.md and of the sources named; a service that words it otherwise is treated as an ordinary refusal,
which is the safe side. Nothing else in gen3sync decides by a server's prose.
"""

from __future__ import annotations

import re

# sheepdog/globals.py, MESSAGE_500: any exception it did not foresee becomes this transactional error.
_INTERNAL = "Internal server error. Sorry"
# sheepdog/transactions/upload/transaction.py, on a violated unique constraint: the row was created by another request
# (often our own earlier one, whose answer was lost) or a row beside it renames a record by its id.
_ALREADY_EXISTS = "already exists in the DB"
# sheepdog/transactions/transaction_base.py: 400 with a message alone, like a parse failure.
_STATE = re.compile(r"^Project is in state '([^']*)'")
# fence/resources/storage/cdis_jwt.py: an ordinary access token would outlive the key.
_KEY_DYING = "Cannot issue an access token that would expire after the provided API key does"
# sheepdog/utils/transforms/graph_to_doc.py: an export of a node type that is not in the dictionary, a 400.
_NO_SUCH_NODE = "dictionary does not have node with type"
# sheepdog/utils/transforms/graph_to_doc.py, ExportFile.get_nodes: none of the ids is in this project.
_NO_SUCH_IDS = "Unable to find "
# sheepdog/transactions/upload/entity.py: an error of each row, where the authorisation service changed its mind after
# the request itself was let in.
_RIGHT = re.compile(r"^You do not have (\w+) permission for project ")


def is_internal(message: str) -> bool:
    """A transactional error that is the server's failure, not a row's."""
    return _INTERNAL in message or _ALREADY_EXISTS in message


def is_blame(message: str) -> bool:
    """An entity's error by which the server may blame an innocent row."""
    return _ALREADY_EXISTS in message or _INTERNAL in message


def missing_right(message: str) -> str | None:
    """The right whose lack is a row's only fault ("create", "update"), else None."""
    found = _RIGHT.match(message)
    return found.group(1) if found else None


def closed_state(message: str) -> str | None:
    """The project's state when that is why it takes nothing ("closed", "review" …), else None."""
    found = _STATE.match(message)
    return found.group(1) if found else None


def is_dying_key(message: str) -> bool:
    """fence refuses an ordinary token because the API key expires before it would."""
    return _KEY_DYING in message


def is_no_such_node(message: str) -> bool:
    """400 of an export: the dictionary has no node type of that name."""
    return message.startswith(_NO_SUCH_NODE)


def is_no_such_ids(message: str, ids: tuple[str, ...]) -> bool:
    """404 of an export by ids: the project is there, none of `ids` is in it."""
    return message.startswith(_NO_SUCH_IDS) and bool(ids) and ids[0] in message
