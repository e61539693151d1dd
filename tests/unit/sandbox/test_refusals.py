"""What a real commons refuses, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from gen3sync.sandbox import Sandbox
from tests.unit.sandbox.client import Client, errors

HEAD = "type\tsubmitter_id\tstudies.submitter_id\tspecies\n"
ROW = "subject\tN-1\tST-1\tx\n"


@pytest.mark.parametrize("kind", ["text/tab-separated-values; charset=utf-8", "application/octet-stream", "text/plain"])
def test_another_content_type_is_read_as_json(client: Client, kind: str) -> None:
    answer = client.put(HEAD + ROW, kind=kind)
    assert answer.status_code == 400
    assert answer.json() == {"message": "Unable to parse json: Expecting value: line 1 column 1 (char 0)"}


def test_bytes_that_are_no_utf8_are_echoed(client: Client) -> None:
    answer = client.put((HEAD + "subject\tN-1\tST-1\tcaf\xe9\n").encode("latin-1"))
    assert answer.status_code == 400
    assert "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xe9" in answer.json()["message"]
    assert "caf\\xe9" in answer.json()["message"]


@pytest.mark.parametrize("body", ["", HEAD, "\ufeff" + HEAD + ROW])
def test_nothing_to_submit(client: Client, body: str) -> None:
    answer = client.put(body)
    assert answer.status_code == 400
    assert answer.json()["transactional_errors"] == ["Nothing to submit"]


@pytest.mark.parametrize("column", ["height_cm"])
@pytest.mark.parametrize("value", ["NaN", "inf", "-Infinity"])
def test_numbers_that_are_none_fail_without_naming_a_row(client: Client, column: str, value: str) -> None:
    answer = client.put(f"type\tsubmitter_id\tstudies.submitter_id\t{column}\nsubject\tN-1\tST-1\t{value}\n")
    assert answer.status_code == 400
    assert answer.json()["transactional_errors"] == ["Internal server error. Sorry, something unexpected went wrong!"]
    assert answer.json()["entities"][0]["valid"]
    assert client.state(answer.json()["transaction_id"]) == "ERRORED"


def test_nul_fails_without_naming_a_row(client: Client) -> None:
    answer = client.put(HEAD + "subject\tN-1\tST-1\ta\0b\n")
    assert answer.status_code == 400
    assert "Internal server error" in answer.json()["transactional_errors"][0]


def test_the_same_name_twice_is_one_transactional_error(client: Client) -> None:
    answer = client.put(HEAD + ROW + ROW)
    assert answer.status_code == 400
    assert answer.json()["transactional_errors"] == [
        {"message": "Entity is not unique, (('DEV-test', 'N-1'),)", "type": "NOT_UNIQUE"}
    ]
    assert all(entity["valid"] for entity in answer.json()["entities"])


def test_a_row_with_too_many_cells(client: Client) -> None:
    answer = client.put(HEAD + "subject\tN-1\tST-1\tx\ttoo much\n")
    assert answer.json() == {"message": "Unable to parse document: 'NoneType' object has no attribute 'lstrip'"}


def test_a_cell_over_the_limit(client: Client) -> None:
    answer = client.put(HEAD + f"subject\tN-1\tST-1\t{'x' * 131_073}\n")
    assert answer.json() == {"message": "Unable to parse document: field larger than field limit (131072)"}


def test_a_parent_that_is_not_there(client: Client) -> None:
    answer = client.put("type\tsubmitter_id\tstudies.submitter_id\nsubject\tN-1\tST-9\n")
    expected = (
        "No link destination found for studies, unique_keys='[{'project_id': 'DEV-test', 'submitter_id': 'ST-9'}]'"
    )
    assert errors(answer) == [("INVALID_LINK", expected, ["studies"])]


def test_another_parent_on_a_link_to_one(client: Client, sandbox: Sandbox) -> None:
    sandbox.write("DEV-test", [{"type": "study", "submitter_id": "ST-2", "projects": {"code": "test"}}])
    answer = client.put("type\tsubmitter_id\tstudies.submitter_id\nsubject\tSU-1\tST-2\n")
    assert errors(answer) == [("INVALID_LINK", "'studies' link has to be many_to_one", ["studies"])]


def test_two_parents_of_an_exclusive_group_and_none(client: Client, sandbox: Sandbox) -> None:
    sandbox.write(
        "DEV-test",
        [{"type": "sample", "submitter_id": "SA-1", "sample_type": "DNA", "subjects": {"submitter_id": "SU-1"}}],
    )
    sandbox.write("DEV-test", [{"type": "aliquot", "submitter_id": "AL-1", "samples": {"submitter_id": "SA-1"}}])
    head = (
        "type\tsubmitter_id\tfile_name\tfile_size\tmd5sum\tdata_format\tsamples.submitter_id\taliquots.submitter_id\n"
    )
    row = f"sequencing_file\tF-1\ta.bam\t1\t{'0' * 32}\tBAM\t"
    both = client.put(f"{head}{row}SA-1\tAL-1\n")
    assert "are exclusive" in errors(both)[0][1]
    none = client.put(f'{head}{row}\t""\n')
    expected = ("INVALID_LINK", "Entity is missing a required link to samples or aliquots", ["samples", "aliquots"])
    assert errors(none) == [expected]


def test_values_against_the_dictionary(client: Client) -> None:
    head = "type\tsubmitter_id\tstudies.submitter_id\tsex\tyear_of_birth\tis_control\theight_cm\n"
    answer = client.put(head + "subject\tN-1\tST-1\tNope\t3.0\tperhaps\t301\n")
    found = {keys[0]: (kind, message) for kind, message, keys in errors(answer)}
    assert found["sex"] == ("ERROR", "'Nope' is not one of ['female', 'male', 'other', 'unknown', None]")
    assert found["year_of_birth"] == ("INVALID_VALUE", "'3.0' is not of type 'integer', 'null'")
    assert found["is_control"] == ("INVALID_VALUE", "'perhaps' is not of type 'boolean', 'null'")
    assert found["height_cm"][1] == "301 is greater than the maximum of 300"


def test_a_required_property(client: Client) -> None:
    answer = client.put("type\tsubmitter_id\tsubjects.submitter_id\nvisit\tV-1\tSU-1\n")
    assert errors(answer) == [("MISSING_PROPERTY", "'visit_number' is a required property", ["visit_number"])]


def test_a_blank_project_id_and_a_wrong_one(client: Client) -> None:
    head = "*type\tproject_id\t*submitter_id\t*studies.submitter_id\n"
    blank = client.put(head + "subject\t\tN-1\tST-1\n")
    expected = "Entity is not unique, multiple entities found with ((None, 'N-1'),)"
    assert errors(blank) == [("NOT_UNIQUE", expected, [])]
    wrong = client.put(head + "subject\tOTHER-one\tN-1\tST-1\n")
    assert errors(wrong)[0][0] == "INVALID_PERMISSIONS"


def test_an_unknown_column(client: Client) -> None:
    head = "type\tsubmitter_id\tstudies.submitter_id\tcolour\n"
    answer = client.put(head + "subject\tN-1\tST-1\tred\n")
    assert errors(answer) == [("ERROR", "Additional properties are not allowed ('colour' was unexpected)", [])]
    assert client.put(head + "subject\tN-1\tST-1\t\n").status_code == 200


def test_json_with_an_unknown_type_and_a_key_twice(client: Client) -> None:
    unknown = client.put_json({"type": "nope", "submitter_id": "X"})
    assert unknown.status_code == 400
    assert "not found in dictionary" in unknown.json()["transactional_errors"][0]["message"]
    twice = client.put('[{"type": "study", "type": "study"}]', kind="application/json")
    assert twice.json()["message"] == "Unable to parse json: The document contains duplicate keys: type"


def test_a_project_that_is_not_open(client: Client, sandbox: Sandbox) -> None:
    sandbox.set_project("DEV-test", state="closed")
    answer = client.put(HEAD + ROW)
    assert answer.status_code == 400
    assert answer.json()["message"].startswith("Project is in state 'closed', which prevents /v0/submission/DEV/test.")
    sandbox.set_project("DEV-test", state="open")
    assert client.put(HEAD + ROW).status_code == 200


def test_an_unknown_project_comes_before_authorisation(sandbox: Sandbox) -> None:
    sandbox.deny("DEV-nope")
    assert Client(sandbox, "DEV/nope").put(HEAD).json() == {"message": "Project nope not found"}
    assert Client(sandbox, "NOPE/x").put(HEAD).json() == {"message": "Program NOPE not found"}


@pytest.mark.parametrize("methods", [("create",), ("update",), ("create", "update")])
def test_put_needs_create_and_update(client: Client, sandbox: Sandbox, methods: tuple[str, ...]) -> None:
    sandbox.deny("DEV-test", *methods)
    assert client.put(HEAD + ROW).status_code == 403
    assert client.export("subject").status_code == 200
    sandbox.allow()
    sandbox.deny("DEV-test", "read")
    assert client.export("subject").status_code == 403
    assert client.put(HEAD + ROW).status_code == 200


def test_keys_expired_revoked_and_dying(sandbox: Sandbox, tmp_path: Path) -> None:
    import requests

    url = f"{sandbox.url}/user/credentials/cdis/access_token"
    path = sandbox.write_api_key(tmp_path / "key.json")
    assert path.stat().st_mode & 0o777 == 0o600
    good, expired, dying = sandbox.api_key(), sandbox.api_key(-5), sandbox.api_key(1800)
    assert requests.post(url, json=good, timeout=60).status_code == 200
    assert requests.post(url, json=expired, timeout=60).status_code == 401
    refused = requests.post(url, json=dying, timeout=60)
    assert refused.status_code == 400
    assert "would expire after the provided API key does" in refused.text
    assert requests.post(f"{url}?expires_in=300", json=dying, timeout=60).status_code == 200
    sandbox.revoke_key()
    assert requests.post(url, json=good, timeout=60).status_code == 401
    assert requests.post(url, json=sandbox.api_key(), timeout=60).status_code == 200


def test_at_most_about_a_hundred_ids_in_an_address(client: Client) -> None:
    ids = ",".join(["11111111-1111-4111-8111-111111111111"] * 115)
    assert client.request("GET", f"{client.base}/DEV/test/export?ids={ids}&format=json").status_code == 400
    body = {"ids": ids.split(","), "format": "json"}
    assert client.request("POST", f"{client.base}/DEV/test/export", json=body).status_code == 404
