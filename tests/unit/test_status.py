"""What status.json says, and how well it is."""

import json
import os
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gen3sync.errors import ExitCode, Gen3SyncError
from gen3sync.health import Health, judge, process_alive
from gen3sync.status import (
    FILE,
    CommonsStatus,
    DaemonState,
    DaemonStatus,
    DropStatus,
    EndedStatus,
    EventStatus,
    InboxStatus,
    KeyStatus,
    MirrorStatus,
    NotifyStatus,
    OutboxStatus,
    ParkedStatus,
    PauseStatus,
    RefusalStatus,
    Status,
    Writer,
    read_status,
)

NOW = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def example() -> Status:
    """A commons at work, everything well."""
    return Status(
        written_at=at(-3),
        daemon=DaemonStatus(
            DaemonState.RUNNING, os.getpid(), socket.gethostname(), at(-7200), "0.1.0", "/etc/gen3sync/lab.toml"
        ),
        commons=CommonsStatus("https://commons.example.org", True, at(-7000), "", "5.2.4", "1.2"),
        key=KeyStatus("alice@example.org", at(86400 * 20), at(1800)),
        outbox=OutboxStatus(
            "/srv/lab/outbox",
            open=(DropStatus(9, "DEV/test/sample.tsv", "DEV/test", "sending", at(-20), rows=5000, done=1200),),
            open_total=1,
            ended=(EndedStatus(8, "DEV/test/case.tsv", "DEV/test", "landed", at(-60), {"created": 30}),),
            today={"landed": 1},
        ),
        inbox=InboxStatus(
            "/srv/lab/inbox",
            (
                MirrorStatus(
                    "DEV/test/case.tsv",
                    "DEV/test",
                    "case",
                    "tsv",
                    "updated",
                    at(-30),
                    30,
                    2048,
                    "DEV/test/case.tsv",
                    at(60),
                ),
            ),
        ),
        events=(EventStatus(at(-60), "info", "landed DEV/test/case.tsv: 30 created"),),
    )


def test_it_survives_the_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(example().to_json())
    assert read_status(tmp_path) == example()


def test_every_part_survives_the_file(tmp_path: Path) -> None:
    status = example()
    refused = EndedStatus(7, "a.tsv", "DEV/x", "partly", at(-9), refusals=(RefusalStatus(3, "no such sex", "sex"),))
    status = replace(
        status,
        daemon=replace(status.daemon, by=Writer.ONCE, pass_every=900.0),
        outbox=replace(status.outbox, refused=(refused,), ended=(refused,), states={"sending": 1}),
        notify=NotifyStatus(2, 1, at(-5), "no answer"),
    )
    (tmp_path / FILE).write_bytes(status.to_json())
    assert read_status(tmp_path) == status


def test_what_a_newer_gen3sync_added_is_skipped(tmp_path: Path) -> None:
    data = json.loads(example().to_json())
    data["moon"] = "full"
    data["daemon"]["mood"] = "good"
    data["outbox"]["open"][0]["colour"] = "red"
    (tmp_path / FILE).write_text(json.dumps(data))
    assert read_status(tmp_path) == example()


def test_what_an_older_gen3sync_wrote_is_read(tmp_path: Path) -> None:
    data = json.loads(example().to_json())
    del data["notify"], data["daemon"]["by"], data["outbox"]["refused"], data["outbox"]["ended"][0]["refusals"]
    (tmp_path / FILE).write_text(json.dumps(data))
    assert read_status(tmp_path) == example()


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b'{"schema": 99}', b"\x00", b'{"schema": 1, "written_at": "x"}'])
def test_what_is_no_status_is_a_sentence(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / FILE).write_bytes(raw)
    with pytest.raises(Gen3SyncError, match="not a status") as told:
        read_status(tmp_path)
    assert "Error" not in str(told.value)  # no names of Python's own


def test_no_status_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(Gen3SyncError, match="gen3sync run"):
        read_status(tmp_path)


def test_all_well() -> None:
    judgement = judge(example(), NOW, alive=True)
    assert (judgement.health, judgement.age, judgement.reasons) == (Health.WELL, 3.0, ())


def test_a_dead_process_is_down_whatever_its_last_words() -> None:
    assert judge(example(), NOW, alive=False).health is Health.DOWN


def test_a_stopped_daemon_is_down() -> None:
    status = example()
    status = replace(status, daemon=replace(status.daemon, state=DaemonState.STOPPED))
    assert judge(status, NOW, alive=True).reasons == ("the daemon was stopped",)


def test_silence_is_down() -> None:
    judgement = judge(example(), NOW + timedelta(seconds=100), alive=True)
    assert judgement.health is Health.DOWN
    assert judgement.reasons[0].endswith("for 103 s")


def test_a_word_that_does_not_come_is_worth_a_look_before_it_is_down() -> None:
    assert judge(example(), NOW + timedelta(seconds=30), alive=True).health is Health.WELL
    judgement = judge(example(), NOW + timedelta(seconds=40), alive=True)
    assert judgement.health is Health.DEGRADED
    assert judgement.reasons == ("the daemon has not written its status for 43 s, though it does so every 15 s",)


def test_a_word_from_the_future_is_no_sign_of_life() -> None:
    judgement = judge(example(), NOW - timedelta(hours=3), alive=True)
    assert judgement.health is Health.DOWN
    assert "180 min ahead" in judgement.reasons[0] or "3 h ahead" in judgement.reasons[0]
    assert judge(example(), NOW - timedelta(seconds=30), alive=True).health is Health.WELL


