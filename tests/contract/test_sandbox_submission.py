"""The sandbox against the recordings of a real submission and token service, replayed in the order they were made.

One sandbox lives through all of them, since most need the state that the earlier ones left. What requests that were
not recorded had left there is laid down in `SEEDS`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from gen3sync.sandbox import Sandbox
from tests.contract import compare
from tests.contract.recorded import Recording, dictionary, load

NOT_REPLAYED = {
    "direct_export_bad_format_http11": "breaks off; has a test of its own below",
    "kill_front_tsv_undisturbed": "only measured from outside; has a test of its own below",
    "kill_front_tsv_sigkill_midstream": "only measured from outside; has a test of its own below",
    "kill_front_json_sigkill_midstream": "only measured from outside; has a test of its own below",
}
"""Each with its reason. Everything else in the folder is replayed here or in test_sandbox_graphql.py."""

GRAPHQL_ELSEWHERE = "graphql_"

# Written between the recorded exchanges, by requests that were not recorded: before each name, these documents.
SEEDS: dict[str, list[dict[str, Any]]] = {
    "clear_blank_cells_3_rows": [
        {
            "type": "case",
            "submitter_id": f"CL-{number}",
            "experiments": {"submitter_id": "EXP-1"},
            "consent_codes": ["GRU"],
            "disease_type": "Glioma",
            "primary_site": "Brain",
        }
        for number in (1, 2, 3)
    ],
    "export_sample_csv": [
        {
            "type": "sample",
            "submitter_id": "NT-1",
            "cases": {"submitter_id": "CASE-001"},
            "sample_type": "DNA",
            "is_ffpe": True,
            "initial_weight": 1.5,
            "freezing_method": "x",
            "id": "d2e34e1c-95eb-4f9d-a76c-7840ee0737f5",
        }
    ],
}
FIRST = ("program_create", "program_create_again")
AFTER = {
    "direct_export_program": "export_program_node",
    "dry_run_close": "dry_run_ok_2",
    "dry_run_commit_failed_tx": "dry_run_failing",
    "put_project_in_review": "project_review",
    "export_project_in_review": "project_review",
    "entities_get": "put_json_ok",
}
"""Several exchanges share a second; these came right after another one."""


def ordered() -> list[Recording]:
    found = {recording.name: recording for recording in load() if not recording.name.startswith(GRAPHQL_ELSEWHERE)}
    late = {name: found.pop(name) for name in AFTER}
    made = [found.pop(name) for name in FIRST]
    for recording in found.values():
        made.append(recording)
        made += [late[name] for name, before in AFTER.items() if before == recording.name]
    return made


@dataclass
class Replay:
    """Sends recorded requests to a sandbox and keeps what differed."""

    sandbox: Sandbox
    ids: compare.Ids = field(default_factory=compare.Ids)
    numbers: dict[int, int] = field(default_factory=dict)
    problems: dict[str, list[str]] = field(default_factory=dict)

    def send(self, recording: Recording, *, token: str | None = None) -> requests.Response:
        headers = dict(recording.headers)
        if recording.with_token:
            headers["Authorization"] = f"bearer {token or self.sandbox.access_token()}"
        body = recording.body
        if body is not None:
            with contextlib.suppress(UnicodeDecodeError):
                body = self.ids.translate(body.decode()).encode()
        target = self.ids.translate(recording.target)
        for number, ours in self.numbers.items():
            target = target.replace(f"/transactions/{number}/", f"/transactions/{ours}/")
        with requests.Session() as session:
            session.headers.clear()
            session.headers.update({"Accept-Encoding": "gzip, deflate"})
            return session.request(recording.method, self.sandbox.url + target, data=body, headers=headers, timeout=60)

    def run(self, recording: Recording) -> None:
        if recording.name in SEEDS:
            self.sandbox.write("DEV-test", SEEDS[recording.name])
        with self.situation(recording) as token:
            answer = self.send(recording, token=token)
        found = [] if answer.status_code == recording.status else [f"status {answer.status_code}: {answer.text[:300]}"]
        if not found:
            found = compare.headers(recording, answer) + self.differences(recording, answer)
        try:
            number = answer.json().get("transaction_id")
        except (ValueError, AttributeError):
            number = None
        if recording.transaction_id is not None and number is not None:
            self.numbers[recording.transaction_id] = number
        self.problems[recording.name] = found

    def situation(self, recording: Recording) -> Any:
        from tests.contract.situations import situation

        return situation(self.sandbox, recording, self)

    def differences(self, recording: Recording, answer: requests.Response) -> list[str]:
        name = recording.name
        if name in ("token_ok", "token_key_dying_short_expires_in"):
            return [] if answer.json().keys() == {"access_token"} else ["no token"]
        if name.startswith("token_") and recording.text.startswith("<!doctype"):
            return compare.fence_page(recording, answer, self.ids)
        if name in ("dictionary_all", "dictionary_all_identity"):
            return [] if answer.json() == dictionary() else ["another dictionary"]
        if name in ("dictionary_index", "dictionary_no_authorization", "project_dictionary"):
            listed = set(answer.json()["links"])
            return [f"missing: {link}" for link in recording.json()["links"] if link not in listed]
        if name == "template_all_tsv":
            return [] if answer.content[:2] == b"\x1f\x8b" else ["no archive"]
        if "/export" in recording.target and recording.status == 200 and recording.method != "HEAD":
            if name == "export_multilink_duplicate_rows":
                theirs = compare.merged(recording.text[: recording.text.rindex("\n")])
                return [] if theirs == compare.merged(answer.text) else ["other records or links"]
            if answer.headers["Content-Type"] == "application/json":
                return compare.rows(recording, answer, self.ids)
            return compare.lines(recording, answer, self.ids)
        if name == "put_retry_while_first_still_running":
            said = re.findall(r"case with .*? already exists in the DB", recording.text)
            mine: list[str] = [error["message"] for entity in answer.json()["entities"] for error in entity["errors"]]
            return [] if said and mine[: len(said)] == said else [f"{said[0]} recorded, here {mine[:1]}"]
        if recording.text.startswith("{") and "entities" in recording.json() and "transaction_id" in recording.json():
            return compare.upload(recording, answer, self.ids)
        return compare.plain(recording, answer, self.ids)


@pytest.fixture(scope="module")
def replay() -> Iterator[Replay]:
    with Sandbox(dictionary=dictionary(), projects=()) as sandbox:
        made = Replay(sandbox)
        for recording in ordered():
            if recording.name not in NOT_REPLAYED:
                made.run(recording)
        yield made


@pytest.mark.parametrize("name", [r.name for r in ordered() if r.name not in NOT_REPLAYED])
def test_answers_like_the_recording(replay: Replay, name: str) -> None:
    assert replay.problems[name] == []


def test_every_recording_is_replayed_or_listed() -> None:
    """A recording that nobody looks at is a promise that nobody keeps."""
    from tests.contract import test_sandbox_graphql

    here = {recording.name for recording in ordered()}
    there = set(test_sandbox_graphql.REPLAYED) | set(test_sandbox_graphql.NOT_REPLAYED)
    assert {recording.name for recording in load()} == here | there
    assert not here & there


def _recorded(name: str) -> dict[str, Any]:
    return next(recording.raw for recording in load() if recording.name == name)


def test_unknown_format_breaks_off_without_a_proxy(replay: Replay) -> None:
    """direct_export_bad_format_http11: the head line, then the connection ends without the last chunk."""
    recording = next(item for item in load() if item.name == "direct_export_bad_format_http11")
    headers = {"Authorization": f"bearer {replay.sandbox.access_token()}"}
    with requests.get(replay.sandbox.url + recording.target, headers=headers, stream=True, timeout=60) as answer:
        assert answer.status_code == recording.status
        blocks = answer.iter_content(None)
        assert next(blocks).decode() == recording.text
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            next(blocks)


@pytest.mark.parametrize("kind", ["undisturbed", "sigkill_midstream"])
def test_tsv_of_a_killed_worker_looks_complete(replay: Replay, kind: str) -> None:
    """kill_front_tsv_*: 200, no exception, ends on a newline, whether whole or not."""
    recorded = _recorded(f"kill_front_tsv_{kind}")
    whole = _recorded("kill_front_tsv_undisturbed")["newlines"] // 100
    lines = recorded["newlines"] // 100
    replay.sandbox.add_project("DEV-killed")
    replay.sandbox.synthetic("DEV-killed", "case", whole - 1)
    if lines < whole:
        replay.sandbox.faults.cut_export(rows=lines - 1)
    answer = _export(replay.sandbox, "DEV/killed", "tsv")
    assert answer.status_code == recorded["status"]
    assert answer.text.endswith("\n")
    assert recorded["tail"].endswith("\n")
    assert answer.text.count("\n") == lines


def test_json_of_a_killed_worker_does_not_parse(replay: Replay) -> None:
    """kill_front_json_sigkill_midstream: 200, no exception in HTTP or gzip, cut after a record."""
    recorded = _recorded("kill_front_json_sigkill_midstream")
    replay.sandbox.add_project("DEV-killed")
    replay.sandbox.synthetic("DEV-killed", "case", 2000)
    replay.sandbox.faults.cut_export(rows=900)
    answer = _export(replay.sandbox, "DEV/killed", "json")
    assert answer.status_code == recorded["status"]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.text.endswith('"type": "case"}')
    assert recorded["tail"].endswith('"type": "case"}')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def _export(sandbox: Sandbox, project: str, kind: str) -> requests.Response:
    url = f"{sandbox.url}/api/v0/submission/{project}/export?node_label=case&format={kind}"
    return requests.get(url, headers={"Authorization": f"bearer {sandbox.access_token()}"}, timeout=60)
