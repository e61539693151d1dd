"""Wrong input of every kind: one sentence with a remedy, an exit code of sysexits.h, no traceback, nothing lost."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab, away, until
from tests.unit.cli.calling import Result, call


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        lab.config.write_text(re.sub(r"nodes = .*", 'nodes = ["study"]', lab.config.read_text()))
        yield lab


STUDY = "type\tsubmitter_id\tprojects.code\ttitle\nstudy\tHEART\ttest\tHearts\n"
READERS = ["run", "once", "status", "check", "history", "retry", "pull", "token"]


def a_sentence(result: Result, code: int, *words: str) -> None:
    """What every refusal must be."""
    said = result.err or result.out
    assert result.code == code, said
    assert re.search(r"^error: .+", said, re.MULTILINE) or "FAIL" in said
    assert re.search(r"try: .+|  try: ", said), said
    assert "Traceback" not in said
    assert "unexpected" not in said
    assert "did not expect" not in said
    for word in words:
        assert word in said


@pytest.mark.parametrize("verb", READERS)
def test_a_missing_configuration(verb: str, tmp_path: Path) -> None:
    a_sentence(call(verb, "-c", tmp_path / "none.toml"), 78, "none.toml", "gen3sync init")


@pytest.mark.parametrize("verb", READERS)
def test_no_configuration_anywhere(verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    a_sentence(call(verb), 78, "gen3sync init")


@pytest.mark.parametrize("verb", READERS)
def test_broken_toml(lab: Lab, verb: str) -> None:
    lab.config.write_text("[outbox\npath = 1")
    a_sentence(lab.call(verb), 78, "line 1", "TOML")


def test_status_tells_of_a_daemon_whose_configuration_was_broken_since(lab: Lab) -> None:
    with lab.daemon():
        until(lambda: lab.call("status").code == 0)
        whole = lab.config.read_text()
        lab.config.write_text(whole + "\nbroken = [\n")
        said = lab.call("status")
        assert said.code == 1, said.out + said.err
        assert "The configuration on disk cannot be used" in said.out
        assert "not TOML" in " ".join(said.out.split())
        assert lab.call("status", "--json").json["health"] == "degraded"
        lab.config.write_text(whole)
        assert lab.call("status").code == 0


@pytest.mark.parametrize("verb", ["check", "run", "status"])
def test_a_configuration_that_cannot_be_read(verb: str, tmp_path: Path) -> None:
    """Not a slip of the pen: systemd must not start it again and again."""
    a_sentence(call(verb, "-c", tmp_path), 78, str(tmp_path))


@pytest.mark.parametrize("verb", [verb for verb in READERS if verb != "status"])
def test_an_unknown_key(lab: Lab, verb: str) -> None:
    # status reads nothing but the state folder's place, so that it works whatever else is wrong.
    lab.config.write_text(lab.config.read_text().replace("settle", "setle"))
    a_sentence(lab.call(verb), 78, "setle", "settle")


def test_all_problems_are_told_at_once(lab: Lab) -> None:
    lab.config.write_text(lab.config.read_text().replace("settle", "setle").replace('"1s"', '"often"'))
    a_sentence(lab.call("run"), 78, "setle", "often")


@pytest.mark.parametrize("verb", ["token", "check"])
def test_no_credentials(lab: Lab, verb: str) -> None:
    (lab.folder / "key.json").unlink()
    a_sentence(lab.call(verb), 77, "key.json", "does not exist")


@pytest.mark.parametrize("verb", ["token", "check"])
def test_an_expired_key(lab: Lab, verb: str) -> None:
    lab.sandbox.write_api_key(lab.folder / "key.json", lifetime=-60)
    a_sentence(lab.call(verb), 77, "expired", "profile page")


def test_credentials_the_world_can_read(lab: Lab) -> None:
    (lab.folder / "key.json").chmod(0o644)
    a_sentence(lab.call("token"), 77, "chmod 600")


def test_a_pass_without_a_key_says_what_to_do_in_a_line_of_its_own(lab: Lab) -> None:
    (lab.folder / "key.json").unlink()
    lab.config.write_text(lab.config.read_text().replace("[commons]", f'[commons]\nurl = "{lab.sandbox.url}"', 1))
    what, remedy = lab.call("once").err.split("  try: ")
    assert what.strip().endswith("does not exist.")
    assert remedy.startswith("Put the JSON file")


def test_a_pass_that_can_follow_no_mirror_does_not_end_well(lab: Lab) -> None:
    lab.sandbox.deny("DEV-test", "read")
    result = lab.call("once")
    assert result.code == 1
    assert "0 mirrors: Mirror 'mirror-1': the " in result.out
    assert "no project this key may read" in result.out


@pytest.mark.parametrize("verb", ["token", "check", "once"])
def test_an_unreachable_commons(lab: Lab, verb: str) -> None:
    away(lab.sandbox)
    lab.drop("study.tsv", STUDY)
    result = lab.call(verb)
    assert result.code == 75, result.err
    assert "Traceback" not in result.err
    assert (lab.outbox / "study.tsv").exists()


def test_an_unknown_project(lab: Lab) -> None:
    study = lab.folder / "study.tsv"
    study.write_text(STUDY)
    a_sentence(lab.call("push", study, "--to", "DEV/tset"), 66, "DEV/tset")
    with lab.daemon():
        a_sentence(lab.call("push", study, "--to", "DEV/tset"), 66, "The program has DEV/test")
    assert not list((lab.folder / "outbox").rglob("study*"))
    assert study.read_text() == STUDY
    a_sentence(lab.call("push", study, "--to", "DEV-test"), 64, "PROGRAM/PROJECT")


@pytest.mark.parametrize("where", ["DEV/Test", "NONE/test"])
def test_what_is_asked_of_an_unknown_project(lab: Lab, where: str) -> None:
    """The commons itself answers an export of one with 200 and no rows."""
    file = lab.folder / "study.tsv"
    file.write_text(STUDY)
    a_sentence(lab.call("export", where, "--node", "study"), 66, where)
    a_sentence(lab.call("plan", file, "--to", where), 66, where)
    a_sentence(lab.call("push", "--dry-run", file, "--to", where), 66, where)


def test_a_file_in_no_projects_folder_waits_and_says_why(lab: Lab) -> None:
    (lab.folder / "outbox/study.tsv").write_text(STUDY)
    with lab.daemon():
        (drop,) = until(lambda: lab.open)
        assert drop.state == "parked"
        assert "study.tsv" in lab.call("status").out
    assert (lab.folder / "outbox/study.tsv").read_text() == STUDY


@pytest.mark.parametrize("key", ["outbox", "inbox", "state"])
@pytest.mark.parametrize("verb", ["run", "once"])
def test_a_folder_that_cannot_be_written(lab: Lab, key: str, verb: str) -> None:
    # A file in its place, because root may write into any folder.
    (lab.folder / "file").write_text("not a folder")
    lab.config.write_text(lab.config.read_text().replace(f'path = "{key}"', f'path = "file/{key}"'))
    a_sentence(lab.call(verb), 73, f"file/{key}")


def test_a_file_that_is_not_there(lab: Lab) -> None:
    a_sentence(lab.call("push", "nope.tsv", "--to", "DEV/test"), 66, "nope.tsv")
    a_sentence(lab.call("plan", "nope.tsv", "--to", "DEV/test"), 66, "nope.tsv")
    a_sentence(lab.call("push", lab.outbox, "--to", "DEV/test"), 65, "not a file")
    a_sentence(lab.call("history", "nope.tsv"), 66)


BINARY = bytes(range(256)) * 40


def test_a_binary_file_named_tsv(lab: Lab) -> None:
    with lab.daemon():
        lab.drop("photo.tsv", BINARY)
        receipt = until(lambda: lab.receipt("photo.tsv"))
    assert receipt["verdict"] == "rejected"
    assert receipt["reason"]
    assert (lab.folder / "rejected/DEV/test/photo.tsv").read_bytes() == BINARY
    assert lab.puts() == 0


def test_a_binary_file_planned(lab: Lab) -> None:
    path = lab.folder / "photo.tsv"
    path.write_bytes(BINARY)
    result = lab.call("plan", path, "--to", "DEV/test")
    assert result.code == 65
    assert "photo.tsv: The file holds binary data" in result.err
    assert "Drop tab-separated text" in result.err


def test_a_ledger_that_is_not_one(lab: Lab) -> None:
    (lab.folder / "state").mkdir()
    ledger = lab.folder / "state/ledger.sqlite"
    ledger.write_bytes(b"not a database, but somebody's file" * 100)
    before = ledger.read_bytes()
    a_sentence(lab.call("run"), 74, "ledger")
    assert ledger.read_bytes() == before


def test_a_daemon_without_a_usable_key_runs_and_says_so(lab: Lab) -> None:
    lab.sandbox.write_api_key(lab.folder / "key.json", lifetime=-60)
    with lab.daemon():
        lab.drop("study.tsv", STUDY)
        until(lambda: lab.open)
        until(lambda: "expired" in str(lab.call("status", "--json").json["reasons"]))
        assert lab.call("status").code == 1
        lab.sandbox.write_api_key(lab.folder / "key.json")
        assert lab.call("retry").code == 0
        assert until(lambda: lab.receipt("study.tsv"))["verdict"] == "landed"
