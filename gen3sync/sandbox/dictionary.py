"""The data dictionary as the submission service uses it: node types, links, property types, templates.

Reads any commons' `_dictionary/_all` (references already resolved) or the sandbox's own small one
(small_dictionary.py). Checking values against it is schema.py's work.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_PYTHON_TYPES: dict[Any, list[type]] = {
    "string": [str],
    "number": [float, int],
    "integer": [int],
    "float": [float],
    "null": [type(None)],
    "boolean": [bool],
    "array": [list],
    "object": [dict],
    None: [str],
}


@dataclass(frozen=True)
class Link:
    """One link type of a node: `name` on the child, `backref` on the parent, `target` the parent's node type."""

    name: str
    target: str
    backref: str
    multiplicity: str
    required: bool


def _flat(links: list[dict[str, Any]]) -> Iterator[Link]:
    for entry in links:
        if "subgroup" in entry:
            yield from _flat(entry["subgroup"])
        elif "name" in entry:
            yield Link(
                entry["name"],
                entry["target_type"],
                entry.get("backref", ""),
                entry.get("multiplicity", "many_to_many"),
                bool(entry.get("required")),
            )


def _required_links(links: list[dict[str, Any]]) -> list[str]:
    return [link.name for link in _flat(links) if link.required]


def _allow_nulls(schema: dict[str, Any]) -> dict[str, Any]:
    """Optional properties may be null, so that they can be erased (dictionaryutils' `allow_nulls`)."""
    schema = copy.deepcopy(schema)
    required = set(schema.get("required") or ()) | set(_required_links(schema.get("links") or []))
    for name, prop in (schema.get("properties") or {}).items():
        if name in required or not isinstance(prop, dict):
            continue
        if "type" in prop:
            types = prop["type"] if isinstance(prop["type"], list) else [prop["type"]]
            prop["type"] = types if "null" in types else [*types, "null"]
        elif "enum" in prop:
            prop["enum"] = prop["enum"] if None in prop["enum"] else [*prop["enum"], None]
        else:
            for choice in ("anyOf", "oneOf"):
                if choice in prop:
                    if {"type": "null"} not in prop[choice]:
                        prop[choice] = [*prop[choice], {"type": "null"}]
                    break
    return schema


@dataclass(frozen=True)
class NodeType:
    """One node type. `schema` accepts nulls where the service does; `raw` is as the dictionary gives it."""

    name: str
    raw: Mapping[str, Any]
    schema: Mapping[str, Any]

    @cached_property
    def category(self) -> str:
        return str(self.raw.get("category") or "")

    @property
    def is_file(self) -> bool:
        """Such nodes are registered in the file index when created."""
        return self.category.endswith("_file")

    @cached_property
    def class_name(self) -> str:
        """The service's class for it, which shows in one error message: `lab_test` is `LabTest`."""
        return "".join(piece.capitalize() for piece in self.name.split("_"))

    @cached_property
    def link_tree(self) -> list[dict[str, Any]]:
        return list(self.raw.get("links") or [])

    @cached_property
    def links(self) -> dict[str, Link]:
        return {link.name: link for link in _flat(self.link_tree)}

    @cached_property
    def property_types(self) -> dict[str, type]:
        """Stored properties and the Python type a text cell is converted to."""
        found: dict[str, type] = {}
        for name, prop in (self.schema.get("properties") or {}).items():
            if name in self.links or name in ("id", "type"):
                continue
            types = prop.get("type") if isinstance(prop, dict) else None
            kinds = types if isinstance(types, list) else [types]
            found[name] = _PYTHON_TYPES.get(kinds[0] if kinds else None, [str])[0]
        return found

    def item_type(self, name: str) -> str | None:
        """The dictionary's word for what a list property holds."""
        items = (self.schema.get("properties") or {}).get(name, {}).get("items") or {}
        kind = items.get("type")
        return kind if isinstance(kind, str) else None

    @cached_property
    def system_properties(self) -> frozenset[str]:
        return frozenset(self.raw.get("systemProperties") or ())

    @cached_property
    def unique_keys(self) -> tuple[tuple[str, ...], ...]:
        """The keys besides `id`, usually one: `(("project_id", "submitter_id"),)`."""
        return tuple(tuple(keys) for keys in self.raw.get("uniqueKeys") or () if "id" not in keys)

    @cached_property
    def system_defaults(self) -> dict[str, Any]:
        """System properties with a default in the dictionary, such as `state: validated`."""
        properties = self.raw.get("properties") or {}
        skipped = {"id", "type", "created_datetime", "updated_datetime", "project_id"}
        return {
            name: properties[name]["default"]
            for name in self.raw.get("systemProperties") or ()
            if name not in skipped and "default" in properties.get(name, {})
        }

    @property
    def submittable(self) -> bool:
        """Whether records of it live in projects."""
        return "project_id" in self.property_types


