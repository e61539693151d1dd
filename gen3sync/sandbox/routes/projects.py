"""Programs and projects: lists, creation, and the states of a project."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from gen3sync.sandbox.authz import require_login
from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.message import Response, failure, json_response
from gen3sync.sandbox.parse import parse_document
from gen3sync.sandbox.routes.submission import assert_state
from gen3sync.sandbox.transactions import State


def _links(paths: list[str]) -> Response:
    return json_response({"links": [f"/v0/submission/{quote(path)}" for path in paths]})


def programs(call: Call) -> Response:
    """`GET /`: all programs, whoever asks."""
    require_login(call.request, call.commons.tokens)
    return _links(list(call.commons.store.programs))


def projects(call: Call, program: str) -> Response:
    """`GET /{program}`."""
    require_login(call.request, call.commons.tokens)
    store = call.commons.store
    if program not in store.programs:
        raise failure(404, f"program {program} is not registered")
    return _links([f"{program}/{code}" for name, code in list(store.projects) if name == program])


def _document(call: Call, what: str) -> dict[str, Any]:
    _, documents = parse_document(
        call.commons.dictionary, call.request.body, call.request.headers.get("content-type", "")
    )
    if len(documents) != 1 or not isinstance(documents[0], dict):
        text = f"The {what} creation endpoint only supports single documents (dict). Received data of type"
        raise failure(400, f"{text} {type(documents)}: {documents}")
    return dict(documents[0])


def create_program(call: Call) -> Response:
    """`PUT /`."""
    require_login(call.request, call.commons.tokens, "access")
    given = _document(call, "program")
    if given.get("type") != "program":
        raise failure(400, f"Invalid type in key type='{given.get('type')}'")
    if not given.get("name"):
        raise failure(400, "No program specified in key 'name'")
    program_id, new = call.commons.store.add_program(str(given["name"]), given.get("dbgap_accession_number"))
    message = "Program registered." if new else "Program is updated!"
    return json_response({"id": program_id, "name": given["name"], "message": message})


def create_project(call: Call, program: str) -> Response:
    """`PUT /{program}`. Given `state` and `released` are dropped without a word."""
    commons = call.commons
    if program not in commons.store.programs:
        raise failure(404, f"program {program} not found")
    require_login(call.request, commons.tokens, "access")
    given = _document(call, "project")
    if given.get("type") not in (None, "project"):
        raise failure(400, f"Invalid post to program endpoint with type='{given['type']}'")
    if not given.get("code"):
        raise failure(400, "No project specified in key 'code'")
    if not given.get("dbgap_accession_number"):
        raise failure(400, "No dbgap_accession_number specified.")
    code = str(given["code"])
    known = commons.store.projects.get((program, code))
    if known is None and any(name == code for _, name in commons.store.projects):
        raise failure(400, f"ERROR: Project {code} already exists in DB")
    if known is not None:
        assert_state(call, known, "open")
    props = {key: value for key, value in given.items() if key not in ("type", "state", "released")}
    unknown = sorted(set(props) - set(commons.dictionary.nodes["project"].property_types))
    if unknown:
        raise failure(400, f"ERROR: 'Project' object has no attribute '{unknown[0]}'")
    project, new = commons.store.add_project(program, code, props)
    entry = commons.log.claim(program, code, "update", commons.clock.stamp(), dry_run=False)
    entity = {
        "valid": True,
        "action": "create" if new else "update",
        "type": "project",
        "id": project.id,
        "errors": [],
        "warnings": [],
        "unique_keys": [{"code": code}],
    }
    # The service never finishes this log entry: it stays PENDING.
    body = {
        "transaction_id": entry.id,
        "success": True,
        "code": 200,
        "message": "Transaction successful.",
        "created_entity_count": int(new),
        "updated_entity_count": int(not new),
        "entity_error_count": 0,
        "transactional_error_count": 0,
        "transactional_errors": [],
        "entities": [entity],
    }
    return json_response(body)


def delete_project(call: Call, program: str, code: str) -> Response:
    """`DELETE /{program}/{project}`, only when it is empty."""
    project = call.project(program, code)
    require_login(call.request, call.commons.tokens, "access")
    with call.commons.changed:
        if any(len(table) for (owner, _), table in call.commons.store.tables.items() if owner == project.project_id):
            gap = " " * 29
            raise failure(400, f"ERROR: Can not delete the project.{gap}Project {code} is not empty")
        del call.commons.store.projects[program, code]
    return Response(204, b"")


def transition(call: Call, program: str, code: str, action: str) -> Response:
    """`PUT /{program}/{project}/{open,review,submit,release}`."""
    project = call.project(program, code)
    user = call.require(program, code, "release")
    if action == "submit":
        return call.crash()  # broken in the version the sandbox is modelled on
    needed = {"open": "review", "review": "open", "release": "open"}[action]
    assert_state(call, project, *((needed,) if action != "release" else ("open", "submitted", "review")))
    commons = call.commons
    entry = commons.log.claim(program, code, action, commons.clock.stamp(), dry_run=False)
    body: dict[str, Any] = {
        "transaction_id": entry.id,
        "success": True,
        "code": 200,
        "entities": [],
        "entity_error_count": 0,
        "transactional_errors": [],
        "transactional_error_count": 0,
    }
    if action == "release":
        if project.props.get("released"):
            reason = "Project is already released."
        elif project.props.get("releasable") is not True:
            reason = "Project is not releasable. Project must be submitted at least once first."
        else:
            project.props["released"] = True
            entry.submitter = user
            commons.log.set_state(entry, State.SUCCEEDED)
            return json_response({**body, "message": "Successfully released project"})
        # A refused release leaves its log entry PENDING for ever.
        body.update(success=False, code=400, transactional_errors=[{"message": reason}], transactional_error_count=1)
        return json_response({**body, "message": "Release transaction failed."}, 400)
    project.props["state"] = action
    body["message"] = f"Successfully transitioned project state to '{action}'"
    entry.submitter = user
    commons.log.add_document(entry, None, "N/A", 0)
    commons.log.answer(entry, body)
    commons.log.set_state(entry, State.SUCCEEDED)
    return json_response(body)
