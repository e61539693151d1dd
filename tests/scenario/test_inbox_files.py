"""What a mirror looks like and leaves behind: columns, names, earlier versions, what changed, how old it may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest

from gen3sync.cli import _run
from gen3sync.cli.invocation import Invocation
from gen3sync.clock import ManualClock
from gen3sync.health import Health
from gen3sync.ledger import Outcome
from tests.scenario.inbox_house import House, house, study, subjects
from tests.scenario.mirror_faults.kit import read

FILE = "DEV/test/study.tsv"


def one(**more: Any) -> list[dict[str, Any]]:
    return [{"projects": ["DEV-test"], "nodes": ["study"], "every": "1h", **more}]


def after(h: House, seconds: float = 60) -> None:
    assert isinstance(h.clock, ManualClock)
    h.clock.advance(seconds)


def chosen_anew(h: House, mirror: list[dict[str, Any]]) -> None:
    """The configuration is changed and the daemon restarted."""
    raw = h.settings.model_dump()
    raw["inbox"]["mirror"] = mirror
    h.settings = type(h.settings).model_validate(raw)
    h.restart()


def test_columns_are_chosen_by_name_and_glob_in_their_order(tmp_path: Path) -> None:
    mirror = one(columns=["submitter_id", "title", "proj*", "nonsense"], filename="{project}-{node}.txt")
    with house(tmp_path, mirror=mirror) as h:
        study(h.sandbox, "ST-1", title="kept", keywords=["a,b"])
        h.look()
        assert h.files() == {"test-study.txt"}, "what cannot be said in columns left out is not listed"
        header, row = h.text("test-study.txt").splitlines()
        assert header == "submitter_id\ttitle\tproject_id\tprojects.code"
        assert row == "ST-1\tkept\tDEV-test\ttest"
        assert "'nonsense' is no column of study" in " ".join(h.inbox.status().problems)
        chosen_anew(h, one(columns=["title"], filename="{project}-{node}.txt"))
        done = h.look()["test-study.txt"]
        assert done.outcome is Outcome.UPDATED
        assert done.reason.startswith("Its columns were chosen anew.")
        assert h.text("test-study.txt") == "title\nkept\n"
        chosen_anew(h, one(filename="{project}-{node}.txt"))
        assert h.look()["test-study.txt"].outcome is Outcome.UPDATED
        assert h.text("test-study.txt").startswith("type\tid\t")
        chosen_anew(h, one(columns=["title", "id"], format="jsonl", filename="{project}-{node}.jsonl"))
        h.look()
        assert json.loads(h.text("test-study.jsonl")).keys() == {"id", "title"}


def test_earlier_versions_stay_as_long_as_they_are_to(tmp_path: Path) -> None:
    with house(tmp_path, mirror=one(keep=2)) as h:
        texts = []
        for number in range(4):
            study(h.sandbox, "ST-1", title=f"version {number}")
            after(h)
            h.look()
            texts.append(h.text(FILE))
        folder = tmp_path / "inbox/DEV/test/.versions/study.tsv"
        assert [path.read_text() for path in sorted(folder.iterdir())] == texts[1:3]
        after(h)
        h.look()
        assert len(list(folder.iterdir())) == 2, "an unchanged mirror makes no version"
        (tmp_path / "inbox" / FILE).write_text("edited here\n")
        study(h.sandbox, "ST-1", title="version 4")
        after(h)
        h.look()
        assert "edited here\n" not in [path.read_text() for path in folder.iterdir()]


def test_earlier_versions_go_though_the_mirror_stays_as_it_is(tmp_path: Path) -> None:
    with house(tmp_path, mirror=one(keep="1d")) as h:

        def versions() -> int:
            return len(list((tmp_path / "inbox/DEV/test/.versions").glob("study.tsv/*")))

        def kept_two() -> None:
            for _ in range(2):
                study(h.sandbox, "ST-1", title=f"version {h.clock.now()}")
                after(h)
                h.look()

        def quiet(hours: float) -> None:
            after(h, hours * 3600)
            assert h.look()[FILE].outcome is not Outcome.FAILED

        study(h.sandbox, "ST-1", title="first")
        h.look()
        kept_two()
        text = h.text(FILE)
        quiet(hours=23)
        assert versions() == 2
        quiet(hours=2)
        assert (versions(), h.text(FILE)) == (0, text)
        kept_two()
        assert versions() == 2
        text = h.text(FILE)
        chosen_anew(h, one(keep=0))
        quiet(hours=0.1)
        assert (versions(), h.text(FILE)) == (0, text)


def test_changes_are_told_for_scripts(tmp_path: Path) -> None:
    with house(tmp_path, mirror=[*one(), *one(format="json")], full_every="30d") as h:
        study(h.sandbox, "ST-1", "ST-2", title="old")
        h.look()
        for number in range(2):  # patched the first time, exported whole the second
            after(h)
            study(h.sandbox, "ST-1", title=f"new {number}")
            study(h.sandbox, f"ST-{3 + number}")
            if number:
                h.sandbox.delete("DEV-test", [h.sandbox.record("DEV-test", "study", "ST-2")["id"]])  # type: ignore[index]
            h.look()
        lines = [json.loads(line) for line in h.text("DEV/test/changes.jsonl").splitlines()]
        told = [(line["change"], line.get("submitter_id"), line.get("columns")) for line in lines]
        assert told == [
            ("all", None, None),
            *sorted([("changed", "ST-1", ["title"]), ("added", "ST-3", None)], key=lambda each: _id(h, each[1])),
            ("added", "ST-4", None),
            ("changed", "ST-1", ["title"]),
            ("removed", "ST-2", None),
        ]
        assert {line["node"] for line in lines} == {"study"}


def _id(h: House, name: str | None) -> str:
    found = h.sandbox.record("DEV-test", "study", str(name))
    assert found is not None
    return str(found["id"])


def test_a_mirror_older_than_it_may_be_degrades_status(tmp_path: Path) -> None:
    with house(tmp_path, mirror=one(max_age="2h")) as h:
        study(h.sandbox, "ST-1")
        h.look()
        after(h, 7000)
        assert not h.state(FILE).stale
        after(h, 400)
        assert h.state(FILE).stale, "two hours, though a look each hour would give it longer"
        assert read(h).health is Health.DEGRADED
        h.look()
        assert not h.state(FILE).stale


def test_a_node_that_was_empty_tells_its_first_records(tmp_path: Path) -> None:
    with house(tmp_path, mirror=one()) as h:
        h.look()
        study(h.sandbox, "ST-1")
        after(h)
        assert h.look()[FILE].reason == "1 added."
        assert json.loads(h.text("DEV/test/changes.jsonl"))["change"] == "added"


class Shell:
    """`gen3sync` as a user calls it, on the folders of a house that was closed."""

    def __init__(self, h: House, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.config = h.folder / "config.toml"
        self.config.write_text(
            f'[commons]\nurl = "{h.sandbox.url}"\ncredentials = "key.json"\n[outbox]\npath = "outbox"\n'
            '[inbox]\npath = "inbox"\n[state]\npath = "state"\n'
        )

    def __call__(self, *args: str) -> tuple[int, str]:
        code = _run(Invocation(env={}), ["--config", str(self.config), *args])
        out, err = self.capsys.readouterr()
        return code, click.unstyle(out + err)


def test_diff_and_history_say_which_records_changed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with house(tmp_path, mirror=[{"projects": ["DEV-test"], "nodes": ["study", "subject"], "every": "1h"}]) as h:
        study(h.sandbox, "ST-1", "ST-2", title="old")
        subjects(h.sandbox, "S-1")
        h.look()
        for title in ("between", "new"):
            after(h, 600)
            study(h.sandbox, "ST-1", title=title)
            h.look()
        after(h, 600)
        study(h.sandbox, "ST-3")
        h.look()
        gen3sync = Shell(h, capsys)

        code, told = gen3sync("diff", "DEV/test/study")
        assert (code, told.splitlines()[1:]) == (0, ["  + ST-3"])
        assert "DEV/test study since" in told
        assert "1 added, 3 records now" in told

        code, told = gen3sync("diff", "test/study", "--since", "2d")
        assert "1 added, 1 changed" in told
        assert '  ~ ST-1  title: "old" → "new"' in told
        assert "came with a first export" in told

        code, told = gen3sync("diff", FILE, "--since", "2d", "--json")
        found = json.loads(told)
        assert [each["submitter_id"] for each in found["added"]] == ["ST-3"]
        assert found["changed"][0]["columns"] == {"title": {"old": "old", "new": "new"}}

        code, told = gen3sync("history", FILE)
        assert told.count('title: "old" → "between"') == 1
        code, told = gen3sync("history", FILE, "--json")
        changes = [refresh["changes"]["changed"] for refresh in json.loads(told)["refreshes"]]
        assert sum(map(len, changes)) == 2

        code, told = gen3sync("diff", "DEV/test/nothing")
        assert code != 0
        assert "is no node that is mirrored" in told
        code, told = gen3sync("diff", FILE, "--since", "yesterday")
        assert "is neither an age nor a time" in told
