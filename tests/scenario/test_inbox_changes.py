"""Nothing that changed is missed: slow transactions that overlap, killed ones, link-only changes, the dictionary."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gen3sync.clock import ManualClock, SystemClock
from gen3sync.inbox.decide import Round
from gen3sync.inbox.detect import Why
from gen3sync.ledger import Outcome
from gen3sync.sandbox.faults import Hold, Point
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.inbox_house import TEST, House, house, study, subjects

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


BOTH = [
    {"projects": ["DEV-test"], "nodes": NODES, "every": "10s", "format": "json"},
    {"projects": ["DEV-test"], "nodes": [*NODES, "subject"], "every": "10s"},
    {
        "projects": ["DEV-test"],
        "nodes": ["publication"],
        "every": "10s",
        "format": "jsonl",
        "columns": ["id", "studies"],
    },
]


class Following(RuleBasedStateMachine):
    """Random writes at the commons against mirrors that are patched: after quiet, a full export finds nothing new."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        clock = ManualClock(SystemClock().now())
        self.context = house(Path(self.folder.name), mirror=BOTH, clock=clock, max_shrink=1.0, full_every="900d")
        self.h = self.context.__enter__()
        self.number = 0
        self.slow: list[tuple[Hold, threading.Thread]] = []
        study(self.h.sandbox, *(f"ST-{n}" for n in range(40)), title="first")
        subjects(self.h.sandbox, *(f"S-{n}" for n in range(6)))
        self.h.look()

    def teardown(self) -> None:
        if hasattr(self, "context"):
            self.release()
            self.context.__exit__(None, None, None)
            self.folder.cleanup()

    def clock(self) -> ManualClock:
        assert isinstance(self.h.clock, ManualClock)
        return self.h.clock

    def has(self, name: str) -> bool:
        return self.h.sandbox.record("DEV-test", "study", name) is not None

    @rule(title=st.sampled_from(["a", "b", "null", 'c "quoted"']), which=st.integers(0, 44))
    def write(self, title: str, which: int) -> None:
        study(self.h.sandbox, f"ST-{which}", title=title)

    @rule(which=st.integers(0, 5), upper=st.booleans())
    def rename(self, which: int, upper: bool) -> None:
        """Another letter case of a submitter_id names the same record, and renames it."""
        name = f"ST-{which}"
        study(self.h.sandbox, name if upper else name.lower())

    @rule(which=st.integers(0, 3), to=st.sets(st.integers(0, 5), min_size=1, max_size=4))
    def link(self, which: int, to: set[int]) -> None:
        links = [{"submitter_id": f"ST-{each}"} for each in sorted(to) if self.has(f"ST-{each}")]
        if links:
            record = {"type": "publication", "submitter_id": f"P-{which}", "doi": "1", "studies": links}
            self.h.sandbox.write("DEV-test", [record])

    @rule(which=st.integers(2, 5) | st.integers(2, 44))
    def delete(self, which: int) -> None:
        """Takes its links out of publications that have others."""
        found = self.h.sandbox.record("DEV-test", "study", f"ST-{which}")
        parents = [record["studies"] for record in stored(self.h.sandbox, "publication")]
        if found and not any(list(each) == [found["id"]] for each in parents):
            self.h.sandbox.delete("DEV-test", [found["id"]])

    @rule(which=st.integers(0, 5))
    def delete_child(self, which: int) -> None:
        found = self.h.sandbox.record("DEV-test", "subject", f"S-{which}")
        if found:
            self.h.sandbox.delete("DEV-test", [found["id"]])

    def upload(self, which: int, word: str) -> tuple[str, list[dict[str, Any]]]:
        """A study's new title; or, of some, a publication's further link and nothing else."""
        self.number += 1
        if which < 4 and self.has(f"ST-{which}"):
            link = {"type": "publication", "submitter_id": f"P-{which % 3}", "doi": "1"}
            return f"{word}-{self.number}", [link | {"studies": [{"submitter_id": f"ST-{which}"}]}]
        return f"{word}-{self.number}", [st_record(f"ST-{which}", f"{word} {self.number}")]

    @rule(point=st.sampled_from([Point.BEFORE_COMMIT, Point.AFTER_COMMIT, Point.AFTER_LOG]), which=st.integers(0, 44))
    def killed(self, point: Point, which: int) -> None:
        self.release()
        self.h.sandbox.faults.kill(point, method="PUT")
        put(self.h, *self.upload(which, "killed"))
        self.h.sandbox.faults.clear()

    @precondition(lambda self: not self.slow)
    @rule(which=st.integers(0, 44), point=st.sampled_from([Point.BEFORE_COMMIT, Point.AFTER_COMMIT]))
    def slow_upload(self, which: int, point: Point) -> None:
        """Begins now, commits (or logs it) when something else releases it; overlaps with all that comes between."""
        held = self.h.sandbox.faults.hold(point, method="PUT")
        thread = threading.Thread(target=put, args=(self.h, *self.upload(which, "slow")))
        thread.start()
        held.wait_reached()
        self.slow.append((held, thread))

    @rule()
    def release(self) -> None:
        while self.slow:
            held, thread = self.slow.pop()
            held.release()
            thread.join()

    @rule(rows=st.integers(0, 3))
    def cut(self, rows: int) -> None:
        self.release()
        self.h.sandbox.faults.cut_export(rows=rows)
        self.h.look()
        self.h.sandbox.faults.clear()

    @rule(seconds=st.sampled_from([1.0, 20.0, 700.0]))
    def wait(self, seconds: float) -> None:
        self.clock().advance(seconds)

    @rule()
    def look(self) -> None:
        self.clock().advance(1)
        for refresh in self.h.look().values():
            if refresh.outcome is Outcome.GUARDED:
                self.h.inbox.accept(refresh.mirror)

    @rule(which=st.sampled_from(["DEV/test/study.json", "DEV/test/publication.*"]))
    def pull_one(self, which: str) -> None:
        """Mirrors of one node come apart."""
        self.h.pull(which)

    @rule(format=st.sampled_from(["tsv", "json", "jsonl"]), wish=st.sampled_from([None, None, Why.TOUCHED]))
    def look_at_some(self, format: str, wish: Why | None) -> None:
        """As their own schedule has it: other mirrors of the same nodes are looked at at other times."""
        self.clock().advance(1)
        mirrors = tuple(each for each in self.h.inbox._following.every() if each.format.value == format)
        self.h.inbox._run(Round(TEST, mirrors, wish))

    @rule()
    def restart(self) -> None:
        self.release()
        self.h.restart()

    @invariant()
    def files_are_whole(self) -> None:
        if hasattr(self, "h"):
            for node in NODES:
                shown(self.h, node)

    @rule()
    def quiet(self) -> None:
        """After quiet, longer than the server's horizon, the mirrors are what a full export writes."""
        self.release()
        self.look()
        self.clock().advance(700)
        self.look()
        for node in NODES:
            assert same(self.h, node)
        texts = {name: self.h.text(name) for name in self.h.files()}
        self.h.pull("DEV/test")
        assert {name: self.h.text(name) for name in self.h.files()} == texts


TestFollowing = Following.TestCase
TestFollowing.settings = settings(
    max_examples=int(os.environ.get("GEN3SYNC_EXAMPLES", "15")),
    stateful_step_count=int(os.environ.get("GEN3SYNC_STEPS", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
