"""The sandbox's own data dictionary: eight node types in Gen3's schema form, small enough to read.

It has every kind of thing a real dictionary has: one-to-many and many-to-many links, a node with two link
types, subgroups of links, enums, numbers with bounds, integers, booleans, lists, required properties, a file node.
"""

from __future__ import annotations

from typing import Any

_UUID = "^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$"
_STRING = {"type": "string"}
_MOMENT = {"oneOf": [{"format": "date-time", "type": "string"}, {"type": "null"}]}
_STATE = {
    "default": "validated",
    "oneOf": [
        {"enum": ["uploading", "uploaded", "validating", "error", "invalid", "released"]},
        {"enum": ["validated", "submitted", "released"]},
    ],
}


def _link(name: str, target: str, backref: str, multiplicity: str, *, required: bool = True) -> dict[str, Any]:
    return {
        "name": name,
        "backref": backref,
        "label": "part_of",
        "target_type": target,
        "multiplicity": multiplicity,
        "required": required,
    }


def _link_property(key: str = "submitter_id") -> dict[str, Any]:
    one = {
        "type": "object",
        "additionalProperties": True,
        "properties": {"id": {"type": "string", "pattern": _UUID}, key: _STRING},
    }
    return {"anyOf": [{"type": "array", "items": {**one, "minItems": 1, "maxItems": 1}}, one]}


def _names(links: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [found for entry in links for found in (_names(entry["subgroup"]) if "subgroup" in entry else [entry])]


def _node(
    name: str, category: str, links: list[dict[str, Any]], properties: dict[str, Any], required: tuple[str, ...] = ()
) -> dict[str, Any]:
    required_links = [link["name"] for link in links if link.get("required") and "name" in link]
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": name,
        "title": name.replace("_", " ").capitalize(),
        "type": "object",
        "category": category,
        "description": f"A {name.replace('_', ' ')} of the sandbox.",
        "program": "*",
        "project": "*",
        "submittable": True,
        "validators": None,
        "systemProperties": ["id", "project_id", "state", "created_datetime", "updated_datetime"],
        "links": links,
        "uniqueKeys": [["id"], ["project_id", "submitter_id"]],
        "required": ["submitter_id", "type", *required_links, *required],
        "additionalProperties": False,
        "properties": {
            "type": _STRING,
            "id": {"type": "string", "pattern": _UUID, "systemAlias": "node_id"},
            "project_id": _STRING,
            "submitter_id": {"type": ["string", "null"]},
            "state": _STATE,
            "created_datetime": _MOMENT,
            "updated_datetime": _MOMENT,
            **{
                link["name"]: _link_property("code" if link["target_type"] == "project" else "submitter_id")
                for link in _names(links)
            },
            **properties,
        },
    }


def _administrative(name: str, keys: list[str], system: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": name,
        "title": name.capitalize(),
        "type": "object",
        "category": "administrative",
        "program": "*",
        "project": "*",
        "submittable": name == "project",
        "validators": None,
        "systemProperties": ["id", *system],
        "links": [],
        "uniqueKeys": [["id"], keys],
        "required": [*keys, "dbgap_accession_number"],
        "additionalProperties": False,
        "properties": {
            "type": _STRING,
            "id": {"type": "string", "pattern": _UUID, "systemAlias": "node_id"},
            "dbgap_accession_number": _STRING,
            **properties,
        },
    }


def _project() -> dict[str, Any]:
    project = _administrative(
        "project",
        ["code"],
        ["state", "released", "releasable"],
        {
            "code": _STRING,
            "name": _STRING,
            "state": {"default": "open", "enum": ["open", "review", "submitted", "processing", "closed", "legacy"]},
            "availability_type": {"enum": ["Open", "Restricted"]},
            "investigator_name": _STRING,
            "releasable": {"type": "boolean", "default": False},
            "released": {"type": "boolean", "default": False},
            "programs": _link_property("name"),
        },
    )
    project["links"] = [_link("programs", "program", "projects", "many_to_one")]
    return project


