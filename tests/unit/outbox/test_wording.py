"""The commons' reasons in words for people: every one that was recorded, and those that its sources can say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.outbox.model import Reason
from gen3sync.outbox.wording import told
from gen3sync.records.dictionary import Dictionary

TESTS = Path(__file__).parent.parent.parent
DICTIONARY = Dictionary.from_json(json.loads(gzip.decompress((TESTS / "data/dictionary.json.gz").read_bytes())))
UUID = "11111111-1111-4111-8111-111111111111"
IS_UUID = "'^[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{4}-[a-fA-F0-9]{12}$'"
STATES = "['uploading', 'uploaded', 'md5summing', 'md5summed', 'validating', 'error', 'invalid', 'live', 'gone']"


def words(node: str, key: str | None, said: str, columns: tuple[str, ...] = ()) -> str:
    return str(told(Reason("ERROR", said, key), DICTIONARY.nodes[node], columns))


def recorded() -> Iterator[tuple[str, str, str | None, str]]:
    """Recording, node, column and words of every error of a row in the recordings of uploads."""
    for path in sorted((TESTS / "contract/recordings").glob("*.json")):
        answer = json.loads(path.read_text(encoding="utf-8")).get("response", {})
        body = answer.get("json") or answer.get("body") or answer.get("text")
        try:
            body = json.loads(body) if isinstance(body, str) else body
        except ValueError:
            continue
        for entity in body.get("entities", ()) if isinstance(body, dict) and not path.name.startswith("delete") else ():
            for error in entity.get("errors", ()):
                yield path.stem, entity["type"], (error["keys"] or [None])[0], error["message"]


RECORDED = {
    "asterisk_template_project_id_blank": "`project_id` is blank. Fill it in, or delete the column.",
    "diagnosis_try": "` is missing: the dictionary requires it of every diagnosis. Add the column and fill it in.",
    "dry_run_failing": "`sample_type` must be one of the 44 values that the dictionary allows, not 'Nope'. Write one "
    "of them letter by letter; the receipt lists all of them.",
    "integer_with_decimal": "`days_to_collection` must be a whole number, not '3.0'. Write it in digits alone, such as "
    "12: no decimals, no exponent, no unit.",
    "json_link_null_required": "`experiments.submitter_id` names no parent: every case must belong to an experiment. "
    "Add the column and write the submitter_id of its experiment there.",
    "json_link_null_then_new": "`cases.submitter_id` names no parent: every sample must belong to a case. Add the "
    "column and write the submitter_id of its case there.",
    "post_create_existing": "The commons says that the record exists already and does not update it.",
    "put_asterisk_columns": "`project_id` is blank. Fill it in, or delete the column.",
    "put_change_id": "if it has a cell `id`, delete that.",
    "put_invalid_enum_3_rows": "`sample_type` must be one of the 44 values that the dictionary allows, not '",
    "put_missing_required_column": "`cases.submitter_id` names no parent: every sample must belong to a case. Add the "
    "column and write the submitter_id of its case there.",
    "put_missing_submitter_id_cell": "`submitter_id` is blank. Give the record an id.",
    "put_not_uuid_id": "`id` must be an id that the commons gave (a UUID), not 'abc'. Leave it out: the commons makes "
    "ids, and finds records by their submitter_id.",
    "put_project_id_wrong": "`project_id` must be DEV-test, not OTHER-proj. Delete the column.",
    "put_relink_parent": "`experiments.submitter_id` would give the record a second experiment, and it can have one: a "
    "PUT cannot change a parent.",
    "put_unknown_column": "A sample has no property `favourite_colour`. Rename or delete the column.",
    "put_unknown_link_column_empty": "A sample has no property `portions`. Rename or delete the column.",
}


def test_every_recorded_error_has_words_of_ours() -> None:
    seen = set()
    for name, node, key, said in recorded():
        reason = told(Reason("T", said, key), DICTIONARY.nodes[node])
        seen.add(name)
        assert RECORDED[name] in str(reason), name
        assert (reason.type, reason.said) == ("T", said)
        assert reason.rule
        assert "'Nope'" not in reason.rule
    assert seen == set(RECORDED)


@pytest.mark.parametrize(
    ("node", "key", "said", "ours"),
    [
        ("sample", "days_to_collection", "'1e3' is not of type 'integer', 'null'", "must be a whole number, not '1e3'"),
        (
            "sample",
            "initial_weight",
            "'5 mg' is not of type 'number', 'null'",
            "must be a number, not '5 mg'. Write it",
        ),
        ("sample", "is_ffpe", "'Yes' is not of type 'boolean', 'null'", "`is_ffpe` must be true or false, not 'Yes'."),
        ("case", "consent_codes.0", "1 is not of type 'string'", "`consent_codes` must be text, not 1, in item 1."),
        (
            "demographic",
            "gender",
            "'F' is not one of ['female', 'male']",
            "`gender` must be one of female, male, not 'F'.",
        ),
        (
            "demographic",
            "gender",
            "'Male' is not one of ['female', 'male']",
            "letter case and spaces count: write male.",
        ),
        (
            "demographic",
            "gender",
            "None is not one of ['female', 'male']",
            "`gender` must not be blank: the dictionary",
        ),
        ("sample", "sample_volume", "True is not of type 'number', 'null'", "must be a number, not true."),
        ("sample", "freezing_method", "'True' is not of type 'number'", "must be a number, not 'True'."),
        ("slide", "x", "-1 is less than the minimum of 0", "`x` must be at least 0, not -1."),
        ("slide", "x", "101 is greater than the maximum of 100", "`x` must be at most 100, not 101."),
        (
            "sample",
            "md5sum",
            "'ZZ' does not match '^[a-f0-9]{32}$'",
            "must be 32 characters out of 0-9 and a-f, not 'ZZ'.",
        ),
        (
            "sample",
            "created_datetime",
            "'x' is not valid under any of the given schemas: 'x' is not a 'date-time' and 'x' is not of type 'null'",
            "must be a date with time and zone, such as 2026-01-31T12:00:00Z, not 'x'.",
        ),
        (
            "sample",
            "state",
            f"'lve' is not valid under any of the given schemas: 'lve' is not one of {STATES} and 'lve' is not one of "
            "['validated', 'submitted'] and 'lve' is not of type 'null'",
            "`state` must be one of 11 values that the dictionary allows, not 'lve'; the nearest is live.",
        ),
        (
            "sample",
            "cases",
            f"[{{'id': 'abc'}}] is not valid under any of the given schemas: 'abc' does not match {IS_UUID} and "
            "[{'id': 'abc'}] is not of type 'object'",
            "`cases.id` must be an id that the commons gave (a UUID), not 'abc'. Name the parent by its "
            "submitter_id instead.",
        ),
        (
            "sample",
            "cases",
            "No link destination found for cases, unique_keys='[{'project_id': 'DEV-test', 'submitter_id': 'Cx'}]'",
            "`cases.submitter_id` names a case that is not in the project: Cx. Look at the spelling, or drop the case "
            "first and then this row again.",
        ),
        (
            "sample",
            "cases",
            f"No link destination found for cases, id='{UUID}', unique_keys='[{{'submitter_id': None}}]'",
            f"`cases.id` names a case that is not in the project: {UUID}.",
        ),
        (
            "sample",
            "cases",
            f"No link destination found for cases, id='{UUID}', unique_keys='[{{'submitter_id': 'C1'}}]'",
            f"`cases` names a case by an id and a name that do not belong together: {UUID}, C1. Name the case by one "
            "of them alone.",
        ),
        (
            "experiment",
            "projects",
            "No link destination found for projects, unique_keys='[{'code': 'DEV-test'}]'",
            "`projects.code` must be the project that the row is sent to, not DEV-test. Write its code, without that "
            "of its program.",
        ),
        (
            "case",
            "consent_codes.1",
            "None is not of type 'string'",
            "`consent_codes` must be text, not null, in item 2.",
        ),
        (
            "sample",
            None,
            "Additional properties are not allowed ('sample_typ' was unexpected)",
            "Did you mean `sample_type`?",
        ),
        (
            "sample",
            None,
            "[\"Key 'sex' is not a valid property for type 'sample'.\"]",
            "A sample has no property `sex`.",
        ),
        (
            "experiment",
            None,
            "Cannot link entity to project other under test endpoint",
            "`projects.code` must be test, the project that the row is sent to, not other.",
        ),
        (
            "experiment",
            "projects",
            "Entity is missing required link to projects",
            "`projects.code` names no parent: every experiment must belong to a project.",
        ),
        (
            "submitted_unaligned_reads",
            "read_groups",
            "Entity is missing a required link to read_groups or core_metadata_collections",
            "None of `read_groups.submitter_id`, `core_metadata_collections.submitter_id` names a parent",
        ),
        ("case", None, "Case submitter_id 'C1' not found in dbGaP.", "The case is not registered in dbGaP"),
        (
            "sample",
            None,
            f"Existing <Sample({UUID})> entity found with id different from {UUID}",
            "Delete the cell `id`.",
        ),
        (
            "slide",
            None,
            "project is not an entity that can be upload via the project endpoint.",
            "`type` must be a node",
        ),
        (
            "slide",
            None,
            "Provided object_id abc does not match any indexed file.",
            "names no file that was uploaded: abc.",
        ),
        (
            "slide",
            None,
            "Indexed file of id abc is not ready for metadata submission yet (no hashes and size).",
            "later",
        ),
        (
            "slide",
            None,
            f"409 Client Error: CONFLICT for url: http://indexd-service/index/{UUID}?rev=1a2b3c4d",
            "names the same file (by hashes and size). Drop the row again.",
        ),
        (
            "slide",
            None,
            "Internal server error. Sorry, something unexpected went wrong!",
            "(Internal server error), also",
        ),
    ],
)
def test_what_the_sources_can_say(node: str, key: str | None, said: str, ours: str) -> None:
    assert ours in words(node, key, said)


def test_a_long_list_is_shortened_and_kept_whole_beside() -> None:
    allowed = [f"value {number}" for number in range(40)]
    reason = told(Reason("ERROR", f"'value3' is not one of {allowed}", "sample_type"), DICTIONARY.nodes["sample"])
    assert reason.message.startswith(
        "`sample_type` must be one of the 40 values that the dictionary allows, not 'value3'; the nearest are value 3"
    )
    assert reason.allowed == tuple(allowed)
    assert len(reason.message) < 200


@pytest.mark.parametrize(("value", "near"), [("1", "01"), ("1.0", "01"), ("01 ", "01"), ("11.0", "11"), ("2", "02")])
def test_of_numbers_in_a_list_the_equal_one_is_nearest(value: str, near: str) -> None:
    """Spreadsheets take the zero from 01."""
    allowed = [f"{number:02}" for number in range(1, 12)]
    reason = told(
        Reason("ERROR", f"{value!r} is not one of {[*allowed, None]}", "sample_type"), DICTIONARY.nodes["sample"]
    )
    assert f"the nearest is {near}." in reason.message


@pytest.mark.parametrize("said", ["Something that nobody foresaw.", "", "'x' is not one of", "is not of type"])
def test_what_nobody_foresaw_is_passed_on(said: str) -> None:
    reason = told(Reason("ERROR", said, "sex"), DICTIONARY.nodes["sample"])
    assert (reason.message, reason.said, reason.rule) == (said, said, "")


def test_no_name_is_said_twice() -> None:
    assert str(Reason("T", "'sex' is not a number.", "sex", "Mend it.")) == "'sex' is not a number. Mend it."
    assert str(Reason("T", "A NUL character.", "sex", "Delete it.")) == "sex: A NUL character. Delete it."
    assert str(Reason("T", "An invalid value.", "id")) == "id: An invalid value."


def test_hostile_words_take_no_time_and_no_harm() -> None:
    for said in (
        "'" + "a' and 'a" * 20_000 + "' is not valid under any of the given schemas: x",
        "[" * 20_000 + " is not one of " + "[" * 20_000,
        "No link destination found for cases, unique_keys='" + "'submitter_id': '" * 5_000,
    ):
        assert told(Reason("ERROR", said, "cases"), DICTIONARY.nodes["sample"]).said == said
