"""The drops of a world in which all have ended: each lies in the archive, once, with its receipt and rejects.

Owns that nothing is lost and nothing lies twice. Whether receipts are true is `receipts.py`'s, records and refusals are
`verdicts.py`'s.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gen3sync.files import remove_leftovers
from gen3sync.sandbox.store import pg_lower
from tests.scenario.outbox_machine.sheets import NODES, OURS, Row, Sheet, read
from tests.scenario.outbox_machine.town import Known, Town
from tests.scenario.outbox_machine.witness import Key, Stored, Write


@dataclass(frozen=True)
class Ended:
    """A drop that has ended, with what lies in the archive of it and what its requests wrote."""

    id: int
    path: str
    project: str
    verdict: str
    file: Path
    paper: dict[str, Any]
    sheet: Sheet
    refused: dict[tuple[str, str], set[str]]
    """Types of errors by node type and submitter_id of the refused rows."""
    written: dict[Key, list[Write]]
    shared: frozenset[str]
    """Names of requests that carried rows of other drops, too."""
    known: Known
    keeps: bool
    """Blank cells say nothing."""

    @property
    def until(self) -> float:
        assert self.known.until is not None
        return self.known.until

    @property
    def held(self) -> Iterator[Row]:
        """Rows that were not refused."""
        return (row for row in self.sheet.rows if (row.node, row.submitter_id) not in self.refused)

    @property
    def green(self) -> bool:
        """Its receipt means that the commons holds the values of the rows that were not refused."""
        return self.verdict == "landed" or (self.verdict == "partly" and self.paper["verification"]["verified"])

    def key(self, row: Row) -> Key:
        return self.project, row.node, pg_lower(row.submitter_id)

    def __str__(self) -> str:
        return f"drop {self.id} ({self.path}, {self.verdict})"


def fits(row: Row, record: Stored | None, *, keeps: bool, spelled: bool = True) -> bool:
    """Whether a record is as a row says."""
    if record is None or (spelled and record.submitter_id != row.submitter_id):
        return False
    wanted = {name: value for name, value in row.props.items() if not (keeps and value is None)}
    if any(record.props.get(name) != value for name, value in wanted.items()):
        return False
    node, parents = NODES[row.node], frozenset(map(pg_lower, row.parents))
    return node.parent == "project" or (record.parents >= parents if node.many else record.parents == parents)


def ended(town: Town) -> list[Ended]:
    """All drops, oldest first. Nothing lost: each lies in the archive, once, with its receipt; nothing else does."""
    dropped = {one.sha256 for one in town.puts}
    papers = {path: json.loads(path.read_bytes()) for path in town.folder.glob("sent/**/*.receipt.json")}
    papers |= {path: json.loads(path.read_bytes()) for path in town.folder.glob("rejected/**/*.receipt.json")}
    names = Counter(chunk["document_name"] for paper in papers.values() for chunk in paper["chunks"])
    shared = frozenset(name for name, times in names.items() if times > 1)
    rows = town.rows()
    assert sorted(paper["drop"] for paper in papers.values()) == [row[0] for row in rows], "not one receipt each"
    found: list[Ended] = []
    known: set[Path] = set()
    for number, path, sha256, state, verdict, receipt, program, code, _ in rows:
        assert state == "ended", f"drop {number} ({path}) is {state}"
        assert sha256 in dropped, f"drop {number} ({path}) holds what nobody dropped"
        place = Path(receipt or "")
        paper = papers[place]
        file = place.with_name(place.name.removesuffix(".receipt.json"))
        assert hashlib.sha256(file.read_bytes()).hexdigest() == sha256 == paper["sha256"]
        assert (paper["drop"], paper["verdict"]) == (number, verdict)
        known |= {place, file, *(file.with_name(f"{file.name}.{name}") for name in paper["papers"])}
        sheet = read(path, file.read_bytes())
        written = _written(town, f"{program}-{code}", sheet, paper)
        refused = _refused(file, paper)
        keeps = town.blanks == "keep"
        found.append(
            Ended(number, path, f"{program}-{code}", verdict or "", file, paper, sheet, refused, written, shared,
                  town.known[number], keeps)
        )  # fmt: skip
    archives = [town.folder / "sent", town.folder / "rejected"]
    for archive in archives:
        remove_leftovers(archive)  # as the daemon does once a day
    there = _files(*archives)
    assert there == known, f"strange: {there - known}, missing: {known - there}"
    left = _files(town.outbox, town.folder / "state/drops")
    assert not left, f"left: {left}"
    taken = {(one.path, one.paper["sha256"]) for one in found}
    for put in town.lying.values():
        assert (put.path, put.sha256) in taken, f"{put.path} was never taken"
    return found


def _written(town: Town, project: str, sheet: Sheet, paper: dict[str, Any]) -> dict[Key, list[Write]]:
    """What a drop's requests wrote of its rows. A request may carry rows of several drops, which name the same record
    now and then: then its lines tell."""
    lines = {chunk["document_name"]: chunk["lines"] for chunk in paper["chunks"]}
    rows = {(project, *row.key): row for row in sheet.rows}
    found: dict[Key, list[Write]] = {}
    for key, write in town.witness.own(lines):
        first, last = lines[write.document or ""]
        if key in rows and first <= rows[key].line <= last:
            found.setdefault(key, []).append(write)
    return found


def _files(*roots: Path) -> set[Path]:
    found = {path for root in roots for path in root.rglob("*") if path.is_file()}
    return {path for path in found if path.name != ".gen3sync.lock"}


def _refused(file: Path, paper: dict[str, Any]) -> dict[tuple[str, str], set[str]]:
    """The rejects file is what the receipt says, and holds the file's own rows."""
    names = [name for name in paper["papers"] if name.startswith("rejects.")]
    if not names:
        assert not paper["rows"]["rejected"], f"{file.name}: refused rows without a rejects file"
        return {}
    rejects = file.with_name(f"{file.name}.{names[0]}")
    data = rejects.read_bytes()
    rows = read(rejects.name, data).rows
    said = _ours(rejects.name, data)
    assert len(rows) == len(said) == paper["rows"]["rejected"], file.name
    here = {(row.node, row.submitter_id, row.id, row.parents): row for row in read(file.name, file.read_bytes()).rows}
    found: dict[tuple[str, str], set[str]] = {}
    for row, (line, types) in zip(rows, said, strict=True):
        own = here[row.node, row.submitter_id, row.id, row.parents]
        assert own.props == row.props, f"{rejects.name} says {row}, the file {own}"
        assert line == own.line or "json" in rejects.suffix, f"{rejects.name}: line {line} is {own.line}"
        found.setdefault((row.node, row.submitter_id), set()).update(types)
    return found


def _ours(name: str, data: bytes) -> list[tuple[int, set[str]]]:
    text = data.decode("utf-8-sig")
    if name.endswith("json"):
        records = json.loads(text)
    elif name.endswith("jsonl"):
        records = [json.loads(line) for line in text.splitlines()]
    else:
        records = list(csv.DictReader(io.StringIO(text), delimiter="," if name.endswith("csv") else "\t"))
    return [(int(one[OURS[0]]), set(one[OURS[1]].split(", "))) for one in records]
