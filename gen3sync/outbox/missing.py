"""Rows that the commons refuses for a parent nobody could look up: without GraphQL, or without the right to read, it is
the commons that finds out that a child came before its parent. Such a row waits as if that had been known. And what to
do about a missing parent whose name looks like several, or like another one.

Pure. Waiting itself is `waits.py`'s.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from gen3sync.names import printable
from gen3sync.outbox.model import IndexedRow, Json, Reason
from gen3sync.pglower import pg_lower
from gen3sync.records.dictionary import NodeType

UNSEEN = "unseen"
"""In a row's detail: parents (node, submitter_id) of which nobody could say whether they are there."""
SAID = "said"
"""In a row's detail: how the commons refused it for want of a parent, in words for people and in its own."""
WAITING = "waiting"
"""In a row's detail: the parents it waits for."""
ADVICE = "advice"
"""In a row's detail: what may be wrong with how it names its parents."""
PARENT_NAME = "PARENT_NAME"
"""Its type, where a plan tells it."""
_NO_LINK = "INVALID_LINK"
_APART = re.compile("[;|#,]")
"""What separates parents elsewhere: in other forms, in other systems."""


def missed(row: IndexedRow, why: Sequence[Reason], node_type: NodeType) -> tuple[tuple[str, str], ...]:
    """The parents that a row refused for `why` lacks, as far as can be told; none when anything else is wrong with it,
    or when it was known that they are there."""
    links = [node_type.link.get((reason.column or "").partition(".")[0]) for reason in why]
    targets = {link.target for link in links if link is not None}
    unseen = tuple((str(node), str(sid)) for node, sid in row.detail.get(UNSEEN, ()) if node in targets)
    sure = None not in links and all(reason.type == _NO_LINK for reason in why)
    return unseen if sure and targets == {node for node, _ in unseen} else ()


def run_together(name: str) -> str:
    """What to do about a parent that is not there, if its name may be those of several; '' if it may not. Whether it
    is nobody can know: ids may hold such characters."""
    parts = _APART.split(name)
    if len(parts) == 1 or not all(map(str.strip, parts)):
        return ""
    return f"If '{printable(name, 80)}' names several parents: they stand with commas between them, in CSV with '#'."


def lookalike(name: str) -> str:
    """What may be wrong with a name that looks like another one, from which the commons tells it: with spaces around
    it, as JSON may have it, or with accents that are characters of their own, as files from a Mac may have them."""
    shown = printable(name, 80)
    if name != name.strip():
        return f"'{shown}' has spaces around it, which a JSON file keeps."
    if unicodedata.is_normalized("NFC", name):
        return ""
    return (
        f"In '{shown}' an accent is a character of its own (Unicode NFD); the commons tells that from one letter (NFC)."
    )


def advice(row: IndexedRow, parents: Iterable[tuple[str, str]], node_type: NodeType) -> str:
    """The same for the parents of a row, by node and submitter_id: those that it may have several of (JSON has lists),
    and those whose names look like others."""
    several = {link.target for link in node_type.links if not link.to_one and not isinstance(row.cells, dict)}
    told = ((run_together(sid) if node in several else "") or lookalike(sid) for node, sid in parents)
    return next(filter(None, told), "")


def waiting_detail(
    row: IndexedRow, parents: Sequence[tuple[str, str]], why: Sequence[Reason], node_type: NodeType
) -> dict[str, Json]:
    """What the index keeps of a row that waits for `parents`; `why` as `wording.py` tells it."""
    message = " ".join(dict.fromkeys(reason.message for reason in why))
    said = "; ".join(dict.fromkeys(reason.said or reason.message for reason in why))
    told = advice(row, parents, node_type)
    return {WAITING: [list(parent) for parent in parents], SAID: [message, said], **({ADVICE: told} if told else {})}


def keys_of(parents: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Parents as the commons compares them."""
    return [(node, pg_lower(sid)) for node, sid in parents]


def in_doubt(detail: Mapping[str, Json]) -> bool:
    """Whether the commons refused the row for a parent before."""
    return SAID in detail
