"""Which address is answered by which function.

Each module beside this one owns a group of addresses; a route takes a Call and gives a Response or raises
HTTPFailure (a refusal) or Killed (a fault).
"""

from __future__ import annotations

from gen3sync.sandbox.commons import Call
from gen3sync.sandbox.message import Response, failure
from gen3sync.sandbox.routes import control, dictionary, export, peregrine, projects, submission, user

_NOT_FOUND = (
    "The requested URL was not found on the server. If you entered the URL manually please check your spelling and"
    " try again."
)
NOT_ALLOWED = "405 Method Not Allowed: The method is not allowed for the requested URL."
_STATES = ("open", "review", "submit", "release")


def dispatch(call: Call) -> Response:
    """Finds the route. Raises HTTPFailure 404 and 405 where there is none."""
    parts = call.request.parts
    if parts[:1] == ("_sandbox",):
        return control.route(call, parts[1:])
    if parts[:1] == ("user",) or parts[:1] == ("authz",):
        return user.route(call, parts)
    if parts[:1] == ("peregrine",) or parts == ("api", "_status") or parts == ("_status",):
        return user.healthy(call, parts)
    if parts in (("api", "_version"), ("_version",)):
        return user.version(call)
    if parts[:1] == ("api",):
        parts = parts[1:]
    if parts[:2] != ("v0", "submission"):
        raise failure(404, _NOT_FOUND)
    return _submission(call, parts[2:])


def _submission(call: Call, parts: tuple[str, ...]) -> Response:
    method = call.request.method
    match parts:
        case ("graphql",) | ("graphql", _):
            return peregrine.query(call)
        case ("getschema",):
            return peregrine.schema(call)
        case () if method in ("GET", "HEAD"):
            return projects.programs(call)
        case () if method in ("PUT", "POST", "PATCH"):
            return projects.create_program(call)
        case ("_dictionary",) | ("_dictionary", _) if method in ("GET", "HEAD"):
            return dictionary.entries(call, parts[1:])
        case ("template",) | ("template", _) if method in ("GET", "HEAD"):
            return dictionary.template(call, parts[1:])
        case ("validate", *_):
            raise failure(404, _NOT_FOUND)
        case (program,) if method in ("GET", "HEAD"):
            return projects.projects(call, program)
        case (program,) if method in ("PUT", "POST", "PATCH"):
            return projects.create_project(call, program)
        case (program, code, *rest):
            return _project(call, program, code, tuple(rest))
    raise failure(405, NOT_ALLOWED)


def _project(call: Call, program: str, code: str, rest: tuple[str, ...]) -> Response:
    method = call.request.method
    write = method in ("PUT", "POST")
    match rest:
        case () if write:
            return submission.upload(call, program, code, dry_run=False)
        case () if method == "DELETE":
            return projects.delete_project(call, program, code)
        case ("_dry_run",) if write:
            return submission.upload(call, program, code, dry_run=True)
        case ("bulk", *_) if write:
            return submission.broken(call, program, code)
        case ("export",):
            return export.export(call, program, code)
        case ("entities", ids) if method in ("GET", "HEAD"):
            return export.entities(call, program, code, ids)
        case ("entities", "_dry_run", ids) if method == "DELETE":
            return submission.delete(call, program, code, ids, dry_run=True)
        case ("entities", ids) if method == "DELETE":
            return submission.delete(call, program, code, ids, dry_run=False)
        case ("transactions", number, "commit") if write:
            return submission.commit_dry_run(call, program, code, number)
        case ("transactions", number, "close") if write:
            return submission.close_dry_run(call, program, code, number)
        case (state,) if state in _STATES and write:
            return projects.transition(call, program, code, state)
        case ("_dictionary", *entry) if method in ("GET", "HEAD") and len(entry) <= 1:
            call.project(program, code)
            return dictionary.entries(call, tuple(entry), f"{program}/{code}/")
        case ("template", *node) if method in ("GET", "HEAD") and len(node) <= 1:
            call.project(program, code)
            return dictionary.template(call, tuple(node))
        case () | ("_dry_run",) | ("entities", _) | ("bulk", *_):
            raise failure(405, NOT_ALLOWED)
        case (state,) if state in _STATES:
            raise failure(405, NOT_ALLOWED)
    raise failure(404, _NOT_FOUND)
