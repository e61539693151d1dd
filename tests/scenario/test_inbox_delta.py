"""A few changed records are fetched by id and patched in; whatever that cannot answer is exported whole.

The measure of all of it: after any of this, a full export changes nothing.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.replies import RefusalKind, Refused
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Point
from tests.scenario.inbox_house import House, house, study, subjects
from tests.scenario.test_inbox_changes import put, st_record

FORMATS = ("tsv", "json", "jsonl")
NODES = ["study", "subject", "publication", "sample"]
EVERY = [
    *({"projects": ["DEV-test"], "nodes": NODES, "every": "10s", "format": format} for format in FORMATS),
    {
        "projects": ["DEV-test"],
        "nodes": NODES,
        "every": "10s",
        "columns": ["submitter_id", "title", "studies"],
        "filename": "{program}/{project}/short-{node}.{format}",
    },
]


def delta(folder: Path, **more: Any) -> Any:
    return house(folder, **{"mirror": EVERY, "full_every": "30d", "max_shrink": 1.0, **more})


def node_exports(h: House) -> int:
    return sum(request.method == "GET" and "/export" in request.path for request in h.sandbox.requests)


def fetches(h: House) -> int:
    return sum(request.method == "POST" and "/export" in request.path for request in h.sandbox.requests)


def patched(h: House, exports: int = 0, by_id: int | None = None) -> dict[str, Any]:
    """A look that exports so many nodes whole; afterwards a full export of everything finds nothing new."""
    before, fetched = node_exports(h), fetches(h)
    h.clock.advance(20)  # type: ignore[attr-defined]
    done = h.look()
    assert node_exports(h) - before == exports
    assert by_id is None or fetches(h) - fetched == by_id
    texts = {name: h.text(name) for name in h.files()}
    again = h.pull("DEV/test")
    assert {refresh.outcome for refresh in again.values()} == {Outcome.UNCHANGED}
    assert {name: h.text(name) for name in h.files()} == texts
    return done


def settled(h: House) -> None:
    study(h.sandbox, *(f"ST-{n:03}" for n in range(300)), title="old")
    subjects(h.sandbox, *(f"S-{n:03}" for n in range(200)), study="ST-001")
    publication(h, "P-1", "ST-001")
    h.look()


def publication(h: House, name: str, *studies: str) -> None:
    links = [{"submitter_id": each} for each in studies]
    h.sandbox.write("DEV-test", [{"type": "publication", "submitter_id": name, "doi": "10/x", "studies": links}])


def test_changed_and_added_records_are_fetched_by_id(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, "ST-000", "ST-150", "ST-299", title="new, with a \t tab and null")
        study(h.sandbox, "ST-900", title="null")
        done = patched(h, by_id=1)
        assert done["DEV/test/study.tsv"].outcome is Outcome.UPDATED
        assert done["DEV/test/study.tsv"].reason == "1 added, 3 changed."
        assert done["DEV/test/subject.tsv"].outcome is Outcome.UNCHANGED
        assert len(json.loads(h.text("DEV/test/study.json"))["data"]) == 301
        assert "ST-900" in h.text("DEV/test/study.tsv.untellable.jsonl")
        study(h.sandbox, "ST-900", title="said")
        patched(h, by_id=1)
        assert "DEV/test/study.tsv.untellable.jsonl" not in h.files()


def test_what_the_next_transactions_wrote_is_told_with_the_signature(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        h.clock.advance(20)
        study(h.sandbox, "ST-000", title="new")
        before = h.queries()
        h.look()
        assert h.queries() - before == 1
        study(h.sandbox, "ST-001", title="newer")
        patched(h, by_id=1)


def test_what_was_not_guessed_is_asked_for(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        h.clock.advance(20)
        for each in range(7):
            study(h.sandbox, f"ST-00{each}", title="new")
        before, exports = h.queries(), node_exports(h)
        h.look()
        assert (h.queries() - before, node_exports(h) - exports) == (2, 0)
        assert h.text("DEV/test/study.tsv").count("\tnew") == 7


def test_a_project_at_rest_is_not_asked_what_comes_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with delta(tmp_path) as h:
        settled(h)
        ask = h.client.graphql
        asked: list[bool] = []

        def graphql(query: str, variables: Any = None) -> Any:
            asked.append("documents" in query)
            return ask(query, variables)

        monkeypatch.setattr(h.client, "graphql", graphql)
        for seconds in (20, 3600, 20):
            h.clock.advance(seconds)
            h.look()
        assert asked == [True, False, False]
        study(h.sandbox, "ST-000", title="new")
        patched(h, by_id=1)
        asked.clear()
        h.look()
        assert asked == [True]


def test_a_commons_that_cannot_tell_its_documents_is_asked_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with delta(tmp_path) as h:
        settled(h)
        ask = h.client.graphql
        asked: list[bool] = []

        def graphql(query: str, variables: Any = None) -> Any:
            asked.append("documents" in query)
            return Refused(400, RefusalKind.REQUEST, "no documents") if asked[-1] else ask(query, variables)

        monkeypatch.setattr(h.client, "graphql", graphql)
        study(h.sandbox, "ST-000", title="new")
        patched(h, exports=len(NODES) - 1)  # there are no samples
        assert asked.count(True) == 2  # with the signature, and by itself
        h.look()
        assert asked.count(True) == 2


def test_a_node_without_records_is_not_exported_because_others_change(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        for number in range(25):  # more than the log would be asked about
            study(h.sandbox, "ST-000", title=f"{number}")
        h.clock.advance(20)
        exports = node_exports(h)
        done = h.look()
        assert node_exports(h) == exports + 3, "samples are none, and none were"
        assert done["DEV/test/sample.tsv"].outcome is Outcome.UNCHANGED
        sample = {"type": "sample", "submitter_id": "SA-1", "sample_type": "DNA", "subjects": _to("S-001")}
        h.sandbox.write("DEV-test", [sample])
        h.clock.advance(20)
        assert h.look()["DEV/test/sample.tsv"].reason == "1 added."


def test_a_link_added_alone_is_seen(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        publication(h, "P-1", "ST-001", "ST-002")
        done = patched(h, by_id=1)
        assert done["DEV/test/publication.tsv"].reason == "1 changed."
        assert "ST-001,ST-002" in h.text("DEV/test/publication.tsv")


def test_a_parent_with_a_comma_makes_a_column_in_a_patch(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, "with, comma")
        publication(h, "P-2", "with, comma")
        patched(h)
        assert "studies.id" in h.text("DEV/test/publication.tsv").splitlines()[0]


def test_the_same_written_again_changes_nothing(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, "ST-001", title="old")
        done = patched(h)
        assert {refresh.outcome for refresh in done.values()} == {Outcome.UNCHANGED}


def test_a_renamed_parent_changes_its_childrens_links(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, "st-001", title="old")  # another letter case renames
        patched(h, exports=2)
        assert "st-001" in h.text("DEV/test/subject.tsv")
        assert "ST-001" not in h.text("DEV/test/publication.tsv")


def test_a_parent_renamed_while_a_child_of_it_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That child knows the new name already, before the commons tells that there was a rename."""
    with delta(tmp_path) as h:
        settled(h)
        fetch = h.client.export_records

        def renamed_just_now(*args: Any) -> Any:
            study(h.sandbox, "st-001", title="old")
            return fetch(*args)

        for name, edited in (("S-000", "ST-002"), ("S-150", None)):
            if edited:  # then the copy is asked for its parents' names, and remembers them
                study(h.sandbox, edited, title="no rename")
                h.clock.advance(20)
                h.look()
            subjects(h.sandbox, name, study="ST-001", species="mouse")
            h.clock.advance(20)
            with monkeypatch.context() as patch:
                patch.setattr(h.client, "export_records", renamed_just_now)
                h.look()
            assert "st-001" in h.text("DEV/test/subject.tsv")
            patched(h, exports=2)
            assert "ST-001" not in h.text("DEV/test/subject.tsv")
            study(h.sandbox, "ST-001", title="old")
            patched(h, exports=2)


