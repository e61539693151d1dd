"""A refresh is killed at every step: SIGKILL at each change of the disk and each commit of the ledger on its way.

After each kill a reader finds whole files, old or new; the next start cleans up, and the next look shows the commons.
`make test` visits every kind of step; with GEN3SYNC_KILLS larger than 20 every single one is visited.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gen3sync.inbox.decide import Round
from gen3sync.ledger import Outcome
from tests.crash.nursery import Nursery
from tests.scenario.inbox_house import TEST, House, study
from tests.scenario.mirror_faults.kit import BOTH, FILE, JSON, fresh, later, mirrored, read, shown

THOROUGH = int(os.environ.get("GEN3SYNC_KILLS", "20")) > 20
WAYS = {"few": "1d", "all": "1s", "behind": "1d"}
"""How a change comes: a few records put into the files, an export of all, or from the copy, which is newer than one of
the files. By how often a full export is due."""
NAMES = [f"ST-{number}" for number in range(5)]


def options(way: str) -> dict[str, Any]:
    return {"mirror": [{"format": "tsv", **each} for each in BOTH], "full_every": WAYS[way]}


@contextmanager
def shop(folder: Path, way: str) -> Iterator[House]:
    """Two mirrors of one node, one of which needs a list of what it cannot say."""
    with mirrored(folder, **options(way)) as h:
        study(h.sandbox, *NAMES, title="null")
        h.look()
        yield h


def change(h: House, title: str, way: str) -> None:
    """Another title for all, in the commons, while the house is closed."""
    study(h.sandbox, *NAMES, title=title, keywords=["a,b"])
    later(h, 60)
    if way == "behind":
        h.build()
        h.inbox._run(Round(TEST, tuple(each for each in h.inbox._following.every() if each.name == JSON)))
        assert title in h.text(JSON)
        h.close()
        later(h, 60)


def life(h: House, nursery: Nursery, way: str, point: str | None = None, nth: int = 1) -> dict[str, int] | None:
    """Lets another process look; the points it passed, or None when it was killed."""
    birth = {"folder": str(h.folder), "url": h.sandbox.url, "at": h.clock.now().isoformat(), "inbox": options(way)}
    pid, channel = nursery.bear("tests.crash.mirror_life:live", {**birth, "point": point, "nth": nth})
    with channel, channel.makefile("rb") as told:
        line = told.readline()
    status = nursery.join(pid)
    if line:
        assert status == 0
        found: dict[str, int] = json.loads(line)
        return found
    assert status == -signal.SIGKILL, f"the life ended with {status}"
    return None


def whole(h: House, old: str, new: str) -> None:
    """What a reader finds: each file of one state, none in pieces, none missing; indexes that can be read."""
    files = shown(h)
    assert {FILE, JSON} <= files.keys()
    for name in (FILE, JSON):
        titles = {title for title in (old, new) if title.encode() in files[name]}
        assert len(titles) == 1, f"{name} holds {titles}"
        assert files[name].count(titles.pop().encode()) == len(NAMES)
    rows = json.loads(files[JSON])["data"]
    assert sorted(each["submitter_id"] for each in rows) == NAMES
    assert json.loads((h.folder / "inbox/DEV/test/.gen3sync.json").read_bytes())["files"].keys() == {
        "study.tsv",
        "study.json",
    }


def steps(h: House, nursery: Nursery, way: str) -> list[tuple[str, int]]:
    """Every step of a life that has something to refresh, as point and occurrence."""
    h.close()
    change(h, "title counted", way)
    passed = life(h, nursery, way)
    assert passed is not None
    h.build()
    every = [(point, nth) for point, count in sorted(passed.items()) for nth in range(1, count + 1)]
    return every if THOROUGH else [step for number, step in enumerate(every) if step[1] == 1 or number % 6 == 0]


@pytest.mark.timeout(600 if THOROUGH else 300)
@pytest.mark.parametrize("way", WAYS)
def test_killed_at_each_step(tmp_path: Path, nursery: Nursery, way: str) -> None:
    with shop(tmp_path, way) as h:
        killed, before = 0, "title counted"
        visited = steps(h, nursery, way)
        assert len({point for point, _ in visited}) >= 12
        for number, (point, nth) in enumerate(visited):
            title = f"title {number:04}"
            h.close()
            change(h, title, way)
            killed += life(h, nursery, way, point, nth) is None
            whole(h, before, title)
            h.build()
            later(h, 600)
            h.look()
            whole(h, title, title)
            assert not [name for name in h.files() if ".local-" in name], "taken for somebody's edit"
            reading = read(h)
            assert reading.reasons == (), (point, nth)
            assert "true 0 s ago" in " ".join(reading.screen.split())
            fresh(h, FILE, JSON, outcome=h.look()[FILE].outcome)
            before = title
        assert killed == len(visited), "a step that was counted was not reached again"


def leavings(folder: Path) -> set[str]:
    """Temporary files, spools and half tables below a folder."""
    spoiled = (".new", ".notes")
    files = (path.name for path in folder.rglob("*"))
    return {name for name in files if ".gen3sync-tmp-" in name or name.endswith(spoiled)}


@pytest.mark.parametrize("way", ["few", "all"])
def test_what_a_killed_refresh_left_is_gone_after_a_restart(tmp_path: Path, nursery: Nursery, way: str) -> None:
    """Also when nothing can be had since, so that nothing is refreshed."""
    with shop(tmp_path, way) as h:
        h.close()
        change(h, "title one", way)
        assert life(h, nursery, way, "files: written", 2) is None
        assert leavings(tmp_path)
        h.sandbox.faults.answer(502, times=None, path="/export")
        h.build()
        h.look()
        assert leavings(tmp_path) == set()
        assert read(h).mirror().outcome == "failed"
        h.sandbox.faults.clear()
        fresh(h, FILE, JSON)


def test_killed_before_the_list_beside_the_mirror_goes(tmp_path: Path, nursery: Nursery) -> None:
    """The new file says all, the list of what the old one could not say is still there: the next look removes it."""
    with shop(tmp_path, "all") as h:
        h.close()
        study(h.sandbox, *NAMES, title="title one")
        later(h, 60)
        assert life(h, nursery, "all", "files: folder synced", 2) is None
        assert b"title one" in shown(h)[FILE]
        assert f"{FILE}.untellable.jsonl" in shown(h)
        h.build()
        h.look()
        assert shown(h).keys() == {FILE, JSON, *(name for name in shown(h) if name.endswith("changes.jsonl"))}


@pytest.mark.parametrize("nth", [1, 3, 5])
def test_a_copy_is_deleted_after_a_kill(tmp_path: Path, nursery: Nursery, nth: int) -> None:
    """Its journal is left: rolled back into the copy made next, it would spoil it."""
    with shop(tmp_path, "few") as h:
        study(h.sandbox, *(f"MORE-{number}" for number in range(400)), title="more " * 20)
        h.look()
        h.close()
        change(h, "title one", "few")
        assert life(h, nursery, "few", "files: renamed", nth) is None
        (copy,) = (tmp_path / "state/mirrors").rglob("study.sqlite")
        assert copy.with_name("study.sqlite-journal").exists()
        copy.unlink()
        h.build()
        h.look()
        assert not copy.with_name("study.sqlite-journal").exists()
        for title in ("title two", "title three"):
            change(h, title, "few")
            fresh(h, FILE, JSON)
            files = shown(h)
            assert files[JSON].count(title.encode()) == len(NAMES)
            assert {each.outcome for each in h.pull(FILE, JSON).values()} == {Outcome.UNCHANGED}
            assert shown(h) == files
