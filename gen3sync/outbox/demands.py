"""What a data dictionary demands of a value, in words: read from the sentences of the commons' JSON schema validator.

Pure. The sentences are jsonschema's (`_keywords.py`, `_legacy_keywords.py`), to which sheepdog adds those of every
branch of a `oneOf` (gen3datamodel, `json_validators.py`). Whose row and column it is, is `wording.py`'s.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gen3sync.names import printable

FEW = 8
"""So many allowed values are named at once; of more, their number and the nearest."""
_LONGEST = 200
_UUID = "[a-fA-F0-9]{8}-[a-fA-F0-9]{4}-"
NOTHING = "None"
_NUMBER = re.compile(r"[+-]?[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True)
class Demand:
    """`must` completes "COLUMN must …"; `value` is what the row has, as Python writes it; `allowed` all values of a
    list; `hint` names the nearest of these."""

    must: str
    value: str = ""
    remedy: str = ""
    allowed: tuple[str, ...] = ()
    hint: str = ""


_TYPES = {
    "integer": ("a whole number", "Write it in digits alone, such as 12: no decimals, no exponent, no unit."),
    "number": ("a number", "Write it in digits, such as 12.5: a point for decimals, no unit."),
    "boolean": ("true or false", ""),
    "string": ("text", "In a JSON file, put it in double quotes."),
    "array": ("a list", "In a table separate the items by commas; in a JSON file write a list."),
    "object": ("an object", ""),
    "null": ("blank", ""),
}
_FORMATS = {
    "date-time": "a date with time and zone, such as 2026-01-31T12:00:00Z",
    "date": "a date such as 2026-01-31",
    "time": "a time such as 12:00:00Z",
    "email": "an e-mail address",
    "uri": "an address such as https://…",
    "ipv4": "an IPv4 address",
}


def demand(said: str) -> Demand | None:
    """What a sentence of the validator demands; None for one that is not known."""
    for pattern, read in _SENTENCES:
        if (found := pattern.match(said)) is not None and (one := read(found)) is not None:
            value = found.groupdict().get("value") or ""
            return one if one.value or not value else replace(one, value=value)
    return None


def nearest(value: str, allowed: Sequence[str], number: int = 3) -> list[str]:
    """The values that somebody may have meant, the likeliest first."""
    bare, by_lower = value.strip().lower(), {one.lower(): one for one in reversed(allowed)}
    if bare in by_lower:
        return [by_lower[bare]]
    if _NUMBER.fullmatch(bare) and (same := [one for one in allowed if _is_number(one, float(bare))]):
        return same[:number]  # spreadsheets make 1 of 01
    close = difflib.get_close_matches(bare, list(by_lower), n=number, cutoff=0.6)
    within = sorted((one for one in by_lower if len(bare) > 1 and (bare in one or one in bare)), key=len)
    return [by_lower[one] for one in dict.fromkeys([*close, *within])][:number]


def _is_number(one: str, number: float) -> bool:
    return _NUMBER.fullmatch(one) is not None and float(one) == number


def plain(value: str) -> str:
    """A value as a person wrote it: without the quotes that Python puts around text."""
    try:
        read = ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return value
    return read if isinstance(read, str) else value


def _type(found: re.Match[str]) -> Demand:
    kinds = [kind for kind in re.findall(r"'(\w+)'", found["types"]) if kind != "null"] or ["null"]
    words = [_TYPES.get(kind, (kind, ""))[0] for kind in kinds]
    return Demand(f"be {' or '.join(words)}", remedy=_TYPES.get(kinds[0], ("", ""))[1])


def _enum(found: re.Match[str]) -> Demand | None:
    try:
        listed = ast.literal_eval(found["values"])
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        listed = re.findall(r"'([^']*)'", found["values"])  # cut short on the way
    allowed = tuple(str(one) for one in listed if one is not None)
    if not allowed:
        return None
    value = plain(found["value"])
    near = nearest(value, allowed)
    names = ", ".join(printable(one, 80) for one in allowed)
    if len(allowed) <= FEW and len(names) <= _LONGEST:
        if near and near[0].lower() == value.strip().lower():
            hint = f"letter case and spaces count: write {printable(near[0], 80)}"
            return Demand(f"be one of {names}", allowed=allowed, hint=hint)
        return Demand(f"be {names}" if len(allowed) == 1 else f"be one of {names}", allowed=allowed)
    hint = ""
    if near:
        words = ", ".join(printable(one, 80) for one in near)
        hint = f"the nearest {'is' if len(near) == 1 else 'are'} {words}"
    remedy = "Write one of them letter by letter; the receipt lists all of them."
    return Demand(f"be one of the {len(allowed)} values that the dictionary allows", "", remedy, allowed, hint)


def _pattern(found: re.Match[str]) -> Demand:
    pattern = plain(found["pattern"])
    if _UUID in pattern:
        remedy = "Leave it out: the commons makes ids, and finds records by their submitter_id."
        return Demand("be an id that the commons gave (a UUID)", remedy=remedy)
    if (run := re.fullmatch(r"\^\[a-f0-9\]\{(\d+)\}\$", pattern)) is not None:
        return Demand(f"be {run[1]} characters out of 0-9 and a-f")
    return Demand(f"fit the pattern {printable(pattern, 120)}")


def _format(found: re.Match[str]) -> Demand:
    return Demand(f"be {_FORMATS.get(found['format'], 'of the form ' + printable(found['format'], 60))}")


def _alternatives(found: re.Match[str]) -> Demand | None:
    """One of several schemas: what each of them says stands behind the colon, joined by "and"."""
    value, rest = found["value"], found["rest"] or ""
    parts = re.split(rf" and (?={re.escape(value)} )", rest) if rest else []
    read = [one for one in map(demand, parts) if one is not None]
    listed = tuple(dict.fromkeys(one for part in read for one in part.allowed))
    words = [one.must.removeprefix("be ") for one in read if one.must.startswith("be ") and not one.allowed]
    words = [word for word in words if word != "blank"]
    if listed:
        near = nearest(plain(value), listed)
        few = len(listed) <= FEW
        names = ", ".join(printable(one, 80) for one in listed)
        words.insert(0, f"one of {names}" if few else f"one of {len(listed)} values that the dictionary allows")
        hint = "" if few or not near else f"the nearest is {printable(near[0], 80)}"
        remedy = "" if few else "The receipt lists all of them."
        return Demand(f"be {' or '.join(words)}", value, remedy, listed, hint)
    if not words:
        return None
    return Demand(f"be {' or '.join(words)}", value, next((one.remedy for one in read if one.remedy), ""))


def _bound(words: str) -> Callable[[re.Match[str]], Demand]:
    return lambda found: Demand(f"be {words} {found['bound']}")


def _says(must: str, remedy: str = "") -> Callable[[re.Match[str]], Demand]:
    return lambda _found: Demand(must, remedy=remedy)


_SENTENCES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Demand | None]], ...] = tuple(
    (re.compile(pattern, re.DOTALL), read)
    for pattern, read in (
        (r"(?P<value>.*) is not valid under any of the given schemas(: (?P<rest>.*))?$", _alternatives),
        (r"(?P<value>.*?) is not of type (?P<types>'\w+'(, '\w+')*)$", _type),
        (r"(?P<value>.*?) is not one of (?P<values>\[.*)$", _enum),
        (r"(?P<value>.*) does not match (?P<pattern>'.*'|\".*\")$", _pattern),
        (r"(?P<value>\S+) is less than or equal to the minimum of (?P<bound>\S+)$", _bound("more than")),
        (r"(?P<value>\S+) is less than the minimum of (?P<bound>\S+)$", _bound("at least")),
        (r"(?P<value>\S+) is greater than or equal to the maximum of (?P<bound>\S+)$", _bound("less than")),
        (r"(?P<value>\S+) is greater than the maximum of (?P<bound>\S+)$", _bound("at most")),
        (r"(?P<value>\S+) is not a multiple of (?P<bound>\S+)$", _bound("a multiple of")),
        (r"(?P<value>.*) is not a '(?P<format>[\w-]+)'$", _format),
        (r"(?P<value>.*) (is too short|should be non-empty)$", _says("be longer")),
        (r"(?P<value>.*) is too long$", _says("be shorter, or have fewer items")),
        (r"(?P<value>.*) is expected to be empty$", _says("be blank")),
        (r"(?P<value>.*) has non-unique elements$", _says("name each item once")),
    )
)
