"""Names stored in odd letter case, among many that are missing."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from gen3sync.commons.replies import Busy, GraphqlData, Known
from gen3sync.names import Project
from gen3sync.outbox.spellings import MOST, TRIES, Spellings, beginnings

PROJECT = Project("DEV", "test")


class Lists:
    """Lists the names of a node; none are to be had where there are none."""

    def __init__(self, *stored: str) -> None:
        self.stored = {name.lower(): Known(f"id-{name}", name) for name in stored}
        self.asked = 0

    def names(self, node: str, wanted: Collection[str]) -> dict[str, Known] | None:
        assert node == "case"
        self.asked += 1
        return {key: self.stored[key] for key in wanted if key in self.stored} if self.stored else None


class Commons:
    """Answers quick searches, and counts them."""

    def __init__(self, *stored: str, crowd: bool = False) -> None:
        self.stored, self.crowd, self.asked = stored, crowd, list[str]()

    def graphql(self, query: str, variables: dict[str, object] | None = None) -> GraphqlData | Busy:
        assert variables is not None
        part = str(variables["q"])
        self.asked.append(part)
        names = [name for name in self.stored if part in name.lower()] + ["x"] * (MOST + 1) * self.crowd
        assert "quick_search" in query
        return GraphqlData({"seen": [{"id": "1"}], "rows": [{"id": f"id-{n}", "submitter_id": n} for n in names]})


def names(count: int, first: str = "case-") -> dict[str, str]:
    return {f"{first}{n:04d}": f"{first}{n:04d}".upper() for n in range(count)}


@pytest.mark.parametrize(
    ("keys", "parts"),
    [
        (["case-01", "case-02", "case-1"], ["case-"]),
        (["case-01", "body-01", "case-02"], ["case-0", "body-01"]),
        ([f"{n}-case" for n in range(9)], []),
        (["ab1", "ab2"], ["ab1", "ab2"]),
        (["a1", "a2"], []),
        ([f"p{n}-{m}" for n in range(10, 90) for m in range(3)], []),
        ([f"proj-{n}-{m}" for n in range(10, 90) for m in range(3)], ["proj-"]),
    ],
)
def test_beginnings(keys: list[str], parts: list[str]) -> None:
    assert sorted(beginnings(dict.fromkeys(keys, ""))) == sorted(parts)


def test_many_names_take_one_question_and_further_ones_none() -> None:
    commons = Commons("cAsE-0007", "cAsE-0099", "case-x")
    spellings = Spellings(commons, PROJECT, Lists())
    wanted = names(2000)
    first = dict(list(wanted.items())[:1000])
    assert spellings.hidden("case", first) == {
        "case-0007": Known("id-cAsE-0007", "cAsE-0007"),
        "case-0099": Known("id-cAsE-0099", "cAsE-0099"),
    }
    assert spellings.hidden("case", first) is not None
    assert spellings.hidden("case", dict(list(wanted.items())[1000:])) == {}
    assert commons.asked == ["case-"]


def test_where_the_beginning_is_common_the_number_tells_more() -> None:
    commons = Commons("cAsE-0007", *(f"CASE-{n}" for n in range(10_000, 10_000 + MOST)))
    spellings = Spellings(commons, PROJECT, Lists())
    found = spellings.hidden("case", dict(list(names(1000).items())))
    assert found == {"case-0007": Known("id-cAsE-0007", "cAsE-0007")}
    assert commons.asked == ["case-", "case-0"]


def test_a_crowd_is_not_searched_through_for_ever() -> None:
    commons = Commons(crowd=True)
    spellings = Spellings(commons, PROJECT, Lists())
    for number in range(10):
        assert spellings.hidden("case", names(100, f"c{number}-")) is None
    assert len(commons.asked) == TRIES
    spellings.clear()
    assert spellings.hidden("case", names(100)) is None
    assert len(commons.asked) == TRIES + 2


def test_names_without_letters_need_no_search() -> None:
    commons = Commons()
    assert Spellings(commons, PROJECT, Lists()).hidden("case", {str(n): str(n) for n in range(100)}) == {}
    assert commons.asked == []


def test_names_without_a_common_beginning_are_found_in_a_list_of_all() -> None:
    commons, lists = Commons(crowd=True), Lists("7-cAsE", "8-x")
    wanted = {f"{n}-case": f"{n}-Case" for n in range(50)}
    assert Spellings(commons, PROJECT, lists).hidden("case", wanted) == {"7-case": Known("id-7-cAsE", "7-cAsE")}
    assert (commons.asked, lists.asked) == ([], 1)


def test_names_whose_beginning_too_many_share_are_found_there_too() -> None:
    commons, lists = Commons(crowd=True), Lists("cAsE-0007")
    assert Spellings(commons, PROJECT, lists).hidden("case", names(50)) == {
        "case-0007": Known("id-cAsE-0007", "cAsE-0007")
    }
    assert lists.asked == 1


def test_names_without_letters_have_one_spelling() -> None:
    commons, lists = Commons(), Lists("7")
    assert Spellings(commons, PROJECT, lists).hidden("case", {str(n): str(n) for n in range(50)}) == {}
    assert (commons.asked, lists.asked) == ([], 0)
