"""`POST …/graphql` and `GET …/getschema`: the other service of a commons, which some commons do not have."""

from __future__ import annotations

import json
from typing import Any

from gen3sync.sandbox.authz import require_login
from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.faults import Point
from gen3sync.sandbox.message import HTTPFailure, Response, dumps, failure, json_response
from gen3sync.sandbox.pages import service_failure

# What a read costs here against an export by ids: a query by 1,000 submitter_ids took 0.17 s, the export 0.85 s.
_READ_SHARE = 0.1
# Parents of 1,000 records took 3.5 s: a query of its own for each.
_RELATION_SHARE = 3.5


def _mode(call: Call) -> str:
    mode = call.commons.faults.settings.graphql
    if mode == "missing":
        raise failure(404, "The requested URL was not found on the server.")
    if mode == "down":
        raise HTTPFailure(service_failure(502))
    return mode


def query(call: Call) -> Response:
    """One query. 400 with partial data when a field cannot be answered."""
    mode = _mode(call)
    if call.request.method != "POST":
        raise failure(405, "405 Method Not Allowed: The method is not allowed for the requested URL.")
    require_login(call.request, call.commons.tokens, "access")
    try:
        given = json.loads(call.request.body)
    except ValueError as error:
        raise failure(400, f"Unable to parse json: {error}") from None
    if not isinstance(given, dict):
        raise failure(400, f"JSON parsed from request is an invalid type: {type(given).__name__}")
    if mode == "error":
        return _answer({}, ["(psycopg2.errors.QueryCanceled) canceling statement due to statement timeout\n"])
    text = given.get("query")
    if not isinstance(text, str):
        return _answer(None, ["The query must be a string"])
    try:
        from gen3sync.sandbox.graph.check import QueryError
        from gen3sync.sandbox.graph.resolve import Query
    except ImportError:
        need = "the sandbox needs graphql-core for GraphQL: pip install 'gen3sync[sandbox]'"
        raise failure(501, need) from None
    call.reach(Point.STARTED)
    task = Query(call.commons, text, _variables(given.get("variables")), denied=mode == "denied")
    try:
        data = task.run()
    except QueryError as error:
        return _answer(None, error.messages)
    call.logged.rows = task.rows
    work = _READ_SHARE * task.rows + _RELATION_SHARE * task.relations
    call.commons.faults.pause(call.commons.faults.settings.read * work)
    return _answer(data, task.errors)


def _variables(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except ValueError as error:
            raise HTTPFailure(_answer(None, ["Unable to parse variables", str(error)])) from None
    return given if isinstance(given, dict) else {}


def _answer(data: dict[str, Any] | None, errors: list[str]) -> Response:
    # This service's answers are never compressed by the proxy.
    if errors:
        return Response(400, dumps({"data": data, "errors": errors}))
    return Response(200, dumps({"data": data}))


def schema(call: Call) -> Response:
    """The introspection of the schema, ready made; no token needed."""
    _mode(call)
    from gen3sync.sandbox.graph.resolve import types_of
    from gen3sync.sandbox.graph.types import describe

    response = json_response({"data": {"__schema": describe(types_of(call.commons))}})
    response.headers["Content-Disposition"] = "inline; filename=schema.json"
    return response
