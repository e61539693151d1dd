"""How news is said."""

from __future__ import annotations

from dataclasses import replace

from gen3sync.config.choices import News
from gen3sync.notify.news import Notice
from gen3sync.notify.words import digest, message, trial
from gen3sync.status import DropStatus, EndedStatus
from tests.unit.test_status import NOW, at, example


def test_one_notice_is_its_own_message() -> None:
    said = message([Notice(News.PARKED, "a.tsv is parked: no way")], "lab on server")
    assert (said.title, said.body, said.good) == ("gen3sync lab on server: parked", "a.tsv is parked: no way", False)


def test_many_are_counted_in_the_title_and_listed_kind_by_kind() -> None:
    notices = [Notice(News.PARKED, f"{n}.tsv is parked") for n in range(3)]
    notices += [Notice(News.REJECTS, "x.tsv was refused"), Notice(News.DAEMON, "The commons answers again.", good=True)]
    said = message(notices, "lab")
    assert said.title == "gen3sync lab: refused rows, 3 parked, daemon well again"
    assert said.body.splitlines()[0] == "- x.tsv was refused"
    assert said.body.splitlines()[-1] == "- The commons answers again."
    assert not said.good


def test_a_bad_night_is_not_endless() -> None:
    said = message([Notice(News.REJECTS, f"{n}.tsv was refused") for n in range(300)], "lab")
    assert said.title == "gen3sync lab: 300 files with refused rows"
    assert len(said.body.splitlines()) == 21
    assert "and 280 more like these" in said.body


def test_no_message_is_longer_than_a_person_reads() -> None:
    said = message([Notice(kind, "x" * 1000) for kind in News if kind is not News.DIGEST for _ in range(20)], "lab")
    assert len(said.body) < 10_100
    assert said.body.endswith("`gen3sync status` and `history` tell it.")


def test_what_is_over_says_so() -> None:
    said = message([Notice(News.DAEMON, "The commons answers again.", good=True)], "lab")
    assert (said.title, said.good) == ("gen3sync lab: daemon well again", True)


def test_the_digest_sums_up_the_day() -> None:
    status = example()
    ended = EndedStatus(9, "b.tsv", "DEV/test", "partly", at(-1), {"rejected": 3}, rejects="/srv/b.tsv.rejects.tsv")
    parked = DropStatus(3, "c.tsv", "DEV/test", "parked", at(-9), "blank cells would erase stored values")
    outbox = replace(
        status.outbox, refused=(ended,), open=(parked,), open_total=1, states={"parked": 1}, today={"partly": 1}
    )
    guarded = replace(status.inbox.mirrors[0], node="sample", outcome="guarded", checked_at=at(-7200))
    status = replace(status, outbox=outbox, inbox=replace(status.inbox, mirrors=(*status.inbox.mirrors, guarded)))
    lines = digest(status, NOW, "lab").body.splitlines()
    assert lines == [
        "Files in the last 24 hours: 1 partly.",
        "- b.tsv partly, 3 rows refused: /srv/b.tsv.rejects.tsv",
        "On their way: 0. Parked: 1.",
        "- c.tsv: blank cells would erase stored values",
        "Mirrors: 2, each true within the last 2 h.",
        "- DEV/test sample: guarded, true 2 h ago",
        "The API key expires in 20 days.",
    ]


def test_the_trial_says_what_it_is() -> None:
    assert "test" in trial("lab").title
