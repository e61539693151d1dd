"""Keys, tokens, clocks, permissions, projects, GraphQL (docs/reference/submission-faults.md, "Access")."""

from __future__ import annotations

from pathlib import Path

import pytest

from gen3sync.ledger import Verdict
from gen3sync.names import Project
from gen3sync.sandbox import Point, Sandbox
from tests.scenario.submission_faults.kit import PUT, Story, names, persons, subjects


@pytest.fixture
def single(tmp_path: Path, sandbox: Sandbox) -> Story:
    """Requests of four rows, one after the other."""
    return Story(tmp_path, sandbox, options="chunk_rows = 4\nparallel = 1")


def test_the_token_ends_between_two_requests(single: Story) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(12)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        single.sandbox.set_clock_offset(7200)  # to the commons, the token in use is two hours old
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 12)
    assert {chunk["state"] for chunk in single.says("subject.tsv")["chunks"]} == {"landed"}
    assert 401 in {request.status for request in single.sandbox.requests}
    single.whole(*names(12))


def test_the_key_is_revoked_and_a_new_one_laid_down(single: Story, caplog: pytest.LogCaptureFixture) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(12)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        single.sandbox.revoke_key()
        single.sandbox.set_clock_offset(7200)
        hold.release()
        days.until(lambda: "does not accept the API key: it was revoked" in caplog.text, "a word about the key")
        days.passes(3600)
        assert single.sandbox.count("DEV-test", "subject") == 4
        single.sandbox.write_api_key(single.folder / "key.json")
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 12)
    single.whole(*names(12))


def test_the_key_has_expired(single: Story, caplog: pytest.LogCaptureFixture) -> None:
    single.sandbox.write_api_key(single.folder / "key.json", lifetime=-60)
    with single.running() as days:
        single.drop("subject.tsv", subjects(*persons(4)))
        days.until(lambda: "expired on" in caplog.text, "a word about the key")
        single.sandbox.write_api_key(single.folder / "key.json")
        [drop] = days.ended()
    assert (drop.verdict, len(single.puts())) == (Verdict.LANDED, 1)
    single.whole(*names(4))


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_clock_an_hour_off(single: Story, seconds: int) -> None:
    """Ours or theirs: only the difference can be seen."""
    single.sandbox.set_clock_offset(seconds)
    single.drop("subject.tsv", subjects(*persons(8)))
    [drop] = single.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 8)
    assert single.says("subject.tsv")["verification"]["verified"] is True
    single.whole(*names(8))


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_our_clock_is_set_while_a_request_is_lost(single: Story, seconds: int) -> None:
    """NTP or an administrator sets the machine's clock: the horizon is not passed by it, nor is it never reached."""
    with single.sandbox.faults.hold(Point.BEFORE_COMMIT, **PUT) as hold, single.running() as days:
        single.sandbox.faults.lose(Point.STARTED, how=504, **PUT)
        single.drop("subject.tsv", subjects(*persons(4)))
        days.hears("not known whether", pace=0.2)
        single.time.jump(seconds)
        single.time.advance(30)
        looks = len([r for r in single.sandbox.requests if "graphql" in r.path])
        days.until(
            lambda: len([r for r in single.sandbox.requests if "graphql" in r.path]) > looks + 2, "looks", pace=0.2
        )
        assert len(single.puts()) == 1
        hold.release()
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"], len(single.puts())) == (Verdict.LANDED, 4, 1)
    single.whole(*names(4))


def test_a_closed_project_is_parked_and_goes_on_when_it_is_open(single: Story) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(12)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        single.sandbox.set_project("DEV-test", state="closed")
        hold.release()
        assert "Project is in state 'closed'" in days.parked_project()
        single.sandbox.set_project("DEV-test", state="open")
        [drop] = days.ended()
        assert days.ledger.projects.all() == ()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 12)
    assert any("DEV/test is parked" in text for text in single.events())
    single.whole(*names(12))


def test_retry_looks_at_a_closed_project_at_once(single: Story) -> None:
    single.sandbox.set_project("DEV-test", state="review")
    single.drop("subject.tsv", subjects(*persons(4)))
    with single.running() as days:
        assert "Project is in state 'review'" in days.parked_project()
        single.sandbox.set_project("DEV-test", state="open")
        days.outbox.retry(Project("DEV", "test"))
        [drop] = days.ended(pace=0.1)
    assert drop.verdict is Verdict.LANDED
    single.whole(*names(4))


def test_permission_lost_in_the_middle_of_a_file(single: Story) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(12)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        single.sandbox.deny("DEV-test", "create", "update")
        hold.release()
        assert "don't have access" in days.parked_project()
        assert single.sandbox.count("DEV-test", "subject") == 4
        single.sandbox.allow("DEV-test")
        [drop] = days.ended()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.LANDED, 12)
    single.whole(*names(12))


def test_all_permissions_lost_in_the_middle_of_a_file(single: Story) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(12)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        single.sandbox.deny("DEV-test")
        hold.release()
        days.until(lambda: days.ledger.projects.all(), "a parked project")
        single.sandbox.allow("DEV-test")
        [drop] = days.ended()
    assert drop.counts["created"] == 12
    assert drop.verdict in (Verdict.LANDED, Verdict.UNVERIFIED)
    single.whole(*names(12))


