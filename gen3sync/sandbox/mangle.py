"""Faults that spoil an answer: planned answers, HTML instead of JSON, wrong content types, broken bodies."""

from __future__ import annotations

from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.faults import Fault, Kind
from gen3sync.sandbox.message import Response
from gen3sync.sandbox.pages import nginx_error, service_failure

_LOGIN_PAGE = b"<!doctype html>\n<html><head><title>Sign in</title></head><body><h1>Please sign in</h1></body></html>\n"


def planned_answer(fault: Fault) -> Response:
    """What an ANSWER or HTML fault says instead of the commons."""
    if fault.kind is Kind.HTML:
        return Response(int(fault.options.get("status", 200)), _LOGIN_PAGE, "text/html; charset=utf-8")
    status = int(fault.options.get("status", 503))
    body = fault.options.get("body")
    if body is None:
        response = nginx_error(status) if status in (413, 414, 429) else service_failure(status)
        response.close = False
    else:
        raw = body.encode() if isinstance(body, str) else body
        response = Response(status, raw, fault.options.get("content_type") or "application/json")
    response.headers.update(fault.options.get("headers") or {})
    return response


def mangle(call: Call, response: Response) -> Response:
    """The same answer, spoiled by the faults set for this request."""
    faults, method = call.commons.faults, call.request.method
    if (fault := faults.take(method, call.target, Kind.CONTENT_TYPE)) is not None:
        call.logged.fault = fault.kind.value
        response.content_type = str(fault.options.get("content_type", "text/plain"))
    if (fault := faults.take(method, call.target, Kind.INVALID_JSON)) is not None:
        call.logged.fault = fault.kind.value
        whole = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        response.body = whole[: max(1, len(whole) * 2 // 3)]
    if (fault := faults.take(method, call.target, Kind.BROKEN_GZIP)) is not None:
        call.logged.fault = fault.kind.value
        whole = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        response.body = b"\x1f\x8b\x08\x00" + whole[::-1]
        response.gzip = False
        response.headers["Content-Encoding"] = "gzip"
    return response