def test_a_status_that_this_user_may_not_read_is_no_mishap_of_ours(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(Gen3SyncError, match="group") as caught:
        read_status(tmp_path)
    assert caught.value.exit_code is ExitCode.IO


def degraded(**parts: object) -> str:
    judgement = judge(replace(example(), **parts), NOW, alive=True)  # type: ignore[arg-type]
    assert judgement.health is Health.DEGRADED
    (reason,) = judgement.reasons
    return reason


def test_what_degrades() -> None:
    status = example()
    assert "does not answer" in degraded(commons=replace(status.commons, reachable=False, problem="refused"))
    assert "expires in 3 days" in degraded(key=replace(status.key, key_expires_at=at(3.5 * 86400)))
    assert "expires today" in degraded(key=replace(status.key, key_expires_at=at(3600)))
    assert "has expired" in degraded(key=replace(status.key, key_expires_at=at(-1)))
    parked = ParkedStatus("DEV/x", "the project is closed", at(-5))
    assert (
        degraded(outbox=replace(status.outbox, parked_projects=(parked,))) == "DEV/x is parked: the project is closed"
    )
    pause = PauseStatus("The commons does not answer: no route.", "unreachable", at(-61), 4, at(9))
    said = "nothing is sent: the commons does not answer: no route"
    assert degraded(outbox=replace(status.outbox, pause=pause)) == said
    drop = replace(status.outbox.open[0], state="parked")
    assert degraded(outbox=replace(status.outbox, open=(drop,))) == "1 drop parked"
    mirror = replace(status.inbox.mirrors[0], outcome="guarded")
    assert degraded(inbox=replace(status.inbox, mirrors=(mirror, mirror))) == "2 mirrors guarded"
    assert degraded(outbox=replace(status.outbox, states={"parked": 240})) == "240 drops parked"
    assert degraded(notify=NotifyStatus(1, 3, None, "no answer")) == "notifications: no answer"
    assert degraded(notify=NotifyStatus(1, 3, None, "Notifications need apprise.")) == "Notifications need apprise."
    assert degraded(daemon=replace(status.daemon, problem="the new configuration was refused")).startswith("the new")


def test_what_cannot_be_archived_degrades() -> None:
    drop = replace(example().outbox.open[0], state="verifying", reason="a.tsv cannot be archived: the disk is full.")
    one = replace(example().outbox, open=(drop,))
    assert degraded(outbox=one) == "a.tsv cannot be archived: the disk is full"
    assert degraded(outbox=replace(one, open=(drop, drop))).endswith("the disk is full (and 1 more)")


def test_what_a_missing_key_hides_is_said_once() -> None:
    key = replace(example().key, problem="the key has expired")
    inbox = replace(example().inbox, problems=("nothing can be found out: the key has expired", "no project X"))
    status = replace(example(), key=key, inbox=inbox)
    assert judge(status, NOW, alive=True).reasons == ("the key has expired", "no project X")


def passed(every: float | None, ago: float) -> Status:
    """As `once` leaves it: stopped, its process gone."""
    status = example()
    daemon = replace(status.daemon, state=DaemonState.STOPPED, by=Writer.ONCE, pass_every=every)
    return replace(status, written_at=at(-ago), daemon=daemon)


def test_where_cron_calls_once_no_daemon_is_missed() -> None:
    assert judge(passed(900, 300), NOW, alive=False).health is Health.WELL
    assert judge(passed(None, 20 * 3600), NOW, alive=False).health is Health.WELL
    assert judge(passed(86_400, 40 * 3600), NOW, alive=False).health is Health.WELL


def test_a_pass_that_does_not_come_is_missed() -> None:
    judgement = judge(passed(900, 3 * 3600), NOW, alive=False)
    assert judgement.health is Health.DOWN
    assert "the last pass of `gen3sync once` was 3 h ago; they came at least every 15 min" in judgement.reasons[0]
    assert judge(passed(None, 26 * 3600), NOW, alive=False).health is Health.DOWN


def test_whether_the_process_lives() -> None:
    status = example()
    assert process_alive(status)
    assert not process_alive(replace(status, daemon=replace(status.daemon, pid=2**22 + 1)))
    assert process_alive(replace(status, daemon=replace(status.daemon, pid=2**22 + 1, host="elsewhere")))


def test_a_hiccup_of_the_commons_is_no_worry_and_one_trouble_is_told_once() -> None:
    status = example()
    pause = PauseStatus("The commons does not answer: 502.", "broken", at(-59), 4, at(9))
    paused = replace(status, outbox=replace(status.outbox, pause=pause))
    assert judge(paused, NOW, alive=True).health is Health.WELL
    long = replace(paused, outbox=replace(paused.outbox, pause=replace(pause, since=at(-600))))
    silent = replace(long, commons=replace(long.commons, reachable=False, problem="502"))
    assert judge(silent, NOW, alive=True).reasons == ("the commons does not answer: 502",)
    keyless = replace(long, key=replace(long.key, problem="the key was revoked"))
    assert judge(keyless, NOW, alive=True).reasons == ("the key was revoked",)
    assert Status.from_json(long.to_json()) == long
    assert Status.from_json(status.to_json()).outbox.pause is None
