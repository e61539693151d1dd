"""Replays a recorded exchange with a real commons to the client, and says in a few words what the client made of it."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

from gen3sync.commons.export import NodeExport
from gen3sync.commons.replies import (
    Broken,
    Busy,
    Forbidden,
    GraphqlData,
    Landed,
    Missing,
    Refused,
    TooLarge,
    Unauthorised,
    Version,
)
from gen3sync.errors import Gen3SyncError
from gen3sync.names import Project
from tests.unit.commons.support import TOKEN_PATH, House, Reply, Seen

RECORDINGS = Path(__file__).parent / "recordings"
_HOP = {"server", "date", "connection", "content-length", "transfer-encoding", "content-encoding"}


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RECORDINGS / f"{name}.json").read_text())
    return found


def names() -> list[str]:
    return sorted(path.stem for path in RECORDINGS.glob("*.json"))


def reply_of(recording: dict[str, Any]) -> Reply:
    """The recorded response, compressed where it was."""
    response = recording["response"]
    headers = {name: value for name, value in response["headers"].items() if name.lower() not in _HOP}
    raw = response["body"]
    body = base64.b64decode(raw["base64"]) if isinstance(raw, dict) else (raw or "").encode()
    if response["headers"].get("Content-Encoding") == "gzip":
        headers["Content-Encoding"] = "gzip"
        body = gzip.compress(body)
    return Reply(response["status"], body, headers)


def told(home: House, recording: dict[str, Any]) -> str | None:
    """What the client's method for the recorded request says, in a few words; None when there is no such method."""
    request = recording["request"]
    reply = reply_of(recording)
    if request["path"] == TOKEN_PATH:
        return _token(home, reply)

    def once(seen: Seen) -> Reply:
        return reply

    home.serve(once)
    result = _call(home, request)
    return None if result is None else words(result)


def _token(home: House, reply: Reply) -> str:
    def answer(seen: Seen) -> Reply:
        # The recordings hide the token itself.
        return home.site.token_reply(seen) if reply.status == 200 else reply

    home.site.answer = answer
    try:
        home.tokens.token()
    except Gen3SyncError as error:
        return f"{type(error).__name__}: {error.what}".replace(home.site.url, "URL")[:60]
    return "token"


def _call(home: House, request: dict[str, Any]) -> object | None:
    method, path, body = request["method"], request["path"], request.get("body")
    query = request.get("query") or {}
    client = home.client
    match [method, *path.removeprefix("/api/v0/submission/").rstrip("/").split("/")]:
        case ["PUT", program, code] | ["PUT", program, code, "_dry_run"] if program and "async" not in query:
            kind = request["headers"].get("Content-Type", "")
            raw = body.encode() if isinstance(body, str) else base64.b64decode(body["base64"]) if body else b""
            name = "gen3sync-test"
            dry = path.rstrip("/").endswith("_dry_run")
            return client.submit(Project(program, code), raw, content_type=kind, document_name=name, dry_run=dry)
        case ["GET", program, code, "export"] if query.get("format") == "json" and "node_label" in query:
            return client.export_node(Project(program, code), query["node_label"])
        case ["GET", program, code, "export"] if query.get("format") == "json" and "ids" in query:
            return client.export_records(Project(program, code), query["ids"].split(","))
        case ["GET", program, code, "export"] if "without_id" not in query and query:
            ids = tuple(query["ids"].split(",")) if "ids" in query else ()
            project = Project(program, code)
            return client.export_text(project, node=query.get("node_label"), ids=ids, format=query["format"])
        case ["POST", program, code, "export"] if "ids" in json.loads(body or "{}"):
            return client.export_records(Project(program, code), json.loads(body or "{}")["ids"])
        case ["POST", "graphql"] if isinstance(body, str):
            return client.graphql("{recorded}")
        case ["GET", "_dictionary", "_all"]:
            return client.dictionary()
        case ["GET", "template", node] | ["GET", _, _, "template", node]:
            return client.template(node)
        case ["GET", "", "api", "_version"]:
            return client.version()
        case ["GET", ""]:
            return client.programs()
        case ["GET", program] if program not in {"_dictionary", "getschema"}:
            return client.projects(program)
        case _:
            return None


def words(result: object) -> str:
    """A typed reply in a few words."""
    match result:
        case Landed():
            valid = sum(entity.valid for entity in result.entities)
            return f"landed {result.created}+{result.updated} of {valid} in {result.transaction_id}"
        case Refused(status, kind) if result.entities:
            fault = sum(entity.at_fault for entity in result.entities)
            return f"refused {status} {kind}, {fault} of {len(result.entities)} at fault"
        case Refused(status, kind, message):
            return f"refused {status} {kind}: {(result.transactional_errors or (message,))[0][:40].strip()}"
        case Unauthorised(message) | Forbidden(message) | Missing(message) | TooLarge(message):
            return f"{type(result).__name__.lower()}: {message[:40]}"
        case Busy():
            return "busy"
        case Broken(message, cause, status, landed):
            return f"broken {cause} {status}{', may have landed' if landed else ''}"
        case GraphqlData(data):
            return f"data {' '.join(sorted(data))}"[:60]
        case NodeExport():
            with result:
                body = result.read()
            return f"export of {len(body)} bytes"
        case Version():
            return f"version {result.dictionary_version}"
        case tuple():
            return (
                f"{len(result)}: {result[0]}"[:40]
                if result and not isinstance(result[0], dict)
                else f"{len(result)} records"
            )
        case dict():
            return f"{len(result)} entries"
        case str():
            return f"text {result[:20]!r}"
        case _:
            return repr(result)
