"""Where trying ends: rows that break the commons each time, proofs that cannot be read, blanks that may not be sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gen3sync.commons.client import CommonsClient
from gen3sync.commons.replies import Broken, BrokenCause, SubmitReply
from gen3sync.ledger import Verdict
from gen3sync.outbox import proofs
from gen3sync.outbox.planning import MOST_FAILED, MOST_LOST
from gen3sync.outbox.proofs import MOST_UNREAD
from gen3sync.sandbox import Sandbox
from gen3sync.sandbox.store import Record
from gen3sync.sandbox.upload import InternalError
from tests.scenario.outbox_bench import table
from tests.scenario.submission_faults.kit import HORIZON, Story, names, persons, subjects

POISON = "poison"


class Poisoned:
    """A commons that breaks off whenever a certain row is sent; nothing of such a request is stored."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, reply: Broken) -> None:
        self.struck: list[int] = []
        """Rows in each request that broke."""
        honest = CommonsClient.submit

        def submit(client: CommonsClient, project: Any, body: bytes, **more: Any) -> SubmitReply:
            if POISON.encode() not in body:
                return honest(client, project, body, **more)
            self.struck.append(body.count(b"\n") - 1)
            return reply

        monkeypatch.setattr(CommonsClient, "submit", submit)


BROKE_OFF = Broken("The connection ended.", BrokenCause.RESET, may_have_landed=True)


