"""What must hold when every drop of a world has ended.

Owns the telling: receipts against the sandbox's own history, the folders against what was dropped, the request log
against the promise that no two requests in flight write one record.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen3sync.clock import Clock
from gen3sync.files import remove_leftovers
from gen3sync.ledger import Drop, DropState, Ledger, Verdict, open_ledger
from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.store import Record, pg_lower
from tests.crash.past import PROJECT, Dropped, Key, Version, rows_of, seconds

NUMBERS = {"year_of_birth", "visit_number", "planned_subjects"}
GREEN = {Verdict.LANDED.value}


@dataclass
class Truth:
    """Of one world: its folder, its commons, every version of every record, every file that was dropped."""

    folder: Path
    sandbox: Sandbox
    clock: Clock
    history: Mapping[Key, list[Version]]
    dropped: list[Dropped]

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        with open_ledger(self.folder / "state/ledger.sqlite", self.clock) as ledger:
            yield ledger

    def receipts(self) -> list[tuple[Path, dict[str, Any]]]:
        found = [*self.folder.glob("sent/**/*.receipt.json"), *self.folder.glob("rejected/**/*.receipt.json")]
        papers = [(path, json.loads(path.read_bytes())) for path in found]
        return sorted(papers, key=lambda one: one[1]["drop"])

    def check(self) -> None:
        """All that must hold when every drop has ended."""
        self.check_no_collisions()
        with self.ledger() as ledger:
            drops = sorted(ledger.drops.recent(10_000), key=lambda drop: drop.id)
            assert not ledger.requests.unsettled(), "a drop has ended and nobody knows what became of a request of its"
        self.check_folders(drops)
        self.check_arrivals(drops)
        self.check_receipts()
        self.check_records()

    def check_no_collisions(self) -> None:
        assert not self.sandbox.colliding(), "two requests in flight wrote one record"

    def check_folders(self, drops: list[Drop]) -> None:
        """Every drop has ended, with its file and exactly one receipt in the archive; nothing else lies about."""
        assert all(drop.state is DropState.ENDED for drop in drops), drops
        lying = (path for path in (self.folder / "outbox").rglob("*") if path.is_file())
        left = [path for path in lying if path.name != ".gen3sync.lock"]
        assert not left, f"left in the outbox: {left}"
        work = self.folder / "state/drops"
        assert not work.exists() or not list(work.iterdir()), f"left in the state folder: {list(work.iterdir())}"
        papers = self.receipts()
        assert [paper["drop"] for _, paper in papers] == [drop.id for drop in drops], "not one receipt for each drop"
        for drop, (path, paper) in zip(drops, papers, strict=True):
            archived = path.with_name(path.name.removesuffix(".receipt.json"))
            assert hashlib.sha256(archived.read_bytes()).hexdigest() == drop.sha256 == paper["sha256"]
            assert Path(drop.receipt or "") == path
            assert drop.verdict is not None
            assert drop.verdict.value == paper["verdict"]
        known = {path for path, _ in papers} | {p.with_name(p.name.removesuffix(".receipt.json")) for p, _ in papers}
        for path, paper in papers:
            stem = path.name.removesuffix(".receipt.json")
            known |= {path.with_name(f"{stem}.{name}") for name in paper["papers"]}
        for root in ("sent", "rejected"):
            remove_leftovers(self.folder / root)  # as the daemon does once a day
        there = {p for root in ("sent", "rejected") for p in (self.folder / root).rglob("*") if p.is_file()}
        strange = {path for path in there - known if path.name != ".gen3sync.lock"}
        assert not strange, f"nobody knows {strange}"
        assert known <= there, f"missing: {known - there}"

    def check_arrivals(self, drops: list[Drop]) -> None:
        """The last file at each path was taken: nothing that people dropped is forgotten."""
        taken = {(drop.path, drop.sha256) for drop in drops}
        last = {one.path: one for one in self.dropped}
        for one in last.values():
            assert (one.path, one.sha256) in taken, f"{one.path} was never taken"
        known = {(one.path, one.sha256) for one in self.dropped}
        assert taken <= known, f"taken, but never dropped whole: {taken - known}"

    def check_receipts(self) -> None:
        """What a green receipt says was so: each row was stored with the file's values while the drop was open."""
        for path, paper in self.receipts():
            rows = rows_of(self._text(path))
            counts = paper["rows"]
            others = ("created", "updated", "written", "unchanged", "rejected", "superseded", "waiting")
            assert counts["read"] == len(rows) == sum(counts.get(word, 0) for word in others), (path, counts)
            if paper["verdict"] not in GREEN:
                continue
            assert not counts["rejected"], path
            since, until = seconds(paper["arrived_at"]), seconds(paper["ended_at"])
            for row in rows:
                key = row["type"], pg_lower(row["submitter_id"])
                seen = list(self._between(key, since - 1.0, until + 1.0))
                overwritten = paper["verification"]["overwritten_since"] or any(v.foreign for v in seen)
                fits = any(v.record is not None and self._fits(row, v.record) for v in seen)
                assert fits or (overwritten and self._ever(key, row)), (
                    f"{path.name} is green, but {key} was never as in {row}: {[v.record for v in seen]}"
                )

    def check_records(self) -> None:
        """Each record is as in the newest green drop that named it, unless somebody wrote it since. Of a drop that
        landed in part, the rows that were not refused count as green."""
        newest: dict[Key, tuple[int, dict[str, str], float, dict[str, Any]]] = {}
        later: dict[Key, list[dict[str, str]]] = defaultdict(list)
        for number, (path, paper) in enumerate(self.receipts()):
            refused = self._refused(path, paper)
            for line, row in enumerate(rows_of(self._text(path)), 2):
                key = row["type"], pg_lower(row["submitter_id"])
                if line in refused:
                    continue
                if paper["verdict"] in GREEN or (paper["verdict"] == "partly" and paper["verification"]["verified"]):
                    newest[key] = number, row, seconds(paper["arrived_at"]), paper
                    later[key] = []
                else:  # part of it may have been stored
                    later[key].append(row)
        for key, (_, row, arrived, paper) in newest.items():
            record = self.sandbox.commons.store.find(PROJECT, *key)
            assert record is not None, f"{key} of {paper['file']} is not stored"
            if any(version.foreign and version.at >= arrived - 1.0 for version in self.history[key]):
                continue
            allowed = [row, *later[key]]
            assert any(self._fits(one, record) for one in allowed), (
                f"{key}: stored {record}, but {paper['file']} (drop {paper['drop']}) says {allowed}"
            )

    def stored_once(self) -> None:
        """Every record was written by one request alone. Only for stories in which each row is dropped once."""
        for key, versions in self.history.items():
            assert len(versions) == 1, f"{key} was written {len(versions)} times"
        asked: dict[tuple[str, str, str], int] = defaultdict(int)
        for request in self.sandbox.requests:
            for named in request.written:
                asked[named] += 1
        doubled = {key: times for key, times in asked.items() if times > 1}
        assert not doubled, f"sent again after it was stored: {doubled}"

    # --- within

    def _refused(self, receipt: Path, paper: Mapping[str, Any]) -> dict[int, set[str]]:
        """Lines of refused rows, with the types of their errors."""
        if "rejects.tsv" not in paper["papers"]:
            return {}
        rejects = receipt.with_name(f"{receipt.name.removesuffix('.receipt.json')}.rejects.tsv")
        with rejects.open(newline="") as file:
            return {int(r["_line"]): set(r["_error_type"].split(", ")) for r in csv.DictReader(file, delimiter="\t")}

    def _text(self, receipt: Path) -> str:
        return receipt.with_name(receipt.name.removesuffix(".receipt.json")).read_text()

    def _between(self, key: Key, since: float, until: float) -> Iterator[Version]:
        versions = self.history[key]
        for number, version in enumerate(versions):
            ends = versions[number + 1].at if number + 1 < len(versions) else float("inf")
            if version.at <= until and ends >= since:
                yield version

    def _ever(self, key: Key, row: dict[str, str]) -> bool:
        return any(v.record is not None and self._fits(row, v.record) for v in self.history[key])

    def _fits(self, row: Mapping[str, str], record: Record) -> bool:
        if record.submitter_id != row["submitter_id"]:
            return False
        for column, cell in row.items():
            if column in ("type", "submitter_id", "projects.code"):
                continue
            link, dot, _ = column.partition(".")
            if dot:
                parents = {p.submitter_id for p in map(self.sandbox.commons.store.by_id, record.links[link]) if p}
                if {pg_lower(p) for p in parents if p} != {pg_lower(cell)}:
                    return False
                continue
            wanted: object = None if cell == "" else int(cell) if column in NUMBERS else cell
            if record.props.get(column) != wanted:
                return False
        return True
