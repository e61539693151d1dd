"""One open drop as its lane holds it in memory. The rows are in the lane's index, the lasting facts in ledger and
journal; everything here can be made again from those.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from gen3sync.ledger.rows import Drop, DropState
from gen3sync.outbox.journal import Journal
from gen3sync.outbox.model import Reason
from gen3sync.outbox.proof import Proof
from gen3sync.records.rows import BadRow, Form, Row
from gen3sync.records.table import Table

_SAID = 1000
"""Different reasons of one drop whose own words are kept."""


class Stage(Enum):
    """Where a drop stands in its lane."""

    READ = "read"
    WORK = "work"  # rows are planned, sent and proven
    ARCHIVE = "archive"
    GONE = "gone"


class Brake(Enum):
    """The first request of a drop goes alone: if most of it is refused, it is a wrong file."""

    FIRST = "first"
    ON_TRIAL = "on trial"
    PASSED = "passed"
    PULLED = "pulled"


@dataclass(slots=True)
class LostAlone:
    """How often a lone row's request was never answered, and how many records of its node had landed at the first."""

    times: int
    proven: int
    failed: int = 0
    """Of these, how often the commons did answer, but that it failed (500)."""


@dataclass(slots=True)
class Work:
    """See the module."""

    drop: Drop
    folder: Path
    journal: Journal
    arrived: float = 0.0
    """Monotonic: when it arrived, as the clock told at the time when it was taken up. Clocks that are set later, also
    by years, make no drop older or younger."""
    stage: Stage = Stage.READ
    brake: Brake = Brake.FIRST
    reader: Iterator[Row | BadRow] | None = None
    opening: Future[Table] | None = None
    """A large file that is being looked through beside other work."""
    table: Table | None = None
    shapes: dict[tuple[str, ...], int] = field(default_factory=dict)
    stumbles: int = 0
    """How often reading it went wrong in a way that nobody thought of."""
    rows_read: int = 0
    last_line: tuple[int, int] = (0, 0)
    """On which line the row read last stands, and how many rows before it."""
    crowded: bool = False
    """Several rows stand on one line."""
    bad_rows: int = 0
    first_pass: bool = True
    """Its rows are planned for the first time; nothing of it was sent in this life."""
    in_flight: int = 0
    requests: int = 0
    proving: int = 0
    """Requests whose proof is being read."""
    rank: int = 0
    """The place of its first node in the dictionary's order."""
    failures: int = 0
    """Requests that failed without naming a row, beyond those that passed; bounds the halving."""
    groups: int = 0
    faults: tuple[Reason, ...] = ()
    """Why the file as a whole cannot be used."""
    superseded_by: int | None = None
    whole: bool = False
    """Nothing of it is sent unless all of it passes (`on_invalid = "reject"`)."""
    file_nodes: set[str] = field(default_factory=set)
    """Node types of its rows that are never tried: even a dry run writes to the file index."""
    tried: bool = False
    """Every row passed a dry run (`on_invalid = "reject"`)."""
    proofs: Counter[Proof] = field(default_factory=Counter)
    states: dict[str, str] = field(default_factory=dict)
    """States of transactions as read back, by document name."""
    undo_tables: set[tuple[str, ...]] = field(default_factory=set)
    """Sets of columns of JSON rows whose values before go to an undo file."""
    overwritten: int = 0
    proof_problem: str = ""
    existed: int = 0
    """Rows planned as new that updated a record all the same: it came meanwhile, or could not be found by name."""
    unsearched: int = 0
    """Rows planned as new whose names were not looked for in every letter case."""
    unread: int = 0
    """Proofs that could not be read though they should be readable; bounds the trying."""
    lost_alone: dict[int, LostAlone] = field(default_factory=dict)
    """By line: rows whose requests were not answered though they went alone."""
    urls: int = 0
    """Rows with `urls`: they are sent and not read back."""
    said: dict[tuple[str, str | None, str], Reason] = field(default_factory=dict)
    """By what is equal in reasons: the first of each that the commons gave, with its own words."""
    compared: int = 0
    """Rows that were sent in an earlier life, or in a request whose answer was lost, and found stored by comparing."""
    parked_for: str = ""
    """Why it was parked before it was looked at again."""
    withdrawn: str = ""
    """Why nothing more of it is sent: somebody took it back."""

    @property
    def id(self) -> int:
        return self.drop.id

    @property
    def parked(self) -> bool:
        return self.drop.state is DropState.PARKED

    @property
    def cut_off(self) -> bool:
        """Nothing more of it is sent: it is taken back, something newer took its place, or it is a wrong file."""
        return bool(self.withdrawn) or self.superseded_by is not None or self.brake is Brake.PULLED

    def heard(self, reasons: Iterable[Reason]) -> None:
        """Keeps the commons' own words of each new kind of reason, for the receipt."""
        for reason in reasons:
            if reason.said and len(self.said) < _SAID:
                self.said.setdefault(reason.alike, reason)

    def columns(self, shape: int) -> tuple[str, ...]:
        """The columns of a shape; empty for JSON records."""
        return list(self.shapes)[shape]

    def shape_of(self, columns: tuple[str, ...]) -> int:
        return self.shapes.setdefault(columns, len(self.shapes))


def cells_of(row: Row) -> object:
    """What the index keeps of a row: values in the order of its columns, or the JSON record."""
    return dict(row.record) if row.record is not None else list(row.cells.values())


def row_of(work: Work, line: int, end_line: int, node: str, sid: str, shape: int, cells: object) -> Row:
    """The row again, as it was read (without its original text)."""
    form = work.table.form if work.table else Form.TSV
    if isinstance(cells, dict):
        return Row(line, end_line, node, sid, "", form, {}, cells)
    columns = work.columns(shape)
    assert isinstance(cells, list)  # noqa: S101 - what `cells_of` wrote
    return Row(line, end_line, node, sid, "", form, dict(zip(columns, cells, strict=True)))
