"""The status screen: what a data manager reads, within 80 columns."""

from dataclasses import replace
from datetime import timedelta

import click
import pytest

from gen3sync.cli import push
from gen3sync.cli.screen import render
from gen3sync.cli.words import width
from gen3sync.health import judge
from gen3sync.inbox.outcomes import what_changed
from gen3sync.ledger import Verdict
from gen3sync.status import (
    DropStatus,
    EndedStatus,
    EventStatus,
    MirrorStatus,
    NotifyStatus,
    ParkedStatus,
    PauseStatus,
    RefusalStatus,
    Status,
)
from tests.unit.test_status import NOW, at, example, passed


def screen(status: Status, *, alive: bool = True, later: float = 0) -> str:
    now = NOW + timedelta(seconds=later)
    return click.unstyle(render(status, judge(status, now, alive=alive), now))


def test_a_commons_at_work() -> None:
    text = screen(example())
    for words in (
        "well: running for 2 h, as of 3 s ago",
        "reachable, version 5.2.4, dictionary 1.2",
        "alice@example.org, key expires in 20 d, token for 30 min",
        "1 sending; last 24 h: 1 landed",
        "1,200 of 5,000 rows",
        "30 created",
        "30 rows, true 30 s ago, next in 1 min",
        "landed DEV/test/case.tsv: 30 created",
    ):
        assert words in " ".join(text.split())


def test_down_says_how_old_it_is_and_how_to_start() -> None:
    text = screen(example(), alive=False, later=7200)
    assert "DOWN; what follows is 2 h old" in text
    assert "The daemon ended without saying so." in text
    assert "gen3sync run --config /etc/gen3sync/lab.toml" in text


def test_a_parked_drop_shows_the_command_that_frees_it_whole() -> None:
    status = example()
    reason = (
        "blank cells would erase stored values in 412 rows: consent_codes (12), height_cm (400), year_of_birth (12). "
        "`gen3sync retry --erase DEV/test/clinical/subject-2026-11.tsv` erases them; or drop the file again with the "
        "values, or without these columns."
    )
    drop = DropStatus(7, "DEV/test/clinical/subject-2026-11.tsv", "DEV-test", "parked", at(-60), reason)
    text = screen(replace(status, outbox=replace(status.outbox, open=(drop,))))
    assert reason.replace(" ", "") in "".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_drops_that_wait_for_the_commons_say_once_why_how_often_and_when() -> None:
    status = example()
    reason = "The commons does not answer: not reachable (Connection refused)."
    pause = PauseStatus(reason, "unreachable", at(-300), 7, at(42))
    drops = tuple(
        DropStatus(n, f"DEV/test/{n}.tsv", "DEV/test", "waiting", at(-60), reason, 7, at(42), error_class="unreachable")
        for n in range(3)
    )
    own = replace(drops[0], path="DEV/test/own.tsv", reason="1 row waits for study S9.", next_attempt_at=None)
    outbox = replace(status.outbox, open=(*drops, own), open_total=4, pause=pause)
    text = " ".join(screen(replace(status, outbox=outbox)).split())
    assert text.count("Connection refused") == 2  # here, and among what is not well
    assert "Asked 7 times since" in text
    assert "again in 42 s." in text
    assert text.count("waits for the commons") == 1 + 3
    assert "1 row waits for study S9." in text


def test_what_is_looked_at_again_says_how_often_and_when() -> None:
    status = example()
    parked = ParkedStatus("DEV/x", "the project is closed", at(-500), at(100), "closed", 3)
    drop = DropStatus(
        7, "DEV/y/a.tsv", "DEV/y", "parked", at(-60), "No such project.", 1, at(60), error_class="missing"
    )
    lost = DropStatus(8, "DEV/test/b.tsv", "DEV/test", "waiting", at(-60), "no answer came.", 5, at(61))
    lost = replace(lost, error_class="lost")
    outbox = replace(status.outbox, parked_projects=(parked,), open=(drop, lost), open_total=2)
    text = " ".join(screen(replace(status, outbox=outbox)).split())
    assert "The project is closed. Looked at 3 times, again in 1 min." in text
    assert "No such project. Looked at once, again in 1 min." in text
    assert "no answer came. Known at the latest in 1 min." in text
    drops = replace(outbox, open=(replace(drop, project="DEV/x", state="waiting", reason=parked.reason),))
    assert "DEV/y/a.tsv waits for its project" in " ".join(screen(replace(status, outbox=drops)).split())
    looking = replace(outbox, parked_projects=(replace(parked, next_look_at=None),))
    assert "DEV/x The project is closed." in " ".join(screen(replace(status, outbox=looking)).split())


