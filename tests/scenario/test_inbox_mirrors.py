"""What the inbox shows: names, globs and stars; text that submits again; only what changed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gen3sync.errors import NotFoundError
from gen3sync.ledger import Outcome
from gen3sync.records.codec import desired
from gen3sync.records.compare import compare
from gen3sync.records.table import open_table
from tests.scenario.inbox_house import TEST, House, house, study, subjects

ALL = {"study", "subject", "visit", "sample", "aliquot", "lab_test", "publication", "sequencing_file"}


def test_star_mirrors_every_node_of_every_project_that_can_be_read(tmp_path: Path) -> None:
    with house(
        tmp_path,
        projects=("DEV-one", "DEV-two", "DEV-shut", "OTHER-x"),
        mirror=[{"projects": ["DEV-*"], "nodes": ["*"], "every": "1h"}],
    ) as h:
        h.sandbox.deny("DEV-shut", "read")
        study(h.sandbox, "ST-2", "ST-1", project="DEV-one", title="A study")
        done = h.look()
        assert {refresh.outcome for refresh in done.values()} == {Outcome.UPDATED}
        assert h.files() == {f"DEV/{code}/{node}.tsv" for code in ("one", "two") for node in ALL}
        assert sorted(h.rows("DEV/one/study.tsv")) == ["ST-1", "ST-2"]
        assert h.rows("DEV/two/study.tsv") == []
        assert h.text("DEV/two/study.tsv").startswith("type\tid\tproject_id\tsubmitter_id\t")


def test_names_categories_and_formats(tmp_path: Path) -> None:
    mirror = [
        {"name": "tables", "projects": ["DEV/test"], "nodes": ["study", "nosuch"], "every": "1h"},
        {"projects": ["DEV-test", "DEV-none"], "nodes": ["study"], "format": "json", "every": "1h"},
    ]
    with house(tmp_path, mirror=mirror) as h:
        study(h.sandbox, "ST-1", keywords=["a", "b"])
        h.look()
        assert h.files() == {"DEV/test/study.tsv", "DEV/test/study.json"}
        exported = json.loads(h.text("DEV/test/study.json"))["data"]
        assert [each["submitter_id"] for each in exported] == ["ST-1"]
        assert exported[0]["keywords"] == ["a", "b"]
        assert h.exports() == 1, "two formats of one node share one export"
        told = " ".join(h.inbox.status().problems)
        assert "'nosuch' is no node type" in told
        assert "'DEV-none' is no project this key may read" in told
        assert {each.mirror.group for each in h.inbox.status().mirrors} == {"tables", "mirror-2"}
        assert list(h.pull("tables")) == ["DEV/test/study.tsv"]
        with pytest.raises(NotFoundError, match="No mirror is called 'nothing'"):
            h.pull("nothing")


def _drop_again(h: House, node: str) -> None:
    """The mirrored TSV, read as a drop and compared with what the commons exports: nothing to send."""
    dictionary = h.catalog.dictionary()
    node_type = dictionary.submittable(node)
    assert node_type is not None
    path = h.folder / "inbox" / f"DEV/test/{node}.tsv"
    ids = [record["id"] for record in h.sandbox.records("DEV-test", node)]
    stored = h.client.export_records(TEST, ids)
    assert isinstance(stored, tuple)
    by_id = {record["id"]: record for record in stored}
    rows = 0
    for row in open_table(path, name=path.name, dictionary=dictionary, project=TEST):
        wanted = desired(row, node_type)  # type: ignore[arg-type]
        assert not wanted.problems
        assert wanted.id is not None
        comparison = compare(wanted, by_id[wanted.id], node_type)
        assert not comparison.changes, comparison
        assert not comparison.erased, comparison
        rows += 1
    assert rows == len(ids)


AWKWARD = [
    'a "quoted" word',
    "tab\there",
    "line\nbreak",
    'ends with "',
    "ünï çødé 🧬",
    "=1+1",
    "- ",
    "12.0",
    "true",
    "a,b",
    "'",
]


def test_a_mirror_dropped_again_changes_nothing(tmp_path: Path) -> None:
    with house(tmp_path) as h:
        study(h.sandbox, "ST-1", "ST-2", keywords=["x", "y"], planned_subjects=12, is_public=True)
        for number, text in enumerate(AWKWARD):
            study(h.sandbox, f"TITLE-{number}", title=text.strip())
        subjects(h.sandbox, "S-1", "S-2", "S, with comma", height_cm=12.5)
        h.sandbox.write(
            "DEV-test",
            [
                {
                    "type": "sample",
                    "submitter_id": f"SAM-{n}",
                    "subjects": {"submitter_id": "S, with comma"},
                    "sample_type": "Blood",
                    "freezer_positions": [3, 1],
                }
                for n in range(3)
            ]
            + [
                {"type": "aliquot", "submitter_id": "AL-1", "samples": [{"submitter_id": f"SAM-{n}"} for n in (2, 0)]},
                {
                    "type": "lab_test",
                    "submitter_id": "LT-1",
                    "test_name": "Glucose",
                    "samples": [{"submitter_id": f"SAM-{n}"} for n in range(3)],
                },
            ],
        )
        h.look()
        for node in ("study", "subject", "sample", "aliquot", "lab_test"):
            _drop_again(h, node)
        assert "subjects.id" in h.text("DEV/test/sample.tsv").splitlines()[0]
        assert len(h.rows("DEV/test/lab_test.tsv")) == 1


def test_unchanged_costs_one_question_a_project_and_touches_no_file(tmp_path: Path) -> None:
    with house(tmp_path, full_every="1d") as h:
        study(h.sandbox, "ST-1")
        h.look()
        path = tmp_path / "inbox/DEV/test/study.tsv"
        before, exports, queries = path.stat(), h.exports(), h.queries()
        h.clock.advance(3600)  # type: ignore[attr-defined]
        done = h.look()
        assert {refresh.outcome for refresh in done.values()} == {Outcome.UNCHANGED}
        assert (h.exports(), h.queries()) == (exports, queries + 1)
        after = path.stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
        assert h.state("DEV/test/study.tsv").age == 0


def test_what_changed_is_told_and_the_file_is_as_old_as_its_data(tmp_path: Path) -> None:
    with house(tmp_path) as h:
        study(h.sandbox, "ST-1", "ST-2", "ST-3", title="old")
        h.look()
        study(h.sandbox, "ST-1", title="new")
        study(h.sandbox, "ST-4")
        h.sandbox.delete("DEV-test", [h.sandbox.record("DEV-test", "study", "ST-2")["id"]])  # type: ignore[index]
        h.clock.advance(60)  # type: ignore[attr-defined]
        done = h.look()
        assert done["DEV/test/study.tsv"].outcome is Outcome.UPDATED
        assert done["DEV/test/study.tsv"].reason == "1 added, 1 changed, 1 removed."
        assert done["DEV/test/subject.tsv"].outcome is Outcome.UNCHANGED
        assert (tmp_path / "inbox/DEV/test/study.tsv").stat().st_mtime == pytest.approx(h.clock.now().timestamp())


def test_the_index_beside_the_files_tells_how_fresh_they_are(tmp_path: Path) -> None:
    with house(tmp_path) as h:
        study(h.sandbox, "ST-1")
        h.look()
        first = h.clock.now().isoformat()
        h.clock.advance(300)  # type: ignore[attr-defined]
        h.look()
        entry = json.loads(h.text("DEV/test/.gen3sync.json"))["files"]["study.tsv"]
        assert entry["node"] == "study"
        assert entry["rows"] == 1
        assert entry["exported_at"] == first
        assert entry["checked_at"] == h.clock.now().isoformat()
        assert entry["bytes"] == (tmp_path / "inbox/DEV/test/study.tsv").stat().st_size


def test_what_tsv_cannot_say_is_listed_beside_the_mirror(tmp_path: Path) -> None:
    mirror = [
        {"projects": ["*"], "nodes": ["study"], "every": "1h"},
        {"projects": ["*"], "nodes": ["study"], "every": "1h", "format": "json"},
    ]
    with house(tmp_path, mirror=mirror) as h:
        study(h.sandbox, "ST-1", title="null", keywords=["a,b", "c"])
        h.look()
        notes = [json.loads(line) for line in h.text("DEV/test/study.tsv.untellable.jsonl").splitlines()]
        assert {(note["submitter_id"], note["column"]) for note in notes} == {("ST-1", "title"), ("ST-1", "keywords")}
        assert json.loads(h.text("DEV/test/study.json"))["data"][0]["keywords"] == ["a,b", "c"]
        study(h.sandbox, "ST-1", title="said", keywords=["a", "c"])
        h.look()
        assert h.files() == {"DEV/test/study.tsv", "DEV/test/study.json"}


def test_own_submissions_are_seen_at_the_next_look_also_link_only_ones(tmp_path: Path) -> None:
    with house(tmp_path) as h:
        study(h.sandbox, "ST-1", "ST-2")
        publication = {"type": "publication", "submitter_id": "P-1", "doi": "10.1/x"}
        h.sandbox.write("DEV-test", [{**publication, "studies": [{"submitter_id": "ST-1"}]}])
        h.look()
        h.sandbox.write("DEV-test", [{**publication, "studies": [{"submitter_id": "ST-2"}]}])
        assert h.look()["DEV/test/publication.tsv"].outcome is Outcome.UPDATED
        assert "ST-1,ST-2" in h.text("DEV/test/publication.tsv")
