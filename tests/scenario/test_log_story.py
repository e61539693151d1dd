"""A whole story with the log in JSON: each line about a drop or a mirror can be found by its number or file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import CONFIG, Lab, stop, until

STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\tHearts\nstudy\tKIDNEY\ttest\tKidneys\n"
BAD = "type\tsubmitter_id\tprojects.code\tis_public\nstudy\tBAD\ttest\tperhaps\n"
BLANK = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\t\n"
NOWHERE = "type\tsubmitter_id\n"
FILES = ("study.tsv", "bad.tsv", "photo.tsv", "blank.tsv", "lost.tsv", "nowhere.tsv")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        text = CONFIG.replace('"experiment", "case", "sample", "aliquot"', '"study"')
        text = text.replace("[outbox]", 'horizon = "1s"\n[outbox]') + '[log]\nlevel = "debug"\nformat = "json"\n'
        lab.config.write_text(text)
        yield lab


def lines(lab: Lab) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lab.log.splitlines()]


def test_every_line_about_a_drop_or_a_mirror_carries_its_id(lab: Lab) -> None:
    with lab.process() as process:
        lab.drop("study.tsv", STUDY)
        until(lambda: lab.receipt("study.tsv"), process=process)
        lab.drop("bad.tsv", BAD)
        lab.drop("photo.tsv", bytes(range(256)))
        lab.drop("blank.tsv", BLANK)
        for name in ("bad.tsv", "photo.tsv"):
            until(lambda name=name: lab.receipt(name), process=process)  # type: ignore[misc]
        until(lambda: any(drop.state == "parked" for drop in lab.open), process=process)
        (lab.outbox.parent / "nowhere").mkdir()
        (lab.outbox.parent / "nowhere" / "nowhere.tsv").write_text(NOWHERE)
        until(lambda: sum(drop.state == "parked" for drop in lab.open) == 2, process=process)
        lab.sandbox.faults.answer(502, times=1, method="PUT")
        lab.drop("lost.tsv", STUDY.replace("HEART", "LIVER"))
        until(lambda: lab.receipt("lost.tsv"), process=process)
        until(lambda: "updated" in lab.log, process=process)
        lab.sandbox.faults.answer(500, times=None, path="/export")
        lab.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "OTHER", "projects": [{"code": "test"}]}])
        until(lambda: '"failed: ' in lab.log, process=process)
        lab.sandbox.faults.clear()
        assert stop(process) == 0
    said = lines(lab)
    about_drops = [line for line in said if any(name in f"{line['message']} {line.get('file')}" for name in FILES)]
    about_mirrors = [line for line in said if "study.tsv" in str(line.get("mirror"))]
    assert len(about_drops) >= 8, "this test looks at nothing"
    assert any(line["message"].startswith("parked: blank cells would erase") for line in said)
    assert "failed" in {line["message"].partition(":")[0] for line in about_mirrors}
    for line in about_drops:
        assert "drop" in line or "mirror" in line, line
    for line in said:
        if line["logger"].startswith("gen3sync.inbox") and "study" in line["message"]:
            assert "mirror" in line, line
    events = lab.call("history", "--json", "-n", "1000").json["events"]
    logged = {line["drop"] for line in said if "drop" in line}
    assert logged == {event["drop_id"] for event in events if event["drop_id"]}
    for name in FILES:
        (drop,) = lab.call("history", "--json", name).json["drops"]
        assert any(line["drop"] == drop["id"] for line in about_drops if "drop" in line), name
    mirrors = {event["mirror"] for event in events if event["mirror"]}
    assert mirrors
    assert mirrors <= {line["mirror"] for line in about_mirrors}
