"""What holds a proven export back."""

from __future__ import annotations

import pytest

from gen3sync.inbox.guards import Guarded, GuardKind, Shape, judge


def look(before: int | None, after: int, **more: object) -> Guarded | None:
    return judge(None if before is None else Shape(before), Shape(after), max_shrink=0.5, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "after"), [(None, 0), (0, 0), (0, 9), (10, 5), (10, 10), (10, 99), (1, 1)])
def test_growth_and_small_losses_pass(before: int | None, after: int) -> None:
    assert look(before, after) is None


def test_shrinking_by_more_than_allowed_is_held_with_the_numbers() -> None:
    held = look(10, 4)
    assert held is not None
    assert held.kind is GuardKind.SHRINK
    assert "from 10 to 4 records, by 60 % where 50 % are allowed" in str(held)
    assert "pull --accept" in str(held)


def test_falling_to_none_is_always_held() -> None:
    held = judge(Shape(3), Shape(0), max_shrink=1.0)
    assert held is not None
    assert held.kind is GuardKind.EMPTY


def test_lost_columns_are_named() -> None:
    held = judge(Shape(3, ("id", "sex", "race")), Shape(3, ("id", "age")), max_shrink=0.5)
    assert held is not None
    assert held.kind is GuardKind.COLUMNS
    assert "sex, race" in held.reason
    assert judge(Shape(3, ("id",)), Shape(3, ("id", "age")), max_shrink=0.5) is None


def test_contradicting_records_and_counts_are_held_also_the_first_time() -> None:
    held = look(None, 4, doubled=("a", "b"))
    assert held is not None
    assert held.kind is GuardKind.DOUBLED
    held = look(None, 4, counted=5)
    assert held is not None
    assert held.kind is GuardKind.COUNT
    assert "holds 4 records but the commons counts 5" in held.reason
    assert look(None, 4, counted=4) is None
