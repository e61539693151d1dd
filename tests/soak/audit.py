"""What must be true after the soak, held against what the commons itself knows. Each check says what is wrong."""

from __future__ import annotations

import csv
import json
import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from gen3sync.sandbox.transactions import State
from tests.soak.commons import PROJECTS, Commons
from tests.soak.people import Cells, Key, People
from tests.soak.process import DaemonProcess

GREEN = ("landed", "partly")
_MOST = 10
_LINKS = {"studies.submitter_id": "studies", "subjects.submitter_id": "subjects"}
_TEMPORARY = ("gen3sync-tmp", ".gen3sync-taken-", ".new", ".notes")


class Audit:
    """After the last drop has ended and the mirrors have been refreshed."""

    def __init__(self, daemon: DaemonProcess, commons: Commons, people: People) -> None:
        self.daemon, self.commons, self.people = daemon, commons, people
        with daemon.ledger() as ledger:
            self.drops = ledger.execute("SELECT id, path, sha256, verdict, receipt FROM drops ORDER BY id").fetchall()
        self.receipts: dict[int, tuple[Path, dict[str, Any]]] = {}
        for root in ("sent", "rejected"):
            for path in (daemon.folder / root).rglob("*.receipt.json"):
                paper = json.loads(path.read_bytes())
                self.receipts[paper["drop"]] = path, paper

    def wrong(self) -> list[str]:
        checks = (
            self._drops,
            self._receipts,
            self._records,
            self._collisions,
            self._leftovers,
            self._ledger,
            self._status,
            self._log,
        )
        found: list[str] = []
        for check in checks:
            some = list(check())
            found += some[:_MOST] + ([f"… and {len(some) - _MOST} more"] if len(some) > _MOST else [])
        return found

    def verdicts(self) -> Counter[str]:
        return Counter(verdict for _, _, _, verdict, _ in self.drops)

    def _drops(self) -> Iterator[str]:
        """Everything that lay there long enough to be taken is known, and has ended."""
        known = {(path, sha) for _, path, sha, _, _ in self.drops}
        for path, sha in self.people.finals.items():
            if (path, sha) not in known:
                yield f"{path} is not in the ledger"
        for number, path, sha, verdict, receipt in self.drops:
            content = self.people.contents.get(sha)
            if content is None:
                yield f"drop {number} ({path}) has a content that nobody wrote"
            elif content.broken is not (verdict == "rejected"):
                yield f"drop {number} ({path}) ended as {verdict}: {self._reason(number)}"
            if not receipt or not Path(receipt).exists():
                yield f"drop {number} ({path}) has no receipt: {receipt}"

    def _receipts(self) -> Iterator[str]:
        """What a receipt says is what the ledger and the commons' own log say."""
        log = {one.id: one for one in self.commons.transactions}
        for number, path, sha, verdict, _ in self.drops:
            if number not in self.receipts:
                continue
            paper = self.receipts[number][1]
            rows = paper["rows"]
            if (paper["verdict"], paper["sha256"]) != (verdict, sha):
                yield f"the receipt of drop {number} ({path}) says {paper['verdict']}, the ledger {verdict}"
            if rows["read"] != sum(count for word, count in rows.items() if word != "read"):
                yield f"the rows of drop {number} do not add up: {rows}"
            for chunk in paper["chunks"]:
                entry = log.get(chunk["transaction_id"] or 0)
                if entry is None:
                    if chunk["state"] == "landed":
                        yield f"a chunk of drop {number} landed without a transaction: {chunk}"
                elif entry.project_id != f"{paper['program']}-{paper['project']}":
                    yield f"a chunk of drop {number} names a transaction of {entry.project_id}"
                elif "landed" in chunk["state"] and entry.state is not State.SUCCEEDED:
                    yield f"a chunk of drop {number} is told as {chunk['state']}, the log says {entry.state}"
                elif chunk["transaction_state"] not in (None, entry.state.value):
                    yield f"a chunk of drop {number} has {chunk['transaction_state']}, the log says {entry.state}"

    def _records(self) -> Iterator[str]:
        """Every record is as the newest drop says that named it and whose verdict is green."""
        wanted: dict[Key, Cells] = {}
        perhaps: dict[Key, list[Cells]] = {}
        for number, path, sha, verdict, _ in self.drops:
            content, refused = self.people.contents[sha], self._refused(number)
            for key, cells in content.rows.items():
                if key in content.bad:
                    if key not in refused and verdict != "superseded":
                        yield f"{key} in drop {number} ({path}) was not refused"
                elif key in refused:
                    yield f"{key} in drop {number} ({path}) was refused: {self._reason(number)}"
                elif verdict in GREEN:
                    wanted[key] = cells
                    perhaps.pop(key, None)
                else:  # superseded, or nobody could look
                    perhaps.setdefault(key, []).append(cells)
        stored = self._stored()
        for key, cells in wanted.items():
            if stored.get(key) != cells and stored.get(key) not in perhaps.get(key, []):
                yield f"{key} is {stored.get(key)}, wanted {cells}"
        for key in stored.keys() - wanted.keys() - perhaps.keys():
            yield f"{key} was asked for by nobody"

    def _stored(self) -> dict[Key, Cells]:
        """What the commons holds of ours, in the words of our files."""
        names: dict[str, str] = {}
        found: dict[Key, dict[str, Any]] = {}
        for project in PROJECTS:
            for node in ("study", "subject", "sample"):
                for record in self.commons.records(project, node):
                    names[record["id"]] = record["submitter_id"]
                    found[project, node, record["submitter_id"]] = record
        made: dict[Key, Cells] = {}
        for key, record in found.items():
            if key[2].startswith("F"):
                continue
            if key[1] == "study":
                made[key] = {"projects.code": key[0].partition("-")[2], "title": record["title"]}
                continue
            link = "studies" if key[1] == "subject" else "subjects"
            parents = [names[parent] for parent in record[link]]
            made[key] = {f"{link}.submitter_id": ",".join(parents)}
            for name in ("sex", "year_of_birth", "species") if key[1] == "subject" else ("sample_type", "comment"):
                made[key][name] = str(record[name])
            if key[1] == "subject":
                made[key]["height_cm"] = f"{record['height_cm']:g}"
        return made

    def _refused(self, number: int) -> set[Key]:
        if number not in self.receipts:
            return set()
        path, paper = self.receipts[number]
        project = f"{paper['program']}-{paper['project']}"
        refused: set[Key] = set()
        for name in paper["papers"]:
            if name.startswith("rejects"):
                beside = path.with_name(f"{path.name.removesuffix('.receipt.json')}.{name}")
                with beside.open(encoding="utf-8", newline="") as file:
                    lines = [line for line in file if not line.startswith("#")]
                for row in csv.DictReader(lines, delimiter="\t"):
                    if row.get("submitter_id") and row.get("type") != "no_such_node":
                        refused.add((project, row["type"], row["submitter_id"]))
        return refused

    def _reason(self, number: int) -> str:
        return (
            str(self.receipts[number][1]["rejects"] or self.receipts[number][1]["reason"])
            if number in self.receipts
            else "?"
        )

    def _collisions(self) -> Iterator[str]:
        for one, other, key in self.commons.colliding():
            yield f"requests {one.number} and {other.number} were in flight at once and both named {key}"

    def _leftovers(self) -> Iterator[str]:
        """What is there at every look of half a minute: the daemon works on, and writes its status and its indexes."""
        left, looks = self._lying(), 0
        while left and looks < 60:
            threading.Event().wait(0.5)
            left, looks = left & self._lying(), looks + 1
        for path, _inode in sorted(left):
            yield f"{path} was left behind"

    def _lying(self) -> set[tuple[str, int]]:
        """Temporary files, snapshots, and files that were not taken, each with its inode."""
        folder, found = self.daemon.folder, set()
        for root in ("outbox", "sent", "rejected", "inbox", "state"):
            for where, folders, files in os.walk(folder / root):
                for name in (*folders, *files):
                    path = Path(where, name)
                    dropped = root == "outbox" and name in files and not name.startswith(".")
                    if dropped or path.parent == folder / "state/drops" or any(mark in name for mark in _TEMPORARY):
                        with suppress(FileNotFoundError):
                            found.add((path.relative_to(folder).as_posix(), path.lstat().st_ino))
        return found

    def _ledger(self) -> Iterator[str]:
        with self.daemon.ledger() as ledger:
            (said,) = ledger.execute("PRAGMA integrity_check").fetchone()
            if said != "ok":
                yield f"the ledger: {said}"
            for row in ledger.execute("PRAGMA foreign_key_check").fetchall():
                yield f"the ledger: {row} belongs to nothing"
            open_requests = "SELECT document_name, state FROM requests WHERE state IN ('in_flight', 'lost')"
            for name, state in ledger.execute(open_requests).fetchall():
                yield f"the ledger: {name} is {state}"

    def _status(self) -> Iterator[str]:
        status = self.daemon.status()
        assert status is not None
        if status.outbox.open_total or status.outbox.parked_projects:
            yield f"status shows {status.outbox.open_total} open drops, parked {status.outbox.parked_projects}"
        if len(self.drops) != len(self.receipts):
            yield f"{len(self.drops)} drops have {len(self.receipts)} receipts"
        day_ago = (datetime.fromisoformat(status.written_at) - timedelta(days=1)).timestamp() * 1e6
        with self.daemon.ledger() as ledger:
            lately = "SELECT verdict, count(*) FROM drops WHERE ended_at > ? GROUP BY verdict"
            today = dict(ledger.execute(lately, (day_ago,)).fetchall())
        if status.outbox.today != today:
            yield f"status counts {status.outbox.today} of a day, the ledger {today}"
        if status.daemon.problem:
            yield f"status tells a problem: {status.daemon.problem}"

    def _log(self) -> Iterator[str]:
        log = self.daemon.log
        for trouble in ("Traceback", "no sign of life", "stumbled", "unforeseen"):
            if trouble in log:
                at = log.index(trouble)
                yield f"the daemon's log: {log[max(0, at - 500) : at + 3000]}"
