"""Canaries: a full run with everything going wrong, and every exception there is, hold no key and no token."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import traceback
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

import pytest
import requests

from gen3sync.commons import queries
from gen3sync.daemon.privacy import OURS
from gen3sync.errors import Gen3SyncError
from gen3sync.redaction import redact, redact_value
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import CONFIG, Lab, stop, tokens_used, until, written
from tests.scenario.test_metrics import free_port
from tests.unit.commons.support import PROJECT, House, Reply, Seen, as_json

STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\tHearts\n"
BAD = "type\tsubmitter_id\tprojects.code\tis_public\nstudy\tBAD\ttest\tperhaps\n"
VERBS = (
    *(["status"], ["status", "--json"], ["history"], ["check"], ["token"], ["config", "show"], ["pull"], ["once"]),
    *(["--debug", "token"], ["--debug", "pull"], ["graphql", "{x}"], ["export", "DEV/test", "study"], ["retry"]),
)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def lab(tmp_path: Path, port: int) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        text = CONFIG.replace('"experiment", "case", "sample", "aliquot"', '"study"')
        text = text.replace("[outbox]", 'horizon = "1s"\n[outbox]')
        lab.config.write_text(text + f'[log]\nlevel = "debug"\n[metrics]\nlisten = "127.0.0.1:{port}"\n')
        yield lab


def asked(port: int, page: str) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=60) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()


def test_a_full_run_writes_no_secret(lab: Lab, port: int) -> None:
    """Logs (at debug), ledger, receipts, status, metrics, caches, and what every verb says."""
    key = json.loads((lab.folder / "key.json").read_text())["api_key"]
    said: dict[str, str] = {}
    with lab.process(PYTHONFAULTHANDLER="1") as process:
        for name, content in (("study.tsv", STUDY), ("bad.tsv", BAD), ("photo.tsv", bytes(range(256)))):
            lab.drop(name, content)
            until(lambda name=name: lab.receipt(name), process=process)  # type: ignore[misc]
        # The commons throws our own header back at us, as a broken proxy's error page does.
        page = f"<html>Authorization: bearer {key}</html>"
        lab.sandbox.faults.answer(500, times=2, method="PUT", body=page)
        lab.sandbox.faults.answer(500, times=2, method="GET", path="/export", body=page)
        lab.drop("again.tsv", STUDY.replace("HEART", "KIDNEY"))
        until(lambda: lab.receipt("again.tsv"), process=process)
        lab.sandbox.revoke_key()
        lab.sandbox.set_token_lifetime(1)
        for name in ("metrics", "healthz", "readyz"):
            said[name] = asked(port, name)
        assert "gen3sync_" in said["metrics"]
        for verb in VERBS:
            ended = subprocess.run(
                [sys.executable, "-m", "gen3sync", *verb, "-c", str(lab.config)],
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            said[" ".join(verb)] = ended.stdout + ended.stderr
        assert stop(process) == 0
    used = tokens_used(lab)
    everything = written(lab.folder, "key.json") | {f"said by {name}": text.encode() for name, text in said.items()}
    assert {"state/ledger.sqlite", "state/status.json", "daemon.log", "sent/DEV/test/study.tsv.receipt.json"} <= set(
        everything
    )
    for name, content in everything.items():
        for secret in (key, key.rpartition(".")[2], *used):
            assert secret.encode() not in content, name
        assert b"eyJ" not in content, name


def test_what_a_run_writes_is_for_the_owner_and_the_group(lab: Lab) -> None:
    """With any umask: nothing in the state folder for others, the ledger for the daemon's user alone."""
    lab.folder.chmod(0o755)
    before = os.umask(0)
    try:
        with lab.process() as process:
            lab.drop("study.tsv", STUDY)
            lab.drop("bad.tsv", BAD)
            until(lambda: lab.receipt("study.tsv") and lab.receipt("bad.tsv"), process=process)
            until(lambda: (lab.inbox / "study.tsv").exists(), process=process)
            found = modes_below(lab.folder)
            assert stop(process) == 0
    finally:
        os.umask(before)
    assert not [name for name, mode in found.items() if stat.S_ISSOCK(mode)]
    modes = {name: stat.S_IMODE(mode) for name, mode in found.items() if not stat.S_ISLNK(mode)}
    ledger = {name: mode for name, mode in modes.items() if name.startswith("state/ledger.sqlite")}
    assert ledger
    assert set(ledger.values()) == {0o600}
    papers = {name: mode for name, mode in modes.items() if name.startswith(("sent/DEV/test/", "rejected/DEV/test/"))}
    assert {mode & 0o137 for name, mode in papers.items() if ".tsv." in name} == {0}
    # What lies below a closed folder is closed, whatever its own mode.
    closed = {f"state/{name}" for name in OURS}
    assert {modes[name] for name in closed} == {0o700}
    lie_open = {name for name in modes if name.startswith("state/") and not closed & {name, *_above(name)}}
    assert {name for name in lie_open if modes[name] & 0o007} <= {"state/.gen3sync.lock"}
    mirrors = [modes[name] for name in modes if name.startswith("inbox/") and name.endswith(".tsv")]
    assert mirrors
    assert not [mode for mode in mirrors if mode & 0o007]


