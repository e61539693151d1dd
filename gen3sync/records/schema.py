"""Reads one property of a node's JSON schema: which kind of value, nullable, allowed values. Resolves `$ref`.

`Kind` follows the commons' own converter (sheepdog `utils/transforms`, gen3datamodel `PropertyFactory`): only the
*first* type of a property's `type` decides how the text of a cell is converted, and a property without `type` (an
enum, a `oneOf`) is text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How the commons converts the text of a cell."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    ARRAY = "array"
    ENUM = "enum"  # text out of a list
    UNKNOWN = "unknown"  # no type given (`oneOf`, `anyOf` …): text as it is
    OPAQUE = "opaque"  # `null` first in the type list, or item types the converter trips over: text as it is


_KINDS = {
    "string": Kind.STRING,
    "integer": Kind.INTEGER,
    "number": Kind.NUMBER,
    "float": Kind.NUMBER,
    "boolean": Kind.BOOLEAN,
    "array": Kind.ARRAY,
}


@dataclass(frozen=True, slots=True)
class Property:
    """A property of a node type. `item_kind` is given for arrays only."""

    name: str
    kind: Kind
    item_kind: Kind | None = None
    nullable: bool = True
    enum: tuple[str, ...] = ()
    required: bool = False
    system: bool = False


def read_property(name: str, schema: Mapping[str, Any], *, required: bool, system: bool) -> Property:
    """The property `name` as `schema` describes it."""
    types = _types(schema)
    enum = _enum(schema)
    kind = Kind.ENUM if enum else Kind.UNKNOWN
    item_kind = None
    if types:
        kind = _KINDS.get(types[0], Kind.OPAQUE)
        if kind is Kind.STRING and enum:
            kind = Kind.ENUM
    if kind is Kind.ARRAY:
        item_kind = _item_kind(schema.get("items", {}))
    # The commons adds null to every property that is not required (dictionaryutils `allow_nulls`).
    nullable = not required or "null" in types or _alternatives_allow_null(schema)
    return Property(name, kind, item_kind, nullable, enum, required, system)


def _types(schema: Mapping[str, Any]) -> list[str]:
    types = schema.get("type")
    if isinstance(types, str):
        return [types]
    return [one for one in types if isinstance(one, str)] if isinstance(types, list) else []


def _enum(schema: Mapping[str, Any]) -> tuple[str, ...]:
    found: list[str] = []
    values = schema.get("enum")
    if isinstance(values, list):
        found += [value for value in values if isinstance(value, str)]
    for word in ("oneOf", "anyOf"):
        for branch in schema.get(word) or ():
            if isinstance(branch, Mapping):
                found += _enum(branch)
    return tuple(dict.fromkeys(found))


def _item_kind(items: object) -> Kind:
    if not isinstance(items, Mapping):
        return Kind.OPAQUE
    types = items.get("type")
    if isinstance(types, (list, Mapping)):
        return Kind.OPAQUE
    kind = _KINDS.get(types, Kind.UNKNOWN) if isinstance(types, str) else Kind.UNKNOWN
    return Kind.UNKNOWN if kind is Kind.ARRAY else kind


def _alternatives_allow_null(schema: Mapping[str, Any]) -> bool:
    branches = [*(schema.get("oneOf") or ()), *(schema.get("anyOf") or ())]
    return any(isinstance(branch, Mapping) and "null" in _types(branch) for branch in branches)


class References:
    """Resolves `$ref` as the commons does: every key that starts with `$ref` is replaced by what it points to.

    `GET …/_dictionary/_all` answers resolved schemas; dictionaries published as files are not.
    """

    def __init__(self, documents: Mapping[str, Any]) -> None:
        self._documents = documents

    def resolve(self, value: object, root: object, depth: int = 0) -> Any:
        if depth > 60:  # a reference to itself; the commons could not load such a dictionary either
            return {}
        if isinstance(value, Mapping):
            merged: dict[str, Any] = {}
            own = {key: inner for key, inner in value.items() if not key.startswith("$ref")}
            for key, target in value.items():
                if key.startswith("$ref"):
                    for one in target if isinstance(target, list) else [target]:
                        found, found_root = self._find(str(one), root)
                        resolved = self.resolve(found, found_root, depth + 1)
                        if isinstance(resolved, Mapping):
                            merged.update(resolved)
            merged.update({key: self.resolve(inner, root, depth + 1) for key, inner in own.items()})
            return merged
        if isinstance(value, list):
            return [self.resolve(inner, root, depth + 1) for inner in value]
        return value

    def _find(self, reference: str, root: object) -> tuple[Any, Any]:
        base, _, path = reference.partition("#")
        document: Any = root
        if base:
            document = self._documents.get(base, self._documents.get(base.removesuffix(".yaml"), {}))
        found: Any = document
        for step in path.strip("/").split("/"):
            if step:
                found = found.get(step, {}) if isinstance(found, Mapping) else {}
        return found, document
