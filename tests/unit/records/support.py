"""What the tests of this room share: a real dictionary, recorded exchanges, and reading text in one call."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

from gen3sync.names import Project
from gen3sync.records.codec import Desired, desired
from gen3sync.records.dictionary import Dictionary, NodeType
from gen3sync.records.problems import Problem, TableError
from gen3sync.records.rows import BadRow, Row
from gen3sync.records.table import Table, open_table

DATA = Path(__file__).parents[2] / "data"
PROJECT = Project("DEV", "test")


@cache
def raw_dictionary() -> Any:
    return json.loads(gzip.decompress((DATA / "dictionary.json.gz").read_bytes()))


@cache
def dictionary() -> Dictionary:
    return Dictionary.from_json(raw_dictionary())


def node(name: str) -> NodeType:
    found = dictionary().node(name)
    assert found is not None
    return found


@cache
def exchanges() -> Any:
    return json.loads(gzip.decompress((DATA / "records" / "exchanges.json.gz").read_bytes()))


def request_body(name: str) -> bytes:
    """The body of a recorded request."""
    body = exchanges()[name]["request"]
    return base64.b64decode(body["base64"]) if isinstance(body, dict) else body.encode()


def opened(content: str | bytes, name: str = "drop.tsv", project: Project | None = PROJECT) -> Table:
    data = content if isinstance(content, bytes) else content.encode()
    return open_table(data, name=name, dictionary=dictionary(), project=project)


def rows_of(content: str | bytes, name: str = "drop.tsv") -> list[Row]:
    """All rows of a file that has no bad ones."""
    rows = list(opened(content, name))
    assert not [row for row in rows if isinstance(row, BadRow)]
    return [row for row in rows if isinstance(row, Row)]


def bad_rows(content: str | bytes, name: str = "drop.tsv") -> list[BadRow]:
    return [row for row in opened(content, name) if isinstance(row, BadRow)]


def file_problems(content: str | bytes, name: str = "drop.tsv") -> tuple[Problem, ...]:
    """Why a file is refused as a whole; empty when it is not."""
    try:
        opened(content, name)
    except TableError as wrong:
        return wrong.problems
    return ()


def understood(content: str | bytes, name: str = "drop.tsv") -> list[Desired]:
    return [desired(row, node(row.node)) for row in rows_of(content, name)]
