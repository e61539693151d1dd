"""From a whole HTTP answer to a typed reply: failures that every endpoint shares, and the submission's own reply.

Statuses and JSON shapes decide; the few facts that only prose tells are in `sentences.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from gen3sync.commons import sentences
from gen3sync.commons.pages import error_text, looks_like_html, prose
from gen3sync.commons.parsing import is_number, parse
from gen3sync.commons.replies import (
    Broken,
    BrokenCause,
    Busy,
    Entity,
    EntityError,
    Failure,
    Forbidden,
    GraphqlData,
    Landed,
    Missing,
    RefusalKind,
    Refused,
    SubmitReply,
    TooLarge,
    Unauthorised,
)
from gen3sync.commons.transport import Answer
from gen3sync.names import printable
from gen3sync.redaction import redact

_LONGEST_REST = 3600.0
_EXCERPT = re.compile(r"\n\n *\d+: .*", re.DOTALL)  # the query once more, below a syntax error
_LONG = 20_000  # characters of one row's error; enumerations of allowed values are long and wanted whole


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `Retry-After` asks for: a number, or a date read against the answer's own Date. None if neither.

    At most an hour: a commons that asks for years, by mistake or on purpose, is asked again all the same.
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text), _LONGEST_REST)
    try:
        left = _date(text) - _date(headers["date"])
    except (KeyError, TypeError, ValueError):
        return None
    return min(max(left / timedelta(seconds=1), 0.0), _LONGEST_REST)


def failure_of(answer: Answer, *, writes: bool = False) -> Failure | None:
    """The failure that a status means everywhere, or None for 2xx and 400, which endpoints read themselves."""
    status, said = answer.status, prose(answer.body)
    match status:
        case 200 | 201 | 202 | 204 | 400:
            return None
        case 401:
            return Unauthorised(said or "The token was refused.")
        case 403:
            return Forbidden(said or "Access was refused.")
        case 404:
            return Missing(said or "There is no such address.")
        case 413 | 414 | 431:
            return TooLarge(said or "The request is too large.")
        case 429:
            return Busy(said or "Too many requests.", status, retry_after(answer.headers))
        case 503 if "retry-after" in answer.headers:
            return Busy(said or "The commons is busy.", status, retry_after(answer.headers))
    cause = BrokenCause.TIMEOUT if status in {408, 504} else BrokenCause.STATUS
    what = f"The commons answered {status}" + (f": {said}" if said else "")
    return Broken(
        what, cause, status, may_have_landed=writes and (status >= 500 or status in {408, 499} or status < 400)
    )


def json_of(answer: Answer, *, writes: bool = False) -> Any | Broken:
    """The JSON of an answer, or Broken when it is something else (a login page with 200, a cut body)."""
    if "json" not in answer.media_type or looks_like_html(answer.body):
        kind = "a web page" if looks_like_html(answer.body) else printable(answer.media_type or "no Content-Type", 80)
        return _unreadable(answer, f"with {kind} instead of JSON", writes)
    try:
        return parse(answer.body)
    except ValueError:
        return _unreadable(answer, "with JSON that cannot be read", writes)


def refusal_of(answer: Answer) -> Refused | Broken:
    """A 400 of an endpoint that only reads: the request's fault. A proxy's own 400 is Broken."""
    if "json" not in answer.media_type:
        said = prose(answer.body)
        return Broken(f"The commons answered {answer.status}: {said}", BrokenCause.STATUS, answer.status)
    return Refused(answer.status, RefusalKind.REQUEST, prose(answer.body))


def submit_reply(answer: Answer) -> SubmitReply:
    """What a PUT's answer says: landed, refused (and whose fault), or one of the failures."""
    if (failure := failure_of(answer, writes=True)) is not None:
        return failure
    data = json_of(answer, writes=answer.status != 400)
    if isinstance(data, Broken):
        return data
    if not isinstance(data, dict):
        return _unreadable(answer, "with JSON that is no answer to a submission", answer.status != 400)
    if answer.status != 400 and data.get("success") is True:
        return Landed(
            transaction_id=_integer(data.get("transaction_id")),
            created=_integer(data.get("created_entity_count")) or 0,
            updated=_integer(data.get("updated_entity_count")) or 0,
            entities=_entities(data),
            message=_text(data.get("message")),
        )
    if answer.status != 400 and "success" not in data:
        return _unreadable(answer, "without saying whether the rows are stored", writes=True)
    return _refused(answer.status, data)


