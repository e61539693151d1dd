"""The data dictionary of a commons: node types, their properties and links, and parents before children.

Built from `GET /api/v0/submission/_dictionary/_all`. Fetching and caching it belongs to `catalog`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gen3sync.errors import InputError
from gen3sync.records.schema import Kind, Property, References, read_property

__all__ = ["Dictionary", "Kind", "Link", "NodeType", "Property"]

#: System properties that stay on the wire; the commons fills the others itself.
_SHOWN_SYSTEM = ("id", "project_id")
#: Cells of these are taken and thrown away by the commons, whatever the dictionary says (GEN3.md, lie 12).
_TIMES = frozenset({"created_datetime", "updated_datetime"})


@dataclass(frozen=True, slots=True)
class Link:
    """A link from a node type to another. `key` names the parent in `NAME.key`: `submitter_id`, for projects `code`.
    `backref` is what the parent calls its children by this link; empty where the dictionary does not say."""

    name: str
    target: str
    multiplicity: str
    required: bool
    key: str = "submitter_id"
    backref: str = ""

    @property
    def to_one(self) -> bool:
        """Whether a record has at most one such parent."""
        return self.multiplicity in ("many_to_one", "one_to_one")

    @property
    def column(self) -> str:
        """The usual column: `NAME.submitter_id`, or `NAME.code` for projects."""
        return f"{self.name}.{self.key}"


@dataclass(frozen=True)
class NodeType:
    """A node type. `properties` holds no links; `links` holds those of subgroups too, in the dictionary's order."""

    name: str
    category: str
    properties: Mapping[str, Property]
    links: tuple[Link, ...]
    required: frozenset[str]
    unique_keys: tuple[str, ...] = ("project_id", "submitter_id")
    defaulted: frozenset[str] = frozenset()
    title: str = ""

    @property
    def submittable(self) -> bool:
        """Whether records of it can be sent to a project: it has a `project_id` (sheepdog `_validate_type`)."""
        return "project_id" in self.properties and self.category != "internal"

    @property
    def is_file(self) -> bool:
        """Whether the commons registers its records in the file index (sheepdog `UploadEntityFactory`)."""
        return self.category.endswith("_file")

    @cached_property
    def link(self) -> Mapping[str, Link]:
        """Links by name."""
        return {link.name: link for link in self.links}

    @cached_property
    def system(self) -> frozenset[str]:
        """System properties and times: the commons' own business, never compared."""
        return frozenset(name for name, one in self.properties.items() if one.system) | _TIMES

    @cached_property
    def ignored(self) -> frozenset[str]:
        """Columns whose cells the commons takes and throws away: times, and system properties with a default."""
        return _TIMES | (self.defaulted & self.system) - frozenset(_SHOWN_SYSTEM)

    @cached_property
    def values(self) -> tuple[Property, ...]:
        """The properties that a submitter may set, in the order of the commons' exports."""
        shown = [one for one in self._plain_order() if one not in ("type", "id", *self.unique_keys)]
        return tuple(self.properties[one] for one in shown if one in self.properties)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Columns of a mirror: in the order of the commons' exports, links last.

        A mirror adds `NAME.id` beside a link's column where some record needs it (`mirror.mirror_columns`).
        """
        return (*self._plain_order(), *(link.column for link in sorted(self.links, key=lambda link: link.name)))

    @cached_property
    def template_columns(self) -> tuple[str, ...]:
        """The header of the commons' own template, `*` on required columns (`entity_to_template_delimited`)."""
        links = {link.name: link for link in self.links}
        plain = [one for one in self._plain_order() if one != "id"]
        head = [one for one in plain if one in ("type", *self.unique_keys)]
        tail = [one for one in plain if one not in head]
        names = [*head, *sorted(links), *tail]
        marked = [("*" if one in self.required else "") + (links[one].column if one in links else one) for one in names]
        return (*marked, "urls") if self.category == "data_file" else tuple(marked)

    @cached_property
    def known_columns(self) -> frozenset[str]:
        """Every column name the commons understands for this node type."""
        links = {f"{link.name}.{key}" for link in self.links for key in ("id", link.key)}
        return frozenset({"type", "id", *self.properties, *links, *(("urls",) if self.is_file else ()), *_TIMES})

    def _plain_order(self) -> list[str]:
        head = ["type", "id", *sorted(key for key in self.unique_keys if key != "id")]
        hidden = {one.name for one in self.properties.values() if one.system} | {*head, *_TIMES}
        rest = [one for one in self.properties if one not in hidden]
        return [
            *head,
            *sorted(r for r in rest if r in self.required),
            *sorted(r for r in rest if r not in self.required),
        ]


