"""The submission service's own reading of a request body: TSV, CSV and JSON to a list of documents.

Every oddity here is the service's (sheepdog's `DelimitedConverter`): the document is stripped before parsing, split
at all that Python calls a line end, read by `csv.DictReader`; rows without a known type vanish.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from typing import Any

from gen3sync.sandbox.dictionary import Dictionary, NodeType
from gen3sync.sandbox.message import failure

FIELD_LIMIT = 131_072
_SEPARATORS = {"tsv": ("\t", ","), "csv": (",", "#")}
_ITEM_TYPES = {"string": str, "integer": int, "number": float, "float": float, "boolean": bool}


def document_format(content_type: str) -> str:
    """The header is compared whole: with `; charset=…` a TSV is read as JSON."""
    match content_type.lower():
        case "text/csv":
            return "csv"
        case "text/tab-separated-values" | "text/tsv":
            return "tsv"
    return "json"


def decode(body: bytes) -> str:
    """Raises HTTPFailure 400 that echoes the whole body when it is not UTF-8."""
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise failure(400, f"UnicodeDecodeError: {error}: unable to decode data: {body!r}") from None


def parse_json(body: bytes) -> Any:
    """A JSON object or list. Raises HTTPFailure 400, also for keys given twice."""

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        twice = [name for name, times in Counter(name for name, _ in found).items() if times > 1]
        if twice:
            raise ValueError(f"The document contains duplicate keys: {','.join(twice)}")
        return dict(found)

    try:
        parsed = json.loads(body, object_pairs_hook=pairs)
    except (ValueError, RecursionError) as error:
        raise failure(400, f"Unable to parse json: {error}") from None
    if not isinstance(parsed, dict | list):
        raise failure(400, f"JSON parsed from request is an invalid type: {type(parsed).__name__}")
    return parsed


def parse_document(dictionary: Dictionary, body: bytes, content_type: str) -> tuple[str, list[Any]]:
    """The format and the documents, one a record. Raises HTTPFailure 400."""
    text = decode(body)
    doc_format = document_format(content_type)
    if doc_format == "json":
        parsed = parse_json(body)
        return doc_format, parsed if isinstance(parsed, list) else [parsed]
    return doc_format, parse_table(dictionary, text, doc_format)


def parse_table(dictionary: Dictionary, text: str, doc_format: str) -> list[dict[str, Any]]:
    """Rows of a TSV or CSV as documents."""
    delimiter, _ = _SEPARATORS[doc_format]
    reader = csv.DictReader(io.StringIO("\n".join(text.strip().splitlines())), delimiter=delimiter)
    problems: list[dict[str, Any]] = []
    documents: list[dict[str, Any]] = []
    try:
        for row in reader:
            # The module's limit belongs to the whole process and others may have raised it.
            if any(isinstance(cell, str) and len(cell) > FIELD_LIMIT for cell in row.values()):
                raise csv.Error(f"field larger than field limit ({FIELD_LIMIT})")
            document = _row(dictionary, row, doc_format, problems, reader.line_num)
            if document is not None:
                documents.append(document)
    except Exception as error:  # noqa: BLE001 - the service answers any failure of its reading this way
        raise failure(400, f"Unable to parse document: {error}") from None
    if problems:
        raise failure(400, f"Unable to parse doc '{text}': {problems}")
    return documents


def _strip(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _row(
    dictionary: Dictionary, raw: dict[Any, Any], doc_format: str, problems: list[dict[str, Any]], line: int
) -> dict[str, Any] | None:
    row = {_strip(key): _strip(value) for key, value in raw.items()}
    for key in list(row):
        row[key.lstrip("*")] = row.pop(key)
    node = dictionary.get(row.get("type"))
    if node is None:
        return None  # lie 2: dropped without a word
    document: dict[str, Any] = {}
    for key, value in row.items():
        if "." in key:
            continue
        if value in ("", "null"):
            document[key] = None
        elif value is not None:  # lie 13: a short row keeps what is stored
            converted = _convert(node, key, value)
            if converted is not None:
                document[key] = converted
    links: dict[str, list[dict[str, Any]]] = {}
    for key, value in row.items():
        if "." in key:
            _add_link(dictionary, links, node, key, value, doc_format, problems, line)
    document.update(links)
    return document


def _add_link(
    dictionary: Dictionary,
    links: dict[str, list[dict[str, Any]]],
    node: NodeType,
    key: str,
    value: str | None,
    doc_format: str,
    problems: list[dict[str, Any]],
    line: int,
) -> None:
    name, _, prop = key.partition(".")
    if not name or not prop:
        word = "Invalid link property name" if name else "Invalid link name"
        problems.append({"message": f"{word}: {key}", "columns": [key], "line": line})
        return
    found = links.setdefault(name, [])
    if value is None:
        return
    for piece in value.split(_SEPARATORS[doc_format][1]):
        if piece in ("", "null"):
            continue
        converted = _convert(_link_target(dictionary, node, name), prop, piece)
        if converted:
            found.append({prop: converted})


def _link_target(dictionary: Dictionary, node: NodeType, name: str) -> NodeType:
    if name in node.links:
        return dictionary.nodes[node.links[name].target]
    if name in dictionary.backrefs[node.name]:
        return node
    raise AttributeError(f"type object '{node.class_name}' has no attribute '{name}'")


def _convert(node: NodeType, name: str, value: str) -> Any:
    """A cell by the property's type; what cannot be converted stays text and fails validation later."""
    value = value.strip()
    kind = node.property_types.get(name, str)
    try:
        if kind is bool:
            return {"true": True, "false": False}.get(value.lower(), value)
        if kind is list:
            return _list(value, node.item_type(name))
        if kind is float:
            number = float(value)
            return int(number) if number.is_integer() else number
        if value == "":
            return None
        return kind(value)
    except (ValueError, TypeError, OverflowError):
        return value


def _list(value: str, item_type: str | None) -> list[Any]:
    items = [item.strip() for item in value.split(",")]
    match _ITEM_TYPES.get(item_type or ""):
        case kind if kind is int:
            return [int(float(item)) for item in items]
        case kind if kind is float:
            return [float(item) for item in items]
        case kind if kind is bool:
            return [item.lower() in ("true", "t", "yes", "y") for item in items]
    return items
