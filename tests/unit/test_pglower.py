"""Keys that are equal whenever some PostgreSQL locale would call two ids equal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gen3sync.pglower import pg_lower


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("SAM-001", "sam-001"),
        ("ÄÖÜ-1", "äöü-1"),
        ("İd", "id"),  # libc: one character
        ("İd", "i\u0307d"),  # ICU: two
        ("ΟΔΟΣ", "οδος"),  # ICU: final sigma
        ("ΟΔΟΣ", "οδοσ"),  # libc: not final
        ("GROẞ", "groß"),
        ("\u212a", "K"),
        ("ДНК", "днк"),
    ],
)
def test_equal_by_some_locale(one: str, other: str) -> None:
    assert pg_lower(one) == pg_lower(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("ß", "ss"), ("ä", "a"), ("é", "e\u0301"), ("ı", "i")])
def test_not_equal_by_any(one: str, other: str) -> None:
    assert pg_lower(one) != pg_lower(other)


@given(st.text())
def test_keys_are_stable(text: str) -> None:
    assert pg_lower(pg_lower(text)) == pg_lower(text)


@given(st.text())
def test_never_tells_apart_what_a_full_mapping_calls_equal(text: str) -> None:
    assert pg_lower(text.lower()) == pg_lower(text)
