"""Who may do what: bearer tokens, permissions by project, and the answers of the two layers that refuse.

Listings and GraphQL check the token themselves; everything below a project asks the authorisation service, which
words its refusals differently.
"""

from __future__ import annotations

from typing import Any

from gen3sync.sandbox.message import HTTPFailure, Request, failure, json_response
from gen3sync.sandbox.store import Store
from gen3sync.sandbox.tokens import BadToken, Tokens

METHODS = ("create", "read", "update", "delete", "release", "read-storage", "write-storage")
_SERVICES = ("sheepdog", "peregrine", "fence", "guppy")


class Permissions:
    """One user, by default allowed everything. `denied` maps a project id to the methods taken away."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.denied: dict[str, frozenset[str]] = {}

    def deny(self, project_id: str, methods: frozenset[str]) -> None:
        self.denied[project_id] = self.denied.get(project_id, frozenset()) | methods

    def allow(self, project_id: str | None = None) -> None:
        if project_id is None:
            self.denied.clear()
        else:
            self.denied.pop(project_id, None)

    def may(self, project_id: str, *methods: str) -> bool:
        return not self.denied.get(project_id, frozenset()) & frozenset(methods)

    def mapping(self) -> dict[str, list[dict[str, str]]]:
        """`{path: [{service, method}]}` as `/authz/mapping` answers it; programs as a whole while nothing is denied."""
        everything = [{"service": "*", "method": method} for method in METHODS]
        found: dict[str, list[dict[str, str]]] = {}
        with self.store.changed:
            if not self.denied:
                for program in self.store.programs:
                    found[f"/programs/{program}"] = everything
            for project in self.store.projects.values():
                left = [
                    {"service": "*", "method": method} for method in METHODS if self.may(project.project_id, method)
                ]
                if left:
                    found[f"/programs/{project.program}/projects/{project.code}"] = left
        for part in ("program", "project"):
            found[f"/services/sheepdog/submission/{part}"] = [{"service": "sheepdog", "method": "*"}]
        return found


def _bearer(request: Request) -> str | None:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def require_login(request: Request, tokens: Tokens, purpose: str | None = None) -> dict[str, Any]:
    """For listings and GraphQL. Raises HTTPFailure 401 `{"message": …}`."""
    token = _bearer(request)
    if token is None:
        raise failure(401, "Authentication Error: no authorization header provided")
    try:
        claims = tokens.claims(token)
    except BadToken as error:
        raise failure(401, f"Authentication Error: {error}") from None
    if purpose is not None and claims["pur"] != purpose:
        text = f"claims have incorrect purpose: expected {purpose}, got {claims['pur']}"
        raise failure(401, f"Authentication Error: {text}")
    return claims


def require(request: Request, tokens: Tokens, permissions: Permissions, project_id: str, *methods: str) -> str:
    """For everything in a project; the user's name. Raises HTTPFailure 401 `{"code", "error"}` or 403."""
    token = _bearer(request)
    if token is None:
        raise failure(401, "Authentication Error: Didn't receive JWT correctly")
    try:
        claims = tokens.claims(token)
    except BadToken as error:
        reason = f"expired at time: {error.expired_at}" if error.expired_at is not None else str(error)
        text = f"request to arborist failed: error decoding token: {reason}\n"
        raise HTTPFailure(json_response({"code": 401, "error": text}, 401)) from None
    if claims["pur"] != "access":
        text = f"request to arborist failed: error decoding token: unexpected purpose {claims['pur']}\n"
        raise HTTPFailure(json_response({"code": 401, "error": text}, 401))
    if not permissions.may(project_id, *methods):
        raise failure(403, "You don't have access to this resource: user is unauthorized")
    return str(claims["context"]["user"]["name"])
