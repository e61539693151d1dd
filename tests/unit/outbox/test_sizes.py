"""Requests grow towards the target time and shrink when they fail for their size."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gen3sync.outbox.sizes import START_ROWS, Sizes


def test_the_real_cost_leads_to_requests_of_the_target_time() -> None:
    sizes = Sizes(target=10.0, most=1000)
    assert sizes.rows("case") == START_ROWS
    for _ in range(4):
        rows = sizes.rows("case")
        sizes.took("case", rows, 0.08 + 0.01 * rows)
    assert 800 <= sizes.rows("case") <= 1000


def test_nodes_are_learnt_apart() -> None:
    sizes = Sizes(target=10.0, most=1000)
    sizes.took("case", 20, 0.28)
    assert sizes.rows("file") == START_ROWS


def test_a_slow_node_gets_small_requests() -> None:
    sizes = Sizes(target=10.0, most=1000)
    for _ in range(5):
        rows = sizes.rows("file")
        sizes.took("file", rows, rows * 2.0)
    assert sizes.rows("file") <= 10


def test_too_large_halves_and_creeps_up_again() -> None:
    sizes = Sizes(target=10.0, most=1000)
    sizes.took("case", 500, 1.0)
    assert sizes.rows("case") == 1000
    sizes.halve("case", 1000)
    assert sizes.rows("case") == 500
    sizes.took("case", 500, 1.0)
    assert 500 < sizes.rows("case") < 1000


@given(st.lists(st.tuples(st.integers(1, 5000), st.floats(0, 1e4), st.booleans()), max_size=50), st.integers(1, 5000))
def test_always_between_one_and_the_most(steps: list[tuple[int, float, bool]], most: int) -> None:
    sizes = Sizes(target=10.0, most=most)
    for rows, seconds, fails in steps:
        sizes.halve("case", rows) if fails else sizes.took("case", rows, seconds)
        assert 1 <= sizes.rows("case") <= most


def test_the_last_rows_are_shared_out_without_crumbs() -> None:
    sizes = Sizes(10.0, 1000)
    sizes.took("case", 10, 0.22)  # 22 ms a row: 450 in ten seconds
    size = sizes.rows("case")
    assert 450 <= size <= 460
    assert sizes.share("case", 990, 2) == 495  # a tenth more than asked for, instead of 90 more at the end
    assert sizes.share("case", 495, 1) == 495
    assert sizes.share("case", 1200, 2) == 300  # two even rounds
    assert sizes.share("case", 30, 2) == 15
    assert sizes.share("case", 1, 2) == 10  # whatever there is
    assert sizes.share("case", 10**6, 2) <= size


def test_what_is_too_large_stays_too_large() -> None:
    sizes = Sizes(10.0, 100)
    sizes.took("case", 10, 0.1)
    assert sizes.share("case", 220, 2) == 55
    assert sizes.share("case", 110, 1) == 55
    sizes.halve("case", 100)
    assert sizes.share("case", 60, 1) == 30