def modes_below(folder: Path) -> dict[str, int]:
    """Of all that lies in `folder` while a daemon works in it: files and folders may go between two looks."""
    found = {}
    for where, folders, files in os.walk(folder):
        for path in (Path(where, name) for name in (*folders, *files)):
            with suppress(FileNotFoundError):
                found[path.relative_to(folder).as_posix()] = path.lstat().st_mode
    return found


def _above(name: str) -> set[str]:
    return {parent.as_posix() for parent in PurePosixPath(name).parents}


# --- exceptions


CANARY = "eyJhbGciOiJIUzI1NiJ9.eyJjYW5hcnkiOjF9.c2lnbmF0dXJlLWNhbmFyeQ"


def broken_by(error: type[BaseException], *args: object) -> Callable[..., object]:
    def send(*_: object, **__: object) -> object:
        raise error(*args)

    return send


ERRORS = {
    "header": (requests.exceptions.InvalidHeader, f"Invalid header value 'bearer {CANARY}'"),
    "connection": (requests.ConnectionError, f"HTTPConnectionPool(headers={{'Authorization': 'bearer {CANARY}'}})"),
    "proxy": (requests.exceptions.ProxyError, f"http://lab:{CANARY}@proxy.example.org"),
    "value": (ValueError, f"Invalid header value b'bearer {CANARY}'"),
    "system": (OSError, 5, f"bearer {CANARY}"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_no_exception_carries_what_a_library_quoted(home: House, monkeypatch: pytest.MonkeyPatch, error: str) -> None:
    """Libraries quote headers in their errors. Those end in the transport: neither the text, nor the repr, nor the
    chain behind an error of ours holds them."""
    kind, *args = ERRORS[error]
    token = home.tokens.token().value
    monkeypatch.setattr(requests.Session, "request", broken_by(kind, *args))  # type: ignore[arg-type]
    shown: list[str] = []
    home.tokens.drop(token)
    for question in (
        lambda: home.client.submit(PROJECT, b"x", content_type="text/tsv", document_name="d"),
        lambda: home.client.export_node(PROJECT, "case"),
        home.client.programs,
        home.client.dictionary,
        lambda: queries.find_ids(home.client, PROJECT, "case", ["a"]),
        home.tokens.token,
        home.tokens.status,
    ):
        try:
            result = question()
            shown.append(f"{result!r} {result}")
        except Gen3SyncError as raised:
            shown += chain(raised)
    assert shown
    for text in shown:
        assert CANARY not in text
        assert CANARY.rpartition(".")[2] not in text


def chain(error: BaseException) -> list[str]:
    """All that can be printed of an error and of what it came from."""
    texts = [str(error), repr(error), repr(error.args), "".join(traceback.format_exception(error))]
    for before in (error.__cause__, error.__context__):
        texts += chain(before) if before is not None else []
    return texts


def test_even_the_variables_of_a_traceback_are_cleaned(home: House) -> None:
    """Nothing of gen3sync prints the variables of frames; if something does (a debugger's log, a library's handler),
    what passes the log's filter is clean."""

    def answer(seen: Seen) -> Reply:
        return as_json({"message": str(seen.headers)}, 401)

    home.serve(answer)
    token = home.tokens.token().value
    try:
        headers = {"Authorization": f"bearer {token}"}
        home.client.whoami()
        raise RuntimeError("the test's own")
    except RuntimeError as error:
        full = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert token in full, "the locals are there, or this looks at nothing"
        assert token not in redact(full)
        assert token not in str(redact_value({"frames": [full, headers], "raw": token.encode()}))