def test_one_parked_project_does_not_hold_up_another(tmp_path: Path) -> None:
    with Sandbox(projects=("DEV-test", "DEV-other")) as sandbox:
        story = Story(tmp_path, sandbox)
        sandbox.set_project("DEV-test", state="closed")
        story.drop("subject.tsv", subjects(*persons(2)))
        study = "type\tsubmitter_id\tprojects.code\nstudy\tS9\tother\n"
        story.drop("study.tsv", study, project="DEV/other")
        with story.running() as days:
            [drop] = days.ended()
            assert (drop.path, drop.verdict) == ("DEV/other/study.tsv", Verdict.LANDED)
            days.parked_project()
        assert sandbox.count("DEV-other", "study") == 1
        story.whole(left=1)


def test_an_unknown_project_is_parked_with_a_guess(single: Story) -> None:
    single.drop("subject.tsv", subjects(*persons(2)), project="DEV/tset")
    with single.running() as days:
        reason = days.parked().reason
        assert "no project DEV/tset" in reason
        assert "Did you mean DEV/test?" in reason
        single.sandbox.add_project("DEV-tset")
        single.sandbox.write("DEV-tset", [{"type": "study", "submitter_id": "S1", "projects": {"code": "tset"}}])
        [drop] = days.ended()
    assert drop.verdict is Verdict.LANDED
    assert single.sandbox.count("DEV-tset", "subject") == 2
    single.whole()


def test_a_project_that_is_deleted_meanwhile(single: Story) -> None:
    with single.sandbox.faults.hold(Point.AFTER_LOG, **PUT) as hold, single.running() as days:
        single.drop("subject.tsv", subjects(*persons(8)))
        days.until(lambda: hold.fault.waiting, "the first upload", pace=0.2)
        single.sandbox.remove_project("DEV-test")
        hold.release()
        drop = days.parked()
        assert drop.reason
        assert days.ended(0) == []
    single.whole(left=1)


def test_a_file_in_no_projects_folder(single: Story) -> None:
    single.dropped.clear()
    (single.outbox / "lost.tsv").write_text(subjects(*persons(2)))
    with single.running() as days:
        reason = days.parked().reason
        assert "lies in no project's folder" in reason
        target = single.drop("lost.tsv", subjects(*persons(2)))
        (single.outbox / "lost.tsv").unlink()
        days.ended(2)
        assert not target.exists()
    single.whole(*names(2))


@pytest.mark.parametrize("mode", ["missing", "error", "denied"])
def test_no_graphql(single: Story, mode: str) -> None:
    single.sandbox.faults.set(graphql=mode)
    single.drop("subject.tsv", subjects(*persons(8)))
    single.goes()
    verification = single.says("subject.tsv")["verification"]
    assert (verification["verified"], verification["method"]) == (True, "values")
    assert verification["why_not"]
    single.drop("subject.tsv", subjects(*persons(7), "P7 S1 other human"))
    drop = single.goes(2)[1]
    assert (drop.verdict, drop.counts["unchanged"], drop.counts["updated"]) == (Verdict.LANDED, 7, 1)
    single.whole(*names(8), writes=2)


def test_no_graphql_and_a_lost_answer(single: Story) -> None:
    single.sandbox.faults.set(graphql="missing")
    single.sandbox.faults.lose(Point.AFTER_LOG, **PUT)
    single.drop("subject.tsv", subjects(*persons(4)))
    [drop] = single.goes(stored=4)
    assert (drop.verdict, drop.counts["created"], len(single.puts())) == (Verdict.LANDED, 4, 1)
    assert [chunk["state"] for chunk in single.says("subject.tsv")["chunks"]] == ["answer lost, expired"]
    single.whole(*names(4))


def test_no_read_permission_is_not_green(single: Story) -> None:
    single.sandbox.deny("DEV-test", "read")
    single.drop("subject.tsv", subjects(*persons(8)))
    [drop] = single.goes()
    assert (drop.verdict, drop.reason.startswith("accepted, unverified")) == (Verdict.UNVERIFIED, True)
    verification = single.says("subject.tsv")["verification"]
    assert (verification["verified"], verification["rows_accepted_unverified"]) == (False, 8)
    assert verification["why_not"]
    single.sandbox.allow("DEV-test")
    single.whole(*names(8))


def test_graphql_shows_what_exports_may_not(single: Story) -> None:
    """A project open to all is seen through GraphQL by every token; that is no right to read it."""
    single.sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P9", "studies": {"submitter_id": "S1"}}])
    single.sandbox.set_project("DEV-test", availability_type="Open")
    single.sandbox.deny("DEV-test", "read")
    single.drop("subject.tsv", subjects(*persons(4)))
    [drop] = single.goes()
    assert (drop.verdict, drop.counts["created"]) == (Verdict.UNVERIFIED, 4)
    assert "may not read DEV/test" in single.says("subject.tsv")["verification"]["why_not"]
    with single.running() as days:
        single.drop("blank.tsv", subjects("P9 S1 male ."))
        assert "blank cells" in days.parked().reason
        days.outbox.withdraw("blank.tsv")
        days.ended(2)
    single.sandbox.allow("DEV-test")
    single.whole(*names(4), "P9")