def test_a_renamed_parent_that_is_not_mirrored(tmp_path: Path) -> None:
    mirror = [{"projects": ["DEV-test"], "nodes": ["subject"], "every": "10s"}]
    with delta(tmp_path, mirror=mirror) as h:
        settled(h)
        study(h.sandbox, "ST-001", "ST-002", title="edited, not renamed")
        patched(h, exports=0)
        study(h.sandbox, "st-001", title="renamed")
        patched(h, exports=1)
        assert "st-001" in h.text("DEV/test/subject.tsv")


def test_deletions_are_exported_whole_and_with_them_the_children(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        publication(h, "P-2", "ST-002", "ST-003")
        h.look()
        found = h.sandbox.record("DEV-test", "study", "ST-002")
        assert found is not None
        h.sandbox.delete("DEV-test", [found["id"]])
        # study, and what links to it: subject, publication (and not sample).
        patched(h, exports=3, by_id=0)
        assert "ST-002" not in h.text("DEV/test/study.tsv") + h.text("DEV/test/publication.tsv")


def test_changes_by_sql_and_many_changes_are_exported_whole(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, *(f"ST-{n:03}" for n in range(30)), title="many")
        patched(h, exports=1, by_id=0)
        h.sandbox.sql_delete("DEV-test", "study", "ST-007")
        study(h.sandbox, "ST-001", title="meanwhile")
        done = patched(h, exports=1)
        assert done["DEV/test/study.tsv"].rows == 299


def test_a_transaction_without_document_is_exported_whole(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, "ST-001", title="new")
        for entry in h.sandbox.commons.log.all()[-1:]:
            entry.documents.clear()
        patched(h, exports=len(NODES) - 1)


def test_a_slow_upload_that_began_before_the_last_look_is_patched_in(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        with h.sandbox.faults.hold(Point.BEFORE_COMMIT, method="PUT") as held:
            slow = threading.Thread(target=put, args=(h, "slow", [st_record("ST-001", "slow")]))
            slow.start()
            held.wait_reached()
            put(h, "quick", [st_record("ST-002", "quick")])
            h.clock.advance(20)
            h.look()
            assert "quick" in h.text("DEV/test/study.tsv")
        slow.join()
        patched(h, by_id=1)
        assert "slow" in h.text("DEV/test/study.tsv")


def test_a_lost_copy_or_an_edited_file_is_exported_whole(tmp_path: Path) -> None:
    mirror = [{"projects": ["DEV-test"], "nodes": ["study"], "every": "10s"}]
    with delta(tmp_path, mirror=mirror) as h:
        settled(h)
        copy = tmp_path / "state/mirrors/DEV/test/study.sqlite"
        for harm in (copy.unlink, lambda: copy.write_bytes(b"words" * 5000), lambda: copy.write_bytes(b"")):
            harm()
            study(h.sandbox, "ST-001", title=f"after {harm}")
            patched(h, exports=1)
        study(h.sandbox, "ST-001", title="last")
        (tmp_path / "inbox/DEV/test/study.tsv").write_text("edited\n")
        patched(h, exports=1)


def test_ids_that_cannot_be_had_are_exported_whole(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        h.sandbox.faults.answer(500, times=1, method="POST", path="/export")
        study(h.sandbox, "ST-001", title="new")
        patched(h, exports=1)


def test_mirrors_of_one_node_refreshed_apart_stay_right(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        study(h.sandbox, "ST-001", title="one")
        h.pull("DEV/test/study.tsv")
        study(h.sandbox, "ST-002", title="two")
        h.pull("DEV/test/study.json")
        study(h.sandbox, "ST-003", title="three")
        patched(h, by_id=1)


def test_a_restart_patches_on(tmp_path: Path) -> None:
    with delta(tmp_path) as h:
        settled(h)
        h.restart()
        study(h.sandbox, "ST-001", title="new")
        patched(h, by_id=1)


def test_more_transactions_than_are_worth_asking_for_are_exported_whole(tmp_path: Path) -> None:
    mirror = [{"projects": ["DEV-test"], "nodes": ["study"], "every": "10s"}]
    with delta(tmp_path, mirror=mirror) as h:
        settled(h)
        for number in range(21):
            study(h.sandbox, "ST-001", title=f"{number}")
        queries = h.queries()
        h.clock.advance(20)
        before = node_exports(h)
        assert h.look()["DEV/test/study.tsv"].outcome is Outcome.UPDATED
        assert (node_exports(h), h.queries()) == (before + 1, queries + 1)


def test_records_with_several_links_are_whole(tmp_path: Path) -> None:
    """An export brings them in pieces and out of order; by id they come otherwise; the file is the same."""
    with delta(tmp_path) as h:
        settled(h)
        visit = {"type": "visit", "subjects": _to("S-001")}
        h.sandbox.write("DEV-test", [{**visit, "submitter_id": f"V-{n}", "visit_number": n} for n in range(3)])
        samples(h, *range(60), sample_type="DNA")
        h.look()
        samples(h, 3, 17, 70, sample_type="Blood")
        done = patched(h, by_id=1)
        assert done["DEV/test/sample.tsv"].reason == "1 added, 2 changed."


def _to(name: str) -> dict[str, str]:
    return {"submitter_id": name}


def samples(h: House, *numbers: int, **props: str) -> None:
    records = [
        {"type": "sample", "submitter_id": f"SA-{n}", "subjects": _to("S-001"), "visits": _to(f"V-{n % 3}"), **props}
        for n in numbers
    ]
    h.sandbox.write("DEV-test", records)