def graphql_reply(answer: Answer) -> GraphqlData | Refused | Failure:
    """A GraphQL answer: data without errors, a refusal (400, or 200 with errors), or a failure."""
    if (failure := failure_of(answer)) is not None:
        return failure
    data = json_of(answer)
    if isinstance(data, Broken):
        return data
    match data:
        case {"errors": [_, *_] as errors}:
            texts = tuple(_text(" ".join(_EXCERPT.sub("", error_text(error)).split())) for error in errors)
            return Refused(answer.status, RefusalKind.REQUEST, "; ".join(texts), transactional_errors=texts)
        case {"data": dict(found)} if answer.status != 400:
            return GraphqlData(found)
        case _ if answer.status == 400:
            return refusal_of(answer)
        case _:
            return _unreadable(answer, "with JSON that is no GraphQL answer", writes=False)


def _refused(status: int, data: dict[str, Any]) -> Refused:
    message = _text(data.get("message") or data.get("error"))
    raw = data.get("transactional_errors")
    errors = tuple(_text(error_text(error)) for error in raw) if isinstance(raw, list) else ()
    entities = _entities(data)
    if sentences.closed_state(message) is not None:
        kind = RefusalKind.CLOSED
    elif "entities" not in data and "transactional_errors" not in data:
        kind = RefusalKind.UNREADABLE
    elif any(entity.at_fault for entity in entities):
        kind = RefusalKind.ROWS
    elif any(sentences.is_internal(error) for error in errors) or any(entity.errors for entity in entities):
        kind = RefusalKind.INTERNAL
    else:
        kind = RefusalKind.REQUEST
    return Refused(status, kind, message, _integer(data.get("transaction_id")), entities, errors)


def _entities(data: dict[str, Any]) -> tuple[Entity, ...]:
    found = data.get("entities")
    return tuple(_entity(item) for item in found if isinstance(item, dict)) if isinstance(found, list) else ()


def _entity(item: dict[str, Any]) -> Entity:
    unique = item.get("unique_keys")
    keys = unique[0] if isinstance(unique, list) and unique and isinstance(unique[0], dict) else {}
    errors = item.get("errors")
    warnings = item.get("warnings")
    return Entity(
        valid=item.get("valid") is True,
        action=_optional(item.get("action")),
        type=_optional(item.get("type")),
        id=_optional(item.get("id")),
        submitter_id=_optional(keys.get("submitter_id")),
        project_id=_optional(keys.get("project_id")),
        errors=tuple(_error(error) for error in errors) if isinstance(errors, list) else (),
        warnings=tuple(_text(error_text(warning)) for warning in warnings) if isinstance(warnings, list) else (),
    )


def _error(error: object) -> EntityError:
    message = _text(error_text(error))
    kind, keys = "ERROR", tuple[str, ...]()
    if isinstance(error, dict):
        kind = str(error.get("type") or "ERROR")
        found = error.get("keys")
        keys = tuple(str(key) for key in found) if isinstance(found, list) else ()
    return EntityError(kind, message, keys, internal=sentences.is_blame(message))


def _unreadable(answer: Answer, what: str, writes: bool) -> Broken:
    return Broken(
        f"The commons answered {answer.status} {what}.", BrokenCause.CONTENT, answer.status, may_have_landed=writes
    )


def _date(text: str) -> datetime:
    told = parsedate_to_datetime(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _text(value: object) -> str:
    return "" if value is None else printable(redact(str(value)), _LONG)


def _optional(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: object) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    return int(value) if isinstance(value, str) and is_number(value) else None
