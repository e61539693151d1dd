"""The commons' dictionary changes while gen3sync is at work (docs/reference/submission-faults.md, "Dictionary")."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from gen3sync.ledger import Drop, Verdict
from gen3sync.names import Project
from gen3sync.outbox.model import Action
from gen3sync.sandbox.dictionary import Dictionary
from gen3sync.sandbox.small_dictionary import small_dictionary
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import Story, names, subjects

LANDED, PARTLY = Verdict.LANDED, Verdict.PARTLY
MINUTE = 61
HOUR = 3601
Raw = dict[str, Any]
EVERYWHERE = pytest.mark.parametrize("graphql", [True, False], ids=["everywhere", "not in GraphQL yet"])


def becomes(story: Story, change: Callable[[Raw], None], *, graphql: bool = True) -> None:
    """The commons is started again with another dictionary; its GraphQL too, or it keeps the one it has."""
    raw = copy.deepcopy(small_dictionary())
    change(raw)
    commons = story.sandbox.commons
    commons.dictionary = commons.store.dictionary = Dictionary(raw)
    commons.schema_cache.pop("_all", None)
    if graphql:
        commons.schema_cache.clear()


def lands_after(story: Story, change: Callable[[Raw], None], text: str, *, graphql: bool) -> Drop:
    """How a file ends that is dropped when the dictionary has changed since the daemon read it."""
    story.drop("a.tsv", subjects("P0 S1 male human"))
    with story.running() as days:
        days.ended()
        becomes(story, change, graphql=graphql)
        days.passes(MINUTE)
        story.drop("b.tsv", text)
        return days.ended(2)[1]


def gains_a_column(raw: Raw) -> None:
    raw["subject"]["properties"]["shoe_size"] = {"type": "integer"}


def gains_a_type(raw: Raw) -> None:
    animal = raw["animal"] = copy.deepcopy(raw["subject"])
    animal["id"], animal["title"], animal["links"][0]["backref"] = "animal", "Animal", "animals"


def loses_a_type(raw: Raw) -> None:
    del raw["publication"]


@EVERYWHERE
def test_a_column_that_the_dictionary_gained_since_it_was_read(story: Story, graphql: bool) -> None:
    drop = lands_after(
        story,
        gains_a_column,
        table("type submitter_id studies.submitter_id shoe_size", "subject P0 S1 44"),
        graphql=graphql,
    )
    assert (drop.verdict, drop.counts["updated"]) == (Verdict.LANDED, 1)
    assert story.subject("P0")["shoe_size"] == 44
    story.whole("P0", writes=2)


def test_a_blank_column_that_the_dictionary_gained_erases(story: Story) -> None:
    """It is not taken for a column that nobody knows: it would be left out, and the value stay."""
    becomes(story, gains_a_column)
    story.sandbox.write(
        "DEV-test", [{"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}, "shoe_size": 44}]
    )
    becomes(story, lambda raw: None)
    story.drop("a.tsv", subjects("P1 S1 male human"))
    with story.running() as days:
        days.ended()
        becomes(story, gains_a_column)
        days.passes(MINUTE)
        story.drop("b.tsv", table("type submitter_id studies.submitter_id shoe_size", "subject P0 S1 ."))
        assert "blank cells would erase stored values in 1 row: shoe_size (1)" in days.parked().reason


@EVERYWHERE
def test_a_type_that_the_dictionary_gained_since_it_was_read(story: Story, graphql: bool) -> None:
    drop = lands_after(
        story, gains_a_type, table("type submitter_id studies.submitter_id sex", "animal A0 S1 male"), graphql=graphql
    )
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 1)
    assert story.says("b.tsv")["verification"]["verified"]
    assert [record["submitter_id"] for record in story.sandbox.records("DEV-test", "animal")] == ["A0"]
    story.whole("P0")


def test_a_plan_knows_what_the_dictionary_gained(story: Story) -> None:
    with story.opened() as (outbox, _):
        path = story.folder / "b.tsv"
        path.write_text(table("type submitter_id studies.submitter_id shoe_size", "subject P0 S1 44"))
        assert outbox.plan_file(path, Project("DEV", "test")).counts == {Action.REJECT: 1}
    becomes(story, gains_a_column)
    with story.opened() as (outbox, _):
        assert outbox.plan_file(path, Project("DEV", "test")).counts == {Action.CREATE: 1}


def test_the_dictionary_is_asked_for_once_a_minute_at_most(story: Story) -> None:
    with story.running() as days:
        for number in range(1, 4):
            story.drop(f"{number}.tsv", table("type submitter_id", "subjcet P0"))
            [*_, drop] = days.ended(number, pace=0.05)
            assert drop.verdict is Verdict.REJECTED
        asked = [one for one in story.sandbox.requests if one.path.endswith("_dictionary/_all")]
        assert len(asked) == 1
    story.whole()


def test_a_row_of_an_old_drop_that_the_dictionary_allows_after_a_restart_stays_refused(story: Story) -> None:
    """It could not be used, and a newer drop of its record landed: read again, the old one would be the newer write."""
    columns = "type submitter_id studies.submitter_id sex shoe_size"
    story.drop("old.tsv", table(columns, "subject P0 S1 male 44", "subject P1 S9 male .", "subject P2 S1 male 45"))
    with story.running() as days:
        days.until(lambda: any("waits for study S9" in drop.reason for drop in days.ledger.drops.open()), "a row waits")
        story.drop("new.tsv", subjects("P0 S1 female human"))
        days.ended()
    becomes(story, gains_a_column)
    story.time.advance(HOUR)
    story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
    old, new = story.goes(2)
    assert (old.verdict, old.counts["created"], old.counts["rejected"], new.verdict) == (PARTLY, 1, 2, LANDED)
    assert story.subject("P0")["sex"] == "female"
    bad = story.rejects("old.tsv")
    assert [(row["_line"], row["_error_type"]) for row in bad] == [("2", "REFUSED_BEFORE"), ("4", "REFUSED_BEFORE")]
    story.drop("again.tsv", table(columns, "subject P2 S1 male 45"))
    assert story.goes(3)[2].counts["created"] == 1, "dropped again it is what the dictionary says now"
    story.whole(*names(3))


def test_a_type_that_the_dictionary_loses_while_its_rows_wait(story: Story) -> None:
    columns = "type submitter_id studies.submitter_id sex"
    story.drop("mixed.tsv", table(columns, "publication U0 S9 .", "subject P0 S1 male"))
    with story.running() as days:
        days.until(lambda: story.subjects() == ["P0"], "the row that waits for nobody")
        becomes(story, loses_a_type)
        days.passes(HOUR)
        story.sandbox.write("DEV-test", [{"type": "study", "submitter_id": "S9", "projects": {"code": "test"}}])
        [drop] = days.ended()
        story.drop("later.tsv", subjects("P1 S1 male human"))
        days.ended(2)
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    [bad] = story.rejects("mixed.tsv")
    assert (bad["_line"], bad["_error_type"]) == ("2", "UNKNOWN_TYPE")
    assert "The node type 'publication' is unknown" in bad["_errors"]
    story.whole("P0", "P1")


def test_a_type_that_the_dictionary_lost_since_it_was_read(story: Story) -> None:
    """The commons says so when its records are asked for; that is reason enough to read the dictionary anew."""
    story.drop("a.tsv", subjects("P0 S1 male human"))
    with story.running() as days:
        days.ended()
        becomes(story, loses_a_type)
        days.passes(MINUTE)
        columns = "type submitter_id studies.submitter_id sex"
        story.drop("mixed.tsv", table(columns, "publication U0 S1 .", "subject P1 S1 male"))
        [_, drop] = days.ended(2)
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 1, 1)
    [bad] = story.rejects("mixed.tsv")
    assert "The node type 'publication' is unknown" in bad["_errors"]
    story.whole("P0", "P1")


def test_parents_of_a_type_that_graphql_does_not_know_yet(story: Story) -> None:
    """Whether they are there is left to the commons, as without GraphQL."""

    def gains_parents(raw: Raw) -> None:
        gains_a_type(raw)
        litter = raw["litter"] = copy.deepcopy(raw["visit"])
        litter["id"], litter["required"] = "litter", ["submitter_id", "type", "animals"]
        litter["links"][0].update(name="animals", target_type="animal", backref="litters")
        litter["properties"]["animals"] = litter["properties"].pop("subjects")

    story.drop("a.tsv", subjects("P0 S1 male human"))
    with story.running() as days:
        days.ended()
        becomes(story, gains_parents, graphql=False)
        days.passes(MINUTE)
        story.drop("litter.tsv", table("type submitter_id animals.submitter_id", "litter L0 A0", "litter L1 A1"))
        days.until(lambda: any("wait" in drop.reason for drop in days.ledger.drops.open()), "the children wait")
        rows = table("type submitter_id studies.submitter_id sex", "animal A0 S1 male", "animal A1 S1 male")
        story.drop("animal.tsv", rows)
        drops = days.ended(3)
    assert {drop.verdict for drop in drops} == {Verdict.LANDED}
    assert story.sandbox.count("DEV-test", "litter") == 2
    story.whole("P0")
