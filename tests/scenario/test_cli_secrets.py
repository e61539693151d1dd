"""A full run with everything going wrong writes no key and no token anywhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
import tomli

from gen3sync.metrics.pages import PATHS
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import CONFIG, Lab, stop, tokens_used, until, written
from tests.scenario.test_metrics import free_port

PASSWORD, TOKEN = "hunter2horse9battery", "B0kenOfTheHook77"
STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\tHearts\n"
BAD = "type\tsubmitter_id\tprojects.code\tis_public\nstudy\tBAD\ttest\tperhaps\n"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        lab.config.write_text(CONFIG.replace('"experiment", "case", "sample", "aliquot"', '"study"'))
        text = lab.config.read_text().replace("[outbox]", 'horizon = "1s"\n[outbox]')
        text += f'[log]\nlevel = "debug"\n[metrics]\nlisten = "127.0.0.1:{free_port()}"\n'
        text += '[notify]\nurls_file = "notify-urls"\ngroup = "0s"\n'
        lab.config.write_text(text)
        (tmp_path / "notify-urls").write_text(f"json://lab:{PASSWORD}@127.0.0.1:1/{TOKEN}\nslack://{TOKEN}\n")
        (tmp_path / "notify-urls").chmod(0o600)
        yield lab


def scraped(lab: Lab) -> list[str]:
    """All that is said on the metrics port."""
    address = tomli.loads(lab.config.read_text())["metrics"]["listen"]
    found = []
    for path in (*PATHS, "/elsewhere"):
        for accept in ("text/plain", "application/json"):
            connection = HTTPConnection(address, timeout=60)
            connection.request("GET", path, headers={"Accept": accept})
            found.append(connection.getresponse().read().decode())
            connection.close()
    assert any("gen3sync_requests_total" in text for text in found)
    return found


def test_no_secret_leaves_the_process(lab: Lab) -> None:
    key = json.loads((lab.folder / "key.json").read_text())["api_key"]
    said = []
    with lab.process(PYTHONFAULTHANDLER="1") as process:
        lab.drop("study.tsv", STUDY)
        lab.drop("bad.tsv", BAD)
        lab.drop("photo.tsv", bytes(range(256)))
        for name in ("study.tsv", "bad.tsv", "photo.tsv"):
            until(lambda name=name: lab.receipt(name), process=process)  # type: ignore[misc]
        # The commons throws our own header back at us, as a broken proxy's error page does.
        lab.sandbox.faults.answer(500, times=2, method="PUT", body=f"<html>Authorization: bearer {key}</html>")
        lab.drop("again.tsv", STUDY.replace("HEART", "KIDNEY"))
        until(lambda: lab.receipt("again.tsv"), process=process)
        lab.sandbox.revoke_key()
        lab.sandbox.set_token_lifetime(1)
        for verb in (
            ["status"],
            ["history"],
            ["check"],
            ["token"],
            ["config", "show"],
            ["pull"],
            ["notify", "test"],
            ["--debug", "token"],
        ):
            ended = subprocess.run(
                [sys.executable, "-m", "gen3sync", *verb, "-c", str(lab.config)],
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            said.append(ended.stdout + ended.stderr)
        said += scraped(lab)
        assert stop(process) == 0
    used = tokens_used(lab)
    secrets = {key, key.rpartition(".")[2], PASSWORD, TOKEN, *used}
    for secret in secrets:
        for name, content in written(lab.folder, "key.json", "notify-urls").items():
            assert secret.encode() not in content, name
        for text in said:
            assert secret not in text
    for name, content in written(lab.folder, "key.json", "notify-urls").items():
        assert b"eyJ" not in content, name
    assert not any("eyJ" in text for text in said)
