"""Names that are stored in a letter case nobody thinks of: the commons finds them (and renames the record), while
GraphQL compares exactly.

`queries.find_ids` asks for the usual spellings, and for a few missing names case-blindly. Of many missing names, what
they begin with is searched for: one question that reads the node's table and answers at most `MOST` names, for each of
at most four beginnings; three of them that answer too many end it for a drop and node. Where names have no common
beginning, or too many share it, all names of the node are listed (`listing.py`). Only where that cannot be had, nothing
is searched for, and who asked is told: then the answer to the PUT tells ("update" where a create was planned).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from gen3sync.commons import queries
from gen3sync.commons.asking import Asks, Nothing
from gen3sync.commons.replies import Known
from gen3sync.names import Project

MOST = 2000
TRIES = 3
_SHORTEST = 3
_GROUPS = 4
_HEAD = 4


class Lists(Protocol):
    """Whoever can list all names of a node: `listing.Listings`."""

    def names(self, node: str, wanted: Collection[str]) -> dict[str, Known] | None: ...


class Spellings:
    """Of one project. One thread."""

    def __init__(self, asks: Asks, project: Project, listings: Lists) -> None:
        self._asks, self._project, self._listings = asks, project, listings
        self._known: dict[tuple[str, str], Mapping[str, Known]] = {}
        self._failed: dict[str, int] = {}

    def hidden(self, node: str, missing: Mapping[str, str]) -> dict[str, Known] | Nothing | None:
        """Those of `missing` (names by key) that are stored all the same; None when that was not looked for."""
        few = queries.search(self._asks, self._project, node, missing.values())
        if few is not None:
            return few
        found: dict[str, Known] = {}
        parts = beginnings(missing)
        for part in parts:
            like = self._like(node, part)
            if like is None:
                break
            if not isinstance(like, Mapping):
                return like
            found.update((key, known) for key, known in like.items() if key in missing)
        else:
            if parts:
                return found
        return self._listings.names(node, missing)

    def odd(self, node: str, missing: Mapping[str, str], but: Collection[str]) -> set[str]:
        """Keys of those `missing` that are there all the same; `but` are of no interest. Of a few, `find_ids` knew."""
        rest = {key: sid for key, sid in missing.items() if key not in but}
        if not rest or queries.few(missing.values()):
            return set()
        hidden = self.hidden(node, rest)
        if not isinstance(hidden, dict) or not hidden:
            return set()
        # What is known from earlier may be deleted since.
        sure = queries.find_spelled(self._asks, self._project, node, [one.submitter_id for one in hidden.values()])
        return rest.keys() & sure.keys() if isinstance(sure, dict) else set()

    def clear(self) -> None:
        """What was found is getting old."""
        self._known.clear()
        self._failed.clear()

    def _like(self, node: str, part: str) -> Mapping[str, Known] | Nothing | None:
        for (other, known), names in self._known.items():
            if other == node and part.startswith(known):
                return names
        # Names are counted upwards: what stands before the number answers for the next thousand rows too.
        before = part.rstrip("0123456789")
        if len(before) >= _SHORTEST and before != part and not self._failed.get(node):
            wide = self._search(node, before)
            if wide is not None:
                return wide
        return self._search(node, part)

    def _search(self, node: str, part: str) -> Mapping[str, Known] | Nothing | None:
        if self._failed.get(node, 0) >= TRIES:
            return None
        found = queries.names_like(self._asks, self._project, node, part, MOST)
        if isinstance(found, dict):
            self._known[node, part] = found
        elif found is None:
            self._failed[node] = self._failed.get(node, 0) + 1
        return found


def beginnings(names: Mapping[str, object]) -> list[str]:
    """What all of these keys begin with, in a few groups; nothing where that says too little."""
    groups: dict[str, list[str]] = {}
    for key in names:
        groups.setdefault(key[:_HEAD], []).append(key)
    together = groups.values() if len(groups) <= _GROUPS else [list(names)]
    parts = [_beginning(min(group), max(group)) for group in together]
    return [] if any(len(part) < _SHORTEST for part in parts) else parts


def _beginning(first: str, last: str) -> str:
    """What the first and the last of sorted names begin with, and so all between them."""
    alike = (place for place, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    return first[: next(alike, min(len(first), len(last)))]
