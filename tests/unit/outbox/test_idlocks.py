"""Ids of requests in flight: another project's requests wait for them, and hear when they are free."""

from __future__ import annotations

from gen3sync.names import Project
from gen3sync.outbox.idlocks import IdLocks

ONE, TWO = Project("DEV", "one"), Project("DEV", "two")


def test_an_id_is_one_projects_until_its_request_is_answered() -> None:
    locks, heard = IdLocks(), list[str]()
    assert locks.take(ONE, {"a", "b"})
    assert locks.take(ONE, {"a"}), "within a project planning keeps rows apart"
    assert locks.others(TWO, {"a", "c"}) == {"a"}
    assert not locks.take(TWO, {"a", "c"})
    assert locks.others(ONE, {"c"}) == set(), "nothing was taken of what could not be taken whole"
    locks.when_free(TWO, {"a"}, lambda: heard.append("freed"))
    locks.free(TWO, ["id a"])
    assert heard == [], "another's lock stays"
    locks.free(ONE, ["case c1", "id a"])
    assert heard == ["freed"]
    assert locks.take(TWO, {"a"})
    assert not locks.take(TWO, {"b"})


def test_what_is_free_meanwhile_is_heard_of_at_once() -> None:
    heard: list[str] = []
    IdLocks().when_free(TWO, {"a"}, lambda: heard.append("free"))
    assert heard == ["free"]


def test_locks_of_an_earlier_life_are_held() -> None:
    locks = IdLocks()
    locks.hold(ONE, ["case c1", "id a"])
    assert not locks.take(TWO, {"a"})
    assert locks.take(TWO, {"c1"})
