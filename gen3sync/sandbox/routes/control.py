"""`/_sandbox/…`: faults and a look inside by HTTP, for the command line and for tests in other processes.

No token: the server listens on loopback only.
"""

from __future__ import annotations

import json
import re
from typing import Any

from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.faults import Faults, Kind
from gen3sync.sandbox.message import Response, failure, json_response
from gen3sync.sandbox.store import Record
from gen3sync.sandbox.transactions import Transaction
from gen3sync.sandbox.writing import foreign_delete, foreign_write

_CHANGES = (
    *("clear", "settings", "real_costs", "graphql", "token_lifetime", "clock"),
    *("revoke_key", "deny", "allow", "project_state", "release"),
)
"""What `apply` does besides faults; named where a kind is not known."""


def route(call: Call, parts: tuple[str, ...]) -> Response:
    """Raises HTTPFailure 404 and 400."""
    commons, method = call.commons, call.request.method
    try:
        match (method, *parts):
            case ("GET", "faults"):
                return json_response(_status(call))
            case ("POST", "faults"):
                return json_response(apply(call, _body(call)))
            case ("DELETE", "faults"):
                commons.faults.clear()
                return json_response({})
            case ("POST", "faults", number, "release"):
                commons.faults.release(int(number))
                return json_response({})
            case ("GET", "requests"):
                return json_response([entry.describe() for entry in commons.requests.all()])
            case ("GET", "transactions"):
                return json_response([_transaction(entry) for entry in commons.log.all()])
            case ("GET", "records", project_id, node):
                with commons.changed:
                    return json_response([_record(item) for item in commons.store.table(project_id, node)])
            case ("POST", "write"):
                body = _body(call)
                user = str(body.get("user", "other@example.org"))
                made = foreign_write(commons, str(body["project"]), list(body["records"]), user)
                return json_response({"transaction_id": made})
            case ("POST", "delete"):
                body = _body(call)
                user = str(body.get("user", "other@example.org"))
                gone = foreign_delete(commons, str(body["project"]), list(body["ids"]), user)
                return json_response({"transaction_id": gone})
            case ("POST", "api-key"):
                return json_response(commons.tokens.api_key(float(_body(call).get("lifetime", 2_592_000))))
    except KeyError as error:
        raise failure(400, f"{error.args[0]!r} is missing or unknown") from None
    except (ValueError, TypeError, re.error) as error:
        raise failure(400, str(error)) from None
    raise failure(404, "the sandbox has no such control; see docs/reference/sandbox.md")


def _body(call: Call) -> dict[str, Any]:
    found = json.loads(call.request.body or b"{}")
    if not isinstance(found, dict):
        raise TypeError("expected a JSON object")
    return found


def apply(call: Call, given: dict[str, Any]) -> dict[str, Any]:
    """One change: a fault by `kind`, or one of the settings listed in docs/reference/sandbox.md.

    Raises ValueError, KeyError, TypeError for what is not understood.
    """
    commons = call.commons
    given = dict(given)
    kind = str(given.pop("kind"))
    match kind:
        case "clear":
            commons.faults.clear()
            commons.permissions.allow()
            commons.clock.offset = 0.0
        case "settings":
            commons.faults.set(**given)
        case "real_costs":
            commons.faults.real_costs()
        case "graphql":
            commons.faults.set(graphql=str(given["mode"]))
        case "token_lifetime":
            commons.tokens.lifetime = int(given["seconds"])
        case "clock":
            commons.clock.offset = float(given["seconds"])
        case "revoke_key":
            commons.tokens.revoke()
        case "deny":
            methods = given.get("methods") or ["read", "create", "update", "delete", "release"]
            if isinstance(methods, str):
                methods = methods.replace(",", " ").split()
            commons.permissions.deny(str(given["project"]), frozenset(methods))
        case "allow":
            commons.permissions.allow(given.get("project"))
        case "project_state":
            found = commons.store.project(str(given["project"]))
            if found is None:
                raise KeyError(given["project"])
            found.props["state"] = str(given["state"])
        case "release":
            commons.faults.release(int(given["id"]))
        case _:
            return {"id": _add(commons.faults, kind, given).id}
    return {}


def _add(faults: Faults, kind: str, given: dict[str, Any]) -> Any:
    match kind:
        case "lose":
            return faults.lose(given.pop("when", "after_log"), how=given.pop("how", "close"), **given)
        case "kill":
            return faults.kill(given.pop("when", "after_commit"), how=given.pop("how", 502), **given)
        case "answer":
            return faults.answer(int(given.pop("status")), **given)
        case "cut":
            return faults.cut_export(**given)
        case "stall":
            return faults.stall_export(**given).fault
        case "hold":
            return faults.hold(given.pop("point"), **given).fault
    if kind not in set(Kind):
        known = sorted({*Kind, *_CHANGES})
        raise ValueError(f"there is no fault {kind!r}; there are {', '.join(known)}")
    return faults.add(kind, **given)


def _status(call: Call) -> dict[str, Any]:
    commons = call.commons
    return {
        "faults": [fault.describe() for fault in commons.faults.active()],
        "settings": vars(commons.faults.settings),
        "denied": {project: sorted(methods) for project, methods in commons.permissions.denied.items()},
        "clock_offset": commons.clock.offset,
        "token_lifetime": commons.tokens.lifetime,
    }


def _transaction(entry: Transaction) -> dict[str, Any]:
    return {
        "id": entry.id,
        "project_id": entry.project_id,
        "role": entry.role,
        "state": entry.state.value,
        "is_dry_run": entry.is_dry_run,
        "submitter": entry.submitter,
        "documents": [{"id": item.id, "name": item.name, "response": item.response} for item in entry.documents],
    }


def _record(record: Record) -> dict[str, Any]:
    links = {name: list(ids) for name, ids in record.links.items()}
    return {**record.props, **links, "id": record.id, "type": record.node}
