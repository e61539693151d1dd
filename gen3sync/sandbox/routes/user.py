"""Tokens, who-am-I, permissions, versions and health: the addresses around the submission service."""

from __future__ import annotations

from gen3sync import __version__
from gen3sync.sandbox.authz import require_login
from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.message import Response, failure, json_response
from gen3sync.sandbox.pages import fence_error, service_failure


def route(call: Call, parts: tuple[str, ...]) -> Response:
    """Below `/user` and `/authz`."""
    method = call.request.method
    match parts:
        case ("user", "credentials", "cdis" | "api", "access_token"):
            if method != "POST":
                raise fence_error(405, "The method is not allowed for the requested URL.")
            return call.commons.tokens.exchange(call.request)
        case ("user", "user"):
            return me(call)
        case ("authz", "mapping") | ("user", "mapping"):
            require_login(call.request, call.commons.tokens)
            return json_response(call.commons.permissions.mapping())
        case ("user", "_status"):
            return Response(200, b"Healthy", "text/html; charset=utf-8")
        case ("user", "_version"):
            return json_response({"version": __version__, "commit": ""})
    raise failure(404, "Not Found")


def me(call: Call) -> Response:
    """`GET /user/user`: the user and what they may do."""
    if not call.request.headers.get("authorization"):
        raise fence_error(401, "[401] - Please login")
    claims = require_login(call.request, call.commons.tokens)
    mapping = call.commons.permissions.mapping()
    name = claims["context"]["user"]["name"]
    body = {
        "active": True,
        "authz": mapping,
        "azp": None,
        "certificates_uploaded": [],
        "display_name": "",
        "email": name,
        "groups": [],
        "idp": "sandbox",
        "is_admin": False,
        "message": "",
        "name": name,
        "phone_number": "",
        "preferred_username": "",
        "project_access": {},
        "resources": sorted(mapping),
        "resources_granted": [],
        "role": "user",
        "sub": claims["sub"],
        "user_id": int(claims["sub"]),
        "username": name,
    }
    return json_response(body)


def healthy(call: Call, parts: tuple[str, ...]) -> Response:
    """`/api/_status`, `/peregrine/_status`."""
    if parts[:1] == ("peregrine",):
        mode = call.commons.faults.settings.graphql
        if mode == "missing":
            raise failure(404, "Not Found")
        if mode == "down":
            return service_failure(502)
    return Response(200, b"Healthy", "text/html; charset=utf-8")


def version(call: Call) -> Response:
    """`/api/_version`: the service's and the dictionary's."""
    settings = call.commons.dictionary.raw.get("_settings")
    found = settings if isinstance(settings, dict) else {}
    names = {"version": str(found.get("_dict_version") or "sandbox"), "commit": str(found.get("_dict_commit") or "")}
    return json_response({"version": "", "commit": "", "dictionary": names})