@dataclass(frozen=True)
class Dictionary:
    """All node types of a commons. `order` holds the submittable ones, parents before children."""

    nodes: Mapping[str, NodeType]
    order: tuple[str, ...]
    digest: str
    version: str = ""
    commit: str = ""
    _places: Mapping[str, int] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Dictionary:
        """Reads the answer of `…/_dictionary/_all`. Raises InputError when it holds no node type at all."""
        references = References(raw)
        schemas: dict[str, Mapping[str, Any]] = {}
        for key, schema in raw.items():
            name = key.removesuffix(".yaml")
            if name.startswith("_") or name == "metaschema" or not isinstance(schema, Mapping):
                continue
            if isinstance(schema.get("properties"), Mapping):
                resolved = references.resolve(schema, schema)
                schemas[str(resolved.get("id") or name)] = resolved
        if not any("project_id" in schema["properties"] for schema in schemas.values()):
            raise InputError(
                "The commons' dictionary holds no node type that can be submitted.",
                "Look at GET /api/v0/submission/_dictionary/_all; the commons may be misconfigured.",
            )
        nodes = {name: _node_type(name, schema, schemas) for name, schema in sorted(schemas.items())}
        order = tuple(_parents_first(nodes))
        settings = raw.get("_settings") or raw.get("_settings.yaml") or {}
        canonical = json.dumps(raw, sort_keys=True, separators=(",", ":")).encode()
        return cls(
            nodes,
            order,
            hashlib.sha256(canonical).hexdigest(),
            str(settings.get("_dict_version", "")),
            str(settings.get("_dict_commit", "")),
            {name: place for place, name in enumerate(order)},
        )

    def node(self, name: str) -> NodeType | None:
        """The node type called `name` exactly, also one that cannot be submitted; None where there is none."""
        return self.nodes.get(name)

    def submittable(self, name: str) -> NodeType | None:
        """The node type called `name` if records of it can be sent to a project."""
        found = self.nodes.get(name)
        return found if found is not None and found.submittable else None

    def place(self, name: str) -> int:
        """The rank of a node type in `order`; unknown ones come last."""
        return self._places.get(name, len(self.order))

    @property
    def categories(self) -> Mapping[str, tuple[str, ...]]:
        """Submittable node types by category (`@clinical` in mirror settings)."""
        found: dict[str, list[str]] = {}
        for name in self.order:
            found.setdefault(self.nodes[name].category, []).append(name)
        return {category: tuple(names) for category, names in sorted(found.items())}


def _node_type(name: str, schema: Mapping[str, Any], schemas: Mapping[str, Mapping[str, Any]]) -> NodeType:
    links = tuple(_links(schema.get("links") or (), schemas))
    link_names = {link.name for link in links}
    required = frozenset(str(one) for one in schema.get("required") or ())
    system = {str(one) for one in schema.get("systemProperties") or ()}
    raw_properties = schema["properties"]
    properties = {
        key: read_property(
            key,
            inner if isinstance(inner, Mapping) else {},
            required=key in required,
            system=key in system,
        )
        for key, inner in raw_properties.items()
        if key not in link_names
    }
    defaulted = frozenset(
        key for key, inner in raw_properties.items() if isinstance(inner, Mapping) and "default" in inner
    )
    keys = [str(key) for group in schema.get("uniqueKeys") or () for key in group]
    unique = tuple(dict.fromkeys(key for key in keys if key != "id"))
    return NodeType(
        name,
        str(schema.get("category") or ""),
        properties,
        links,
        required,
        unique,
        defaulted,
        str(schema.get("title") or name),
    )


def _links(entries: Any, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[Link]:
    for entry in entries:
        if not isinstance(entry, Mapping):
            continue
        if "subgroup" in entry:
            yield from _links(entry["subgroup"] or (), schemas)
        elif "name" in entry:
            target = str(entry.get("target_type", ""))
            yield Link(
                str(entry["name"]),
                target,
                str(entry.get("multiplicity", "many_to_many")),
                bool(entry.get("required")),
                _link_key(schemas.get(target, {})),
                str(entry.get("backref") or ""),
            )


def _link_key(target: Mapping[str, Any]) -> str:
    """How parents are named: the target's first unique key besides `id`, less `project_id` (`_get_links_delimited`)."""
    for group in target.get("uniqueKeys") or ():
        if group != ["id"]:
            names = [str(key) for key in group if key != "project_id"]
            return names[0] if names else "submitter_id"
    return "submitter_id"


def _parents_first(nodes: Mapping[str, NodeType]) -> Iterator[str]:
    """Names of submittable node types, each after its link targets; in a cycle the alphabet decides."""
    done: set[str] = set()
    for start in sorted(nodes):
        stack: list[tuple[str, bool]] = [(start, False)]
        while stack:
            name, ready = stack.pop()
            if ready:
                if nodes[name].submittable:
                    yield name
            elif name not in done:
                done.add(name)
                stack.append((name, True))
                targets = {link.target for link in nodes[name].links if link.target in nodes}
                stack.extend((target, False) for target in sorted(targets - done, reverse=True))
