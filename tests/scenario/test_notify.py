"""Messages to people, from a real daemon through apprise to a receiver on this machine, and from `notify test`."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import CONFIG, Lab, stop, until

SECRET = "hunter2horse9battery"
STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\tHearts\n"
BAD = "type\tsubmitter_id\tprojects.code\tis_public\nstudy\tBAD\ttest\tDora-was-here\n"
BLANK = STUDY.replace("Hearts", "")


class Receiver:
    """A webhook: keeps what it is told, or answers 500."""

    def __init__(self) -> None:
        self.messages: list[dict[str, str]] = []
        self.broken = False
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if receiver.broken:
                    self.send_error(500, f"no, {SECRET}")
                    return
                receiver.messages.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"json://lab:{SECRET}@127.0.0.1:{self._server.server_port}/hook/{SECRET}x"

    @property
    def text(self) -> str:
        return json.dumps(self.messages, ensure_ascii=False)

    @contextmanager
    def serving(self) -> Iterator[Receiver]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().serving() as receiver:
        yield receiver


@pytest.fixture
def lab(tmp_path: Path, receiver: Receiver) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        text = CONFIG.replace('"experiment", "case", "sample", "aliquot"', '"study"')
        lab.config.write_text(text + '[notify]\nurls_file = "urls"\ngroup = "500ms"\n[log]\nlevel = "debug"\n')
        urls = tmp_path / "urls"
        urls.write_text(f"# our hook\n{receiver.url}\n")
        urls.chmod(0o600)
        yield lab


def written(lab: Lab) -> str:
    """Everything a run wrote, but the file of addresses itself."""
    files = [path for path in lab.folder.rglob("*") if path.is_file() and path.name != "urls"]
    return "\n".join(path.read_bytes().decode(errors="replace") for path in files)


def test_a_daemon_tells_once_whatever_restarts_between(lab: Lab, receiver: Receiver) -> None:
    with lab.process() as process:
        lab.drop("study.tsv", STUDY)
        until(lambda: lab.receipt("study.tsv"), process=process)
        lab.drop("bad.tsv", BAD)
        lab.drop("blank.tsv", BLANK)
        until(lambda: "bad.tsv" in receiver.text and "gen3sync retry --erase" in receiver.text, process=process)
        assert stop(process) == 0
    told = len(receiver.messages)
    with lab.process() as process:
        receiver.broken = True
        lab.drop("worse.tsv", BAD)
        until(lambda: (s := lab.status()) and s.notify.problem, process=process)
        screen = lab.call("status")
        assert screen.code == 1
        assert "! Notifications: json (1): " in screen.out
        process.kill()
    receiver.broken = False
    with lab.process() as process:
        # Half a minute after it was tried in vain, or another minute after that where the machine was slow to look.
        until(lambda: "worse.tsv" in receiver.text, 200, process=process)
        until(lambda: "did not end by itself" in receiver.text, process=process)
        assert stop(process) == 0
    assert receiver.text.count("bad.tsv was refused") == 1
    assert receiver.text.count("blank.tsv is parked") == 1
    assert len(receiver.messages) > told
    assert "study.tsv landed" not in receiver.text
    assert "Dora-was-here" not in receiver.text  # no cell leaves the machine
    assert "is_public (1)" in receiver.text
    assert SECRET not in written(lab)
    key = json.loads((lab.folder / "key.json").read_text())["api_key"]
    assert key not in receiver.text


def test_the_test_verb_says_of_each_target_whether_it_was_taken(lab: Lab, receiver: Receiver) -> None:
    told = lab.call("notify", "test")
    assert (told.code, told.out) == (0, "json (1): taken\n")
    assert "a test" in receiver.messages[0]["title"]
    with (lab.folder / "urls").open("a") as file:
        file.write("json://127.0.0.1:1/x\nnonsense://whatever\n")
    some = lab.call("notify", "test", "--json")
    assert some.code == 1
    assert [(each["target"], each["taken"]) for each in some.json] == [
        ("json (1)", True),
        ("json (2)", False),
        ("nonsense (3)", False),
    ]
    assert some.json[2]["problem"] == "apprise does not understand this address"
    receiver.broken = True
    none = lab.call("notify", "test")
    assert none.code == 75
    assert SECRET not in told.out + told.err + some.out + some.err + none.out + none.err


def test_nothing_configured_is_said(lab: Lab) -> None:
    lab.config.write_text(CONFIG)
    told = lab.call("notify", "test")
    assert told.code == 78
    assert "No target for notifications is configured" in told.err


WITHOUT = """\
import sys
from importlib.abc import MetaPathFinder

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "apprise":
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Block())
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "apprise" else find(name, package)
from gen3sync.cli import main
main()
"""


def without_apprise(lab: Lab, *args: str) -> subprocess.Popen[bytes]:
    """What it says goes to daemon.log: a pipe that nobody reads would fill up, and the daemon would wait for ever."""
    with (lab.folder / "daemon.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-c", WITHOUT, *args, "-c", str(lab.config)],
            stdout=log,
            stderr=subprocess.STDOUT,
            env={"HOME": "/nonexistent", "PYTHONPATH": ":".join(sys.path)},
        )


def test_without_apprise_the_verb_says_how_to_get_it(lab: Lab) -> None:
    process = without_apprise(lab, "notify", "test")
    assert process.wait(90) == 78
    assert "apprise is not installed" in lab.log
    assert "pip install '.[notify]'" in lab.log


def test_without_apprise_a_daemon_works_and_says_so(lab: Lab) -> None:
    process = without_apprise(lab, "run")
    try:
        until(lambda: lab.is_running(process.pid), process=process)
        lab.drop("study.tsv", STUDY)
        assert until(lambda: lab.receipt("study.tsv"), process=process)["verdict"] == "landed"
        told = lab.call("status", "--json").json
        assert told["health"] == "degraded"
        assert any("apprise is not installed" in reason for reason in told["reasons"])
        assert stop(process) == 0
        assert "apprise is not installed" in lab.log
    finally:
        process.kill()
        process.wait()


def test_check_looks_at_the_targets_without_showing_them(lab: Lab) -> None:
    told = lab.call("check")
    assert "They go to json (1)" in told.out
    (lab.folder / "urls").chmod(0o644)
    told = lab.call("check")
    assert "can be read by others" in told.out
    assert SECRET not in told.out
    assert told.code == 78


def test_once_tells_as_a_daemon_would_and_nothing_twice(lab: Lab, receiver: Receiver) -> None:
    assert lab.call("once").code == 0
    assert receiver.messages == []
    lab.drop("bad.tsv", BAD)
    for _ in range(2):
        lab.call("once")
    assert receiver.text.count("bad.tsv was refused") == 1
    told = lab.call("status", "--json").json["status"]
    assert (told["daemon"]["by"], told["notify"]["targets"], told["notify"]["waiting"]) == ("once", 1, 0)
