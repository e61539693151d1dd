"""What is asked before a refresh, and what no answer means."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.replies import Broken, GraphqlData, RefusalKind, Refused
from gen3sync.inbox.decide import Round
from gen3sync.inbox.rounds import Result
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Point
from tests.scenario.inbox_house import TEST, House, house, study
from tests.scenario.test_inbox_changes import put, st_record
from tests.scenario.test_inbox_delta import node_exports

ONE = [{"projects": ["DEV-test"], "nodes": ["study"], "every": "10s"}]
TWO = [{"projects": ["DEV-test"], "nodes": ["study", "subject"], "every": "10s"}]
FILE = "DEV/test/study.tsv"


def scheduled(h: House, after: float = 20) -> Result:
    """A look as a job makes it."""
    h.clock.advance(after)  # type: ignore[attr-defined]
    return h.inbox._run(Round(TEST, h.inbox._following.every()))


def asking(h: House, patch: pytest.MonkeyPatch, answer: Callable[[str, Callable[[], Any]], Any]) -> None:
    """Every GraphQL question goes through `answer`, with the question and a way to ask it."""
    ask = h.client.graphql
    patch.setattr(h.client, "graphql", lambda query, variables=None: answer(query, lambda: ask(query, variables)))


def test_graphql_that_is_unwell_for_a_moment_moves_nothing(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, full_every="30d") as h:
        study(h.sandbox, "ST-1")
        h.look()
        scheduled(h, 3600)
        study(h.sandbox, "ST-2")
        exports = node_exports(h)
        h.sandbox.faults.set(graphql="down")
        for _ in range(10):
            result = scheduled(h)
            assert isinstance(result.failure, Broken), "it is asked again soon"
            assert result.refreshes == ()
        assert node_exports(h) == exports
        h.sandbox.faults.set(graphql="on")
        assert scheduled(h).refreshes[0].outcome is Outcome.UPDATED


def test_graphql_that_is_unwell_for_long_is_done_without(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE, full_every="30d") as h:
        study(h.sandbox, "ST-1")
        h.look()
        h.sandbox.faults.set(graphql="down")
        study(h.sandbox, "ST-2")
        results = [scheduled(h, 60) for _ in range(12)]
        assert [len(each.refreshes) for each in results] == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]
        assert sorted(h.rows(FILE)) == ["ST-1", "ST-2"]


def test_what_was_never_mirrored_does_not_wait_for_graphql(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        h.sandbox.faults.set(graphql="down")
        study(h.sandbox, "ST-1")
        h.inbox._open_folder()
        h.inbox._following.resolve()
        assert scheduled(h).refreshes[0].outcome is Outcome.UPDATED


def test_a_node_type_that_graphql_does_not_know_costs_the_others_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads the dictionary when it starts, the submission service has a newer one."""
    with house(tmp_path, mirror=TWO, full_every="30d") as h:
        study(h.sandbox, "ST-1")
        refused = Refused(400, RefusalKind.REQUEST, 'Cannot query field "_subject_count" on type "Root".')
        asking(h, monkeypatch, lambda query, ask: refused if "_subject_count" in query else ask())
        h.look()
        exports, queries = node_exports(h), h.queries()
        for _ in range(3):
            scheduled(h, 400)
        assert (node_exports(h), h.queries()) == (exports + 3, queries + 3), "only subjects are exported whole"
        study(h.sandbox, "ST-2")
        scheduled(h)
        assert sorted(h.rows(FILE)) == ["ST-1", "ST-2"]
        told = [event.text for event in h.ledger.events.recent(50) if event.kind == "no-graphql"]
        assert [each.partition(".")[0] for each in told] == ["The commons' GraphQL does not know the node type subject"]


def together(h: House, patch: pytest.MonkeyPatch, meanwhile: Callable[[], None]) -> threading.Event:
    """From now on GraphQL is asked when the export that is under way has been read; `meanwhile` happens in between."""
    read = threading.Event()
    export = h.client.export_node

    def exported(*args: Any, **more: Any) -> Any:
        stream = export(*args, **more)
        close = stream.close  # type: ignore[union-attr]

        def closed() -> None:
            close()
            read.set()

        patch.setattr(stream, "close", closed)
        return stream

    def answer(_: str, ask: Callable[[], Any]) -> Any:
        assert read.wait(60), "the export waits for the question"
        meanwhile()
        return ask()

    patch.setattr(h.client, "export_node", exported)
    asking(h, patch, answer)
    return read


def test_an_export_that_is_asked_for_begins_together_with_the_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, mirror=ONE, full_every="30d") as h:
        study(h.sandbox, "ST-1")
        h.look()
        with monkeypatch.context() as patch:
            together(h, patch, lambda: None)
            assert h.pull(FILE)[FILE].outcome is Outcome.UNCHANGED
        exports = node_exports(h)
        scheduled(h)
        assert node_exports(h) == exports, "the signature that was read meanwhile is remembered"


def test_what_is_written_between_such_an_export_and_the_answer_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with house(tmp_path, mirror=ONE, full_every="30d") as h:
        study(h.sandbox, "ST-1", title="old")
        h.look()
        with monkeypatch.context() as patch:
            together(h, patch, lambda: study(h.sandbox, "ST-1", title="new"))
            h.pull(FILE)
        assert "old" in h.text(FILE)
        scheduled(h)
        assert "new" in h.text(FILE)


@pytest.mark.parametrize("record", [st_record("ST-2", "another"), st_record("ST-1", "new")])
def test_what_is_stored_in_between_and_logged_later_is_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record: dict[str, Any]
) -> None:
    """The look counts the same transactions as the one before, for this one is not logged yet."""
    with house(tmp_path, mirror=ONE, full_every="30d") as h:
        study(h.sandbox, "ST-1", title="old")
        h.look()
        with h.sandbox.faults.hold(Point.AFTER_COMMIT, method="PUT") as held:
            slow = threading.Thread(target=put, args=(h, "slow", [record]))

            def stored() -> None:
                if not slow.is_alive():
                    slow.start()
                held.wait_reached()

            with monkeypatch.context() as patch:
                together(h, patch, stored)
                assert h.pull(FILE)[FILE].outcome is Outcome.UNCHANGED
            assert record["title"] not in h.text(FILE)
        slow.join()
        scheduled(h)
        assert record["title"] in h.text(FILE)


def test_a_project_at_work_is_asked_before_it_is_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where transactions succeed all the time such an export would be for nothing."""
    with house(tmp_path, mirror=ONE, full_every="30d") as h:
        study(h.sandbox, "ST-1")
        h.look()
        study(h.sandbox, "ST-2")
        scheduled(h)
        order: list[str] = []
        export = h.client.export_node

        def exported(*args: Any, **more: Any) -> Any:
            order.append("export")
            return export(*args, **more)

        def answer(_: str, ask: Callable[[], Any]) -> Any:
            found = ask()
            assert isinstance(found, GraphqlData)
            order.append("answer")
            return found

        monkeypatch.setattr(h.client, "export_node", exported)
        asking(h, monkeypatch, answer)
        h.pull(FILE)
        assert order == ["answer", "export"]
