"""What is news: told once when it begins, once when it is over, and never twice after a restart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from gen3sync.config.choices import News
from gen3sync.ledger import Event, EventLevel
from gen3sync.notify.news import Notice, Seen, news
from gen3sync.status import DropStatus, EndedStatus, ParkedStatus, RefusalStatus, Status
from tests.unit.test_status import NOW, at, example


def event(kind: str, text: str, drop: int | None = None, level: EventLevel = EventLevel.WARNING) -> Event:
    return Event(1, NOW, level, kind, drop, None, text)


class Reader:
    """Hears one status after the other, and is restarted between any two."""

    def __init__(self, seen: Seen | None = None) -> None:
        self.seen = seen or Seen()

    def __call__(self, status: Status, *events: Event, now: datetime = NOW) -> list[Notice]:
        kept = Seen.from_json(json.loads(json.dumps(self.seen.to_json())))
        found, self.seen = news(kept, status, events, now)
        again, same = news(self.seen, status, (), now)
        assert (again, same) == ((), self.seen), "the same status twice is no news"
        return list(found)


def parked(*drops: DropStatus) -> Status:
    status = example()
    return replace(status, outbox=replace(status.outbox, open=drops, open_total=len(drops)))


def waiting(number: int, reason: str, state: str = "parked") -> DropStatus:
    return DropStatus(number, f"DEV/test/{number}.tsv", "DEV/test", state, at(-60), reason)


def test_what_is_well_is_no_news() -> None:
    assert Reader()(example()) == []


def test_a_parked_drop_is_told_once_however_often_it_is_looked_at() -> None:
    hear, reason = Reader(), "the project DEV/test is not there; looked at 3 times"
    told = hear(parked(waiting(3, reason)), event("parked", f"DEV/test/3.tsv: parked: {reason}", 3))
    assert [notice.text for notice in told] == [f"DEV/test/3.tsv is parked: {reason}"]
    assert hear(parked(waiting(3, "", "planning"))) == []
    again = reason.replace("3 times", "4 times")
    assert hear(parked(waiting(3, again)), event("parked", f"DEV/test/3.tsv: parked: {again}", 3)) == []
    other = "blank cells would erase stored values in 4 rows"
    assert len(hear(parked(waiting(3, other)))) == 1


def test_a_drop_that_ended_may_be_parked_again_under_its_name() -> None:
    hear = Reader()
    assert len(hear(parked(waiting(3, "no way")))) == 1
    assert [n.text for n in hear(parked(), event("superseded", "3.tsv", 3, EventLevel.INFO))] == [""]
    assert hear.seen.parked == {}
    assert len(hear(parked(waiting(4, "no way")))) == 1


def test_parked_drops_beyond_the_first_hundred_are_told_from_history() -> None:
    hear = Reader()
    crowd = parked(*(waiting(number, "no way") for number in range(100)))
    crowd = replace(crowd, outbox=replace(crowd.outbox, open_total=101))
    assert len(hear(crowd, event("parked", "DEV/test/500.tsv: parked: no way", 500))) == 101
    assert hear(crowd, event("parked", "DEV/test/500.tsv: parked: no way", 500)) == []


def test_refused_rows_are_told_with_columns_and_the_file_but_no_cell() -> None:
    status = example()
    ended = EndedStatus(9, "a.tsv", "DEV/test", "partly", at(-1), {"read": 421, "created": 9, "rejected": 412})
    ended = replace(
        ended,
        refusals=(RefusalStatus(412, "'Jane Doe' is not one of 'Male'", "sex"),),
        rejects="/srv/a.tsv.rejects.tsv",
    )
    status = replace(status, outbox=replace(status.outbox, refused=(ended,)))
    (notice,) = Reader()(status, event("partly", "a.tsv landed in part: 412 rows: 'Jane Doe' is not one of 'Male'", 9))
    assert notice.news is News.REJECTS
    assert notice.text == (
        "a.tsv landed in part: 9 created, 412 rejected. Columns with errors (rows): sex (412). "
        "The rows and their reasons: /srv/a.tsv.rejects.tsv"
    )


def test_landed_drops_are_no_news() -> None:
    assert Reader()(example(), event("landed", "a.tsv landed: 30 created", 8, EventLevel.INFO)) == []


def test_projects_are_told_when_they_close_and_when_they_open() -> None:
    hear, status = Reader(), example()
    closed = replace(
        status, outbox=replace(status.outbox, parked_projects=(ParkedStatus("DEV/x", "it is closed", at(-5)),))
    )
    assert [n.text for n in hear(closed)] == ["The project DEV/x is parked: it is closed"]
    (over,) = hear(status)
    assert over == Notice(News.PARKED, "The project DEV/x takes files again.", good=True)


def mirrored(outcome: str, *, stale: bool = False, checked: str | None = at(-30)) -> Status:
    status = example()
    mirror = replace(status.inbox.mirrors[0], outcome=outcome, stale=stale, reason="so it is", checked_at=checked)
    return replace(status, inbox=replace(status.inbox, mirrors=(mirror,)))


def test_a_guarded_mirror_is_told_and_so_is_its_end() -> None:
    hear = Reader()
    assert [n.text for n in hear(mirrored("guarded"))] == ["The mirror DEV/test case is held back: so it is"]
    assert hear(mirrored("failed")) == []  # the commons is away for a moment
    assert hear(mirrored("guarded")) == []
    assert [n.good for n in hear(mirrored("updated"))] == [True]
    assert len(hear(mirrored("guarded"))) == 1


def test_a_failed_mirror_is_news_only_when_it_is_too_old() -> None:
    hear = Reader()
    assert hear(mirrored("failed")) == []
    (notice,) = hear(mirrored("failed", stale=True))
    assert "2026-05-04 09:59 UTC, which is too long ago: so it is" in notice.text
    assert hear(mirrored("never", stale=True, checked=None)) == []
    assert [n.good for n in hear(mirrored("unchanged"))] == [True]


def unmade(**commons: object) -> Status:
    status = mirrored("failed", stale=True, checked=None)
    return replace(status, commons=replace(status.commons, **commons))  # type: ignore[arg-type]


def test_a_mirror_that_was_never_made_is_told_once_after_an_hour_of_failing() -> None:
    hear = Reader()
    assert hear(unmade()) == []
    assert hear(unmade(), now=NOW + timedelta(minutes=59)) == []
    (notice,) = hear(unmade(), now=NOW + timedelta(minutes=60))
    assert notice.text == "The mirror DEV/test case was never made, and has failed since 2026-05-04 10:00 UTC: so it is"
    assert hear(unmade(), now=NOW + timedelta(days=3)) == []
    (over,) = hear(mirrored("updated"), now=NOW + timedelta(days=4))
    assert (over.text, over.good) == ("The mirror DEV/test case is there now.", True)
    assert hear.seen.failing == {}


def test_a_mirror_that_was_never_made_is_not_told_for_a_commons_that_is_away() -> None:
    hear = Reader()
    hear(unmade(reachable=True))
    away = unmade(reachable=False, since=None)
    assert hear(away, now=NOW + timedelta(hours=2)) == []
    assert hear(unmade(reachable=True), now=NOW + timedelta(hours=3)) == []
    assert len(hear(unmade(reachable=True), now=NOW + timedelta(hours=4))) == 1
    assert hear(away, now=NOW + timedelta(hours=5)) == []
    assert [hear(unmade(reachable=True), now=NOW + timedelta(hours=hours)) for hours in (6, 8)] == [[], []]


def test_a_clock_set_back_does_not_put_off_a_mirror_that_was_never_made() -> None:
    hear = Reader()
    hear(unmade(), now=NOW + timedelta(days=30))
    assert hear(unmade()) == []
    assert len(hear(unmade(), now=NOW + timedelta(hours=1))) == 1


def test_a_mirror_that_was_never_tried_is_on_its_way() -> None:
    hear = Reader()
    for hours in (0, 5):
        assert hear(mirrored("never", stale=True, checked=None), now=NOW + timedelta(hours=hours)) == []


def test_a_mirror_taken_out_of_the_configuration_is_forgotten() -> None:
    hear = Reader()
    hear(mirrored("guarded"))
    status = example()
    assert hear(replace(status, inbox=replace(status.inbox, mirrors=()))) == []
    assert hear.seen.mirrors == {}


def test_what_keeps_mirrors_from_being_known_is_told_once() -> None:
    hear, status = Reader(), example()
    strange = replace(status, inbox=replace(status.inbox, problems=("DEV/nope matches no project",)))
    assert [n.text for n in hear(strange)] == ["DEV/nope matches no project"]
    assert hear(strange) == []


def key(days: float, problem: str = "", reachable: bool = True) -> Status:
    status = example()
    commons = replace(status.commons, reachable=reachable, since=at(0))
    return replace(status, key=replace(status.key, key_expires_at=at(86400 * days), problem=problem), commons=commons)


def test_a_key_is_told_at_seven_three_and_one_days_and_when_it_has_expired() -> None:
    hear, told = Reader(), []
    for hours in range(24 * 10 + 1):
        told += [
            (hours / 24, notice.text.partition(" (")[0]) for notice in hear(key(10), now=NOW + timedelta(hours=hours))
        ]
    assert told == [
        (3.0, "The API key expires in 7 days"),
        (7.0, "The API key expires in 3 days"),
        (9.0, "The API key expires in 1 day"),
        (10.0, "The API key has expired"),
    ]


def test_a_key_seen_late_is_told_once_and_a_new_one_starts_anew() -> None:
    hear = Reader()
    assert [n.text[:29] for n in hear(key(2))] == ["The API key expires in 2 days"]
    assert hear(key(30)) == []
    assert [n.text[:29] for n in hear(key(6.9))] == ["The API key expires in 7 days"]


def test_a_key_that_does_not_work_is_told_unless_the_commons_is_away() -> None:
    hear = Reader()
    assert hear(key(30, "no answer", reachable=False)) == []
    assert [n.text for n in hear(key(30, "it was revoked"))] == ["The API key cannot be used: it was revoked"]
    assert hear(key(30, "no answer", reachable=False)) == []
    assert [n.good for n in hear(key(30))] == [True]


def test_an_unwell_daemon_and_its_recovery() -> None:
    hear, status = Reader(), example()
    hung = replace(status, daemon=replace(status.daemon, problem="no sign of life from inbox; /srv/outbox is gone"))
    assert [n.text for n in hear(hung)] == ["No sign of life from inbox; /srv/outbox is gone."]
    better = replace(status, daemon=replace(status.daemon, problem="/srv/outbox is gone"))
    assert hear(better) == []
    (over,) = hear(status)
    assert over.good
    assert "/srv/outbox is gone" in over.text


def test_a_daemon_that_was_killed_is_told_by_the_next() -> None:
    (notice,) = Reader()(example(), event("life", "the daemon that ran since 9:00 did not end by itself"))
    assert notice == Notice(News.DAEMON, "The daemon that ran since 9:00 did not end by itself.")
    assert Reader()(example(), event("life", "inbox shows life again", level=EventLevel.INFO)) == []


def test_a_silent_commons_is_told_after_a_while_and_when_it_answers() -> None:
    hear, status = Reader(), example()
    away = replace(status, commons=replace(status.commons, reachable=False, since=at(0), problem="refused"))
    assert hear(away, now=NOW + timedelta(minutes=14)) == []
    (notice,) = hear(away, now=NOW + timedelta(minutes=16))
    assert notice.text == "The commons has not answered for 16 minutes: refused"
    assert hear(away, now=NOW + timedelta(hours=5)) == []
    assert [n.text for n in hear(status, now=NOW + timedelta(hours=6))] == ["The commons answers again."]
    assert hear(away, now=NOW + timedelta(minutes=1)) == []


@pytest.mark.parametrize("data", [None, [], {}, {"parked": {}, "moon": 1}])
def test_memory_of_another_version_is_read_as_far_as_it_goes(data: object) -> None:
    assert Seen.from_json(data) == Seen()


def test_names_cannot_forge_lines() -> None:
    (notice,) = Reader()(parked(DropStatus(1, "a\nb\x1b[2J.tsv", None, "parked", at(-1), "evil\nreason")))
    assert notice.text.isprintable()
