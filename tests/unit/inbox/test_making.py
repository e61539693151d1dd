"""Texts made while an export comes in are those made of the copy afterwards, in whatever order and pieces it came."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gen3sync.inbox.copy import Copy
from gen3sync.inbox.making import Making
from gen3sync.inbox.plan import Format
from gen3sync.inbox.render import Look, merge, render
from tests.unit.inbox.test_render import case, path_of, record

LOOKS: list[Look] = [
    (Format.TSV, ()),
    (Format.JSON, ()),
    (Format.TSV, ("submitter_id", "experiments")),
    (Format.JSONL, ()),
]
PARENTS = ["A", "B", "with, comma", "ö"]


@st.composite
def exports(draw: st.DrawFn) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for number in range(draw(st.integers(0, 12))):
        note = draw(st.sampled_from(["plain", "null", "two\nlines", "nul\0"]))
        known: list[str] = PARENTS[: draw(st.integers(1, 4))]
        parents: list[str] = draw(st.lists(st.sampled_from(known), max_size=3, unique=True))
        apart: bool = draw(st.booleans())
        if parents and apart:
            made += [record(number, (parent,), note=note) for parent in parents]
        else:
            made.append(record(number, tuple(parents), note=note))
    mixed: bool = draw(st.booleans())
    if not mixed:
        return made
    order = draw(st.permutations(range(len(made))))
    return [made[place] for place in order]


@settings(max_examples=150, deadline=None)
@given(exports())
def test_the_texts_are_those_of_the_copy(records: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name, Copy(Path(name) / "copy") as copy:
        folder = Path(name)
        looks = [(look, folder / f"{number}") for number, look in enumerate(LOOKS)]
        with Making(case(), looks) as making:
            copy.fill(iter(records), merge, making)
        made = making.rendered()
        for look in LOOKS:
            fresh = render(copy, look[0], case(), folder / "fresh", look[1])
            if look not in made:
                assert "experiments.id" in fresh.columns, "left out only where it needs further columns"
                continue
            assert path_of(made[look].text).read_bytes() == path_of(fresh.text).read_bytes()
            assert (made[look].untellable, made[look].blocks) == (fresh.untellable, fresh.blocks)
            notes, other = made[look].notes, fresh.notes
            assert (notes and notes.sha256) == (other and other.sha256)
