"""What is wrong with a configuration, as sentences: file, line, key, fault, and an example of right.

Owns the wording, for faults that pydantic finds and for those of `checks.py`. Values are shown where they help, but
never one that looks like a key.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from gen3sync.config.lines import Location, line_of
from gen3sync.config.models import Sections
from gen3sync.config.types import looks_like_key
from gen3sync.errors import ConfigError
from gen3sync.names import printable


@dataclass(frozen=True, slots=True)
class ConfigProblem:
    """One thing that is wrong. `key` is dotted, array elements counted from 1; `line` where it could be found."""

    file: Path
    key: str
    line: int | None
    what: str
    example: str

    def __str__(self) -> str:
        place = f"line {self.line}, {self.key}" if self.line else self.key
        return f"{place}: {self.what}" + (f"; for example {self.example}" if self.example else "")


class InvalidConfigError(ConfigError):
    """The configuration says things that cannot be used; `problems` holds all of them."""

    def __init__(self, path: Path, problems: Sequence[ConfigProblem]) -> None:
        self.problems = tuple(problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        told = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(f"{path} has {count}:\n{told}\n", "Correct the file and run `gen3sync check`.")


@dataclass(frozen=True, slots=True)
class Fault:
    """A problem before it is known where in the file it stands."""

    location: Location
    what: str
    example: str = ""


def problems_of(faults: Iterable[Fault], path: Path, lines: dict[Location, int]) -> tuple[ConfigProblem, ...]:
    """The faults in the order of the file, each told once."""
    found = {
        (fault.location, fault.what): ConfigProblem(
            path, dotted(fault.location), line_of(lines, fault.location), fault.what, fault.example
        )
        for fault in faults
    }
    return tuple(sorted(found.values(), key=lambda problem: problem.line or 0))


def dotted(location: Location) -> str:
    """`inbox.mirror[1].every`: array elements counted from 1, as people count sections."""
    text = ""
    for part in location:
        text += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if text else part
    return printable(text)


def faults_of(error: ValidationError) -> list[Fault]:
    """What pydantic found."""
    return [_fault(details) for details in error.errors(include_url=False)]


def _fault(details: Any) -> Fault:
    # Unions put the name of the branch at the end of the location (`every.function-before[…]`): not for people.
    field, model, location = _walk(details["loc"])
    example = _example(location, field)
    # A secret is not shown, however wrong it is.
    value, context = (
        None if _secret(field.annotation if field else None) else details.get("input"),
        details.get("ctx", {}),
    )
    match details["type"]:
        case "missing" if field is not None and _model_of(field):
            what = f"the section [{dotted(location)}] is missing"
            return Fault(location, what, f"[{dotted(location)}] with {example}")
        case "missing":
            what = "is missing"
        case "extra_forbidden":
            return _unknown(location, model)
        case "value_error":
            what = f"{context['error']}{_not(value)}"
        case "enum":
            what = f"must be one of {', '.join(e.value for e in _enum_of(field))}{_not(value)}"
        case "tuple_type" if isinstance(value, dict):
            name = dotted(location)
            return Fault(location, f"is a list of sections: write [[{name}]] with double brackets", f"[[{name}]]")
        case "tuple_type":
            what = f"must be a list in square brackets{_not(value)}"
        case "string_type":
            what = f"must be text in quotes{_not(value)}"
        case "int_type":
            what = f"must be a whole number, without quotes{_not(value)}"
        case "bool_type":
            what = f"must be true or false, without quotes{_not(value)}"
        case "model_type":
            name = dotted(location)
            return Fault(location, f"must be a section: write [{name}] and its keys below", f"[{name}]")
        case "greater_than_equal":
            what = f"must be at least {context['ge']}{_not(value)}"
        case "less_than_equal":
            what = f"must be at most {context['le']}{_not(value)}"
        case "greater_than":
            what = f"must be more than {context['gt']}{_not(value)}"
        case "too_short":
            what = "must name at least one"
        case _:
            what = details["msg"]
    return Fault(location, what, example)


def _walk(raw: Location) -> tuple[FieldInfo | None, type[BaseModel] | None, Location]:
    """The field at a location, the model that holds its last name, and the location without pydantic's additions."""
    model: type[BaseModel] | None = Sections
    holder: type[BaseModel] | None = Sections
    field: FieldInfo | None = None
    location: list[str | int] = []
    for part in raw:
        if isinstance(part, int):
            location.append(part)
        elif model is not None:
            holder = model
            field = model.model_fields.get(part)
            location.append(part)
            model = _model_of(field) if field is not None else None
    return field, holder, tuple(location)


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    for candidate in (field.annotation, *get_args(field.annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _enum_of(field: FieldInfo | None) -> Any:
    """The words of a key, or of a key's list."""
    found = field.annotation if field is not None else ()
    return next((inner for inner in get_args(found) if isinstance(inner, type) and issubclass(inner, Enum)), found)


def _secret(annotation: Any) -> bool:
    return annotation is SecretStr or any(map(_secret, get_args(annotation)))


def _example(location: Location, field: FieldInfo | None) -> str:
    if field is None or not field.examples or not location:
        return ""
    if _model_of(field) and not str(field.examples[0]).startswith("["):
        return str(field.examples[0])
    names = [part for part in location if isinstance(part, str)]
    return f"{names[-1]} = {field.examples[0]}"


def _not(value: object) -> str:
    """`, not "…"`, where showing the value helps and can do no harm."""
    if isinstance(value, str):
        return "" if looks_like_key(value) or "@" in value else f', not "{printable(value, 60)}"'
    if isinstance(value, bool):
        return f", not {str(value).lower()}"
    return f", not {value}" if isinstance(value, int | float) else ""


def _unknown(location: Location, model: type[BaseModel] | None) -> Fault:
    """An unknown key, with what was probably meant: a key or section nearby, or the same key in its right section."""
    name, own = str(location[-1]), list(model.model_fields if model else ())
    where = dotted(location[:-1])
    what = f"[{where}] has no such key" if where else "there is no such section"
    for section, key in _everything():
        if key == name:
            return Fault(location, f"{what}; `{key}` belongs under {section}")
    if close := difflib.get_close_matches(name, own, 1, 0.6):
        return Fault(location, f"{what}; did you mean `{close[0]}`?")
    return Fault(location, f"{what}; there are {', '.join(own)}")


def _everything() -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for section, field in Sections.model_fields.items():
        model = _model_of(field)
        for key, inner in model.model_fields.items() if model else ():
            below = _model_of(inner)
            if below is None:
                found.append((f"[{section}]", key))
            else:
                found.extend((f"[[{section}.{key}]]", name) for name in below.model_fields)
    return found
