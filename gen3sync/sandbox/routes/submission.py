"""Uploads, dry runs and their commit, deletions: everything that makes a transaction."""

from __future__ import annotations

import copy
from typing import Any

from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.deletion import Deletion
from gen3sync.sandbox.faults import Point
from gen3sync.sandbox.message import Response, failure, json_response
from gen3sync.sandbox.parse import parse_document
from gen3sync.sandbox.store import Project, pg_lower
from gen3sync.sandbox.transactions import State, Transaction
from gen3sync.sandbox.upload import IntegrityError, InternalError, Upload

# A row of a file node took 34 ms where others took 10: it is registered in the file index.
_FILE_COST = 3.4


def assert_state(call: Call, project: Project, *states: str) -> None:
    """Raises HTTPFailure 400 when the project is in another state."""
    state = project.props.get("state")
    if state not in states:
        text = (
            f"Project is in state '{state}', which prevents {call.request.upstream_path}. In order to perform this"
            f" action, the project must be in state <{' or '.join(states)}>."
        )
        raise failure(400, text)


def upload(call: Call, program: str, code: str, *, dry_run: bool) -> Response:
    """`PUT` or `POST` of a TSV, CSV or JSON document."""
    project = call.project(program, code)
    put = call.request.method == "PUT"
    user = call.require(program, code, *(("create", "update") if put else ("create",)))
    doc_format, documents = parse_document(
        call.commons.dictionary, call.request.body, call.request.headers.get("content-type", "")
    )
    call.logged.rows = len(documents)
    assert_state(call, project, "open")
    if call.request.args.get("async", "").lower() == "true":
        return call.crash()
    role = "update" if put else "create"
    entry = call.commons.log.claim(program, code, role, call.commons.clock.stamp(), dry_run=dry_run)
    return _work(call, entry, user, (call.request.headers.get("x-document-name"), doc_format), documents)


def _work(
    call: Call, entry: Transaction, user: str, document: tuple[str | None, str], documents: list[Any]
) -> Response:
    commons = call.commons
    call.logged.transaction_id = entry.id
    call.reach(Point.STARTED)
    task = Upload(commons.store, commons.log, entry, user)
    try:
        task.read(*document, len(call.request.body), documents)
        with commons.changed:
            call.logged.named = _named(task)
            call.logged.ids = [(task.project_id, "id", one.doc["id"]) for one in task.entities if _names_id(one.doc)]
            commons.changed.notify_all()
        files = sum(entity.node_type is not None and entity.node_type.is_file for entity in task.entities)
        commons.faults.pause(commons.faults.settings.row * (len(task.entities) + files * (_FILE_COST - 1)))
        creates = [key for key, entity in zip(_named(task), _keyed(task), strict=True) if entity.action == "create"]
        with commons.claims.hold(entry.id, creates, lambda: commons.faults.stopping):
            task.flush()
            task.validate_links()
            call.reach(Point.BEFORE_COMMIT)
            if task.finish_checks():
                task.commit()
                call.logged.written = call.logged.named
                call.reach(Point.AFTER_COMMIT)
                commons.log.set_state(entry, State.SUCCEEDED)
    except IntegrityError:
        task.explain_integrity_error()
    except InternalError:
        task.fail_internally()
    return json_response(task.body(), task.code)


def _names_id(doc: Any) -> bool:
    return isinstance(doc, dict) and isinstance(doc.get("id"), str) and bool(doc["id"])


def _keyed(task: Upload) -> list[Any]:
    return [entity for entity in task.entities if entity.draft is not None and entity.draft.get("submitter_id")]


def _named(task: Upload) -> list[tuple[str, str, str]]:
    return [
        (task.project_id, entity.node_type.name, pg_lower(str(entity.draft["submitter_id"]))) for entity in _keyed(task)
    ]


def broken(call: Call, program: str, code: str) -> Response:
    """`/bulk` fails in the version the sandbox is modelled on."""
    call.project(program, code)
    call.require(program, code, "create")
    return call.crash()


def _entry(call: Call, program: str, code: str, number: str, sentence: str) -> Transaction:
    found = call.commons.log.entries.get(int(number)) if number.isdigit() else None
    if found is None:
        raise failure(404, sentence.format(number=number, project=f"{program}-{code}"))
    return found


def commit_dry_run(call: Call, program: str, code: str, number: str) -> Response:
    """Sends the documents of a dry run again, for good; the document's name is lost."""
    call.project(program, code)
    user = call.require(program, code, "create", "update", "delete", "release")
    entry = _entry(
        call, program, code, number, "Unable to find transaction_log with id: {number} for project {project}"
    )
    if entry.state is not State.SUCCEEDED:
        raise failure(400, f"Unable to commit transaction log in state {entry.state.value}.")
    if entry.closed:
        raise failure(400, "Unable to commit closed transaction log.")
    if entry.committed_by is not None:
        raise failure(400, f"This transaction_log was committed already by transaction '{entry.committed_by}'.")
    if not entry.is_dry_run:
        raise failure(400, f"Cannot submit transaction_log '{entry.id}', not a dry_run.")
    if (entry.program, entry.project) != (program, code):
        raise failure(400, f"Cannot submit transaction_log '{entry.id}', in project {program}-{code}.")
    assert_state(call, call.project(program, code), "open")
    made = call.commons.log.claim(program, code, entry.role, call.commons.clock.stamp(), dry_run=False)
    response = _work(call, made, user, (None, "json"), copy.deepcopy(entry.documents_data or []))
    entry.committed_by = made.id
    return response


def close_dry_run(call: Call, program: str, code: str, number: str) -> Response:
    """Marks a dry run as not to be committed."""
    call.project(program, code)
    call.require(program, code, "update")
    entry = _entry(call, program, code, number, "Unable to find transaction_log with id {number} for project {project}")
    if entry.closed:
        raise failure(400, "This transaction log is already closed.")
    if not entry.is_dry_run:
        raise failure(400, "This transaction log is not a dry run. Closing it would have no effect.")
    if entry.committed_by is not None:
        raise failure(400, "This transaction log has already been committed. Closing it would have no effect.")
    entry.closed = True
    return json_response({"code": 200, "message": "Closed transaction.", "transaction_id": entry.id})


def delete(call: Call, program: str, code: str, ids: str, *, dry_run: bool) -> Response:
    """Deletes records by id, all or none."""
    project = call.project(program, code)
    user = call.require(program, code, "delete")
    assert_state(call, project, "open")
    commons = call.commons
    entry = commons.log.claim(program, code, "delete", commons.clock.stamp(), dry_run=dry_run)
    call.logged.transaction_id = entry.id
    call.reach(Point.STARTED)
    task = Deletion(commons.store, commons.log, entry, user)
    with commons.changed:
        task.look_up([piece for piece in ids.split(",") if piece])
    call.logged.rows = len(task.targets)
    commons.faults.pause(commons.faults.settings.row * len(task.targets))
    call.reach(Point.BEFORE_COMMIT)
    if task.finish_checks():
        task.commit()
        call.logged.written = call.logged.named = [
            (record.project_id, record.node, pg_lower(record.submitter_id or "")) for record in task.records
        ]
        call.reach(Point.AFTER_COMMIT)
        commons.log.set_state(entry, State.SUCCEEDED)
    return json_response(task.body(), task.code)
