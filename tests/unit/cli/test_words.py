"""How numbers and ages are said."""

import pytest

from gen3sync.cli.words import count, fit, sentence, size, span, width


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (11_100, "3 h 5 min"),
     (40_000, "11 h"), (86_400, "1 d"), (100_000, "1 d 3 h"), (20 * 86_400 + 7200, "20 d"), (-5, "0 s")],
)  # fmt: skip
def test_spans(seconds: float, said: str) -> None:
    assert span(seconds) == said


@pytest.mark.parametrize(("number", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (1_500_000, "1.5 MB")])
def test_sizes(number: int, said: str) -> None:
    assert size(number) == said


def test_counts() -> None:
    assert [count(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert count(2, "is", "are") == "2 are"


@pytest.mark.parametrize("keep_end", [False, True])
@pytest.mark.parametrize("text", ["", "abc", "a" * 50, "長い名前" * 10, "e\u0301" * 30])
@pytest.mark.parametrize("columns", [0, 1, 2, 10])
def test_fitting_fills_exactly(text: str, columns: int, keep_end: bool) -> None:
    assert width(fit(text, columns, keep_end=keep_end)) == columns


def test_fitting_keeps_the_end_that_matters() -> None:
    assert fit("/srv/lab/outbox", 8) == "/srv/la…"
    assert fit("/srv/lab/outbox", 8, keep_end=True) == "…/outbox"


def test_sentences() -> None:
    assert sentence("it broke") == "It broke."
    assert sentence("It broke!") == "It broke!"


def test_a_token_that_ends_with_its_key_is_not_said_to_be_renewed() -> None:
    from datetime import UTC, datetime, timedelta

    from gen3sync.cli.token import _ends_with_key

    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert _ends_with_key(now, now)
    assert _ends_with_key(now + timedelta(minutes=5), now)
    assert not _ends_with_key(now + timedelta(days=20), now)
    assert not _ends_with_key(None, now)
