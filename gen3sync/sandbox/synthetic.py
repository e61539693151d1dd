"""Made-up records for benchmarks: any number of them in no memory, each computed from its position.

Ids sort like positions, so an export comes in id order as the real one does for nodes with one link type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_ID = re.compile(r"^([0-9a-f]{8})-5a5a-4000-8000-([0-9a-f]{12})$")


@dataclass(frozen=True)
class Synthetic:
    """`rows` records of one node type: submitter ids `{prefix}-0000000`, …, the same `props` and `links` in each.

    `salt` tells the ids of several such nodes apart (at most 12 hexadecimal digits).
    """

    project_id: str
    rows: int
    moment: str
    prefix: str = "SYN"
    salt: str = "0"
    props: dict[str, Any] = field(default_factory=dict)
    links: dict[str, tuple[str, ...]] = field(default_factory=dict)
    width: int = 7

    def __len__(self) -> int:
        return self.rows

    def id_at(self, position: int) -> str:
        return f"{position:08x}-5a5a-4000-8000-{self.salt:0>12}"

    def key_at(self, position: int) -> str:
        return f"{self.prefix}-{position:0{self.width}d}"

    def record(self, position: int) -> tuple[str, dict[str, Any], dict[str, tuple[str, ...]]]:
        """Id, properties and links of one record."""
        props = {
            "project_id": self.project_id,
            "submitter_id": self.key_at(position),
            "state": "validated",
            "created_datetime": self.moment,
            "updated_datetime": self.moment,
            **self.props,
        }
        return self.id_at(position), props, self.links

    def like(self, text: str) -> Iterator[int]:
        """Positions of records whose submitter_id or id contains `text` (lower case)."""
        prefix = self.prefix.lower()
        named = not set(text) - set(f"{prefix}-0123456789")
        if not named and set(text) - set("0123456789abcdef-"):
            return
        for position in range(self.rows):
            if (named and text in f"{prefix}-{position:0{self.width}d}") or text in self.id_at(position):
                yield position

    def position_of_id(self, record_id: str) -> int | None:
        found = _ID.match(record_id)
        if not found or found[2] != f"{self.salt:0>12}":
            return None
        position = int(found[1], 16)
        return position if position < self.rows else None

    def position_of_key(self, key: str) -> int | None:
        prefix = self.prefix.lower() + "-"
        digits = key.removeprefix(prefix)
        if not key.startswith(prefix) or not digits.isdigit() or key != self.key_at(int(digits)).lower():
            return None
        return int(digits) if int(digits) < self.rows else None
