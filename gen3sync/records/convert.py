"""The commons' own conversions of cells to values (sheepdog `DelimitedConverter`), and how values become cells again.

Where the commons cannot convert a text it passes the text on, and its schema check refuses the row in its own words;
so does this module: `text_to_value` never fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal

from gen3sync.records.dictionary import Kind, Property

_BOOLEANS = {"true": True, "false": False}
_TRUE_ITEMS = frozenset({"true", "t", "yes", "y"})
_ITEMS: Mapping[Kind | None, Callable[[str], object]] = {
    Kind.INTEGER: lambda text: int(float(text)),
    Kind.NUMBER: float,
    Kind.BOOLEAN: lambda text: text.lower() in _TRUE_ITEMS,
}


def text_to_value(text: str, prop: Property | None) -> object:
    """What the commons makes of a trimmed, non-blank cell: `12.0` is 12 for a number and stays text for an integer."""
    kind = prop.kind if prop is not None else Kind.STRING
    try:
        match kind:
            case Kind.BOOLEAN:
                return _BOOLEANS.get(text.lower(), text)
            case Kind.NUMBER:
                number = float(text)
                return int(number) if number.is_integer() else number
            case Kind.INTEGER:
                return int(text)
            case Kind.ARRAY:
                return _items(text, prop.item_kind if prop is not None else None)
            case _:
                return text
    except (ValueError, OverflowError):
        return text


def _items(text: str, kind: Kind | None) -> object:
    if kind is Kind.OPAQUE:
        return text
    items = [item.strip() for item in text.split(",")]
    convert = _ITEMS.get(kind)
    return items if convert is None else [convert(item) for item in items]


def value_to_text(value: object, prop: Property | None = None) -> str:
    """The cell that says `value`: numbers without loss, booleans as `true` and `false`, lists joined by commas."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case Decimal():
            return value_to_text(plain(value), prop)
        case float() if prop is not None and prop.kind is Kind.INTEGER and value.is_integer():
            return str(int(value))
        case list() | tuple():
            return ",".join(value_to_text(item) for item in value)
        case _:
            return str(value)


def plain(value: object) -> object:
    """`value` with the exact decimals of a streaming JSON parser as ints and floats, as the commons reads them."""
    match value:
        case Decimal():
            integral = value.is_finite() and value.as_tuple().exponent == 0
            return int(value) if integral else float(value)
        case list():
            return [plain(item) for item in value]
        case dict():
            return {key: plain(inner) for key, inner in value.items()}
        case _:
            return value


def same_value(one: object, other: object) -> bool:
    """Whether two values are equal once stored: 2 and 2.0 are, true and 1 are not, lists count their order. A database
    keeps the digits that JSON wrote of a float, not its bits: 1e23 comes back as a one and 23 noughts."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Decimal) or isinstance(other, Decimal):
        return same_value(plain(one), plain(other))
    if isinstance(one, float) and isinstance(other, int):
        return one == other or other == Decimal(repr(one))
    if isinstance(one, int) and isinstance(other, float):
        return same_value(other, one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(same_value(a, b) for a, b in zip(one, other, strict=True))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same_value(one[key], other[key]) for key in one)
    return one == other


def is_nothing(value: object) -> bool:
    """Whether a stored value is nothing that a blank cell could erase: none, an empty text, an empty list."""
    return value is None or value in ("", [])


def is_finite(value: object) -> bool:
    """False for NaN and infinities, also inside lists: the commons answers them with an error that names no row."""
    match value:
        case float():
            return math.isfinite(value)
        case list():
            return all(is_finite(item) for item in value)
        case dict():
            return all(is_finite(item) for item in value.values())
        case _:
            return True