def test_a_row_that_makes_the_commons_break_off_is_refused_in_the_end(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not while nothing else lands: then it may be the commons."""
    poisoned = Poisoned(monkeypatch, BROKE_OFF)
    story = Story(tmp_path, sandbox)
    story.drop("subject.tsv", subjects(f"P7 S1 male {POISON}"))
    with story.running() as days:
        days.until(lambda: len(poisoned.struck) > MOST_LOST + 1, "several tries of the lone row")
        assert days.ended(0) == []
        story.drop("other.tsv", subjects("P9 S1 male human"))
        drops = {drop.path.rpartition("/")[2]: drop for drop in days.ended(2)}
    assert (drops["other.tsv"].verdict, drops["subject.tsv"].verdict) == (Verdict.LANDED, Verdict.REJECTED)
    [bad] = story.rejects("subject.tsv", "rejected")
    assert (bad["submitter_id"], bad["_error_type"]) == ("P7", "NO_ANSWER")
    assert "broke off" in bad["_errors"]
    story.whole("P9")


def test_its_neighbours_land(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests that are lost are halved, so in the end it stands alone."""
    Poisoned(monkeypatch, BROKE_OFF)
    story = Story(tmp_path, sandbox, options="chunk_rows = 8\nparallel = 1")
    story.drop("subject.tsv", subjects(*persons(7), f"P7 S1 male {POISON}"))
    with story.running() as days:
        days.until(lambda: story.subjects() == list(names(7)), "its neighbours")
        story.drop("other.tsv", subjects("P9 S1 male human"))
        days.ended(2)
    receipt = story.says("subject.tsv")
    assert (receipt["verdict"], receipt["rows"]["created"], receipt["rows"]["rejected"]) == ("partly", 7, 1)
    assert [bad["submitter_id"] for bad in story.rejects("subject.tsv")] == ["P7"]
    story.whole(*names(7), "P9")


def test_a_row_on_which_the_commons_always_fails_is_refused_in_the_end(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It answered that it failed, each time: that is enough even where nothing else was sent meanwhile."""
    failed = Broken("The commons answered 500.", BrokenCause.STATUS, 500, may_have_landed=True)
    poisoned = Poisoned(monkeypatch, failed)
    story = Story(tmp_path, sandbox)
    story.drop("subject.tsv", subjects(f"P7 S1 male {POISON}"))
    with story.running() as days:
        started = story.time.monotonic()
        [drop] = days.ended()
        assert story.time.monotonic() - started >= (MOST_FAILED - 1) * HORIZON
    assert (drop.verdict, poisoned.struck) == (Verdict.REJECTED, [1] * MOST_FAILED)
    assert story.rejects("subject.tsv", "rejected")[0]["_error_type"] == "NO_ANSWER"
    story.whole()


def test_proofs_that_can_never_be_read_are_done_without(tmp_path: Path, sandbox: Sandbox) -> None:
    """Planned again (and, as all is to be sent, sent again) a few times; then accepted, and said so."""
    story = Story(tmp_path, sandbox, options='send = "all"')
    sandbox.faults.answer(502, times=None, method="POST", path="/test/export")
    story.drop("subject.tsv", subjects(*persons(3)))
    [drop] = story.goes()
    assert drop.verdict is Verdict.UNVERIFIED
    verification = story.says("subject.tsv")["verification"]
    assert (verification["verified"], verification["rows_accepted_unverified"]) == (False, 3)
    assert "502" in verification["why_not"]
    assert len(story.puts()) == MOST_UNREAD + 1
    story.whole(*names(3), writes=MOST_UNREAD + 1)


def test_blanks_are_kept_where_a_property_is_required(tmp_path: Path, sandbox: Sandbox) -> None:
    """`blanks = "keep"` leaves blank cells out; a required one can be neither blank nor left out, so what is stored is
    sent with it."""
    story = Story(tmp_path, sandbox, options='blanks = "keep"')
    sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}}])
    visit = {"type": "visit", "submitter_id": "V0", "subjects": {"submitter_id": "P0"}, "visit_number": 1}
    test = {"type": "lab_test", "submitter_id": "L0", "visits": [{"submitter_id": "V0"}]}
    sandbox.write("DEV-test", [visit])
    sandbox.write("DEV-test", [{**test, "test_name": "glucose", "unit": "mmol/l", "value": 1.5}])
    columns = "type submitter_id visits.submitter_id test_name unit value"
    story.drop("lab.tsv", table(columns, "lab_test L0 V0 . . 2.5"))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["updated"]) == (Verdict.LANDED, 1)
    stored = sandbox.record("DEV-test", "lab_test", "L0")
    assert stored is not None
    assert (stored["test_name"], stored["unit"], stored["value"]) == ("glucose", "mmol/l", 2.5)
    assert story.says("lab.tsv")["erased"] == {}


def poisoned(sandbox: Sandbox, *poison: str) -> None:
    """The commons fails on these subjects, and cannot say on which."""
    store = sandbox.commons.store
    known = store.find

    def find(project_id: str, node: str, submitter_id: str) -> Record | None:
        if node == "subject" and submitter_id in poison:
            raise InternalError
        return known(project_id, node, submitter_id)

    store.find = find  # type: ignore[method-assign]


def test_rows_that_the_commons_fails_on_are_found_in_a_file_of_any_length(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many requests pass as fail: all the good rows land, and no other is refused."""
    monkeypatch.setattr(proofs, "MOST_FAILURES", 12)
    story = Story(tmp_path, sandbox, options="chunk_rows = 40\nparallel = 1")
    bad = [f"P{i}" for i in range(39, 400, 40)]
    poisoned(sandbox, *bad)
    story.drop("subject.tsv", subjects(*persons(400)))
    [drop] = story.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts["rejected"]) == (Verdict.PARTLY, 390, 10)
    assert [row["submitter_id"] for row in story.rejects("subject.tsv")] == bad
    assert {row["_error_type"] for row in story.rejects("subject.tsv")} == {"ERROR"}
    refused = [request for request in story.puts() if request.status != 200]
    assert len(refused) > 3 * proofs.MOST_FAILURES
    story.whole(*(name for name in names(400) if name not in bad))


def test_halving_ends_where_nothing_passes(tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody could find out is told as that; the good rows of the file land, and those in bad company are handed
    back: dropped again, they land."""
    monkeypatch.setattr(proofs, "MOST_FAILURES", 12)
    story = Story(tmp_path, sandbox, options="chunk_rows = 40\nparallel = 1")
    bad = {f"P{i}" for i in range(200) if i % 2}
    poisoned(sandbox, *bad)
    story.drop("subject.tsv", subjects(*persons(200), *persons(100, first=200)))
    [drop] = story.goes()
    refused = story.rejects("subject.tsv")
    assert drop.verdict is Verdict.PARTLY
    assert len([request for request in story.puts() if request.status != 200]) < 60
    back = {row["submitter_id"] for row in refused}
    assert back | set(story.subjects()) == set(names(300)), "no row is lost"
    assert not back & set(story.subjects()), "no row that is stored is said to be refused"
    assert not back & set(names(50, first=250)), "what came after goes on"
    assert bad <= back
    undecided = [row for row in refused if row["_error_type"] == "UNDECIDED"]
    assert {row["submitter_id"] for row in undecided} >= set(names(200)) & back - bad
    assert "on it, or on a row that went with it, and too many requests failed" in undecided[0]["_errors"]
    assert "Internal server error" in undecided[0]["_errors"]
    assert "Drop these rows again, in smaller files or later." in undecided[0]["_errors"]
    sandbox.commons.store.__dict__.pop("find")  # the operators have mended it
    text = (story.folder / "sent/DEV/test/subject.tsv.rejects.tsv").read_text()
    story.drop("subject.tsv", text)
    assert story.goes(2)[1].verdict is Verdict.LANDED
    story.whole(*names(300))
