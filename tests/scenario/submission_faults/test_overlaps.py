"""Requests that the commons still works on, or has not begun with, when the next one comes (GEN3.md, "It can say 200
and be wrong", 8; docs/reference/submission-faults.md, "Overlaps")."""

from __future__ import annotations

import json
import threading
from http.client import HTTPConnection

import pytest

from gen3sync.ledger import Verdict
from gen3sync.sandbox import Point
from tests.scenario.submission_faults.kit import HORIZON, PUT, Story, names, persons, subjects

EXISTS = "already exists in the DB"


def test_the_retry_overlaps_the_first_attempt(story: Story) -> None:
    """The commons is at it for longer than any timeout allows; what was sent again meets it in the database."""
    hold = story.sandbox.faults.hold(Point.BEFORE_COMMIT, times=1, **PUT)
    story.sandbox.faults.lose(Point.STARTED, how="close", **PUT)
    story.drop("subject.tsv", subjects(*persons(2)))
    with story.running() as days:
        days.until(lambda: days.ledger.requests.unsettled() and hold.fault.waiting, "a lost request", pace=0.2)
        days.passes(HORIZON)
        days.until(lambda: len(story.puts()) == 2 and story.puts()[1].named, "the retry at work")
        assert story.subjects() == []
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.LANDED, 2, 0)
    receipt = story.says("subject.tsv")
    first, second = receipt["chunks"]
    assert (first["state"], second["state"]) == ("answer lost, expired", "refused")
    assert EXISTS in second["message"]
    assert (receipt["verification"]["verified"], receipt["rejects"]) == (True, [])
    story.whole(*names(2), overlaps=True)


@pytest.mark.parametrize("same", [True, False], ids=["the same values", "other values"])
def test_somebody_elses_upload_overlaps(story: Story, *, same: bool) -> None:
    """The same records come from two sides at once: gen3sync's request loses the race for the keys and is told so."""
    hold = story.sandbox.faults.hold(Point.BEFORE_COMMIT, times=1, **PUT)
    species = "human" if same else "dog"
    records = [
        {"type": "subject", "submitter_id": name, "studies": {"submitter_id": "S1"}, "sex": sex, "species": species}
        for name, sex in zip(names(2), ("male", "female"), strict=True)
    ]
    other = threading.Thread(target=_upload, args=(story, records))
    other.start()
    hold.wait_reached()
    story.drop("subject.tsv", subjects(*persons(2)))
    with story.running() as days:
        days.until(lambda: len(story.puts()) == 2 and story.puts()[1].named, "both at work", pace=0.2)
        hold.release()
        [drop] = days.ended()
    other.join(60)
    assert (drop.verdict, drop.counts["rejected"]) == (Verdict.LANDED, 0)
    chunks = story.says("subject.tsv")["chunks"]
    assert (chunks[0]["state"], EXISTS in chunks[0]["message"]) == ("refused", True)
    assert {record["species"] for record in story.sandbox.records("DEV-test", "subject")} == {"human"}
    assert drop.counts["created"] == 0
    assert len(chunks) == (1 if same else 2)
    story.whole(*names(2), writes=1 if same else 2, overlaps=True)


def test_a_request_that_stands_in_the_servers_queue(story: Story) -> None:
    """Its answer is lost, and the log knows nothing of it: it was not begun. That is no proof that it never will be."""
    story.sandbox.add_project("DEV-other")
    study = {"type": "study", "submitter_id": "S9", "projects": {"code": "other"}}
    other = threading.Thread(target=_upload, args=(story, [study], "DEV/other"))
    faults = story.sandbox.faults
    hold = faults.hold(Point.BEFORE_COMMIT, times=1, path="/submission/DEV/other$")
    on_its_way = faults.hold(Point.RECEIVED, times=1, **PUT)
    faults.lose(Point.RECEIVED, how=504, **PUT)
    story.drop("subject.tsv", subjects(*persons(4)))
    with story.running() as days:
        days.until(lambda: on_its_way.fault.waiting, "the upload", pace=0.2)
        other.start()
        hold.wait_reached()
        faults.set(workers=1)  # and it is busy with somebody else's
        on_its_way.release()
        days.hears("not known whether a request with 4 rows landed", pace=0.2)
        days.passes(HORIZON / 2)
        looks = _looks(story)
        days.until(lambda: _looks(story) > looks + 1, "looks into the log", pace=0.2)
        assert [entry.project for entry in story.sandbox.transactions] == ["test", "other"]
        assert len(story.puts()) == 1
        hold.release()
        [drop] = days.ended()
    other.join(60)
    assert (drop.verdict, drop.counts["created"], len(story.puts())) == (Verdict.LANDED, 4, 1)
    assert [chunk["state"] for chunk in story.says("subject.tsv")["chunks"]] == ["answer lost, landed"]
    story.whole(*names(4))


def _upload(story: Story, records: list[dict[str, object]], project: str = "DEV/test") -> None:
    """Somebody else's PUT, over the wire."""
    connection = HTTPConnection("127.0.0.1", story.sandbox.port, timeout=120)
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"bearer {story.sandbox.access_token()}",
        "X-Document-Name": "somebody else's",
    }
    connection.request("PUT", f"/api/v0/submission/{project}", json.dumps(records), headers)
    assert connection.getresponse().status == 200
    connection.close()


def _looks(story: Story) -> int:
    return len([request for request in story.sandbox.requests if "graphql" in request.path])
