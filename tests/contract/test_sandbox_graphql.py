"""The sandbox against the recordings of a real GraphQL service, on projects made as they were then."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import requests

from gen3sync.sandbox import Sandbox, State
from tests.contract import compare
from tests.contract.recorded import Recording, dictionary, load

NOT_REPLAYED: dict[str, str] = {}
"""Each with its reason; none at present."""

_DELTA = [f"E-{number:06d}" for number in range(0, 10_000, 1000)]
_DENIED = {
    "graphql_err_arborist_mapping_401",
    "graphql_err_arborist_mapping_500",
    "graphql_err_denied_create_only",
    "graphql_err_denied_no_peregrine_service",
    "graphql_err_denied_other_project_only",
    "graphql_err_denied_sheepdog_compare",
}
_PLANNED = {
    "graphql_err_arborist_down": 500,
    "graphql_err_arborist_down_open": 500,
    "graphql_err_db_down": 500,
    "graphql_err_server_down": 502,
    "graphql_err_server_down_status": 502,
}


def recordings() -> list[Recording]:
    return [recording for recording in load() if recording.name.startswith("graphql_")]


REPLAYED = [recording.name for recording in recordings()]


@dataclass
class Scene:
    """A sandbox with the projects of the recordings, and what they were called there."""

    sandbox: Sandbox
    ids: compare.Ids = field(default_factory=compare.Ids)
    numbers: dict[int, int] = field(default_factory=dict)
    times: dict[str, str] = field(default_factory=dict)

    def put(self, target: str, body: str | dict[str, Any]) -> requests.Response:
        kind = "application/json" if isinstance(body, dict) else "text/tab-separated-values"
        data = json.dumps(body) if isinstance(body, dict) else body
        headers = {"Authorization": f"bearer {self.sandbox.access_token()}", "Content-Type": kind}
        return requests.put(f"{self.sandbox.url}/api/v0/submission/{target}", data, headers=headers, timeout=60)

    def project(self, code: str, **props: str) -> None:
        """As an administrator makes it: with a log entry that stays PENDING."""
        body = {"type": "project", "code": code, "name": code, "dbgap_accession_number": code, **props}
        assert self.put("DEV", body).status_code == 200

    def experiment(self, code: str) -> None:
        self.sandbox.write(f"DEV-{code}", [{"type": "experiment", "submitter_id": "EXP-1", "projects": {"code": code}}])

    def case(self, code: str, name: str, **props: str) -> None:
        links = {"experiments": {"submitter_id": "EXP-1"}}
        self.sandbox.write(f"DEV-{code}", [{"type": "case", "submitter_id": name, **links, **props}])

    # -- the projects -------------------------------------------------------------------------------------------

    def perf10k(self) -> None:
        """10,000 cases, 53 finished transactions and one that never ended; the last changed E-000000."""
        self.sandbox.add_project("DEV-perf10k", availability_type="Open")
        props = {"disease_type": "v1", "primary_site": "Brain", "consent_codes": ["GRU", "HMB"]}
        self.sandbox.synthetic(
            "DEV-perf10k", "case", 10_000, props, prefix="E", width=6, parents={"experiments": "EXP-1"}
        )
        log, clock = self.sandbox.commons.log, self.sandbox.commons.clock
        for position in range(53):
            entry = log.claim("DEV", "perf10k", "update", clock.stamp(), dry_run=False)
            if position:
                log.set_state(entry, State.SUCCEEDED)
        self.case("perf10k", "E-000000", disease_type="v2")
        self.sandbox.sql("DEV-perf10k", "case", "E-000000", disease_type="v1")
        changed = self.sandbox.record("DEV-perf10k", "case", "E-000000")
        assert changed is not None
        self.ids.learn("989ba327-d6fa-4840-997e-fff56cdea931", changed["experiments"][0])
        newest = changed["updated_datetime"]
        self.ids.learn("531a867e-5ebb-45ca-9c2d-849eb6e3c76a", changed["id"])
        before = newest[:19] + f".{int(newest[20:26]) - 1:06d}" + newest[26:]
        self.times["2026-11-23T00:53:39.147699+00:00"] = newest
        self.times["2026-11-23T00:53:39.147698+00:00"] = before

    def others(self) -> None:
        self.sandbox.add_project("DEV-perf")
        self.sandbox.synthetic("DEV-perf", "case", 9436)
        self.sandbox.add_project("DEV-test")
        self.sandbox.synthetic("DEV-test", "sample", 74)
        self.project("closedp", availability_type="Restricted")
        self.experiment("closedp")
        self.case("closedp", "C-1")
        self.project("perf100", availability_type="Open")
        self.experiment("perf100")
        links = {"experiments": {"submitter_id": "EXP-1"}}
        self.sandbox.write(
            "DEV-perf100", [{"type": "case", "submitter_id": f"P-{number}", **links} for number in range(100)]
        )
        self.project("clean")
        text = "type\tsubmitter_id\tprojects.code\nexperiment\tEXP-1\tclean\nexperiment\tEXP-2\tclean\n"
        assert self.put("DEV/clean", text).status_code == 200

    def twins(self) -> None:
        """False success: two new rows that differ only in case."""
        self.sandbox.add_project("DEV-twins")
        self.experiment("twins")
        text = "type\tsubmitter_id\texperiments.submitter_id\ncase\tTW-1\tEXP-1\ncase\ttw-1\tEXP-1\n"
        answer = self.put("DEV/twins", text)
        assert answer.json()["success"]
        self.numbers[25] = answer.json()["transaction_id"]

    def race(self) -> None:
        """A slow upload starts first and commits last."""
        self.sandbox.add_project("DEV-race1")
        self.experiment("race1")
        self.case("race1", "R-1")
        text = "type\tsubmitter_id\texperiments.submitter_id\ncase\tR-2\tEXP-1\n"
        with self.sandbox.faults.hold("before_commit", path="race1") as hold:
            slow = threading.Thread(target=self.put, args=("DEV/race1", text))
            slow.start()
            hold.wait_reached()
            self.case("race1", "R-3")
        slow.join()

    def crash(self) -> None:
        """A worker dies after the commit and before it could say so."""
        self.project("crash2")
        self.experiment("crash2")
        self.case("crash2", "C-1", disease_type="v1")
        self.sandbox.faults.kill("after_commit", path="crash2")
        text = "type\tsubmitter_id\texperiments.submitter_id\tdisease_type\ncase\tC-1\tEXP-1\tCRASH\n"
        assert self.put("DEV/crash2", text).status_code == 502

    def links(self) -> None:
        """Many-to-many links added alone."""
        self.sandbox.add_project("DEV-ev3")
        self.experiment("ev3")
        self.case("ev3", "C-1")
        for name in ("S1", "S2", "S3"):
            self.sandbox.write("DEV-ev3", [{"type": "sample", "submitter_id": name, "cases": {"submitter_id": "C-1"}}])
        aliquots = [
            {"type": "aliquot", "submitter_id": name, "samples": {"submitter_id": "S1"}} for name in ("A1", "A2")
        ]
        self.sandbox.write("DEV-ev3", aliquots)
        answer = self.put("DEV/ev3", "type\tsubmitter_id\tsamples.submitter_id\naliquot\tA1\tS2\n")
        self.numbers[504] = answer.json()["transaction_id"]
        self.put("DEV/ev3", "type\tsubmitter_id\tsamples.submitter_id\naliquot\tA2\tS3\n")

    def delta(self) -> None:
        """Ten records changed, sent again unchanged, one record made and deleted."""
        head = "type\tsubmitter_id\texperiments.submitter_id\tdisease_type\n"
        text = head + "".join(f"case\t{name}\tEXP-1\tdelta1795397135\n" for name in _DELTA)
        for number in (545, 546):
            self.numbers[number] = self.put("DEV/perf10k", text).json()["transaction_id"]
        made = self.put("DEV/perf10k", "type\tsubmitter_id\texperiments.submitter_id\ncase\tDELME\tEXP-1\n").json()
        target = f"{self.sandbox.url}/api/v0/submission/DEV/perf10k/entities/{made['entities'][0]['id']}"
        headers = {"Authorization": f"bearer {self.sandbox.access_token()}"}
        self.numbers[548] = requests.delete(target, headers=headers, timeout=60).json()["transaction_id"]

    # -- one recording ------------------------------------------------------------------------------------------

    def send(self, recording: Recording) -> requests.Response:
        body = (recording.body or b"").decode() if recording.body is not None else None
        if recording.name == "graphql_body_20mb":
            body = json.dumps({"query": '{_case_count(project_id:"DEV-perf10k")}', "x": "a" * 2_000_000})
        elif recording.name == "graphql_err_body_too_large":
            body = json.dumps({"query": "x" * 2_000})
        elif body is not None:
            for theirs, ours in self.times.items():
                body = body.replace(theirs, ours)
            for number, mine in self.numbers.items():
                body = body.replace(f'(id:\\"{number}\\")', f'(id:\\"{mine}\\")')
        headers = dict(recording.headers)
        if recording.with_token:
            headers["Authorization"] = f"bearer {self.token(recording.name)}"
        url = self.sandbox.url + self.ids.translate(recording.target)
        return requests.request(recording.method, url, data=body, headers=headers, timeout=60)

    def token(self, name: str) -> str:
        good = self.sandbox.access_token()
        if "token_expired" in name:
            return self.sandbox.access_token(-1)
        if name == "graphql_err_api_key_as_token":
            return self.sandbox.api_key()["api_key"]
        if name == "graphql_err_token_bad_signature":
            return good[:-8] + "AAAAAAAA"
        return good

    def situation(self, name: str) -> None:
        faults = self.sandbox.faults
        if name in _DENIED:
            self.sandbox.deny("DEV-closedp")
        elif name == "graphql_err_denied_open_project":
            self.sandbox.deny("DEV-perf100")
        elif name in _PLANNED:
            faults.answer(_PLANNED[name])
        elif name == "graphql_err_db_timeout":
            faults.set(graphql="error")
        elif name == "graphql_err_body_too_large":
            faults.set(max_body=1_000)

    def differences(self, recording: Recording) -> list[str]:
        self.situation(recording.name)
        try:
            answer = self.send(recording)
        finally:
            self.sandbox.faults.clear()
            self.sandbox.allow()
        if answer.status_code != recording.status:
            return [f"status {answer.status_code}: {answer.text[:300]}"]
        found = compare.headers(recording, answer)
        if recording.name == "graphql_getschema":
            return found + _schema(recording, answer.json())
        if recording.name == "graphql_err_db_timeout":
            same = answer.json().keys() == recording.json().keys()
            return found + ([] if same and "QueryCanceled" in answer.json()["errors"][0] else ["another error"])
        if recording.name == "graphql_err_body_too_large":
            return found + ([] if "413 Request Entity Too Large" in answer.text else ["another page"])
        if recording.name == "graphql_sheepdog_export_ids_json_compare":
            return found + compare.rows(recording, answer, self.ids)
        if not recording.whole:
            theirs, ours = _masked_text(recording.text), _masked_text(answer.text)
            return found + ([] if ours.startswith(theirs[:-200]) else [f"{theirs}\n{ours}"])
        if recording.name == "graphql_err_unknown_node":
            theirs, ours = (text.split("Did you mean")[0] for text in (recording.text, answer.text))
            return found + ([] if theirs == ours else [f"{theirs} {ours}"])
        if recording.name in ("graphql_page_rows", "graphql_delta_updated_after"):
            # Which of 10,000 records comes first depends on random ids.
            theirs, ours = (_SYNTHETIC.sub("E-<n>", text) for text in (recording.text, answer.text))
            return found + ([] if _masked_text(theirs) == _masked_text(ours) else [f"{theirs}\n{ours}"])
        return found + compare.plain(recording, answer, self.ids)


def _schema(recording: Recording, mine: dict[str, Any]) -> list[str]:
    """The recording holds the beginning only: the log's arguments."""
    theirs = re.findall(r'\{"name": "(\w+)", "description": null, "type": \{"kind": "(\w+)"', recording.text)
    root = next(kind for kind in mine["data"]["__schema"]["types"] if kind["name"] == "Root")
    log = next(found for found in root["fields"] if found["name"] == "transaction_log")
    ours = [(arg["name"], arg["type"]["kind"]) for arg in log["args"]]
    ours = [arg for arg in ours if arg[0] != "committable"]  # has a description, which the expression above skips
    return [] if theirs and set(theirs) == set(ours) else [f"{theirs} recorded, {ours} here"]


_SYNTHETIC = re.compile(r"E-\d{6}")


def _masked_text(text: str) -> str:
    text = compare.UUID.sub("<id>", text)
    text = re.sub(r"\d{4}-\d{2}-\d{2}[T ][\d:.+]+", "<time>", text)
    return re.sub(r'(transaction_id\\?"?: ?|"id":")\d+', r"\1<n>", text)


@pytest.fixture(scope="module")
def problems() -> Iterator[dict[str, list[str]]]:
    with Sandbox(dictionary=dictionary(), projects=()) as sandbox:
        scene = Scene(sandbox)
        sandbox.commons.store.add_program("DEV", "DEV")
        steps: list[tuple[str, Callable[[], None]]] = [("graphql_delta_updated_after", scene.delta)]
        for make in (scene.perf10k, scene.others, scene.twins, scene.race, scene.crash, scene.links):
            make()
        found: dict[str, list[str]] = {}
        for recording in recordings():
            for name, step in steps:
                if name == recording.name:
                    step()
            found[recording.name] = scene.differences(recording)
        yield found


@pytest.mark.parametrize("name", REPLAYED)
def test_answers_like_the_recording(problems: dict[str, list[str]], name: str) -> None:
    assert problems[name] == []
