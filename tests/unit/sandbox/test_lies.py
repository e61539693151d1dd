"""It can say 200 and be wrong: the thirteen lies of a real commons, one by one."""

from __future__ import annotations

import threading

import pytest
import requests

from gen3sync.sandbox import Sandbox, State
from tests.unit.sandbox.client import Client

HEAD = "type\tsubmitter_id\tstudies.submitter_id\tspecies\n"


def test_1_twins_by_letter_case_are_a_success_that_stores_nothing(sandbox: Sandbox, client: Client) -> None:
    answer = client.put(HEAD + "subject\tTW-1\tST-1\tx\nsubject\ttw-1\tST-1\ty\nsubject\tGOOD\tST-1\tz\n").json()
    assert answer["success"]
    assert answer["created_entity_count"] == 3
    assert all(entity["id"] for entity in answer["entities"])
    assert sandbox.record("DEV-test", "subject", "TW-1") is None
    assert sandbox.record("DEV-test", "subject", "GOOD") is None
    assert client.state(answer["transaction_id"]) == "PENDING"
    assert sandbox.transactions[-1].documents[0].response is None


def test_2_rows_without_a_known_type_are_dropped_without_a_word(sandbox: Sandbox, client: Client) -> None:
    answer = client.put(HEAD + "\tNO-1\tST-1\tx\nsubjekt\tNO-2\tST-1\tx\nsubject\tYES\tST-1\tx\n")
    assert answer.status_code == 200
    assert len(answer.json()["entities"]) == 1
    assert sandbox.record("DEV-test", "subject", "NO-2") is None


def test_3_an_unclosed_quote_swallows_the_next_rows(sandbox: Sandbox, client: Client) -> None:
    answer = client.put(HEAD + 'subject\tQ-1\tST-1\t"5 inch\nsubject\tQ-2\tST-1\tx\n')
    assert answer.status_code == 200
    assert len(answer.json()["entities"]) == 1
    stored = sandbox.record("DEV-test", "subject", "Q-1")
    assert stored is not None
    assert stored["species"] == "5 inch\nsubject\tQ-2\tST-1\tx"


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\v", "\f", "\x1c", "\x1d", "\x1e"])
def test_4_strange_line_ends_split_a_row(sandbox: Sandbox, client: Client, separator: str) -> None:
    answer = client.put(HEAD + f"subject\tU-1\tST-1\ta{separator}b\n" + f'subject\tU-2\tST-1\t"a{separator}b"\n')
    assert answer.status_code == 200
    cut, joined = (sandbox.record("DEV-test", "subject", name) for name in ("U-1", "U-2"))
    assert cut is not None
    assert joined is not None
    assert cut["species"] == "a"
    assert joined["species"] == "a\nb"


def test_5_a_failing_dry_run_answers_200(client: Client) -> None:
    answer = client.dry_run("type\tsubmitter_id\tstudies.submitter_id\tsex\nsubject\tD-1\tST-1\tNope\n")
    assert answer.status_code == 200
    assert answer.json()["code"] == 200
    assert not answer.json()["success"]


def test_6_trailing_blanks_of_the_last_row_are_lost(sandbox: Sandbox, client: Client) -> None:
    client.put(HEAD + "subject\tB-1\tST-1\tcat\nsubject\tB-2\tST-1\tcat\n")
    client.put(HEAD + "subject\tB-1\tST-1\t\nsubject\tB-2\tST-1\t\n")
    first, last = (sandbox.record("DEV-test", "subject", name) for name in ("B-1", "B-2"))
    assert first is not None
    assert last is not None
    assert first["species"] is None
    assert last["species"] == "cat"
    client.put(HEAD + '"subject"\t"B-2"\t"ST-1"\t""\n')
    quoted = sandbox.record("DEV-test", "subject", "B-2")
    assert quoted is not None
    assert quoted["species"] is None


def test_7_overlapping_updates_lose_a_write(sandbox: Sandbox, client: Client) -> None:
    client.put(HEAD + "subject\tL-1\tST-1\told\n")
    answers: list[requests.Response] = []
    slow = "type\tsubmitter_id\tstudies.submitter_id\tsex\nsubject\tL-1\tST-1\tmale\n"
    with sandbox.faults.hold("before_commit", times=1) as hold:
        first = threading.Thread(target=lambda: answers.append(client.put(slow)))
        first.start()
        hold.wait_reached()
        answers.append(client.put(HEAD + "subject\tL-1\tST-1\tnew\n"))
    first.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    stored = sandbox.record("DEV-test", "subject", "L-1")
    assert stored is not None
    assert (stored["sex"], stored["species"]) == ("male", "old")
    assert len(sandbox.colliding()) == 1


def test_overlapping_requests_that_name_one_id_are_told(sandbox: Sandbox, client: Client) -> None:
    head = "type\tsubmitter_id\tstudies.submitter_id\tid\n"
    same = "7b1b2f0c-0000-4000-8000-000000000001"
    with sandbox.faults.hold("before_commit") as hold:
        first = threading.Thread(target=lambda: client.put(f"{head}subject\tI-1\tST-1\t{same}\n"))
        first.start()
        hold.wait_reached()
        second = threading.Thread(target=lambda: client.put(f"{head}subject\tI-2\tST-1\t{same}\n"))
        second.start()
        sandbox.wait_for(lambda box: len(box.requests) == 2 and box.requests[1].named)
    first.join()
    second.join()
    assert [key for _, _, key in sandbox.colliding()] == [("DEV-test", "id", same)]


