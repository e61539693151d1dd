"""Checks a value against a schema of the dictionary, in the words the submission service uses.

The service validates with JSON Schema draft 4; this is the part of it that data dictionaries use, with the same
messages, because the messages are what a submitter gets to read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

# Draft 4 visits a schema's words as written; dictionaries write `additionalProperties` and `required` first.
_FIRST = ("additionalProperties", "required")
_MOMENT = re.compile(r"^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d+)?([Zz]|[+-]\d{2}:\d{2})$")


@dataclass(frozen=True)
class Problem:
    """One mismatch: the path inside the record, and the message."""

    path: tuple[str | int, ...]
    message: str
    context: tuple[str, ...] = ()


def _is(value: Any, kind: str) -> bool:
    match kind:
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case "null":
            return value is None
        case "array":
            return isinstance(value, list)
        case "object":
            return isinstance(value, dict)
    return True


def _equal(one: Any, other: Any) -> bool:
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _is_moment(value: str) -> bool:
    if not _MOMENT.match(value):
        return False
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00").replace("z", "+00:00"))
    except ValueError:
        return False
    return True


def problems(value: Any, schema: Mapping[str, Any], path: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """All mismatches of `value`, in the service's order."""
    for word in sorted(schema, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST)):
        yield from _check(word, schema[word], value, schema, path)


def _check(
    word: str, rule: Any, value: Any, schema: Mapping[str, Any], path: tuple[str | int, ...]
) -> Iterator[Problem]:
    match word:
        case "type":
            kinds = rule if isinstance(rule, list) else [rule]
            if not any(_is(value, kind) for kind in kinds):
                yield Problem(path, f"{value!r} is not of type {', '.join(repr(kind) for kind in kinds)}")
        case "enum":
            if not any(_equal(value, choice) for choice in rule):
                yield Problem(path, f"{value!r} is not one of {rule!r}")
        case "anyOf" | "oneOf":
            yield from _choice(word, rule, value, path)
        case "allOf":
            for part in rule:
                yield from problems(value, part, path)
        case "format":
            if rule == "date-time" and isinstance(value, str) and not _is_moment(value):
                yield Problem(path, f"{value!r} is not a 'date-time'")
        case "pattern" | "minLength" | "maxLength":
            if isinstance(value, str):
                yield from _text(word, rule, value, path)
        case "minimum" | "maximum":
            if _is(value, "number"):
                yield from _bound(word, rule, value, schema, path)
        case "items" | "minItems" | "maxItems" | "uniqueItems":
            if isinstance(value, list):
                yield from _list(word, rule, value, path)
        case "required" | "properties" | "additionalProperties":
            if isinstance(value, dict):
                yield from _object(word, rule, value, schema, path)


def _choice(word: str, rule: list[Any], value: Any, path: tuple[str | int, ...]) -> Iterator[Problem]:
    context: list[str] = []
    valid = 0
    for part in rule:
        found = [problem.message for problem in problems(value, part, path)]
        valid += not found
        context += found
    if not valid:
        yield Problem(path, f"{value!r} is not valid under any of the given schemas", tuple(context))
    elif word == "oneOf" and valid > 1:
        matching = ", ".join(repr(part) for part in rule if not list(problems(value, part, path)))
        yield Problem(path, f"{value!r} is valid under each of {matching}")


def _text(word: str, rule: Any, value: str, path: tuple[str | int, ...]) -> Iterator[Problem]:
    if word == "pattern" and not re.search(rule, value):
        yield Problem(path, f"{value!r} does not match {rule!r}")
    elif word == "minLength" and len(value) < rule:
        yield Problem(path, f"{value!r} is too short")
    elif word == "maxLength" and len(value) > rule:
        yield Problem(path, f"{value!r} is too long")


def _bound(
    word: str, rule: Any, value: float, schema: Mapping[str, Any], path: tuple[str | int, ...]
) -> Iterator[Problem]:
    if isinstance(value, float) and math.isnan(value):
        return
    strict = schema.get("exclusiveMinimum" if word == "minimum" else "exclusiveMaximum")
    if word == "minimum" and (value < rule or (strict and value == rule)):
        yield Problem(path, f"{value!r} is less than {'or equal to ' if strict else ''}the minimum of {rule!r}")
    elif word == "maximum" and (value > rule or (strict and value == rule)):
        yield Problem(path, f"{value!r} is greater than {'or equal to ' if strict else ''}the maximum of {rule!r}")


def _list(word: str, rule: Any, value: list[Any], path: tuple[str | int, ...]) -> Iterator[Problem]:
    if word == "items" and isinstance(rule, dict):
        for position, item in enumerate(value):
            yield from problems(item, rule, (*path, position))
    elif word == "minItems" and len(value) < rule:
        yield Problem(path, "[] should be non-empty" if rule == 1 else f"{value!r} is too short")
    elif word == "maxItems" and len(value) > rule:
        yield Problem(path, f"{value!r} is too long")
    elif word == "uniqueItems" and rule and any(item in value[:position] for position, item in enumerate(value)):
        yield Problem(path, f"{value!r} has non-unique elements")


def _object(
    word: str, rule: Any, value: dict[str, Any], schema: Mapping[str, Any], path: tuple[str | int, ...]
) -> Iterator[Problem]:
    match word:
        case "required":
            for name in rule if isinstance(rule, list) else ():
                if name not in value:
                    yield Problem(path, f"{name!r} is a required property")
        case "properties":
            for name, part in rule.items():
                if name in value and isinstance(part, dict):
                    yield from problems(value[name], part, (*path, name))
        case _ if rule is False:
            extra = sorted(str(name) for name in value if name not in (schema.get("properties") or {}))
            if extra:
                verb = "was" if len(extra) == 1 else "were"
                names = ", ".join(repr(name) for name in extra)
                yield Problem(path, f"Additional properties are not allowed ({names} {verb} unexpected)")
