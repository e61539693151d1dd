"""Exports that come in pieces."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.records.merge import ContradictionError, merge, merge_group

PARENTS = st.lists(st.sampled_from("ABCDE"), unique=True, max_size=4)


def entry(name: str) -> dict[str, str]:
    return {"node_id": f"id-{name}", "submitter_id": name}


@given(PARENTS, PARENTS, st.randoms(use_true_random=False))
def test_pieces_make_the_whole_in_any_order(one: list[str], other: list[str], shuffler: random.Random) -> None:
    """Pieces as `export_all` makes them: a join of both links, cut anywhere, with entries repeated."""
    base: dict[str, Any] = {"id": "x", "submitter_id": "X", "n": 2}
    joined = [(left, right) for left in one or [""] for right in other or [""]]
    shuffler.shuffle(joined)
    pieces = []
    while joined:
        taken, joined = joined[: (cut := shuffler.randint(1, len(joined)))], joined[cut:]
        piece = dict(base)
        for name, names in (("as", [t[0] for t in taken if t[0]]), ("bs", [t[1] for t in taken if t[1]])):
            if names:
                piece[name] = [entry(each) for each in names]
        pieces.append(piece)
    expected = dict(base)
    for name, names in (("as", one), ("bs", other)):
        if names:
            expected[name] = [entry(each) for each in sorted(names)]
    assert merge_group(pieces) == expected


def test_records_keep_the_order_of_their_first_piece() -> None:
    pieces: list[dict[str, Any]] = [{"id": "b", "as": [entry("A")]}, {"id": "a"}, {"id": "b", "as": [entry("B")]}]
    assert merge(pieces) == [{"id": "b", "as": [entry("A"), entry("B")]}, {"id": "a"}]


def test_contradictions_are_told() -> None:
    with pytest.raises(ContradictionError, match="different values of n, s") as caught:
        merge([{"id": "a", "n": 1, "s": "x", "t": 1}, {"id": "a", "n": 2, "s": "y", "t": 1.0}])
    assert caught.value.columns == ("n", "s")


def test_lists_and_empty_links_are_no_contradiction() -> None:
    pieces: list[dict[str, Any]] = [
        {"id": "a", "codes": ["x"], "as": []},
        {"id": "a", "codes": ["x"], "as": [entry("A")], "bs": None},
    ]
    assert merge(pieces) == [{"id": "a", "codes": ["x"], "as": [entry("A")]}]
