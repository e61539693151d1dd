"""The dictionary of a real commons, and the shapes other dictionaries have."""

from __future__ import annotations

from typing import Any

import pytest

from gen3sync.errors import InputError
from gen3sync.records.dictionary import Dictionary, Kind
from tests.unit.records.support import dictionary, exchanges, node, raw_dictionary


def small(**nodes: Any) -> Dictionary:
    """A dictionary of nodes given as keyword arguments, each filled up to what every schema has."""
    base = {"project_id": {"type": "string"}, "submitter_id": {"type": "string"}, "type": {"type": "string"}}
    documents: dict[str, Any] = {}
    for name, schema in nodes.items():
        filled = {"id": name, "category": "clinical", "links": [], "required": [], "systemProperties": ["project_id"]}
        documents[name] = filled | {"uniqueKeys": [["id"], ["project_id", "submitter_id"]]} | schema
        documents[name]["properties"] = base | schema.get("properties", {})
    return Dictionary.from_json(documents)


@pytest.mark.parametrize("name", ["case", "sample", "experiment"])
def test_template_columns_are_those_of_the_commons(name: str) -> None:
    recorded = exchanges()[f"template_tsv_{name}"]["response"].splitlines()[0].split("\t")
    assert list(node(name).template_columns) == recorded


def test_mirror_columns_follow_the_export_with_links_last() -> None:
    exported = exchanges()["export_file_reput"]["request"].splitlines()[0].split("\t")
    assert list(node("sample").columns) == [column for column in exported if not column.endswith("s.id")]


def test_parents_come_before_children() -> None:
    order = dictionary().order
    for name in order:
        for link in node(name).links:
            if link.target in order:
                assert order.index(link.target) < order.index(name)


def test_cycles_are_tolerated() -> None:
    def to(target: str) -> dict[str, Any]:
        link = {"name": f"{target}s", "target_type": target, "multiplicity": "many_to_many", "required": False}
        return {"links": [link]}

    assert set(small(a=to("b"), b=to("c"), c=to("a")).order) == {"a", "b", "c"}


def test_what_cannot_be_submitted_is_no_submittable_node() -> None:
    for name in ("program", "project", "root", "data_release", "metaschema", "_definitions", "nothing"):
        assert dictionary().submittable(name) is None
        assert name not in dictionary().order


def test_links_of_subgroups_are_found() -> None:
    links = node("submitted_copy_number").link
    assert set(links) == {"core_metadata_collections", "aliquots", "read_groups"}
    assert links["aliquots"].to_one
    assert not links["read_groups"].to_one


def test_links_to_projects_go_by_code() -> None:
    assert node("experiment").link["projects"].column == "projects.code"
    assert node("case").link["experiments"].column == "experiments.submitter_id"


def test_file_nodes_are_known_by_their_category() -> None:
    files = {name for name in dictionary().order if node(name).is_file}
    assert {"submitted_aligned_reads", "slide_image", "aligned_reads_index", "experimental_metadata"} <= files
    assert not files & {"case", "sample", "slide"}


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, Kind.STRING),
        ({"type": ["string", "null"]}, Kind.STRING),
        ({"type": ["null", "number"]}, Kind.OPAQUE),
        ({"type": ["number", "null"]}, Kind.NUMBER),
        ({"type": "integer"}, Kind.INTEGER),
        ({"type": "boolean"}, Kind.BOOLEAN),
        ({"type": "array", "items": {"type": "string"}}, Kind.ARRAY),
        ({"enum": ["a", "b"]}, Kind.ENUM),
        ({"oneOf": [{"enum": ["a"]}, {"enum": ["b"]}]}, Kind.ENUM),
        ({"oneOf": [{"type": "number"}, {"type": "null"}]}, Kind.UNKNOWN),
        ({}, Kind.UNKNOWN),
    ],
)
def test_the_first_type_decides(schema: dict[str, Any], kind: Kind) -> None:
    found = small(a={"properties": {"x": schema}}).node("a")
    assert found is not None
    assert found.properties["x"].kind is kind


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ({"type": "integer"}, Kind.INTEGER),
        ({"type": "number"}, Kind.NUMBER),
        ({"enum": ["a"]}, Kind.UNKNOWN),
        ({"type": ["string", "null"]}, Kind.OPAQUE),
        (None, Kind.OPAQUE),
    ],
)
def test_item_kinds(items: Any, kind: Kind) -> None:
    found = small(a={"properties": {"x": {"type": "array", "items": items}}}).node("a")
    assert found is not None
    assert found.properties["x"].item_kind is kind


def test_references_of_unresolved_dictionaries_are_resolved() -> None:
    documents = {
        "_definitions.yaml": {
            "ubiquitous": {"project_id": {"type": "string"}, "when": {"$ref": "#/time"}},
            "time": {"type": "string", "enum": ["now", "later"]},
        },
        "thing.yaml": {
            "id": "thing",
            "category": "clinical",
            "properties": {
                "$ref": "_definitions.yaml#/ubiquitous",
                "n": {"$ref": "_definitions.yaml#/time"},
                "m": {"type": "integer"},
            },
        },
    }
    found = Dictionary.from_json(documents).node("thing")
    assert found is not None
    assert found.submittable
    assert found.properties["when"].enum == found.properties["n"].enum == ("now", "later")
    assert found.properties["m"].kind is Kind.INTEGER


def test_nullable_is_what_is_not_required() -> None:
    found = small(a={"properties": {"x": {"type": "string"}, "y": {"type": "string"}}, "required": ["x"]}).node("a")
    assert found is not None
    assert not found.properties["x"].nullable
    assert found.properties["y"].nullable


def test_digest_follows_content_not_order() -> None:
    turned = dict(reversed(list(raw_dictionary().items())))
    assert Dictionary.from_json(turned).digest == dictionary().digest
    assert Dictionary.from_json(turned | {"extra": {}}).digest != dictionary().digest


def test_version_is_the_dictionarys_own() -> None:
    assert dictionary().version == "0.2.1-9-g520a259"


def test_categories_for_mirror_settings() -> None:
    assert "demographic" in dictionary().categories["clinical"]
    assert "internal" not in dictionary().categories


def test_a_dictionary_without_nodes_is_refused() -> None:
    with pytest.raises(InputError, match="no node type"):
        Dictionary.from_json({"_settings": {}})
