"""Files that people drop, in stories that visit every step of a drop's life. Each telling has records of its own."""

from __future__ import annotations

from collections.abc import Callable

from tests.crash.past import tsv
from tests.crash.world import World

STUDY = ("type", "submitter_id", "projects.code", "title")
SUBJECT = ("type", "submitter_id", "studies.submitter_id", "sex", "species")
VISIT = ("type", "submitter_id", "subjects.submitter_id", "visit_number")

Story = Callable[[World, int], None]


def fresh(world: World, n: int) -> None:
    """New records, more than one request takes, one row of them bad."""
    world.drop(f"study-{n}.tsv", tsv(STUDY, [["study", f"S{n}", "test", "One"]]))
    rows = [["subject", f"P{n}-{i}", f"s{n}", "wrong" if i == 3 else "male", "human"] for i in range(9)]
    world.drop(f"subject-{n}.tsv", tsv(SUBJECT, rows))


def family(world: World, n: int) -> None:
    """Children first, parents in a file of their own, in folders."""
    world.drop(f"{n}/a-visits.tsv", tsv(VISIT, [["visit", f"V{n}-{i}", f"p{n}-{i % 3}", i] for i in range(5)]))
    world.drop(f"{n}/b.tsv", tsv(SUBJECT, [["subject", f"P{n}-{i}", f"S{n}", "male", ""] for i in range(3)]))
    world.drop(f"{n}/c.tsv", tsv(STUDY, [["study", f"S{n}", "test", "One"]]))


def refused(world: World, n: int) -> None:
    """Files that cannot be used, twins, a file that nobody knows the way of, and one good one."""
    world.drop(f"good-{n}.tsv", tsv(STUDY, [["study", f"S{n}", "test", "One"]]))
    world.drop(f"header-{n}.tsv", tsv(STUDY, []))
    rows = [["subject", f"{'pP'[i % 2]}{n}-{i // 2}", f"S{n}", "male", "human"] for i in range(4)]
    world.drop(f"twins-{n}.tsv", tsv(SUBJECT, [*rows, ["subject", f"Q{n}", f"S{n}", "male", "human"]]))


def edited(world: World, n: int) -> None:
    """The same two files again and again with other values; which of the versions are sent depends on the moment."""
    world.drop("study.tsv", tsv(STUDY, [["study", "S", "test", f"Title {n}"], ["study", f"S{n}", "test", "One"]]))
    rows = [["subject", f"{'pP'[n % 2]}-{i}", "S", "male" if (n + i) % 3 else "female", f"kind {n}"] for i in range(6)]
    world.drop("subject.tsv", tsv(SUBJECT, rows))


STORIES: dict[str, Story] = {"fresh": fresh, "family": family, "refused": refused, "edited": edited}
ONCE = {"fresh", "family", "refused"}
"""Stories that drop each record once, so that it must be written once."""
