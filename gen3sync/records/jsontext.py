"""Takes keys out of the text of a JSON object and leaves everything else as it is written.

For records of a rejects file that are refused once more: their own text goes into the next one, byte for byte. The text
was read before, so it is an object and whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection

_SPACE = re.compile(r"[ \t\r\n]*")
_decoder = json.JSONDecoder()  # reads a key as well as a value: both are JSON


def without_keys(raw: str, names: Collection[str]) -> str:
    """`raw` without the members of the outer object whose keys are in `names`, and the commas that are then one too
    many. A space after such a comma goes too, as `with_first` wrote it."""
    kept: list[str] = []
    place = raw.index("{") + 1
    kept.append(raw[:place])
    while True:
        start = _skip(raw, place)
        if raw[start] == "}":
            break
        key, end = _decoder.raw_decode(raw, start)
        _, end = _decoder.raw_decode(raw, _skip(raw, _skip(raw, end) + 1))
        follows = raw[_skip(raw, end)] == ","
        after = _skip(raw, end) + 1 if follows else end
        if key not in names:
            kept.append(raw[place:after])
        elif follows:
            after += raw.startswith(" ", after)
            kept.append(raw[place:start])
        elif kept[-1].endswith(","):
            kept[-1] = kept[-1][:-1]
        place = after
        if not follows:
            break
    return "".join(kept) + raw[place:]


def with_first(raw: str, members: dict[str, object]) -> str:
    """`raw`, the text of an object, with `members` before its own."""
    ours = json.dumps(members, ensure_ascii=False)[:-1]
    rest = raw[1:]
    return ours + (", " if rest.strip() != "}" else "") + rest


def _skip(raw: str, place: int) -> int:
    found = _SPACE.match(raw, place)
    return found.end() if found else place