def test_8_a_504_does_not_mean_not_done(sandbox: Sandbox, client: Client) -> None:
    sandbox.faults.lose("before_commit", how=504)
    answer = client.put(HEAD + "subject\tG-1\tST-1\tx\n", name="doc-8")
    assert answer.status_code == 504
    assert answer.text == '{ "error": "service failure - try again later"}'
    sandbox.wait_for(lambda box: box.record("DEV-test", "subject", "G-1"))
    sandbox.wait_for(lambda box: box.transactions[-1].state is State.SUCCEEDED)
    assert sandbox.transactions[-1].documents[0].name == "doc-8"


def test_8_a_retry_that_overlaps_is_told_the_rows_exist(sandbox: Sandbox, client: Client) -> None:
    text = HEAD + "subject\tR-1\tST-1\tx\n"
    answers: list[requests.Response] = []
    hold = sandbox.faults.hold("before_commit", times=1)
    first = threading.Thread(target=client.put, args=(text,))
    second = threading.Thread(target=lambda: answers.append(client.put(text)))
    first.start()
    hold.wait_reached()
    second.start()
    sandbox.wait_for(lambda box: len(box.requests) == 2 and box.requests[1].named)
    hold.release()
    first.join()
    second.join()
    assert answers[0].status_code == 400
    error = answers[0].json()["entities"][0]["errors"][0]
    assert error["type"] == "ERROR"
    expected = "subject with {'project_id': 'DEV-test', 'submitter_id': 'R-1'} already exists in the DB"
    assert error["message"] == expected
    assert client.put(text).status_code == 200


def test_9_another_letter_case_renames(sandbox: Sandbox, client: Client) -> None:
    answer = client.put(HEAD + "subject\tsu-1\tST-1\tx\n").json()
    assert answer["updated_entity_count"] == 1
    assert [record["submitter_id"] for record in sandbox.records("DEV-test", "subject")] == ["su-1", "SU-2"]


def test_10_a_known_id_with_another_name_stores_nothing(sandbox: Sandbox, client: Client) -> None:
    known = sandbox.record("DEV-test", "subject", "SU-1")
    assert known is not None
    lone = {"type": "subject", "id": known["id"], "submitter_id": "OTHER", "studies": {"submitter_id": "ST-1"}}
    answer = client.put_json(lone).json()
    assert answer["success"]
    assert client.state(answer["transaction_id"]) == "PENDING"
    assert sandbox.record("DEV-test", "subject", "OTHER") is None
    bystander = {"type": "subject", "submitter_id": "SU-2", "studies": {"submitter_id": "ST-1"}}
    blamed = client.put_json(lone, bystander)
    assert blamed.status_code == 400
    culprit, innocent = blamed.json()["entities"]
    assert culprit["valid"]
    assert "already exists in the DB" in innocent["errors"][0]["message"]


def test_11_a_parent_left_out_of_a_many_to_many_link_stays(sandbox: Sandbox, client: Client) -> None:
    samples = [
        {"type": "sample", "submitter_id": name, "sample_type": "DNA", "subjects": {"submitter_id": "SU-1"}}
        for name in ("SA-1", "SA-2")
    ]
    sandbox.write("DEV-test", samples)
    client.put("type\tsubmitter_id\tsamples.submitter_id\naliquot\tAL-1\tSA-1,SA-2\n")
    answer = client.put("type\tsubmitter_id\tsamples.submitter_id\naliquot\tAL-1\tSA-2\n")
    assert answer.status_code == 200
    stored = sandbox.record("DEV-test", "aliquot", "AL-1")
    assert stored is not None
    assert len(stored["samples"]) == 2


def test_12_dates_of_the_system_are_ignored(sandbox: Sandbox, client: Client) -> None:
    moment = "2001-01-01T00:00:00+00:00"
    head = "type\tsubmitter_id\tstudies.submitter_id\tcreated_datetime\tupdated_datetime\n"
    assert client.put(f"{head}subject\tT-1\tST-1\t{moment}\t{moment}\n").status_code == 200
    stored = sandbox.record("DEV-test", "subject", "T-1")
    assert stored is not None
    assert moment not in (stored["created_datetime"], stored["updated_datetime"])


def test_13_a_short_row_keeps_what_is_stored(sandbox: Sandbox, client: Client) -> None:
    client.put(HEAD + "subject\tS-1\tST-1\tcat\nsubject\tS-2\tST-1\tcat\n")
    client.put(HEAD + 'subject\tS-1\tST-1\nsubject\tS-2\tST-1\t""\nsubject\tSU-1\tST-1\tx\n')
    short, padded = (sandbox.record("DEV-test", "subject", name) for name in ("S-1", "S-2"))
    assert short is not None
    assert padded is not None
    assert short["species"] == "cat"
    assert padded["species"] is None
