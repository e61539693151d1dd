"""One record on its way in: its document, the draft of what will be stored, its errors."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox.dictionary import Dictionary, NodeType
from gen3sync.sandbox.store import Record, Store

_UUID = re.compile(r"^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$")
_SPECIAL = frozenset({"type", "id", "created_datetime", "updated_datetime"})


@dataclass
class Entity:
    """`draft` holds the properties as they will be stored; None until the record was looked up without error."""

    doc: dict[str, Any]
    node_type: NodeType | None = None
    id: str | None = None
    action: str | None = None
    draft: dict[str, Any] | None = None
    old: dict[str, Any] = field(default_factory=dict)
    errors: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[dict[str, Any]] = field(default_factory=list)
    parents: dict[str, list[str]] = field(default_factory=dict)
    cleared: set[str] = field(default_factory=set)

    @property
    def valid(self) -> bool:
        return not self.errors

    def error(self, message: str, keys: list[str] | None = None, *, type: str = "ERROR") -> None:
        self.errors.append({"message": message, "keys": list(keys or ()), "type": type})

    def parse(self, role: str) -> None:
        """Type and id, as far as they can be checked without the database."""
        assert self.node_type is not None
        if not self.node_type.submittable:
            text = f"{self.node_type.name} is not an entity that can be upload via the project endpoint."
            self.error(text, ["id"], type="INVALID_TYPE")
            return
        self.id = self.doc.get("id")
        if self.node_type.is_file and self.doc.get("urls"):
            self.doc.pop("urls")
        if role == "create" and self.id and not _UUID.match(str(self.id)):
            text = "Cannot create entity with custom id that is not a UUID."
            self.error(text, ["id"], type="INVALID_VALUE")

    def keys_dicts(self, project_id: str) -> list[dict[str, Any]]:
        """The unique keys as the answer shows them: of the draft, or of the document where there is none."""
        if self.node_type is None:
            return []
        found = []
        for names in self.node_type.unique_keys:
            source = self.draft if self.draft is not None else {"project_id": project_id, **self.doc}
            types = self.node_type.property_types
            found.append({name: self._fitting(source.get(name), types.get(name, str)) for name in names})
        return found

    @staticmethod
    def _fitting(value: Any, kind: type) -> Any:
        """The service drops key values of the wrong type before it looks them up."""
        return value if isinstance(value, kind) else None

    def keys(self, project_id: str) -> tuple[tuple[Any, ...], ...]:
        """The same as a tuple, which is how messages print it."""
        return tuple(tuple(found.values()) for found in self.keys_dicts(project_id))

    def set_properties(self, node: NodeType, project_id: str) -> None:
        """Copies the document's values into the draft; system properties only where the draft has none."""
        assert self.draft is not None
        self.draft["project_id"] = project_id
        for key, value in self.doc.items():
            if key in _SPECIAL or key in node.links or key not in node.property_types:
                continue
            if key in node.system_properties:
                if self.draft.get(key) is None:
                    self.draft[key] = node.system_defaults.get(key)
                elif self.draft[key] != value:
                    text = (
                        f"Key '{key}' is a system property and cannot be updated from '{self.draft[key]}' to '{value}'"
                    )
                    self.error(text, [key], type="INVALID_PERMISSIONS")
            else:
                self.draft[key] = value

    def name_errors(self, dictionary: Dictionary) -> None:
        """Gives a type to errors that have none yet, by their words, as the service does."""
        for error in self.errors:
            if error["type"] != "ERROR":
                continue
            if "is not of type" in error["message"]:
                error["type"] = "INVALID_VALUE"
            elif "is a required property" in error["message"]:
                error["type"] = "MISSING_PROPERTY"
            elif self.node_type and error["keys"]:
                edges = {*self.node_type.links, *dictionary.backrefs[self.node_type.name]}
                if error["keys"][0] in edges:
                    error["type"] = "INVALID_LINK"

    def merged_links(self, current: Record | None) -> dict[str, tuple[str, ...]]:
        """Links only accumulate (lie 11), unless a JSON null cleared them."""
        links = {name: ids for name, ids in current.links.items() if name not in self.cleared} if current else {}
        for name, ids in self.parents.items():
            kept = links.get(name, ())
            links[name] = kept + tuple(parent for parent in ids if parent not in kept)
        return links

    def json(self, project_id: str) -> dict[str, Any]:
        return {
            "valid": self.valid,
            "action": self.action,
            "type": self.node_type.name if self.node_type else None,
            "id": self.id,
            "errors": self.errors,
            "warnings": self.warnings,
            "unique_keys": self.keys_dicts(project_id),
        }


def merge_record(entity: Entity, node: NodeType, found: Record, project_id: str, store: Store) -> None:
    """Makes the entity an update of `found`: a draft from what is stored now, stored links added to the document."""
    entity.old = dict(found.props)
    if found.project_id != project_id:
        text = f"Entity is owned by project {found.project_id}, not {project_id}"
        entity.error(text, type="INVALID_PERMISSIONS")
    for name, link in node.links.items():
        given = entity.doc.get(name, [])
        if given is None:
            entity.cleared.add(name)
            continue
        links = [given] if isinstance(given, dict) else list(given)
        ids = {item.get("id") for item in links}
        keys = {item.get("submitter_id") or item.get("code") for item in links}
        for parent_id, props in store.linked(found.links.get(name, ())):
            key = props.get("code" if link.target == "project" else "submitter_id")
            if parent_id not in ids and key not in keys:
                links.append({"id": parent_id})
        if links:
            entity.doc[name] = links
        else:
            entity.doc.pop(name, None)
    for key in node.system_defaults:
        stored = found.props.get(key)
        if entity.doc.get(key) and entity.doc[key] != stored:
            text = f"Property '{key}' ({entity.doc[key]}) is a system property and will be ignored."
            entity.warnings.append({"message": text, "keys": [key], "type": "INVALID_PROPERTY"})
        entity.doc[key] = stored
    entity.action = "update"
    entity.id = found.id
    entity.draft = dict(found.props)


def unstorable(value: Any) -> bool:
    """What PostgreSQL's JSON refuses: NUL characters, NaN and infinities; lone surrogates."""
    match value:
        case str():
            return "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value if not value.isascii())
        case float():
            return math.isnan(value) or math.isinf(value)
        case dict():
            return any(unstorable(key) or unstorable(item) for key, item in value.items())
        case list():
            return any(unstorable(item) for item in value)
    return False
