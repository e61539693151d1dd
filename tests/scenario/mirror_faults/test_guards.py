"""Whole exports that are not believed (docs/reference/mirror-faults.md, "The commons looks wrong")."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gen3sync.ledger import Outcome
from tests.scenario.inbox_house import House, study
from tests.scenario.mirror_faults.kit import (
    BOTH,
    FILE,
    JSON,
    ONE,
    Truth,
    fresh,
    index,
    later,
    mirrored,
    read,
    settled,
    shown,
    truth,
)


def delete(h: House, *names: str) -> None:
    found = {each["submitter_id"]: each["id"] for each in h.sandbox.records("DEV-test", "study")}
    h.sandbox.delete("DEV-test", [found[name] for name in names])


def test_shrinking_waits_for_a_person(tmp_path: Path) -> None:
    with settled(tmp_path, max_shrink=0.4) as (h, _):
        fresh(h)
        before = truth(h)
        later(h)
        delete(h, "ST-1", "ST-2", "ST-3")
        why = (
            "would shrink from 6 to 3 records, by 50 % where 40 % are allowed. Look at the commons; if it is right, run"
        )
        for _again in range(2):
            h.look()
            before.stands(h, Outcome.GUARDED, why)
        h.restart()
        before.stands(h, Outcome.GUARDED, why)
        (accepted,) = h.inbox.accept(FILE)
        assert (accepted.outcome, accepted.reason) == (Outcome.UPDATED, "3 removed.")
        fresh(h, outcome=Outcome.UNCHANGED)


def test_shrinking_that_mends_itself(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, _):
        fresh(h)
        before = truth(h)
        later(h)
        delete(h, "ST-1", "ST-2", "ST-3", "ST-4")
        h.look()
        before.stands(h, Outcome.GUARDED, "from 6 to 2 records")
        study(h.sandbox, "ST-7", "ST-8")
        fresh(h)


def test_falling_to_nothing_is_never_believed(tmp_path: Path) -> None:
    with settled(tmp_path, mirror=BOTH, max_shrink=1.0) as (h, before):
        delete(h, *(f"ST-{n}" for n in range(1, 7)))
        h.look()
        before.stands(h, Outcome.GUARDED, "would fall from 3 records to none", FILE, JSON)
        h.inbox.accept("DEV/test")
        assert h.rows(FILE) == []
        fresh(h, FILE, JSON, outcome=Outcome.UNCHANGED)


@pytest.mark.parametrize("graphql", ["on", "missing", "down"])
def test_project_vanished(tmp_path: Path, graphql: str) -> None:
    """A project that is gone exports as 200 without records (GEN3.md)."""
    with settled(tmp_path, projects=("DEV-test", "DEV-more")) as (h, _):
        h.sandbox.faults.set(graphql=graphql)
        h.look()
        before = truth(h)
        later(h, 600)
        h.sandbox.remove_project("DEV-test")
        h.look()
        before.stands(
            h, Outcome.GUARDED, "can no longer read DEV/test: permission was taken away, or the project is gone"
        )
        h.catalog.refresh()
        h.look()
        before.stands(h, Outcome.GUARDED, "can no longer read DEV/test")
        assert read(h).mirror("DEV/more/study.tsv").outcome == "unchanged"


def test_project_renamed(tmp_path: Path) -> None:
    """To the commons it is another project: the old mirror stays and says so, the new one is made beside it."""
    with settled(tmp_path) as (h, before):
        h.sandbox.remove_project("DEV-test")
        h.sandbox.add_project("DEV-renamed")
        study(h.sandbox, "ST-1", "ST-2", project="DEV-renamed")
        h.catalog.refresh()
        done = h.look()
        assert done["DEV/renamed/study.tsv"].outcome is Outcome.UPDATED
        assert sorted(h.rows("DEV/renamed/study.tsv")) == ["ST-1", "ST-2"]
        both = Truth({**before.files, "DEV/renamed/study.tsv": h.text("DEV/renamed/study.tsv").encode()}, before.at)
        both.stands(h, Outcome.GUARDED, "can no longer read DEV/test")


def schema(h: House, **properties: object) -> None:
    """The commons' dictionary as its operators change it; None takes a property away."""
    known = h.sandbox.commons.dictionary.raw["study"]["properties"]
    for name, kind in properties.items():
        if kind is None:
            del known[name]
        else:
            known[name] = kind
    h.sandbox.commons.schema_cache.clear()
    h.catalog.refresh()


def test_dictionary_changed(tmp_path: Path) -> None:
    """All rows differ: announced, not blocked."""
    with settled(tmp_path) as (h, _):
        schema(h, funding={"type": "string"})
        fresh(h)
        done = h.ledger.refreshes.recent(1, FILE)[0]
        assert done.reason.startswith("The dictionary of the commons has changed. 3 added")
        assert "\tfunding" in h.text(FILE).splitlines()[0]


def test_columns_lost(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, _):
        schema(h, funding={"type": "string"})
        fresh(h)
        before = truth(h)
        later(h, 600)
        schema(h, funding=None)
        h.look()
        before.stands(h, Outcome.GUARDED, "The dictionary no longer has 1 of the mirror's columns: funding.")
        h.inbox.accept(FILE)
        assert "funding" not in h.text(FILE)
        fresh(h, outcome=Outcome.UNCHANGED)


