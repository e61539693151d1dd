"""What JSON from outside may hold beyond what Python's reader checks: the same bounds for answers and for exports."""

from __future__ import annotations

import json
import math
from typing import NoReturn


class UnstorableError(ValueError):
    """A number that no commons can hold."""


def refuse_constant(name: str) -> NoReturn:
    """For `parse_constant`: NaN and infinities."""
    raise UnstorableError(f"it holds {name}, which is no number")


def finite(text: str) -> float:
    """For `parse_float`: a number that a float can hold."""
    value = float(text)
    if math.isinf(value):
        raise UnstorableError("it holds a number that is too large")
    return value


def deeper(value: object, depth: int) -> bool:
    """Whether more than `depth` lists and objects are inside one another."""
    level = [value]
    for _ in range(depth):
        inside: list[object] = []
        for each in level:
            if isinstance(each, dict):
                inside.extend(each.values())
            elif isinstance(each, list):
                inside.extend(each)
        level = [each for each in inside if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def has_half_pair(value: object) -> bool:
    """Whether a text in it holds half of a surrogate pair, which is no character and cannot be written down."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
