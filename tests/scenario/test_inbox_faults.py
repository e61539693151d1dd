"""Whatever goes wrong on the way in: the folder keeps the last whole truth, and says how old it is and why."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gen3sync.files import TEMPORARY_MARK
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Kind, Point
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.inbox_house import House, house, study, subjects
from tests.scenario.test_inbox_schedule import wait_until

ONE = [{"projects": ["DEV-*"], "nodes": ["study"], "every": "1h"}]
FILE = "DEV/test/study.tsv"


def leftovers(h: House) -> list[str]:
    return [path.name for path in h.folder.rglob("*") if TEMPORARY_MARK in path.name or path.suffix == ".new"]


FAULTS: dict[str, tuple[Callable[[Sandbox], object], str]] = {
    "cut cleanly after a row": (lambda s: s.faults.cut_export(rows=1), "was cut or broken after"),
    "cut cleanly after no row": (lambda s: s.faults.cut_export(rows=0), "was cut or broken after 0 records"),
    "cut with the connection": (
        lambda s: s.faults.cut_export(rows=1, clean=False),
        "cut short|was cut or broken|ended",
    ),
    "HTML with 200": (lambda s: s.faults.add(Kind.HTML, path="/export"), "web page|HTML|text/html"),
    "another content type": (lambda s: s.faults.add(Kind.CONTENT_TYPE, path="/export"), "answered an export with"),
    "broken JSON": (lambda s: s.faults.add(Kind.INVALID_JSON, path="/export"), "was cut or broken"),
    "broken gzip": (lambda s: s.faults.add(Kind.BROKEN_GZIP, path="/export"), "compressed|is no export"),
    "an empty 200": (
        lambda s: s.faults.answer(200, path="/export", body="", content_type="application/json"),
        "is empty",
    ),
    "another shape": (
        lambda s: s.faults.answer(200, path="/export", body='{"data": {}}', content_type="application/json"),
        "another shape than an export",
    ),
    "another project's records": (
        lambda s: s.faults.answer(
            200,
            path="/export",
            content_type="application/json",
            body='{ "data": [{"id": "x", "type": "study", "project_id": "DEV-other", "submitter_id": "ST-1"}]}',
        ),
        "a record of project 'DEV-other'",
    ),
    "400": (lambda s: s.faults.answer(400, path="/export", body='{"message": "no such node"}'), "refuses the export"),
    "403": (lambda s: s.faults.answer(403, path="/export"), "no read permission on the project"),
    "404": (lambda s: s.faults.answer(404, path="/export"), "."),
    "429": (lambda s: s.faults.answer(429, path="/export"), "."),
    "500": (lambda s: s.faults.answer(500, path="/export"), "."),
    "502": (lambda s: s.faults.answer(502, path="/export"), "."),
    "504": (lambda s: s.faults.answer(504, path="/export"), "."),
    "killed worker": (lambda s: s.faults.kill(Point.MID_EXPORT, path="/export"), "cut|ended|reset|broken"),
    "lost answer": (lambda s: s.faults.lose(Point.STARTED, how="reset", times=None, path="/export"), "."),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failed_export_leaves_the_file_and_says_how_old_it_is(tmp_path: Path, fault: str) -> None:
    strike, told = FAULTS[fault]
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1", "ST-2", "ST-3")
        h.look()
        before, truth = h.text(FILE), h.clock.now()
        study(h.sandbox, "ST-4", "ST-5", "ST-6")
        h.clock.advance(7200)  # type: ignore[attr-defined]
        strike(h.sandbox)
        failed = h.look()[FILE]
        assert failed.outcome is Outcome.FAILED, failed
        assert re.search(told, failed.reason), failed.reason
        assert f"The file shows what the commons held at {truth:%Y-%m-%d %H:%M} UTC." in failed.reason
        assert h.text(FILE) == before
        assert h.state(FILE).age == 7200
        assert not leftovers(h)
        h.sandbox.faults.clear()
        assert h.look()[FILE].outcome is Outcome.UPDATED
        assert len(h.rows(FILE)) == 6
        assert h.state(FILE).age == 0


def test_cut_at_any_byte_the_folder_keeps_the_last_whole_truth(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, *(f"ST-{n}" for n in range(6)), title='tricky ]} "text"')
        h.look()
        truth = h.text(FILE)
        study(h.sandbox, "NEW-1", title="x")
        h.clock.advance(7200)  # type: ignore[attr-defined]
        whole = len(json.dumps({"data": h.sandbox.records("DEV-test", "study")}))

        @given(cut=st.integers(0, whole // 2), clean=st.booleans())
        @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
        def check(cut: int, clean: bool) -> None:
            h.sandbox.faults.clear()
            h.sandbox.faults.cut_export(bytes=cut, clean=clean)
            assert h.look()[FILE].outcome is Outcome.FAILED
            assert h.text(FILE) == truth

        check()
        h.sandbox.faults.clear()
        h.look()
        assert len(h.rows(FILE)) == 7


def test_permission_lost_and_regained(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        h.sandbox.deny("DEV-test", "read")
        assert h.look()[FILE].outcome is Outcome.FAILED
        h.catalog.refresh()
        guarded = h.look()[FILE]
        assert guarded.outcome is Outcome.GUARDED
        assert "can no longer read DEV/test" in guarded.reason
        assert h.rows(FILE) == ["ST-1"]
        h.sandbox.allow()
        h.catalog.refresh()
        assert h.look()[FILE].outcome is Outcome.UNCHANGED


def test_a_project_that_is_gone_exports_as_empty_and_is_not_believed(tmp_path: Path) -> None:
    for graphql in ("on", "missing"):
        folder = tmp_path / graphql
        folder.mkdir()
        with house(folder, mirror=ONE, projects=("DEV-test", "DEV-more")) as h:
            h.sandbox.faults.set(graphql=graphql)
            study(h.sandbox, "ST-1")
            h.look()
            h.sandbox.remove_project("DEV-test")
            gone = h.look()[FILE]
            assert gone.outcome is Outcome.GUARDED
            assert "can no longer read DEV/test" in gone.reason
            assert h.rows(FILE) == ["ST-1"]


def test_a_project_unknown_from_the_start_makes_no_file(tmp_path: Path) -> None:
    with house(tmp_path, mirror=[{"projects": ["DEV-nope"], "nodes": ["*"], "every": "1h"}]) as h:
        assert h.look() == {}
        assert h.files() == set()
        assert "'DEV-nope' is no project this key may read. It may read DEV/test." in h.inbox.status().problems[0]


def test_shrinking_waits_for_a_person(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, max_shrink="40 %") as h:
        study(h.sandbox, *(f"ST-{n}" for n in range(10)))
        h.look()
        ids = [record["id"] for record in h.sandbox.records("DEV-test", "study")]
        h.sandbox.delete("DEV-test", ids[:5])
        for _ in range(2):
            guarded = h.look()[FILE]
            assert guarded.outcome is Outcome.GUARDED
            assert "from 10 to 5 records, by 50 % where 40 % are allowed" in guarded.reason
            assert len(h.rows(FILE)) == 10
        h.restart()
        assert h.state(FILE).outcome is Outcome.GUARDED
        (accepted,) = h.inbox.accept(FILE)
        assert accepted.outcome is Outcome.UPDATED
        assert len(h.rows(FILE)) == 5
        h.sandbox.delete("DEV-test", ids[5:])
        assert "from 5 records to none" in h.look()[FILE].reason
        assert len(h.rows(FILE)) == 5


def test_a_file_edited_here_is_kept_aside_and_one_removed_comes_back(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        path = tmp_path / "inbox" / FILE
        truth = h.text(FILE)
        path.write_text("my own notes\n")
        refreshed = h.look()[FILE]
        assert "had been edited here" in refreshed.reason
        assert h.text(FILE) == truth
        (kept,) = [name for name in h.files() if ".local-" in name]
        assert h.text(kept) == "my own notes\n"
        path.unlink()
        h.look()
        assert h.text(FILE) == truth
        path.unlink()
        path.symlink_to("/etc/hostname")
        h.look()
        assert not path.is_symlink()
        assert h.text(FILE) == truth


def test_an_inbox_whose_disk_is_not_mounted_is_not_written_to(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        real, inbox = tmp_path / "disk", tmp_path / "inbox"
        inbox.rename(real)
        inbox.mkdir()
        guarded = h.look()[FILE]
        assert guarded.outcome is Outcome.GUARDED
        assert "its disk is probably not mounted" in guarded.reason
        h.restart()
        assert h.look()[FILE].outcome is Outcome.GUARDED
        assert not list(inbox.iterdir())
        inbox.rmdir()
        real.rename(inbox)
        assert h.look()[FILE].outcome is Outcome.UNCHANGED


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        (tmp_path / "inbox").mkdir()
        (tmp_path / "inbox/DEV").write_text("in the way")
        failed = h.look()[FILE]
        assert failed.outcome is Outcome.FAILED
        assert "a part of the path is not a folder" in failed.reason or "already exists" in failed.reason
        assert "There is no file yet." in failed.reason
        (tmp_path / "inbox/DEV").unlink()
        (tmp_path / "away").mkdir()
        (tmp_path / "inbox/DEV").symlink_to(tmp_path / "away")
        assert "leads out of the inbox" in h.look()[FILE].reason
        assert not list((tmp_path / "away").iterdir())


def test_without_graphql_everything_is_exported_and_that_is_said_once(tmp_path: Path) -> None:
    with house(tmp_path) as h:
        h.sandbox.faults.set(graphql="missing")
        study(h.sandbox, "ST-1")
        h.look()
        assert h.rows(FILE) == ["ST-1"]
        study(h.sandbox, "ST-2")
        h.look()
        assert sorted(h.rows(FILE)) == ["ST-1", "ST-2"]
        h.restart()
        h.look()
        said = [event for event in h.ledger.events.recent() if event.kind == "no-graphql"]
        assert len(said) == 1
        assert h.queries() <= 2


@pytest.mark.parametrize("graphql", ["denied", "error", "down"])
def test_unwell_graphql_is_never_taken_for_an_answer(tmp_path: Path, graphql: str) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        h.sandbox.faults.set(graphql=graphql)
        study(h.sandbox, "ST-2")
        h.look()
        assert sorted(h.rows(FILE)) == ["ST-1", "ST-2"]


def test_a_server_that_dies_after_the_commit_is_found_out_after_its_horizon(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1")
        h.look()
        h.sandbox.sql("DEV-test", "study", "ST-1", title="changed behind every signature")
        assert h.look()[FILE].outcome is Outcome.UNCHANGED
        h.clock.advance(86400)  # type: ignore[attr-defined]
        assert h.look()[FILE].outcome is Outcome.UPDATED
        assert "behind every signature" in h.text(FILE)


def test_readers_never_see_a_part_of_a_file(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, *(f"ST-{n:03}" for n in range(60)), title="round 0")
        h.look()
        path, stop, seen, wrong = tmp_path / "inbox" / FILE, threading.Event(), [0], []

        def read() -> None:
            while not stop.is_set():
                lines = path.read_text().splitlines()
                rounds = {line.split("\t")[-2] for line in lines[1:]}
                if len(lines) != 61 or len(rounds) != 1:
                    wrong.append(lines)
                seen[0] += 1

        reader = threading.Thread(target=read)
        reader.start()
        try:
            for number in range(1, 15):
                study(h.sandbox, *(f"ST-{n:03}" for n in range(60)), title=f"round {number}")
                before = seen[0]
                h.look()
                wait_until(lambda before=before: seen[0] > before)  # type: ignore[misc]
        finally:
            stop.set()
            reader.join()
        assert not wrong
        assert "round 14" in h.text(FILE)


def test_names_that_are_no_file_names_stay_in_the_inbox(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, projects=("DEV-.hidden", "DEV-a b%")) as h:
        h.look()
        assert h.files() == {"DEV/%2Ehidden/study.tsv", "DEV/a b%25/study.tsv"}


def test_one_bad_node_does_not_stop_the_others(tmp_path: Path) -> None:
    with house(tmp_path) as h:
        study(h.sandbox, "ST-1")
        subjects(h.sandbox, "S-1")
        h.sandbox.faults.answer(500, times=None, path="/export.*subject")
        done = h.look()
        assert done["DEV/test/subject.tsv"].outcome is Outcome.FAILED
        assert done[FILE].outcome is Outcome.UPDATED
        assert "There is no file yet." in done["DEV/test/subject.tsv"].reason
        assert {path.name for path in (tmp_path / "state/mirrors/DEV/test").iterdir()} == {
            "study.sqlite",
            "study.history",
        }