def small_dictionary() -> dict[str, Any]:
    """The dictionary as `_dictionary/_all` answers it: node name to schema, `_definitions` and its kin beside them."""
    nodes = [
        _administrative("program", ["name"], [], {"name": _STRING}),
        _project(),
        _node(
            "study",
            "administrative",
            [_link("projects", "project", "studies", "many_to_one")],
            {
                "title": _STRING,
                "study_design": {"enum": ["Case-Control", "Cohort", "Cross-Sectional", "Trial"]},
                "keywords": {"type": "array", "items": {"type": "string"}},
                "planned_subjects": {"type": "integer", "minimum": 0},
                "is_public": {"type": "boolean"},
            },
        ),
        _node(
            "subject",
            "clinical",
            [_link("studies", "study", "subjects", "many_to_one")],
            {
                "sex": {"enum": ["female", "male", "other", "unknown"]},
                "year_of_birth": {"type": "integer", "minimum": 1850, "maximum": 2100},
                "species": _STRING,
                "consent_codes": {"type": "array", "items": {"type": "string"}},
                "height_cm": {"type": "number", "minimum": 0, "maximum": 300},
                "is_control": {"type": "boolean"},
            },
        ),
        _node(
            "visit",
            "clinical",
            [_link("subjects", "subject", "visits", "many_to_one")],
            {
                "visit_number": {"type": "integer"},
                "days_from_enrolment": {"type": ["number", "null"]},
                "visit_type": {"enum": ["baseline", "follow-up", "closing"]},
                "notes": _STRING,
            },
            ("visit_number",),
        ),
        _node(
            "sample",
            "biospecimen",
            [
                _link("subjects", "subject", "samples", "many_to_one"),
                _link("visits", "visit", "samples", "many_to_one", required=False),
            ],
            {
                "sample_type": {"enum": ["Blood", "DNA", "Plasma", "RNA", "Saliva", "Tissue"]},
                "volume_ml": {"type": "number"},
                "is_frozen": {"type": "boolean"},
                "freezer_positions": {"type": "array", "items": {"type": "integer"}},
                "comment": _STRING,
            },
            ("sample_type",),
        ),
        _node(
            "aliquot",
            "biospecimen",
            [_link("samples", "sample", "aliquots", "many_to_many")],
            {"amount_ng": {"type": "number"}, "well": {"type": "string", "pattern": "^[A-H][0-9]{1,2}$"}},
        ),
        _node(
            "lab_test",
            "clinical",
            [
                {
                    "exclusive": False,
                    "required": True,
                    "subgroup": [
                        _link("visits", "visit", "lab_tests", "many_to_many", required=False),
                        _link("samples", "sample", "lab_tests", "many_to_many", required=False),
                    ],
                }
            ],
            {"test_name": _STRING, "value": {"type": "number"}, "unit": _STRING, "in_range": {"type": "boolean"}},
            ("test_name",),
        ),
        _node(
            "publication",
            "administrative",
            [_link("studies", "study", "publications", "many_to_many")],
            {
                "doi": _STRING,
                "pmid": _STRING,
                "year": {"type": "integer"},
                "authors": {"type": "array", "items": _STRING},
            },
        ),
        _node(
            "sequencing_file",
            "data_file",
            [
                {
                    "exclusive": True,
                    "required": True,
                    "subgroup": [
                        _link("samples", "sample", "sequencing_files", "many_to_one", required=False),
                        _link("aliquots", "aliquot", "sequencing_files", "many_to_many", required=False),
                    ],
                }
            ],
            {
                "object_id": _STRING,
                "file_name": _STRING,
                "file_size": {"type": "integer"},
                "md5sum": {"type": "string", "pattern": "^[a-f0-9]{32}$"},
                "data_format": {"enum": ["BAM", "CRAM", "FASTQ", "VCF"]},
                "data_category": _STRING,
                "data_type": _STRING,
            },
            ("file_name", "file_size", "md5sum", "data_format"),
        ),
    ]
    shared = {"UUID": {"type": "string", "pattern": _UUID}, "state": _STATE, "datetime": _MOMENT}
    return {"_definitions": shared, "_settings": {}, "_terms": {}, **{node["id"]: node for node in nodes}}