def test_a_plan_for_a_project_that_only_graphql_shows(single: Story) -> None:
    """Nothing of it could be proven, so nothing is said to be known."""
    single.sandbox.set_project("DEV-test", availability_type="Open")
    single.sandbox.deny("DEV-test", "read")
    path = single.folder / "subject.tsv"
    path.write_text(subjects(*persons(4)))
    with single.opened() as (outbox, _):
        plan = outbox.plan_file(path, Project("DEV", "test"))
    assert (plan.sight.value, plan.counts) == ("blind", {"update": 4})


def test_no_read_permission_and_blank_cells(single: Story) -> None:
    """Where nothing can be read, any blank may erase something: a person decides."""
    single.sandbox.deny("DEV-test", "read")
    single.drop("subject.tsv", subjects("P0 S1 male ."))
    with single.running() as days:
        reason = days.parked().reason
        assert "blank cells" in reason
        assert "gen3sync retry --erase" in reason
        days.outbox.retry("subject.tsv", erase=True)
        [drop] = days.ended()
    assert drop.verdict is Verdict.UNVERIFIED
    single.whole("P0")


def test_no_read_permission_and_a_lost_answer(single: Story) -> None:
    """What became of it cannot be known: the rows go again after the horizon, and a PUT of the same is the same."""
    single.sandbox.deny("DEV-test", "read")
    single.sandbox.faults.lose(Point.AFTER_LOG, **PUT)
    single.drop("subject.tsv", subjects(*persons(4)))
    [drop] = single.goes()
    assert drop.verdict is Verdict.UNVERIFIED
    receipt = single.says("subject.tsv")
    assert [chunk["state"] for chunk in receipt["chunks"]] == ["answer lost, expired", "landed"]
    # The second request updated them; whether the first had created them, nobody could see.
    assert (receipt["rows"]["created"], receipt["rows"]["updated"], receipt["rows"]["written"]) == (0, 0, 4)
    assert receipt["reason"].startswith("accepted, unverified: 4 written.")
    [cannot] = receipt["undo"]["cannot"]
    assert cannot.startswith("Of 4 records nobody knows whether they were there before")
    single.whole(*names(4), writes=2)


def test_no_read_permission_and_a_lost_answer_to_a_request_that_did_nothing(single: Story) -> None:
    """What the next request created was not there before."""
    single.sandbox.deny("DEV-test", "read")
    single.sandbox.faults.kill(Point.STARTED, **PUT)
    single.drop("subject.tsv", subjects(*persons(4)))
    [drop] = single.goes()
    assert (drop.verdict, drop.counts["created"], drop.counts.get("written", 0)) == (Verdict.UNVERIFIED, 4, 0)
    assert single.says("subject.tsv")["undo"]["cannot"] == ["4 new records stay: a PUT cannot delete."]
    single.whole(*names(4))


@pytest.mark.parametrize("restart", [False, True], ids=["one life", "restart"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
def test_the_right_to_read_comes_back_after_a_lost_answer(single: Story, told: bool, restart: bool) -> None:
    """Whether unseen records were created or updated is what the answer says; the commons' log keeps it, mostly."""
    sandbox = single.sandbox
    sandbox.write("DEV-test", [{"type": "subject", "submitter_id": "P0", "studies": {"submitter_id": "S1"}}])
    sandbox.deny("DEV-test", "read")
    sandbox.faults.lose(Point.AFTER_LOG, **PUT)
    single.drop("subject.tsv", subjects(*persons(4)))
    with single.running() as days:
        days.hears("not known whether", pace=0.2)
        if not restart:
            can_read_again(single, told)
            days.outbox.retry(Project("DEV", "test"))
            days.ended(pace=0.2)
    if restart:
        can_read_again(single, told)
        with single.running() as days:
            days.ended(pace=0.2)
    receipt = single.says("subject.tsv")
    assert (receipt["verdict"], receipt["verification"]["rows_proven"]) == ("landed", 4)
    assert [chunk["state"] for chunk in receipt["chunks"]] == ["answer lost, landed"]
    rows = {word: number for word, number in receipt["rows"].items() if number and word != "read"}
    if told:
        assert rows == {"created": 3, "updated": 1}
        assert receipt["undo"]["cannot"] == [
            "3 new records stay: a PUT cannot delete.",
            "1 record was there before, but the values could not be seen.",
        ]
    else:
        assert rows == {"written": 4}
        [cannot] = receipt["undo"]["cannot"]
        assert cannot.startswith("Of 4 records nobody knows whether they were there before")
    single.whole(*names(4), writes=2)


def can_read_again(story: Story, told: bool) -> None:
    """The right to read is back; unless `told`, the log has lost what was answered."""
    if not told:
        for entry in story.sandbox.transactions:
            for document in entry.documents:
                document.response = None
    story.sandbox.allow("DEV-test")
