"""A folder and a commons that outlive engines: files are dropped, lives come and go, and at the end the truth is told.

Owns the telling: receipts against the sandbox's own history, the folders against what was dropped, the request log
against the promise that no two requests in flight write one record. Engines run in processes of their own (`life.py`).
"""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import signal
import socket
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gen3sync.files import remove_leftovers
from gen3sync.ledger import Drop, DropState, Ledger, Verdict, open_ledger
from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.store import Record, pg_lower
from tests.crash.nursery import Nursery
from tests.crash.swift import SwiftClock

PROJECT = "DEV-test"
SPEED = 50.0
NUMBERS = {"year_of_birth", "visit_number", "planned_subjects"}
GREEN = {Verdict.LANDED.value}
HORIZON = 600.0
GRACE = 3600.0

Key = tuple[str, str]


class Died(Exception):  # noqa: N818 - what was asked for, no error
    """The process of a life is gone."""


class Life:
    """The handle on one engine."""

    def __init__(self, nursery: Nursery, birth: Mapping[str, Any]) -> None:
        self._nursery = nursery
        self.pid, self._channel = nursery.bear("tests.crash.life:live", birth)
        self._stream = self._channel.makefile("rwb")
        self.alive = True

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Raises Died when the process ends instead of answering, AssertionError when it fails."""
        try:
            self._stream.write(json.dumps({"do": what, **arguments}).encode() + b"\n")
            self._stream.flush()
            line = self._stream.readline()
        except (BrokenPipeError, ConnectionResetError):
            line = b""
        if not line:
            self._bury()
            raise Died
        answer: dict[str, Any] = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer

    def kill(self) -> None:
        """kill -9."""
        if self.alive:
            os.kill(self.pid, signal.SIGKILL)
            self._bury()

    def close(self, timeout: float = 60.0) -> dict[str, Any]:
        """Ends in order."""
        answer = self.ask("close", timeout=timeout)
        self._bury()
        return answer

    def _bury(self) -> None:
        self.alive = False
        status = self._nursery.join(self.pid)
        with contextlib.suppress(OSError):  # an order that nobody reads any more
            self._stream.close()
        self._channel.close()
        assert status in (0, -signal.SIGKILL), f"the engine's process ended with {status}"


@dataclass(frozen=True)
class Version:
    """A record as it was stored from a moment on (world time); None after its deletion."""

    at: float
    record: Record | None
    foreign: bool


@dataclass(frozen=True)
class Dropped:
    """A file that was put into the outbox."""

    path: str
    sha256: str
    text: str


@dataclass
class World:
    """See the module."""

    folder: Path
    sandbox: Sandbox
    nursery: Nursery | None
    options: str = ""
    seed: int = 1
    speed: float = SPEED
    horizon: float = HORIZON
    history: dict[Key, list[Version]] = field(default_factory=lambda: defaultdict(list))
    dropped: list[Dropped] = field(default_factory=list)
    foreign: bool = False
    life: Life | None = None

    def __post_init__(self) -> None:
        self.clock = SwiftClock(time.time(), self.speed)
        self.outbox = self.folder / "outbox"
        self.sandbox.write_api_key(self.folder / "key.json")
        self.sandbox.set_token_lifetime(30 * 86_400)
        settle = f"{0.01 * self.speed:.2f}s"
        (self.folder / "gen3sync.toml").write_text(
            f'[commons]\nurl = "{self.sandbox.url}"\ncredentials = "key.json"\nhorizon = "{self.horizon:.0f}s"\n'
            f'\n[outbox]\npath = "outbox"\nsettle = "{settle}"\nlink_grace = "{GRACE:.0f}s"\n{self.options}\n'
            '[inbox]\npath = "inbox"\n[state]\npath = "state"\n'
        )
        for name in ("outbox", "inbox", "state"):
            (self.folder / name).mkdir()
        store = self.sandbox.commons.store
        put = store.put

        def watched(record: Record) -> None:
            put(record)
            if record.project_id == PROJECT and record.submitter_id is not None:
                key = record.node, pg_lower(record.submitter_id)
                self.history[key].append(Version(self.clock.seconds(), record, self.foreign))

        store.put = watched  # type: ignore[method-assign]

    # --- what people do

    def drop(self, name: str, text: str) -> None:
        """A file arrives at once and whole, as by `mv`."""
        path = self.outbox / "DEV/test" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.part")
        aside.write_text(text)
        aside.replace(path)
        self.dropped.append(Dropped(f"DEV/test/{name}", hashlib.sha256(text.encode()).hexdigest(), text))

    # --- lives

    def begin(self, point: str | None = None, nth: int = 1) -> None:
        """Starts an engine, which may be told where to die. Raises Died."""
        assert self.life is None
        assert self.nursery is not None
        birth = {
            "folder": str(self.folder),
            "origin": self.clock.origin,
            "speed": self.clock.speed,
            "ahead": self.clock.ahead,
            "seed": self.seed,
        }
        self.life = Life(self.nursery, birth)
        self.ask("open", point=point, nth=nth)

    def ask(self, what: str, **arguments: Any) -> dict[str, Any]:
        """Asks the living engine. Raises Died."""
        assert self.life is not None
        try:
            return self.life.ask(what, **arguments)
        except Died:
            self.life = None
            raise

    def kill(self) -> None:
        if self.life is not None:
            self.life.kill()
            self.life = None

    def end(self, timeout: float = 60.0) -> dict[str, Any]:
        """Ends the engine in order. Raises Died when it dies of that (it was armed)."""
        life, self.life = self.life, None
        assert life is not None
        answer = life.close(timeout)
        assert answer["clean"] or timeout < 10, "the engine does not stop"
        return answer

    def advance(self, seconds: float, *, idle: bool = True) -> None:
        """Time passes, for the commons too. No request outlives its horizon (the server's timeout sees to that), so
        unless `idle` is False all requests must end first."""
        if idle:
            self.sandbox.wait_for(lambda box: all(r.ended is not None for r in box.requests))
        self.clock.advance(seconds)
        self.sandbox.set_clock_offset(self.clock.seconds() - time.time())
        if self.life is not None:
            self.ask("advance", seconds=seconds)

    def in_flight(self) -> bool:
        return any(r.ended is None and r.method == "PUT" for r in self.sandbox.requests)

    def finish(self) -> None:
        """Everything is well again and time passes until every drop has ended."""
        self.sandbox.faults.clear()
        self.sandbox.allow()
        self.sandbox.set_project(PROJECT, state="open")
        if self.life is None:
            self.begin()
        self.ask("disarm")
        waiting: list[dict[str, Any]] = []
        for seconds in (0.0, 200.0, HORIZON, 200.0, 400.0, GRACE, 200.0, HORIZON, GRACE, 400.0):
            if seconds:
                self.advance(seconds)
            waiting = self.ask("quiet")["drops"]
            if any(drop["class"] == "guard" for drop in waiting):
                self.ask("retry", erase=True)
                waiting = self.ask("quiet")["drops"]
            if not waiting:
                break
        assert not waiting, f"drops do not end: {waiting}"
        self.end()

    def close(self) -> None:
        self.kill()

    # --- the truth

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
        left = [path for path in self.outbox.rglob("*") if path.is_file() and path.name != ".gen3sync.lock"]
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
            others = ("created", "updated", "unchanged", "rejected", "superseded", "waiting")
            assert counts["read"] == len(rows) == sum(counts.get(word, 0) for word in others), (path, counts)
            if paper["verdict"] not in GREEN:
                continue
            assert not counts["rejected"], path
            since, until = _seconds(paper["arrived_at"]), _seconds(paper["ended_at"])
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
                    newest[key] = number, row, _seconds(paper["arrived_at"]), paper
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


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of a plain TSV."""
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def tsv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A TSV. None and "" are blank cells."""
    lines = [list(columns), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def _seconds(moment: str) -> float:
    from datetime import datetime

    return datetime.fromisoformat(moment).timestamp()


@contextmanager
def world_in(folder: Path, nursery: Nursery | None, options: str = "", **given: Any) -> Iterator[World]:
    """A new world; nothing of it runs afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    with Sandbox(projects=(PROJECT,)) as sandbox:
        world = World(folder, sandbox, nursery, options, **given)
        try:
            yield world
        finally:
            sandbox.faults.clear()
            world.close()


__all__ = ["PROJECT", "Died", "Life", "World", "rows_of", "socket", "tsv", "world_in"]