def test_nothing_leaves_80_columns_or_writes_control_characters() -> None:
    status = example()
    evil = "長い" * 60 + "\x1b[2J" + "x" * 300
    status = replace(
        status,
        outbox=replace(
            status.outbox,
            path="/srv/" + "deep/" * 40,
            open=tuple(DropStatus(n, evil, evil, "parked", at(-1), evil, 3, at(9)) for n in range(30)),
            open_total=400,
        ),
        inbox=replace(
            status.inbox,
            mirrors=tuple(
                MirrorStatus(evil, evil, evil, "tsv", "failed", at(-5), 10**9, 10**12, evil, at(5), evil)
                for _ in range(40)
            ),
        ),
        commons=replace(status.commons, url="https://" + "x" * 200),
    )
    text = screen(status)
    assert "\x1b" not in text
    assert max(width(line) for line in text.splitlines()) <= 80
    assert "… and 392 more" in text
    assert "… and 24 more mirrors, true 5 s ago; --json" in text


def wide(text: str) -> int:
    return max(width(line) for line in text.splitlines())


@pytest.mark.parametrize("columns", [80, 60])
def test_every_screen_is_readable_in_few_columns(columns: int) -> None:
    for status in (example(), refused(), busy()):
        now = NOW
        text = click.unstyle(render(status, judge(status, now, alive=True), now, columns))
        commands = [line for line in text.splitlines() if line.startswith("    gen3sync ")]
        paths = [line for line in text.splitlines() if line.startswith("    /")]
        assert wide("\n".join(line for line in text.splitlines() if line not in commands + paths)) <= columns


def refused() -> Status:
    """A file of the last day that landed in part."""
    status = example()
    path = "/srv/lab/sent/DEV/test/sample.tsv"
    counts = {"created": 9, "rejected": 413}
    refusals = (
        RefusalStatus(412, "'x' is not one of ['Male', 'Female']", "sex"),
        RefusalStatus(1, "'weight' is not a number", "weight"),
        RefusalStatus(1, "something else"),
    )
    ended = EndedStatus(9, "DEV/test/sample.tsv", "DEV/test", "partly", at(-60), counts, "9 created, 413 rejected.")
    ended = replace(ended, receipt=f"{path}.receipt.json", refusals=refusals, rejects=f"{path}.rejects.tsv")
    outbox = replace(status.outbox, refused=(ended,), ended=(ended, *status.outbox.ended), today={"partly": 1})
    return replace(status, outbox=outbox)


def busy() -> Status:
    """Something of everything."""
    status = refused()
    command = "gen3sync pull --accept DEV/test/clinical_observation_with_a_long_name.tsv"
    guard = f"The mirror would shrink from 300 to 20 records. Look at the commons; if it is right, run `{command}`."
    mirror = replace(status.inbox.mirrors[0], node="clinical", outcome="guarded", reason=guard, stale=True)
    never = MirrorStatus("a.tsv", "DEV/test", "aliquot", "tsv", "never", stale=True)
    drop = replace(status.outbox.open[0], left=130.0)
    parked = DropStatus(3, "DEV/test/a.tsv", "DEV/test", "parked", at(-9), "no such project " * 40, 3, at(100))
    return replace(
        status,
        outbox=replace(status.outbox, open=(drop, parked), open_total=2, states={"sending": 1, "parked": 1}),
        inbox=replace(status.inbox, mirrors=(*status.inbox.mirrors, mirror, never)),
        notify=NotifyStatus(2, 1, at(-600)),
    )


def test_refused_rows_say_why_and_where_they_are() -> None:
    text = screen(refused())
    said = " ".join(text.split())
    assert "9 created, 413 rejected; 412 rows: sex: 'x' is not one of ['Male', 'Female']; 1 row: 'weight' is" in said
    assert "and other reasons" in said
    assert "rejects: /srv/lab/sent/DEV/test/sample.tsv.rejects.tsv" in text
    narrow = click.unstyle(render(refused(), judge(refused(), NOW, alive=True), NOW, 60))
    assert "    /srv/lab/sent/DEV/test/sample.tsv.rejects.tsv" in narrow.splitlines()
    assert text.count("DEV/test/sample.tsv ") + text.count("DEV/test/sample.tsv\n") == 2  # sent again now, and refused


def test_a_drop_on_its_way_says_how_long_it_will_take() -> None:
    assert "1,200 of 5,000 rows (24 %); about 2 min left" in " ".join(screen(busy()).split())


