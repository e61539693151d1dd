"""Writes that do not come over HTTP: another person's uploads and deletions, each a transaction like any."""

from __future__ import annotations

import copy
import json
from typing import Any

from gen3sync.sandbox.commons import Commons
from gen3sync.sandbox.deletion import Deletion
from gen3sync.sandbox.transactions import State
from gen3sync.sandbox.upload import IntegrityError, InternalError, Upload


def foreign_write(commons: Commons, project_id: str, documents: list[Any], user: str) -> int:
    """The id of the transaction. Raises ValueError with the answer's body when it is refused."""
    program, _, code = project_id.partition("-")
    entry = commons.log.claim(program, code, "update", commons.clock.stamp(), dry_run=False)
    task = Upload(commons.store, commons.log, entry, user)
    documents = copy.deepcopy(documents)
    with commons.changed:
        try:
            task.read(None, "json", len(json.dumps(documents, default=str)), documents)
            task.flush()
            task.validate_links()
            if task.finish_checks():
                task.commit()
                commons.log.set_state(entry, State.SUCCEEDED)
        except IntegrityError:
            raise ValueError("a unique key is taken") from None
        except InternalError:
            task.fail_internally()
    if not task.success:
        raise ValueError(json.dumps(task.body()))
    return entry.id


def foreign_delete(commons: Commons, project_id: str, ids: list[str], user: str) -> int:
    """The id of the transaction. Raises ValueError with the answer's body when it is refused."""
    program, _, code = project_id.partition("-")
    entry = commons.log.claim(program, code, "delete", commons.clock.stamp(), dry_run=False)
    task = Deletion(commons.store, commons.log, entry, user)
    with commons.changed:
        task.look_up(ids)
        if not task.finish_checks():
            raise ValueError(json.dumps(task.body()))
        task.commit()
        commons.log.set_state(entry, State.SUCCEEDED)
    return entry.id