@pytest.mark.parametrize("nodes", ["study", "s*"])
def test_node_type_lost(tmp_path: Path, nodes: str) -> None:
    """Asked for by name it is told for as long as it is asked for; chosen by a pattern, once."""
    with settled(tmp_path, mirror=[{**ONE[0], "nodes": [nodes]}]) as (h, before):
        raw = h.sandbox.commons.dictionary.raw
        raw["study"]["id"], kept = "trial", dict(raw)
        del raw["study"]
        raw["trial"] = kept["study"]
        h.sandbox.commons.schema_cache.clear()
        h.catalog.refresh()
        h.look()
        assert (h.folder / "inbox" / FILE).read_bytes() == before.files[FILE]
        if nodes == "study":
            assert any("'study' is no node type of this dictionary" in each for each in read(h).reasons)
        assert [event.text for event in read(h).status.events if "no longer followed" in event.text] == [
            f"{FILE} is no longer followed: configuration and dictionary ask for it no more. It stays."
        ]
        assert index(h, FILE)["followed"] is False


def test_local_edits_are_kept_aside(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, before):
        path = h.folder / "inbox" / FILE
        path.write_text("my own notes\n")
        updated = h.look()[FILE]
        assert "The file had been edited here; that version is kept as study.tsv.local-" in updated.reason
        assert any("had been edited here" in event.text for event in read(h).status.events)
        (kept,) = [name for name in h.files() if ".local-" in name]
        assert h.text(kept) == "my own notes\n"
        assert len(h.rows(FILE)) == 6
        assert before.files[FILE] != path.read_bytes()
        fresh(h, outcome=Outcome.UNCHANGED)


@pytest.mark.parametrize("fault", ["cut", "nothing new"])
def test_local_edits_while_nothing_can_be_refreshed(tmp_path: Path, fault: str) -> None:
    """The edit stays until there is a truth to put in its place, and is never taken for the commons' word."""
    with settled(tmp_path) as (h, _):
        fresh(h)
        path = h.folder / "inbox" / FILE
        good = path.read_bytes()
        path.write_bytes(good + b"study\tmade up\n")
        later(h)
        if fault == "cut":
            h.sandbox.faults.cut_export(rows=2)
            assert h.look()[FILE].outcome is Outcome.FAILED
            assert path.read_bytes() == good + b"study\tmade up\n"
        assert h.look()[FILE].outcome is Outcome.UPDATED
        assert path.read_bytes() == good


@pytest.mark.parametrize("what", ["removed", "a link elsewhere", "a folder", "emptied"])
def test_a_mirror_somebody_replaced(tmp_path: Path, what: str) -> None:
    with settled(tmp_path) as (h, _):
        path, other = h.folder / "inbox" / FILE, h.folder / "other"
        other.write_text("somebody's\n")
        path.unlink()
        match what:
            case "a link elsewhere":
                path.symlink_to(other)
            case "a folder":
                path.mkdir()
            case "emptied":
                path.touch()
        fresh(h)
        assert path.is_file()
        assert not path.is_symlink()
        kept = [each.name for each in path.parent.iterdir() if ".local-" in each.name]
        assert len(kept) == (0 if what == "removed" else 1)
        assert other.read_text() == "somebody's\n"


def test_an_index_that_is_damaged(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, _):
        for text in ("{", '{"files": 7}', ""):
            (h.folder / "inbox/DEV/test/.gen3sync.json").write_text(text)
            later(h)
            h.look()
        fresh(h, outcome=Outcome.UNCHANGED)
        study(h.sandbox, "ST-9")
        fresh(h)
        assert json.loads(h.text("DEV/test/.gen3sync.json"))["files"]["study.tsv"]["rows"] == 7


def test_a_copy_in_the_state_folder_that_is_damaged(tmp_path: Path) -> None:
    with settled(tmp_path) as (h, _):
        (copy,) = (h.folder / "state/mirrors").rglob("*.sqlite")
        copy.write_bytes(b"not a table" * 1000)
        fresh(h)


def test_graphql_that_lies_about_counts_for_ever(tmp_path: Path) -> None:
    """The commons counts other than it exports: held back each time, and a person can accept it."""
    with mirrored(tmp_path) as h:
        study(h.sandbox, "ST-1", "ST-2")
        h.look()
        before = truth(h)
        later(h)
        answer = {
            "data": {
                "project": [{"id": "x", "state": "open"}],
                "ok": 9,
                "pending": [],
                "n_study": 5,
                "u_study": [{"id": "x", "updated_datetime": "2026-01-01T00:00:00+00:00"}],
            }
        }
        h.sandbox.faults.answer(
            200, times=None, path="/graphql$", body=json.dumps(answer), content_type="application/json"
        )
        h.look()
        before.stands(h, Outcome.GUARDED, "The export holds 2 records but the commons counts 5")
        (accepted,) = h.inbox.accept(FILE)
        assert accepted.outcome is Outcome.UNCHANGED
        assert read(h).reasons == ()


def test_the_state_folder_is_lost(tmp_path: Path) -> None:
    """As after a damaged ledger was moved away: the index beside the files remembers what they hold, and since when."""
    with settled(tmp_path, mirror=BOTH) as (h, before):
        h.close()
        shutil.rmtree(tmp_path / "state")
        (tmp_path / "state").mkdir()
        delete(h, *(f"ST-{n}" for n in range(2, 7)))
        h.build()
        h.inbox._following.resolve()
        for name in (FILE, JSON):
            mirror = read(h).mirror(name)
            assert (mirror.outcome, mirror.rows) == ("never", 3)
            assert mirror.checked_at == before.at.isoformat(timespec="seconds")
        h.look()
        assert shown(h) == before.files
        for name in (FILE, JSON):
            mirror = read(h).mirror(name)
            assert mirror.outcome == "guarded"
            assert mirror.checked_at == before.at.isoformat(timespec="seconds")
            assert "would shrink from 3 to 1 records" in mirror.reason
            assert mirror.reason.endswith(f"The file shows what the commons held at {before.at:%Y-%m-%d %H:%M} UTC.")
        study(h.sandbox, "ST-7")
        fresh(h, FILE, JSON)
        assert not [name for name in h.files() if ".local-" in name]
