"""JSON from a commons, within bounds: what Python's reader falls over, and what nobody could write down, is no JSON.

Exports, which stream, are read by `records.exported` with the same bounds.
"""

from __future__ import annotations

import json
from typing import Any

from gen3sync.bounded import deeper, finite, has_half_pair, refuse_constant

MAX_DEPTH = 100
"""Most lists and objects inside one another. A dictionary with its schemas has some twenty."""


def parse(raw: bytes | str) -> Any:
    """The value `raw` says. Raises ValueError for anything that is not JSON, and for JSON that is nested beyond
    `MAX_DEPTH`, holds numbers without end (infinite, or of thousands of digits), or halves of surrogate pairs."""
    try:
        value = json.loads(raw, parse_constant=refuse_constant, parse_float=finite)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    opened, half = ("[", "{"), ("\\ud", "\\uD")
    if _count(raw, opened) > MAX_DEPTH and deeper(value, MAX_DEPTH):
        raise ValueError("it is nested too deeply")
    if _count(raw, half) and has_half_pair(value):
        raise ValueError("it holds half of a surrogate pair")
    return value


def is_number(told: object) -> bool:
    """Whether `int(str(told))` is a transaction's number as a database can hold one."""
    text = str(told)
    return text.isascii() and text.isdigit() and len(text) <= 18


def _count(raw: bytes | str, marks: tuple[str, str]) -> int:
    return sum(raw.count(mark) if isinstance(raw, str) else raw.count(mark.encode()) for mark in marks)