class Dictionary:
    """All node types. `raw` is what `_dictionary/_all` answers.

    Raises ValueError when the document holds no node types.
    """

    def __init__(self, raw: Mapping[str, Any]) -> None:
        self.raw = dict(raw)
        self.nodes: dict[str, NodeType] = {}
        for name, schema in raw.items():
            if name.startswith("_") or name == "metaschema" or not isinstance(schema, dict):
                continue
            if isinstance(schema.get("properties"), dict) and "category" in schema:
                self.nodes[name] = NodeType(name, schema, _allow_nulls(schema))
        if not self.nodes:
            raise ValueError("this is no data dictionary: it holds no node types")
        self.backrefs: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in self.nodes}
        for node in self.nodes.values():
            for link in node.links.values():
                if link.target in self.backrefs and link.backref:
                    self.backrefs[link.target][link.backref] = (node.name, link.name)

    @classmethod
    def load(cls, path: Path) -> Dictionary:
        """Reads a saved `_dictionary/_all` answer. Raises OSError, ValueError (also for broken JSON)."""
        return cls(json.loads(path.read_text(encoding="utf-8")))

    def get(self, name: object) -> NodeType | None:
        return self.nodes.get(name) if isinstance(name, str) else None

    def template(self, name: str, *, exclude_id: bool = True) -> list[str]:
        """Column names of a node's template, required ones with `*` (sheepdog's `entity_to_template_delimited`)."""
        node = self.nodes[name]
        required = set(node.raw.get("required") or ())
        properties = set(node.raw.get("properties") or {})
        ordered = ["type", "id"]
        ordered += sorted({key for keys in node.raw.get("uniqueKeys") or () for key in keys} - set(ordered))
        rest = properties - set(ordered)
        links = rest & set(node.links)
        ordered += sorted(links) + sorted((rest - links) & required) + sorted(rest - links - required)
        columns: list[str] = []
        for key in ordered:
            hidden = key in node.system_properties and key not in ("id", "project_id")
            if hidden or (exclude_id and key == "id"):
                continue
            marked = "*" + key if key in required else key
            if key in node.links:
                columns += [f"{marked}.{prop}" for prop in self._link_keys(node.links[key].target, exclude_id)]
            else:
                columns.append(marked)
        if node.category == "data_file":
            columns.append("urls")
        return columns

    def _link_keys(self, target: str, exclude_id: bool) -> list[str]:
        keys = [] if exclude_id else ["id"]
        unique = self.nodes[target].unique_keys if target in self.nodes else ()
        if unique:
            keys += [key for key in unique[0] if key != "project_id"]
        return keys

    def titles(self, name: str, *, exclude_id: bool = False) -> tuple[list[str], list[str]]:
        """The columns of an export: properties, then links (`experiments.id`, …)."""
        template = [column.lstrip("*") for column in self.template(name, exclude_id=exclude_id)]
        return [c for c in template if "." not in c and c != "urls"], [c for c in template if "." in c]
