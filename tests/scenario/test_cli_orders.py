"""What a person decides: erasing blanks, accepting a mirror that shrank, retrying. With a daemon and without."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from gen3sync.sandbox import Point
from gen3sync.sandbox.sandbox import Sandbox
from tests.scenario.lab import Lab, until
from tests.unit.cli.calling import Result

STUDIES = "type\tsubmitter_id\tprojects.code\ttitle\n" + "".join(f"study\tS{n}\ttest\tTitle {n}\n" for n in range(6))
BLANK = STUDIES.replace("Title 3", "")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    with Sandbox(projects=["DEV-test", "DEV-other"]) as sandbox:
        lab = Lab(tmp_path, sandbox)
        text = lab.config.read_text().replace('"experiment", "case", "sample", "aliquot"', '"study"')
        lab.config.write_text(text)
        yield lab


def title(lab: Lab) -> object:
    record = lab.sandbox.record("DEV-test", "study", "S3")
    assert record is not None
    return record["title"]


@pytest.fixture(params=["with a daemon", "without a daemon"])
def alive(request: pytest.FixtureRequest, lab: Lab) -> AbstractContextManager[object]:
    return lab.daemon() if request.param == "with a daemon" else nullcontext()


def push(lab: Lab, name: str, text: str) -> tuple[int, str]:
    path = lab.folder / name
    path.write_text(text)
    result = lab.call("push", path, "--to", "DEV/test")
    return result.code, result.out + result.err


def test_blanks_erase_only_when_a_person_says_so(lab: Lab, alive: AbstractContextManager[object]) -> None:
    with alive:
        assert push(lab, "study.tsv", STUDIES)[0] == 0
        code, said = push(lab, "blank.tsv", BLANK)
        assert code == 1
        assert "title" in said
        assert title(lab) == "Title 3"
        assert lab.call("retry").code == 1  # still nobody said so
        erased = lab.call("retry", "--erase", "blank.tsv")
        assert erased.code == 0, erased.out + erased.err
        assert title(lab) is None


def test_a_plan_shows_what_would_be_erased(lab: Lab) -> None:
    assert push(lab, "study.tsv", STUDIES)[0] == 0
    path = lab.folder / "blank.tsv"
    path.write_text(BLANK.replace("Title 4", "Another"))
    result = lab.call("plan", path, "--to", "DEV/test")
    assert result.code == 1
    assert '"Title 4" → "Another"' in result.out
    assert '"Title 3" → (erased)' in result.out
    assert "1 update" in result.out
    assert lab.call("push", path, "--to", "DEV/test", "--dry-run").out == result.out
    assert title(lab) == "Title 3"


def test_a_mirror_that_shrank_waits_for_a_person(lab: Lab, alive: AbstractContextManager[object]) -> None:
    mirror = lab.inbox / "study.tsv"
    assert push(lab, "study.tsv", STUDIES)[0] == 0
    assert lab.call("pull").code == 0
    assert len(mirror.read_text().splitlines()) == 7
    ids = [record["id"] for record in lab.sandbox.records("DEV-test", "study")][:5]
    lab.sandbox.delete("DEV-test", ids)
    with alive:
        pulled = lab.call("pull", "DEV/test/study.tsv")
        assert pulled.code == 1
        assert "guarded" in pulled.out
        assert len(mirror.read_text().splitlines()) == 7
        accepted = lab.call("pull", "--accept", "DEV/test/study.tsv")
        assert accepted.code == 0, accepted.out + accepted.err
        assert len(mirror.read_text().splitlines()) == 2
    assert lab.call("pull", "--accept").code == 64


def test_a_closed_project_opens_again_after_retry(lab: Lab, alive: AbstractContextManager[object]) -> None:
    lab.sandbox.set_project("DEV-test", state="closed")
    with alive:
        code, said = push(lab, "study.tsv", STUDIES)
        assert code == 1
        assert "closed" in said
        lab.sandbox.set_project("DEV-test", state="open")
        assert lab.call("retry").code == 0
        until(lambda: lab.sandbox.count("DEV-test", "study") == 6)


def test_a_retry_does_not_wait_for_a_parent_that_never_comes(lab: Lab, alive: AbstractContextManager[object]) -> None:
    with alive:
        lab.drop("child.tsv", "type\tsubmitter_id\tstudies.submitter_id\nsubject\tS\tNOPE\n")
        until(lambda: "waits for study NOPE" in lab.call("once").out + lab.call("history", "child.tsv").out)
        result = lab.call("retry")
        assert result.code == 1
        assert "waits for study NOPE" in result.out


def test_where_a_push_goes_must_be_plain(lab: Lab) -> None:
    path = lab.folder / "study.tsv"
    path.write_text(STUDIES)
    result = lab.call("push", path)
    assert result.code == 64
    assert "DEV/other, DEV/test" in result.err
    lab.sandbox.deny("DEV-other", "create")
    (lab.folder / "state/user.json").unlink(missing_ok=True)
    assert lab.call("push", path).code == 0


def test_files_of_one_name_are_told_apart_and_one_named_twice_is_one(
    lab: Lab, alive: AbstractContextManager[object]
) -> None:
    bad, good = (lab.folder / folder / "study.tsv" for folder in ("bad", "good"))
    for path, text in ((bad, STUDIES.splitlines()[0]), (good, STUDIES)):
        path.parent.mkdir()
        path.write_text(text)
    with alive:
        result = lab.call("push", bad, good, bad, "--to", "DEV/test", "--json")
        told = [(each["file"], each["verdict"]) for each in result.json]
        assert (result.code, told) == (1, [(str(bad), "rejected"), (str(good), "landed")]), result.err
        for path, each in zip((bad, good), result.json, strict=True):
            receipt = json.loads(Path(each["receipt"]).read_bytes())
            assert (receipt["verdict"], receipt["bytes"]) == (each["verdict"], path.stat().st_size)


def test_pushed_names_never_write_over_what_waits(lab: Lab) -> None:
    lab.drop("study.tsv", STUDIES.replace("Title", "Waiting"))
    lab.sandbox.set_project("DEV-test", state="closed")
    with lab.daemon():
        code, _ = push(lab, "study.tsv", STUDIES)
        assert code == 1
        names = sorted(path.name for path in lab.outbox.iterdir() if not path.name.startswith("."))
        assert names == ["study-2.tsv", "study.tsv"]
        assert "Waiting" in (lab.outbox / "study.tsv").read_text()


def test_a_pass_removes_what_is_older_than_is_kept(lab: Lab) -> None:
    lab.config.write_text(lab.config.read_text().replace("[outbox]\n", '[outbox]\nkeep = "1ms"\n'))
    old = lab.folder / "sent/DEV/test/old.tsv"
    old.parent.mkdir(parents=True)
    old.write_text("x")
    lab.drop("study.tsv", STUDIES)
    assert lab.call("once").code == 0
    assert not old.exists()
    assert lab.call("history", "study.tsv").out.rstrip().endswith("study.tsv.receipt.json (no longer there)")


def test_a_push_whose_time_is_up_is_not_through(lab: Lab, alive: AbstractContextManager[object]) -> None:
    path = lab.folder / "study.tsv"
    path.write_text(STUDIES)
    with alive, lab.sandbox.faults.hold(Point.RECEIVED, method="PUT"):
        result = lab.call("push", path, "--to", "DEV/test", "--timeout", "0")
        assert (result.code, "not through" in result.out + result.err) == (75, True), result.out + result.err


def test_a_project_that_may_not_be_written_takes_no_copy(lab: Lab, alive: AbstractContextManager[object]) -> None:
    lab.sandbox.deny("DEV-test", "update")
    with alive:
        code, said = push(lab, "study.tsv", STUDIES)
        assert code == 77
        assert "lacks the right to update on DEV/test. Ask the commons' staff for it." in said
        assert not list(lab.outbox.glob("study*"))


@pytest.mark.parametrize(("mapping", "code"), [(200, 77), (503, 0)])
def test_a_key_without_any_right_takes_no_copy(
    lab: Lab, alive: AbstractContextManager[object], mapping: int, code: int
) -> None:
    """An empty map may mean that the authorisation service is down; its own empty answer means no right."""
    stranger = json.dumps({"username": "stranger@example.org", "authz": {}})
    json_type = "application/json"
    lab.sandbox.faults.answer(200, times=None, path="^/user/user$", body=stranger, content_type=json_type)
    lab.sandbox.faults.answer(mapping, times=None, path="^/authz/mapping$", body="{}", content_type=json_type)
    with alive:
        found, said = push(lab, "study.tsv", STUDIES)
    assert found == code, said
    if code:
        assert "stranger@example.org lacks the right to create and update on DEV/test." in said
        assert not list(lab.outbox.glob("study*"))


def test_a_pushed_file_that_is_parked_is_withdrawn(lab: Lab, alive: AbstractContextManager[object]) -> None:
    with alive:
        assert push(lab, "study.tsv", STUDIES)[0] == 0
        assert push(lab, "blank.tsv", BLANK)[0] == 1
        said = lab.call("withdraw", "blank.tsv")
        assert (said.code, said.out[:9]) == (0, "withdrawn"), said.out + said.err
        assert "Nothing of it was sent." in said.out
        assert "receipt: " in said.out
        again = lab.call("withdraw", "blank.tsv")
        assert (again.code, "has ended already: withdrawn" in again.err) == (64, True)
        assert "Its receipt says what became of its rows." in again.err
        assert lab.call("withdraw", "nosuch.tsv").code == 66
    receipt = lab.receipt("blank.tsv")
    assert receipt is not None
    assert receipt["verdict"] == "withdrawn"
    assert "withdrawn: Somebody asked to withdraw it." in lab.call("history", "blank.tsv").out
    assert title(lab) == "Title 3"


def test_what_is_dealt_with_without_a_daemon_is_so_in_status(lab: Lab) -> None:
    assert push(lab, "study.tsv", STUDIES)[0] == 0
    assert lab.call("status").code == 2  # nobody has said a word that could be wrong now
    head = STUDIES.splitlines(keepends=True)[0]
    lab.drop("blank.tsv", head + "study\tS3\ttest\t\n")
    lab.drop("lost.tsv", head + "study\tS4\ttest\t\n")
    assert lab.call("once").code == 1
    before = lab.status()
    assert before is not None
    assert "2 drops parked" in lab.call("status").out
    assert lab.call("retry", "--erase", "blank.tsv").code == 0
    assert "1 drop parked" in lab.call("status").out
    assert lab.call("withdraw", "lost.tsv").code == 0
    told = lab.call("status")
    assert told.code == 0, told.out
    after = lab.status()
    assert after is not None
    assert (after.written_at, after.daemon) == (before.written_at, before.daemon)  # it was no pass
    assert (after.commons, after.key.user) == (before.commons, before.key.user)
    ids = [record["id"] for record in lab.sandbox.records("DEV-test", "study")][:5]
    lab.sandbox.delete("DEV-test", ids)
    assert lab.call("pull", "DEV/test/study.tsv").code == 1
    assert "1 mirror guarded" in lab.call("status").out


def test_a_daemon_that_ended_stays_ended_in_status(lab: Lab) -> None:
    with lab.daemon():
        pass
    path = lab.folder / "study.tsv"
    path.write_text(STUDIES)
    assert lab.call("push", path, "--to", "DEV/test").code == 0
    told = lab.call("status")
    assert told.code == 2
    assert "the daemon was stopped" in told.out.lower()
    assert "study.tsv" in told.out


def test_withdrawing_as_data(lab: Lab) -> None:
    lab.sandbox.set_project("DEV-test", state="closed")
    assert push(lab, "study.tsv", STUDIES)[0] == 1
    [drop] = lab.call("withdraw", "study.tsv", "--json").json
    assert (drop["verdict"], drop["counts"]["withdrawn"], drop["source"]) == ("withdrawn", 6, "push")


def test_a_retry_does_not_wait_for_what_became_of_a_lost_answer(
    lab: Lab, alive: AbstractContextManager[object]
) -> None:
    """It takes a look, says what is awaited and how long at most, and returns."""
    lab.config.write_text(lab.config.read_text().replace("[outbox]", 'horizon = "1h"\n[outbox]', 1))
    lab.sandbox.faults.lose(Point.STARTED, how="reset", method="PUT")
    with lab.sandbox.faults.hold(Point.BEFORE_COMMIT, method="PUT"), alive:
        lab.drop("study.tsv", STUDIES)
        until(lambda: "nobody knows yet" in lab.call("once").out + lab.call("history", "study.tsv").out)
        looks = sum("graphql" in request.path for request in lab.sandbox.requests)

        def looked() -> Result | None:
            """What it says when it came to look: on a slow machine a second may be too short for that."""
            said = lab.call("retry")
            return said if sum("graphql" in request.path for request in lab.sandbox.requests) > looks else None

        result = until(looked)
        assert result.code == 1
        assert "no answer came for 6 rows, so nobody knows yet whether they landed" in result.out
        assert "Known at the latest at" in result.out


def test_a_plan_that_cannot_see_says_so(lab: Lab) -> None:
    lab.sandbox.deny("DEV-test", "read")
    path = lab.folder / "study.tsv"
    path.write_text(STUDIES)
    result = lab.call("plan", path, "--to", "DEV/test")
    assert "study.tsv for DEV/test: 6 to send" in result.out, result.out + result.err
    assert "nobody can tell which records are new" in result.out
    assert "line 2: to send study S0" in result.out
    refused = lab.call("export", "DEV/test", "--node", "study")
    assert refused.code == 77
    assert "lacks the right to read on DEV/test" in refused.err


def test_one_pass_says_why_a_drop_waits(lab: Lab) -> None:
    lab.sandbox.deny("DEV-test", "create", "update")
    lab.drop("study.tsv", STUDIES)
    said = lab.call("once").out
    assert "lacks the right to create and update on DEV/test" in said
    assert "0 mirrors" not in said


def test_a_push_does_not_wait_for_a_parent_that_nobody_has_dropped(
    lab: Lab, alive: AbstractContextManager[object]
) -> None:
    with alive:
        code, said = push(lab, "child.tsv", "type\tsubmitter_id\tstudies.submitter_id\nsubject\tS\tNOPE\n")
        assert code == 1
        assert said.startswith("waiting")
        assert "1 row waits for study NOPE." in said
