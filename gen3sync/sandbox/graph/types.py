"""The GraphQL types made from a dictionary: for each object its fields, for each field its type and arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from gen3sync.sandbox.dictionary import Dictionary, NodeType

SCALARS = frozenset({"String", "Int", "Float", "Boolean", "ID"})
_SCALAR: dict[type, str] = {bool: "Boolean", float: "Float", int: "Float"}
_NODE_FIELDS = dict.fromkeys(("submitter_id", "type", "project_id", "created_datetime", "updated_datetime"), "String")


@dataclass(frozen=True)
class FieldType:
    """`type` is a named type, in brackets when it is a list. `args` maps names to types in the same writing."""

    type: str
    args: dict[str, str] = field(default_factory=dict)

    @property
    def named(self) -> str:
        return self.type.strip("[]")

    @property
    def many(self) -> bool:
        return self.type.startswith("[")


Types = dict[str, dict[str, FieldType]]

_BASE_ARGS = {
    "id": "String",
    "submitter_id": "String",
    "ids": "[String]",
    "quick_search": "String",
    "first": "Int",
    "offset": "Int",
    "created_before": "String",
    "created_after": "String",
    "updated_before": "String",
    "updated_after": "String",
    "order_by_asc": "String",
    "order_by_desc": "String",
}
_LOG_ARGS = {
    "id": "ID",
    "type": "String",
    "quick_search": "ID",
    "project_id": "[String]",
    "project": "String",
    "program": "String",
    "order_by_asc": "String",
    "order_by_desc": "String",
    "related_cases": "[String]",
    "first": "Int",
    "last": "Int",
    "offset": "Int",
    "entities": "[String]",
    "is_dry_run": "Boolean",
    "closed": "Boolean",
    "committable": "Boolean",
    "state": "String",
    "committed_by": "ID",
}


def scalar(kind: type) -> str:
    """The GraphQL type of a property; all lists count as lists of strings, all numbers as Float."""
    return "[String]" if kind is list else _SCALAR.get(kind, "String")


def _args(node: NodeType) -> dict[str, str]:
    listed = {
        name: kind if (kind := scalar(python)).startswith("[") else f"[{kind}]"
        for name, python in node.property_types.items()
    }
    if node.name == "project":
        listed["project_id"] = "[String]"
    links = dict.fromkeys(("with_links", "with_links_any", "without_links"), "[String]")
    paths = dict.fromkeys(("with_path_to", "with_path_to_any", "without_path_to"), "[WithPathToInput]")
    return {**_BASE_ARGS, **links, **paths, **listed, "not": f"[NotPropertiesInput_{node.name}]"}


def _fields(values: dict[str, str]) -> dict[str, FieldType]:
    return {name: FieldType(kind) for name, kind in values.items()}


def build(dictionary: Dictionary) -> Types:
    """All object types by name; `Root` is where queries start."""
    types: Types = {}
    args = {name: _args(node) for name, node in dictionary.nodes.items()}
    log = FieldType("[TransactionLog]", _LOG_ARGS)
    count = FieldType("Int", _LOG_ARGS)
    root: dict[str, FieldType] = {}
    for name, node in dictionary.nodes.items():
        fields = _fields(_NODE_FIELDS)
        fields.update({prop: FieldType(scalar(kind)) for prop, kind in node.property_types.items()})
        fields.update(id=FieldType("ID"), type=FieldType("String"))
        edges = {link.name: link.target for link in node.links.values()}
        edges.update({backref: child for backref, (child, _) in dictionary.backrefs[name].items()})
        for edge, other in edges.items():
            if other in dictionary.nodes:
                fields[edge] = FieldType(f"[{other}]", args[other])
                fields[f"_{edge}_count"] = FieldType("Int", args[other])
        fields["_transaction_logs"] = log
        fields["_transaction_logs_count"] = count
        types[name] = fields
        root[name] = FieldType(f"[{name}]", args[name])
        root[f"_{name}_count"] = FieldType("Int", args[name])
    types["Node"] = {"id": FieldType("ID"), **_fields(_NODE_FIELDS)}
    root["node"] = FieldType(
        "[Node]", {**_BASE_ARGS, "of_type": "[String]", "project_id": "String", "category": "String"}
    )
    root["_node_type"] = FieldType("[NodeType]", {"id": "String", "category": "String", "first": "Int"})
    types["NodeType"] = _fields(dict.fromkeys(("id", "title", "category", "dictionary_hash"), "String"))
    root["transaction_log"] = log
    root["_transaction_log_count"] = count
    root["viewer"] = FieldType("viewer")
    types["viewer"] = {name: kind for name, kind in root.items() if "transaction" not in name and name != "viewer"}
    types["Root"] = root
    types.update(_log_types())
    types.update(_introspection_types())
    return types


def _log_types() -> Types:
    return {
        "TransactionLog": {
            **_fields(
                {
                    "id": "ID",
                    "is_dry_run": "Boolean",
                    "closed": "Boolean",
                    "committed_by": "ID",
                    "state": "String",
                    "type": "String",
                    "quick_search": "ID",
                    "submitter": "String",
                    "role": "String",
                    "program": "String",
                    "project": "String",
                    "created_datetime": "String",
                    "canonical_json": "String",
                    "project_id": "String",
                    "snapshots": "[TransactionSnapshot]",
                    "documents": "[TransactionDocument]",
                    "related_cases": "[TransactionResponseEntityRelatedCases]",
                }
            )
        },
        "TransactionSnapshot": _fields(
            {"id": "ID", "transaction_id": "Int", "action": "String", "old_props": "String", "new_props": "String"}
        ),
        "TransactionDocument": _fields(
            {
                "id": "ID",
                "transaction_id": "ID",
                "doc_format": "String",
                "doc": "String",
                "doc_size": "Int",
                "name": "String",
                "response_json": "String",
                "response": "TransactionResponse",
            }
        ),
        "TransactionResponse": _fields(
            {
                "transaction_id": "ID",
                "success": "Boolean",
                "entity_error_count": "Int",
                "transactional_error_count": "Int",
                "code": "Int",
                "message": "String",
                "created_entity_count": "Int",
                "updated_entity_count": "Int",
                "entities": "[TransactionResponseEntity]",
            }
        ),
        "TransactionResponseEntity": _fields(
            {
                "valid": "Boolean",
                "action": "String",
                "type": "String",
                "id": "String",
                "unique_keys": "String",
                "errors": "[TransactionResponseError]",
                "warnings": "String",
            }
        ),
        "TransactionResponseError": _fields({"keys": "[String]", "message": "String", "type": "String"}),
        "TransactionResponseEntityRelatedCases": _fields({"id": "String", "submitter_id": "String"}),
    }


def _introspection_types() -> Types:
    flag = {"includeDeprecated": "Boolean"}
    return {
        "__Schema": _fields(
            {
                "types": "[__Type]",
                "queryType": "__Type",
                "mutationType": "__Type",
                "subscriptionType": "__Type",
                "directives": "[__Directive]",
            }
        ),
        "__Type": {
            **_fields(
                {
                    "kind": "String",
                    "name": "String",
                    "description": "String",
                    "interfaces": "[__Type]",
                    "possibleTypes": "[__Type]",
                    "inputFields": "[__InputValue]",
                    "ofType": "__Type",
                }
            ),
            "fields": FieldType("[__Field]", flag),
            "enumValues": FieldType("[__EnumValue]", flag),
        },
        "__Field": _fields(
            {
                "name": "String",
                "description": "String",
                "args": "[__InputValue]",
                "type": "__Type",
                "isDeprecated": "Boolean",
                "deprecationReason": "String",
            }
        ),
        "__InputValue": _fields(
            {"name": "String", "description": "String", "type": "__Type", "defaultValue": "String"}
        ),
        "__EnumValue": _fields({"name": "String", "description": "String"}),
        "__Directive": _fields({"name": "String", "description": "String"}),
    }


def _reference(kind: str, types: Types) -> dict[str, Any]:
    if kind.startswith("["):
        return {"kind": "LIST", "name": None, "ofType": _reference(kind[1:-1], types)}
    word = "SCALAR" if kind in SCALARS else "OBJECT" if kind in types else "INPUT_OBJECT"
    return {"kind": word, "name": kind, "ofType": None}


def describe(types: Types) -> dict[str, Any]:
    """The content of `__schema`."""
    described = []
    for name, fields in types.items():
        if name.startswith("__"):
            continue
        described.append(
            {
                "kind": "OBJECT",
                "name": name,
                "description": None,
                "fields": [
                    {
                        "name": field_name,
                        "description": None,
                        "args": [
                            {
                                "name": arg,
                                "description": None,
                                "type": _reference(kind, types),
                                "defaultValue": "10" if arg == "first" and known.named in types else None,
                            }
                            for arg, kind in known.args.items()
                        ],
                        "type": _reference(known.type, types),
                        "isDeprecated": False,
                        "deprecationReason": None,
                    }
                    for field_name, known in fields.items()
                ],
                "inputFields": None,
                "interfaces": [],
                "enumValues": None,
                "possibleTypes": None,
            }
        )
    blank = dict.fromkeys(("description", "fields", "inputFields", "interfaces", "enumValues", "possibleTypes"))
    described += [{"kind": "SCALAR", "name": name, **blank} for name in sorted(SCALARS)]
    return {
        "queryType": {"name": "Root"},
        "mutationType": None,
        "subscriptionType": None,
        "types": described,
        "directives": [],
    }