def test_a_guard_shows_its_command_whole_in_a_line_of_its_own() -> None:
    lines = screen(busy()).splitlines()
    assert "    gen3sync pull --accept DEV/test/clinical_observation_with_a_long_name.tsv" in lines
    short = busy().inbox.mirrors[0]
    held = replace(short, outcome="guarded", reason="It shrank. " * 9 + "Run `gen3sync pull --accept a.tsv`.")
    lines = screen(replace(busy(), inbox=replace(busy().inbox, mirrors=(held,)))).splitlines()
    assert any(
        line.strip() == "gen3sync pull --accept a.tsv" or "`gen3sync pull --accept a.tsv`" in line for line in lines
    )
    assert lines.index("! 1 mirror guarded.") < 5


def test_a_parked_reason_of_any_length_is_shown_to_its_end() -> None:
    status = busy()
    parked = replace(status.outbox.open[1], reason="because " * 180 + "`gen3sync retry a.tsv`")
    text = screen(replace(status, outbox=replace(status.outbox, open=(parked,))))
    assert "gen3sync retry a.tsv" in text


def test_a_mirror_says_when_it_changed_and_what() -> None:
    status = example()
    mirror = replace(status.inbox.mirrors[0], changed_at=at(-3600), change="3 added, 1 changed.")
    text = screen(replace(status, inbox=replace(status.inbox, mirrors=(mirror,))))
    assert "changed 1 h ago (3 added, 1 changed)" in " ".join(text.split())


def test_a_first_export_says_its_number_of_records_once() -> None:
    """So each takes two lines, and not three."""
    status = example()
    said = what_changed(None, 30, first=True, dictionary=False)
    mirror = replace(status.inbox.mirrors[0], node="sequencing_file", changed_at=at(-1200), change=said)
    lines = screen(replace(status, inbox=replace(status.inbox, mirrors=(mirror, mirror)))).splitlines()
    first, second = (number for number, line in enumerate(lines) if "sequencing_file" in line)
    assert second - first == 2
    assert "next in 1 min, first exported 20 min ago" in " ".join("".join(lines[first:second]).split())


@pytest.mark.parametrize("verdict", Verdict)
def test_every_end_of_a_drop_has_a_colour(verdict: Verdict) -> None:
    drop = EndedStatus(7, "DEV/test/a.tsv", "DEV-test", str(verdict), at(-60))
    status = replace(example(), outbox=replace(example().outbox, ended=(drop,)))
    [line] = [line for line in render(status, judge(status, NOW, alive=True), NOW).splitlines() if "test/a.tsv" in line]
    assert click.unstyle(line).startswith(f"  {verdict}")
    assert line.startswith("  \x1b[3")
    assert str(verdict) in push.COLOUR


def test_mirrors_without_records_are_counted_where_there_are_only_such() -> None:
    status = example()
    empty = replace(status.inbox.mirrors[0], rows=0)
    text = screen(replace(status, inbox=replace(status.inbox, mirrors=(empty,) * 26)))
    assert "26 mirrors, all without records, true 30 s ago" in text
    assert "more" not in text


def test_a_mirror_that_is_too_old_says_so() -> None:
    status = example()
    old = replace(status.inbox.mirrors[0], stale=True)
    assert "  stale      DEV/test case" in screen(replace(status, inbox=replace(status.inbox, mirrors=(old,))))


def test_where_cron_calls_once_nobody_is_called_down() -> None:
    text = screen(passed(900, 300))
    assert text.splitlines()[0] == "gen3sync  well: no daemon runs here; last pass 5 min ago"
    late = screen(passed(900, 9000))
    assert "DOWN; what follows is 2 h 30 min old" in late
    assert "called by cron or a timer" in late
    assert "gen3sync run" not in late


def test_what_was_said_again_and_again_is_shown_once() -> None:
    status = example()
    text = screen(replace(status, events=(*status.events * 3, EventStatus(at(-90_000), "warning", "long ago"))))
    assert text.count("landed DEV/test/case.tsv: 30 created (3 times)") == 1
    assert "May" in text.splitlines()[-1]  # not today


def test_what_needs_a_person_comes_first() -> None:
    status = example()
    good = status.inbox.mirrors[0]
    bad = replace(good, node="zebra", outcome="guarded", reason="would shrink from 30 to 2 rows")
    text = screen(replace(status, inbox=replace(status.inbox, mirrors=(good, bad))))
    assert text.index("zebra") < text.index("case  ")
    assert "would shrink from 30 to 2 rows" in " ".join(text.split())


def test_however_long_the_reason_a_mirror_tells_its_age() -> None:
    status = example()
    old = replace(status.inbox.mirrors[0], outcome="failed", checked_at=at(-7200), reason="it broke " * 60)
    text = " ".join(screen(replace(status, inbox=replace(status.inbox, mirrors=(old,)))).split())
    assert "30 rows, true 2 h ago, next in 1 min: it broke it broke" in text
    assert "it …" in text or "broke …" in text
