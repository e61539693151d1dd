"""What happened in a world, as data: versions of records, files that were dropped, and the tables in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from gen3sync.sandbox.store import Record

PROJECT = "DEV-test"
Key = tuple[str, str]
"""Node and submitter_id in lower case."""


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


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of a plain TSV."""
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def tsv(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A TSV. None and "" are blank cells."""
    lines = [list(columns), *(["" if cell is None else str(cell) for cell in row] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines)


def seconds(moment: str) -> float:
    """World time of what a receipt says."""
    return datetime.fromisoformat(moment).timestamp()
