"""What was the matter when an exchange was recorded, and must be again when it is replayed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import requests

from gen3sync.sandbox import Sandbox
from tests.contract import compare
from tests.contract.recorded import FOLDER, Recording

if TYPE_CHECKING:
    from tests.contract.test_sandbox_submission import Replay

_EXPIRED = ("export_expired_token", "put_expired_token", "list_programs_expired_token")
_STATES = {"put_project_closed": "closed", "export_project_closed": "closed", "export_project_submitted": "submitted"}


@contextmanager
def situation(sandbox: Sandbox, recording: Recording, replay: Replay) -> Iterator[str | None]:
    """Sets the scene for one recording and clears it away. Yields the token to use, None for a good one."""
    name = recording.name
    faults = sandbox.faults
    token = None
    if name.startswith("token_") and "<JWT redacted>" in json.dumps(recording.raw["request"]["body"]):
        _real_key(sandbox, recording)
    if recording.text and "/export" in recording.target and recording.status == 200:
        _lay_down(sandbox, recording, replay)
    if name in _EXPIRED:
        token = sandbox.access_token(-1)
    elif name.endswith("forbidden_by_arborist"):
        sandbox.deny("DEV-test")
    elif name in _STATES:
        sandbox.set_project("DEV-test", state=_STATES[name])
    elif name == "put_project_open_released":
        sandbox.set_project("DEV-test", released=True)
    elif name == "sheepdog_down_put":
        faults.answer(502, method="PUT")
    elif name == "token_fence_503":
        faults.answer(503, path="access_token")
    elif name in ("put_gateway_timeout", "put_retry_while_first_still_running"):
        _project_of_its_own(sandbox)
        if name == "put_gateway_timeout":
            faults.lose("before_commit", how=504, path="perf1k")
    try:
        if name == "put_retry_while_first_still_running":
            with _first_attempt(sandbox, recording, replay):
                yield token
        else:
            yield token
    finally:
        faults.clear()
        sandbox.allow()
        if name in _STATES:
            sandbox.set_project("DEV-test", state="open")


def _real_key(sandbox: Sandbox, recording: Recording) -> None:
    """Puts a key of the sandbox where the recorded one was blotted out."""
    lifetime = {"token_expired_key": -10, "token_ok": 86_400, "token_fence_503": 86_400}.get(recording.name, 1_800)
    recording.raw["request"]["body"] = json.dumps(sandbox.api_key(lifetime))


def _lay_down(sandbox: Sandbox, recording: Recording, replay: Replay) -> None:
    """Writes the records of an export that none of the recorded uploads had written, with their recorded ids."""
    if recording.name == "export_multilink_duplicate_rows":
        _files(sandbox, recording)
        return
    same = {"tsv": "json", "csv": "json"}
    source = recording
    stem, _, kind = recording.name.rpartition("_")
    if kind in same and (FOLDER / f"{stem}_json.json").exists():
        source = Recording(f"{stem}_json", json.loads((FOLDER / f"{stem}_json.json").read_text("utf-8")))
    if not source.text.startswith(("{ ", "[")):
        return
    documents = []
    for row in compare.recorded_rows(source):
        if sandbox.record("DEV-test", row["type"], row["submitter_id"]) is not None:
            continue
        links = {key: [{"id": item["node_id"]} for item in value] for key, value in row.items() if _is_link(value)}
        document = {key: value for key, value in row.items() if value is not None and key not in links}
        documents.append(json.loads(replay.ids.translate(json.dumps({**document, **links}))))
    if documents:
        sandbox.write("DEV-test", documents)


def _is_link(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _files(sandbox: Sandbox, recording: Recording) -> None:
    """The file records of the one recorded export with two link types, and their parents."""
    lines = [line.split("\t") for line in recording.text.split("\n")[:-1]]
    head, rows = lines[0], [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    parents = {pair for row in rows for pair in zip(row[head[-2]].split(","), row[head[-1]].split(","), strict=True)}
    sandbox.write(
        "DEV-test",
        [
            {"type": "experiment", "id": parent, "submitter_id": name, "projects": {"code": "test"}}
            for parent, name in sorted(parents)
        ],
    )
    documents = []
    for row in rows:
        values = {key: value for key, value in row.items() if value and "." not in key}
        links = {"experiments": [{"id": parent} for parent in row["experiments.id"].split(",")]}
        documents.append({**values, "file_size": int(row["file_size"]), **links})
    sandbox.write("DEV-test", documents)


def _project_of_its_own(sandbox: Sandbox) -> None:
    if sandbox.commons.store.project("DEV-perf1k") is None:
        sandbox.add_project("DEV-perf1k")
        document = {"type": "experiment", "submitter_id": "EXP-1", "projects": {"code": "perf1k"}}
        sandbox.write("DEV-perf1k", [document])


@contextmanager
def _first_attempt(sandbox: Sandbox, recording: Recording, replay: Replay) -> Iterator[None]:
    """The same request, on its way and not yet committed; it ends while the retry waits for it."""
    answers: list[requests.Response] = []
    hold = sandbox.faults.hold("before_commit", times=1, path="perf1k")
    first = threading.Thread(target=lambda: answers.append(replay.send(recording)))
    first.start()
    hold.wait_reached()

    def release() -> None:
        # Named means: its records were looked up, and were not there yet.
        sandbox.wait_for(lambda box: sum(r.ended is None and bool(r.named) for r in box.requests) == 2)
        hold.release()

    releaser = threading.Thread(target=release)
    releaser.start()
    yield
    releaser.join()
    first.join()
    assert answers[0].status_code == 200
