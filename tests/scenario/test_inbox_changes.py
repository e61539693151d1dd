"""Nothing that changed is missed: slow transactions that overlap, killed ones, link-only changes, the dictionary."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Point
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.inbox_house import TEST, House, house, study

NODES = ["study", "publication"]
ONE = [{"projects": ["DEV-test"], "nodes": NODES, "every": "10s", "format": "json"}]


def put(h: House, name: str, records: list[dict[str, Any]]) -> object:
    """An upload over the wire, so that it meets the sandbox's faults."""
    body = json.dumps(records).encode()
    return h.client.submit(TEST, body, content_type="application/json", document_name=name)


def st_record(name: str, title: str) -> dict[str, Any]:
    return {"type": "study", "submitter_id": name, "title": title, "projects": {"code": "test"}}


def stored(sandbox: Sandbox, node: str) -> list[dict[str, Any]]:
    return sorted(sandbox.records("DEV-test", node), key=lambda record: str(record["id"]))


def shown(h: House, node: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = json.loads(h.text(f"DEV/test/{node}.json"))["data"]
    return records


def same(h: House, node: str) -> bool:
    """Whether the mirror says what is stored: ids, titles, links."""
    links = {"study": "projects", "publication": "studies"}[node]
    one = [(r["id"], r.get("title"), sorted(e["node_id"] for e in r.get(links, []))) for r in shown(h, node)]
    other = [(r["id"], r.get("title"), sorted(r.get(links) or [])) for r in stored(h.sandbox, node)]
    return one == other


def test_a_slow_upload_that_began_first_and_committed_last_is_seen(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        study(h.sandbox, "ST-1", title="old")
        with h.sandbox.faults.hold(Point.BEFORE_COMMIT, method="PUT") as held:
            slow = threading.Thread(target=put, args=(h, "slow", [st_record("ST-1", "slow")]))
            slow.start()
            held.wait_reached()
            put(h, "quick", [st_record("ST-2", "quick")])
            h.look()
            assert same(h, "study")
        slow.join()
        h.look()
        assert [record.get("title") for record in shown(h, "study") if record["submitter_id"] == "ST-1"] == ["slow"]


def test_a_link_only_commit_of_a_server_that_died_is_seen_after_its_horizon(tmp_path: Path) -> None:
    with house(tmp_path, mirror=ONE) as h:
        clock = h.clock
        assert isinstance(clock, ManualClock)
        study(h.sandbox, "ST-1", "ST-2")
        put(h, "p", [{"type": "publication", "submitter_id": "P-1", "doi": "1", "studies": [{"submitter_id": "ST-1"}]}])
        h.look()
        with h.sandbox.faults.hold(Point.BEFORE_COMMIT, method="PUT") as held:
            h.sandbox.faults.kill(Point.AFTER_COMMIT, method="PUT")
            link = {"type": "publication", "submitter_id": "P-1", "doi": "1", "studies": [{"submitter_id": "ST-2"}]}
            dying = threading.Thread(target=put, args=(h, "dies", [link]))
            dying.start()
            held.wait_reached()
            h.look()
        dying.join()
        clock.advance(700)
        h.look()
        assert same(h, "publication")
        exports = h.exports()
        clock.advance(700)
        h.look()
        assert h.exports() == exports, "the pending transaction is forgotten after its time"


def test_a_changed_dictionary_is_announced_and_does_not_block(tmp_path: Path) -> None:
    mirror = [{"projects": ["*"], "nodes": ["study"], "every": "10s"}]
    with house(tmp_path, mirror=mirror) as h:
        study(h.sandbox, "ST-1", title="kept")
        h.look()
        schema = h.sandbox.commons.dictionary.raw["study"]
        schema["properties"]["funding"] = {"type": "string"}
        h.sandbox.commons.schema_cache.clear()
        assert h.look()["DEV/test/study.tsv"].outcome is Outcome.UNCHANGED
        h.catalog.refresh()
        updated = h.look()["DEV/test/study.tsv"]
        assert updated.outcome is Outcome.UPDATED
        assert "The dictionary of the commons has changed." in updated.reason
        assert "funding" in h.text("DEV/test/study.tsv").splitlines()[0]
        del schema["properties"]["funding"]
        h.sandbox.commons.schema_cache.clear()
        h.catalog.refresh()
        guarded = h.look()["DEV/test/study.tsv"]
        assert guarded.outcome is Outcome.GUARDED
        assert "no longer has 1 of the mirror's columns: funding" in guarded.reason
        h.inbox.accept("DEV/test/study.tsv")
        assert "funding" not in h.text("DEV/test/study.tsv").splitlines()[0]


class Following(RuleBasedStateMachine):
    """Random writes at the commons against a mirror with change detection: after a look, the mirror is the truth."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.context = house(Path(self.folder.name), mirror=ONE, clock=ManualClock(SystemClock().now()), max_shrink=1.0)
        self.h = self.context.__enter__()
        self.number = 0
        study(self.h.sandbox, "ST-0", "ST-1", title="first")
        self.h.look()

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.context.__exit__(None, None, None)
            self.folder.cleanup()

    def clock(self) -> ManualClock:
        assert isinstance(self.h.clock, ManualClock)
        return self.h.clock

    @rule(title=st.sampled_from(["a", "b", "c"]), which=st.integers(0, 4))
    def write(self, title: str, which: int) -> None:
        study(self.h.sandbox, f"ST-{which}", title=title)

    @rule(which=st.integers(0, 1), to=st.integers(0, 1))
    def link(self, which: int, to: int) -> None:
        link = [{"submitter_id": f"ST-{to}"}]
        if self.h.sandbox.record("DEV-test", "study", f"ST-{to}"):
            self.h.sandbox.write(
                "DEV-test", [{"type": "publication", "submitter_id": f"P-{which}", "doi": "1", "studies": link}]
            )

    @rule(which=st.integers(2, 4))
    def delete(self, which: int) -> None:
        found = self.h.sandbox.record("DEV-test", "study", f"ST-{which}")
        if found:
            self.h.sandbox.delete("DEV-test", [found["id"]])

    @rule(point=st.sampled_from([Point.BEFORE_COMMIT, Point.AFTER_COMMIT, Point.AFTER_LOG]), which=st.integers(0, 4))
    def killed(self, point: Point, which: int) -> None:
        self.number += 1
        self.h.sandbox.faults.kill(point, method="PUT")
        put(self.h, f"killed-{self.number}", [st_record(f"ST-{which}", f"killed {self.number}")])
        self.h.sandbox.faults.clear()

    @rule(rows=st.integers(0, 3))
    def cut(self, rows: int) -> None:
        self.h.sandbox.faults.cut_export(rows=rows)
        self.h.look()
        self.h.sandbox.faults.clear()

    @rule(seconds=st.sampled_from([1.0, 20.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.clock().advance(seconds)

    @rule()
    def look(self) -> None:
        for refresh in self.h.look().values():
            if refresh.outcome is Outcome.GUARDED:
                self.h.inbox.accept(refresh.mirror)

    @rule()
    def restart(self) -> None:
        self.h.restart()

    @invariant()
    def files_are_whole(self) -> None:
        if hasattr(self, "h"):
            for node in NODES:
                shown(self.h, node)

    @rule()
    def quiet(self) -> None:
        """After quiet, longer than the server's horizon, the mirror equals what is stored."""
        self.look()
        self.clock().advance(700)
        self.look()
        for node in NODES:
            assert same(self.h, node)


TestFollowing = Following.TestCase
TestFollowing.settings = settings(
    max_examples=12, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)
