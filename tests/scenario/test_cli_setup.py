"""A first day: a key, `init`, `check`, and the calls from the shell. Then the same with everything wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import away
from tests.unit.cli.calling import Result, call


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(projects=["DEV-test", "DEV-closed", "QA-two"]) as running:
        yield running


@pytest.fixture
def key(sandbox: Sandbox, tmp_path: Path) -> Path:
    return sandbox.write_api_key(tmp_path / "key.json")


@pytest.fixture
def config(key: Path, tmp_path: Path) -> Path:
    result = call("init", "--credentials", key, "--folder", tmp_path / "lab", "--yes")
    assert result.code == 0, result.err
    return tmp_path / "lab" / "gen3sync.toml"


def test_init_asks_the_commons_instead_of_the_user(config: Path, sandbox: Sandbox) -> None:
    folders = {path.relative_to(config.parent).as_posix() for path in config.parent.rglob("*") if path.is_dir()}
    assert {"outbox/DEV/test", "outbox/DEV/closed", "outbox/QA/two", "inbox", "state"} <= folders
    shown = call("config", "show", "--json", "-c", config).json
    assert shown["inbox"]["mirror"][0]["projects"] == ["DEV/closed", "DEV/test", "QA/two"]


def test_init_makes_folders_only_where_the_key_may_write(sandbox: Sandbox, key: Path, tmp_path: Path) -> None:
    sandbox.deny("QA-two", "create")
    result = call("init", "--credentials", key, "--folder", tmp_path / "lab", "--yes", "--json")
    assert result.json["writable"] == ["DEV/closed", "DEV/test"]
    assert not (tmp_path / "lab/outbox/QA").exists()


def test_init_does_not_write_over_a_configuration(config: Path, key: Path) -> None:
    before = config.read_bytes()
    result = call("init", "--credentials", key, "--folder", config.parent, "--yes")
    assert result.code == 73
    assert "--force" in result.err
    assert config.read_bytes() == before


def test_init_works_while_the_commons_is_away(key: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    away(sandbox)
    result = call("init", "--credentials", key, "--folder", tmp_path / "lab", "--yes")
    assert result.code == 0
    assert "not asked what the key may do" in result.out
    assert call("config", "show", "-c", tmp_path / "lab/gen3sync.toml").code == 0


def test_init_knows_no_node_that_the_dictionary_does_not_have(key: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    asked = ("init", "--credentials", key, "--folder", tmp_path / "lab", "--yes", "--node", "subject")
    refused = call(*asked, "--node", "sampel")
    assert refused.code == 66
    assert "no node 'sampel'" in refused.err
    assert "Did you mean 'sample'?" in refused.err
    assert not (tmp_path / "lab").exists()
    assert call(*asked, "--node", "sam*").code == 0
    away(sandbox)
    assert call(*asked, "--node", "sampel", "--force").code == 0  # `check` tells later


def test_init_without_a_key_says_where_to_make_one(tmp_path: Path) -> None:
    result = call("init", "--folder", tmp_path / "lab", "--yes")
    assert result.code == 77
    assert "There is no API key" in result.err
    assert not (tmp_path / "lab").exists()


def test_check_finds_nothing_wrong(config: Path) -> None:
    result = call("check", "-c", config)
    assert result.code == 0, result.out
    assert result.out.endswith("nothing to mend\n")


def checked(result: Result, check: str) -> tuple[str, str]:
    """What the first finding of a check that is not ok says, and its remedy."""
    (report,) = [report for report in result.json if report["check"] == check]
    found = [finding for finding in report["findings"] if finding["level"] != "ok"]
    return found[0]["what"], found[0]["remedy"]


def test_check_names_a_folder_of_a_project_that_is_not_there(config: Path) -> None:
    (config.parent / "outbox/DEV/Test").mkdir()
    result = call("check", "--json", "-c", config)
    assert result.code == 66
    what, remedy = checked(result, "permissions")
    assert "DEV/Test, which this commons does not have" in what
    assert "upper and lower case differ" in remedy


def test_check_names_lost_permissions(config: Path, sandbox: Sandbox) -> None:
    sandbox.deny("QA-two")
    result = call("check", "--json", "-c", config)
    assert result.code == 77
    assert "may not write to QA/two" in checked(result, "permissions")[0]


def test_check_says_that_a_key_can_only_read(config: Path, sandbox: Sandbox) -> None:
    for project in ("DEV-test", "DEV-closed", "QA-two"):
        sandbox.deny(project, "create")
    for folder in (config.parent / "outbox").glob("*/*"):
        folder.rmdir()
    result = call("check", "-c", config)
    assert result.code == 0
    assert "write no project: nothing can be sent with it" in " ".join(result.out.split())
    assert result.out.endswith("nothing to mend, 1 to know of\n")


def test_check_names_an_unknown_node(config: Path) -> None:
    config.write_text(config.read_text().replace('nodes = ["*"]', 'nodes = ["sampel"]'))
    result = call("check", "--json", "-c", config)
    assert result.code == 78
    what, remedy = checked(result, "nodes")
    assert "'sampel'" in what
    assert remedy == "Did you mean 'sample'?"


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [
        ("@clincal", "Did you mean '@clinical'?"),
        ("@zzz*", "It has @administrative, @biospecimen, @clinical, @data_file."),
    ],
)
def test_check_names_an_unknown_category(config: Path, asked: str, remedy: str) -> None:
    config.write_text(config.read_text().replace('nodes = ["*"]', f'nodes = ["@clin*", "@biospecimen", "{asked}"]'))
    result = call("check", "--json", "-c", config)
    assert result.code == 78
    assert checked(result, "nodes") == (
        f"A mirror asks for the category {asked!r}, which the dictionary does not have.",
        remedy,
    )


def test_check_names_a_clock_that_is_wrong(config: Path, sandbox: Sandbox) -> None:
    sandbox.set_clock_offset(1800)
    result = call("check", "--json", "-c", config)
    assert result.code == 0
    what, remedy = checked(result, "clock")
    assert "30 min behind the commons'" in what
    assert "timedatectl" in remedy


def test_check_names_a_key_that_ends_soon(config: Path, sandbox: Sandbox, key: Path) -> None:
    sandbox.write_api_key(key, lifetime=3 * 86400)
    result = call("check", "--json", "-c", config)
    assert result.code == 0
    assert "expires" in checked(result, "credentials")[0]


def test_check_goes_on_as_far_as_it_can(config: Path, sandbox: Sandbox) -> None:
    away(sandbox)
    result = call("check", "--json", "-c", config)
    assert result.code == 75
    skipped = {report["check"] for report in result.json if report["skipped"]}
    assert skipped == {"clock", "permissions", "nodes"}


def test_check_names_a_folder_that_cannot_be_written(config: Path) -> None:
    # A file in its place, because root may write into any folder.
    (config.parent / "inbox").rmdir()
    (config.parent / "inbox").write_text("not a folder")
    result = call("check", "--json", "-c", config)
    assert result.code == 73
    assert "inbox" in checked(result, "folders")[0]


def test_the_calls_from_the_shell(config: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    assert call("graphql", "{project{project_id}}", "-c", config).json["project"]
    header = call("template", "subject", "-c", config).out.splitlines()[0].split("\t")
    assert {"*type", "*submitter_id", "sex"} <= set(header)
    told = call("token", "--json", "-c", config).json
    assert told["user"] == "depositor@example.org"
    revealed = call("token", "--reveal", "-c", config).out.strip()
    assert revealed.startswith("eyJ")
    assert "eyJ" not in json.dumps(told)


def test_an_export_of_some_records(config: Path, sandbox: Sandbox) -> None:
    study = [{"type": "study", "submitter_id": name, "projects": {"code": "test"}} for name in ("A", "B", "C")]
    file = config.parent / "study.json"
    file.write_text(json.dumps(study))
    assert call("push", file, "--to", "DEV/test", "-c", config).code == 0
    whole = call("export", "DEV/test", "--node", "study", "--format", "json", "-c", config).json["data"]
    ids = {each["submitter_id"]: each["id"] for each in whole}
    some = call("export", "DEV/test", "--ids", f"{ids['A']},{ids['C']}", "--format", "json", "-c", config)
    assert {each["submitter_id"] for each in some.json} == {"A", "C"}
    table = call("export", "DEV/test", "--ids", ids["B"], "-c", config).out.splitlines()
    assert table[0].startswith("type\tid\t")
    assert len(table) == 2
    assert ids["B"] in table[1]


def test_history_tells_a_drop_in_the_order_of_time(config: Path, tmp_path: Path) -> None:
    file = tmp_path / "study.tsv"
    file.write_text("type\tsubmitter_id\tprojects.code\nstudy\tA\ttest\n")
    assert call("push", file, "--to", "DEV/test", "-c", config).code == 0
    told = [line.split("  ")[-1] for line in call("history", "study.tsv", "-c", config).out.splitlines()]
    sent = next(i for i, line in enumerate(told) if line.startswith("sent chunk 1"))
    landed = next(i for i, line in enumerate(told) if "landed: 1 created" in line)
    assert sent < landed
    (drop,) = call("history", "study.tsv", "--json", "-c", config).json["drops"]
    assert datetime.fromisoformat(drop["arrived_at"]).tzinfo is not None
    assert "T" in drop["arrived_at"]


def test_export_to_a_file_is_whole_or_not_there(config: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    result = call("export", "DEV/test", "--node", "sample", "--format", "json", "-o", out, "-c", config)
    assert result.code == 0, result.err
    assert json.loads(out.read_text()) == {"data": []}
    assert call("export", "DEV/test", "--node", "nope", "-o", tmp_path / "no.tsv", "-c", config).code == 66
    assert not (tmp_path / "no.tsv").exists()
    assert call("export", "DEV/test", "-c", config).code == 64


def test_config_schema_is_json() -> None:
    assert call("config", "schema").json["properties"]["outbox"]


def test_a_sandbox_fault_without_a_sandbox_is_a_sentence() -> None:
    result = call("sandbox", "fault", "clear", "--url", "http://127.0.0.1:9")
    assert result.code == 75
    assert "gen3sync sandbox" in result.err


def test_a_fault_reaches_a_running_sandbox(config: Path, sandbox: Sandbox) -> None:
    answer = call("sandbox", "fault", "answer", "status=403", "times=9", "path=graphql", "--url", sandbox.url)
    assert answer.code == 0, answer.err
    assert call("graphql", "{project{id}}", "-c", config).code == 77
    nonsense = call("sandbox", "fault", "nonsense", "--url", sandbox.url)
    assert nonsense.code == 69
    assert "there is no fault 'nonsense'; there are " in nonsense.err
    assert "token_lifetime" in nonsense.err


def test_rights_are_taken_by_name_from_the_command_line(config: Path, sandbox: Sandbox) -> None:
    denied = call("sandbox", "fault", "deny", "project=DEV-test", "methods=create,update", "--url", sandbox.url)
    assert denied.code == 0, denied.err
    assert "read DEV/test" not in checked(call("check", "--json", "-c", config), "permissions")[0]
    assert call("export", "DEV/test", "--node", "study", "-c", config).code == 0
