"""The status screen: what a data manager reads, within 80 columns."""

from dataclasses import replace
from datetime import timedelta

import click

from gen3sync.cli.screen import render
from gen3sync.cli.words import width
from gen3sync.health import judge
from gen3sync.status import DropStatus, MirrorStatus, Status
from tests.unit.test_status import NOW, at, example


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
    assert "… and 24 more; --json" in text


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
