"""The teller: grouped, retried, remembered over restarts, never in the way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from gen3sync.clock import ManualClock
from gen3sync.config import News, NotifySettings
from gen3sync.errors import ConfigError
from gen3sync.ledger import EventLevel, Ledger, NewDrop
from gen3sync.notify.targets import Target
from gen3sync.notify.teller import Teller
from gen3sync.notify.words import Message
from gen3sync.status import DropStatus, Status
from tests.unit.test_status import at, example


@dataclass
class Box:
    """Takes messages, or says why not."""

    refuses: dict[str, str] = field(default_factory=dict)
    taken: list[tuple[str, Message]] = field(default_factory=list)
    tries: int = 0
    held: threading.Event | None = None

    def send(self, target: Target, message: Message) -> str:
        if self.held is not None:
            self.held.wait(60)
        self.tries += 1
        if why := self.refuses.get(target.label, ""):
            return why
        self.taken.append((target.label, message))
        return ""

    @property
    def bodies(self) -> list[str]:
        return [message.body for _, message in self.taken]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(datetime(2026, 5, 4, 10, 0, tzinfo=UTC))


def settings(
    *urls: str, events: tuple[News, ...] = tuple(News), group: float = 120.0, digest: str = "off"
) -> NotifySettings:
    secrets = tuple(SecretStr(url) for url in urls or ("json://one",))
    return NotifySettings(urls=secrets, events=events, group=group, digest=digest)


@contextmanager
def teller(ledger: Ledger, clock: ManualClock, box: Box, notify: NotifySettings | None = None) -> Iterator[Teller]:
    made = Teller(notify or settings(), ledger, clock, {}, "lab", lambda: box)
    try:
        yield made
    finally:
        made.stop(60)


def parked(*numbers: int) -> Status:
    status = example()
    drops = tuple(DropStatus(n, f"{n}.tsv", "DEV/test", "parked", at(-60), "no way") for n in numbers)
    return replace(status, outbox=replace(status.outbox, open=drops, open_total=len(drops)))


def later(tells: Teller, clock: ManualClock, seconds: float) -> None:
    """Time goes on, also for a thread that was about to wait when the clock still stood."""
    clock.advance(seconds)
    tells._wake.set()


@pytest.fixture
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "UTC")
        time.tzset()
        yield
    time.tzset()


def until(seen: Callable[[], object]) -> None:
    never = threading.Event()
    for _ in range(6000):
        if seen():
            return
        never.wait(0.01)
    raise AssertionError("not within a minute")


def test_what_happens_together_is_told_together(ledger: Ledger, clock: ManualClock) -> None:
    box = Box()
    with teller(ledger, clock, box) as tells:
        tells.hear(parked(1))
        later(tells, clock, 60)
        tells.hear(parked(1, 2))
        assert box.taken == []
        later(tells, clock, 60)
        until(lambda: box.taken)
        (message,) = (message for _, message in box.taken)
        assert message.title == "gen3sync lab: 2 parked"
        until(lambda: tells.status().waiting == 0)
        assert tells.status().last_at == "2026-05-04T10:02:00+00:00"


def test_what_is_over_before_it_was_told_is_not_told(ledger: Ledger, clock: ManualClock) -> None:
    """After a night off every mirror is too old for as long as it takes to look; nobody wants to read that."""
    box, status = Box(), example()
    old = replace(status.inbox, mirrors=tuple(replace(mirror, stale=True) for mirror in status.inbox.mirrors))
    drop = ledger.drops.add(NewDrop("7.tsv", "0" * 64, 1, "drops/7"))
    with teller(ledger, clock, box) as tells:
        tells.hear(replace(parked(drop.id), inbox=old))
        later(tells, clock, 30)
        ledger.events.add(EventLevel.INFO, "landed", "7.tsv landed", drop_id=drop.id)
        tells.hear(status)
        later(tells, clock, 200)
        tells.hear(replace(status, inbox=old))
    assert [message.title for _, message in box.taken] == ["gen3sync lab: mirror"]


def test_only_what_was_asked_for_is_told(ledger: Ledger, clock: ManualClock) -> None:
    box = Box()
    with teller(ledger, clock, box, settings(events=(News.KEY,))) as tells:
        tells.hear(parked(1))
        status = parked(1)
        tells.hear(replace(status, key=replace(status.key, key_expires_at="2026-05-05T09:00:00+00:00")))
        later(tells, clock, 200)
        until(lambda: box.taken)
    assert len(box.taken) == 1
    assert "API key expires in 1 day" in box.bodies[0]


def test_a_target_that_is_away_is_tried_again_and_the_others_do_not_wait(ledger: Ledger, clock: ManualClock) -> None:
    box = Box(refuses={"json (2)": "no answer"})
    with teller(ledger, clock, box, settings("json://one", "json://two", group=0)) as tells:
        tells.hear(parked(1))
        until(lambda: tells.status().problem and tells._memory.outgoing[0].attempts == 1)
        assert [label for label, _ in box.taken] == ["json (1)"]
        assert tells.status().problem == "json (2): no answer"
        assert tells.status().waiting == 1
        for tries in (2, 3, 4):
            later(tells, clock, 3600)
            until(lambda tries=tries: tells._memory.outgoing[0].attempts == tries)  # type: ignore[misc]
        box.refuses.clear()
        later(tells, clock, 3600)
        until(lambda: len(box.taken) == 2)
        until(lambda: not tells.status().waiting)
    assert [label for label, _ in box.taken] == ["json (1)", "json (2)"]
    assert tells.status().problem == ""


def test_why_a_message_waits_is_known_after_a_restart(ledger: Ledger, clock: ManualClock) -> None:
    two = settings("json://one", "json://two", group=0)
    away = Box(refuses={"json (2)": "no answer"})
    with teller(ledger, clock, away, two) as tells:
        tells.hear(parked(1))
        until(lambda: tells._memory.outgoing and tells._memory.outgoing[0].attempts)
    box = Box()
    with teller(ledger, clock, box, two) as tells:
        assert tells.status().problem == "json (2): no answer"
        later(tells, clock, 3600)
        until(lambda: not tells.status().waiting)
        assert tells.status().problem == ""
    with teller(ledger, clock, box, two) as tells:
        assert tells.status().problem == ""


def test_the_trouble_of_a_target_that_is_not_configured_any_more_is_forgotten(
    ledger: Ledger, clock: ManualClock
) -> None:
    with teller(ledger, clock, Box(refuses={"json (1)": "no answer"}), settings("json://one", group=0)) as tells:
        tells.hear(parked(1))
        until(lambda: tells._memory.outgoing and tells._memory.outgoing[0].attempts)
    with teller(ledger, clock, Box(), settings("json://two", group=0)) as tells:
        assert tells.status().problem == ""


def test_nobody_tries_for_ever(ledger: Ledger, clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    box = Box(refuses={"json (1)": "no such room"})
    with teller(ledger, clock, box, settings(group=0)) as tells:
        tells.hear(parked(1))
        until(lambda: tells._memory.outgoing and tells._memory.outgoing[0].attempts)
        later(tells, clock, 90_000)
        until(lambda: tells.status().waiting == 0)
    assert "given up after a day" in caplog.text
    assert caplog.text.count("no such room") == 1


def test_a_restart_tells_nothing_twice_and_forgets_nothing(ledger: Ledger, clock: ManualClock) -> None:
    box = Box()
    with teller(ledger, clock, box, settings(group=0)) as tells:
        tells.hear(parked(11))
        until(lambda: box.taken)
        until(lambda: not tells.status().waiting)
    away = Box(refuses={"json (1)": "no answer"})
    with teller(ledger, clock, away, settings(group=0)) as tells:
        tells.hear(parked(11))
        tells.hear(parked(11, 12))
        until(lambda: away.tries)
    drop = ledger.drops.add(NewDrop("x.tsv", "0" * 64, 1, "drops/x"))
    ledger.events.add(EventLevel.WARNING, "rejected", "x.tsv was refused: no header", drop_id=drop.id)
    with teller(ledger, clock, box, settings(group=0)) as tells:
        tells.hear(parked(11, 12))
        later(tells, clock, 60)
        until(lambda: len(box.taken) == 3)
    assert sorted(box.bodies) == [
        "11.tsv is parked: no way",
        "12.tsv is parked: no way",
        "x.tsv was refused: no header",
    ]


def test_what_is_gathered_is_sent_at_a_stop(ledger: Ledger, clock: ManualClock) -> None:
    box = Box()
    with teller(ledger, clock, box) as tells:
        tells.hear(parked(1))
    assert box.bodies == ["1.tsv is parked: no way"]


def test_what_was_gathered_when_it_was_killed_is_sent_by_the_next(ledger: Ledger, clock: ManualClock) -> None:
    held = Box(held=threading.Event())
    first = Teller(settings(), ledger, clock, {}, "lab", lambda: held)
    first.hear(parked(1))
    box = Box()
    with teller(ledger, clock, box) as tells:
        later(tells, clock, 200)
        until(lambda: box.taken)
        tells.hear(parked(1))
    assert len(box.taken) == 1
    held.held.set()  # type: ignore[union-attr]
    first.stop(60)


def test_a_target_that_hangs_holds_up_nobody(ledger: Ledger, clock: ManualClock) -> None:
    box = Box(held=threading.Event())
    with teller(ledger, clock, box, settings(group=0)) as tells:
        for number in range(30):
            tells.hear(parked(*range(number)))
            later(tells, clock, 1)
        assert tells.status().problem == ""
        box.held.set()  # type: ignore[union-attr]
    assert "29 parked" not in box.bodies


def test_what_waits_is_bounded(ledger: Ledger, clock: ManualClock) -> None:
    box = Box(refuses={"json (1)": "no answer"})
    with teller(ledger, clock, box, settings(group=0)) as tells:
        for number in range(60):
            tells.hear(parked(*range(number, number + 2)))
            until(lambda: not tells._memory.notices)
            later(tells, clock, 1)
        assert tells.status().waiting <= 50


def test_history_from_before_there_were_targets_is_not_told(ledger: Ledger, clock: ManualClock) -> None:
    drop = ledger.drops.add(NewDrop("x.tsv", "0" * 64, 1, "drops/x"))
    ledger.events.add(EventLevel.WARNING, "rejected", "x.tsv was refused", drop_id=drop.id)
    box = Box()
    with teller(ledger, clock, box, settings(group=0)) as tells:
        tells.hear(example())
    assert box.taken == []


def test_the_digest_comes_once_a_day(ledger: Ledger, clock: ManualClock, in_utc: None) -> None:
    box = Box()
    notify = settings(group=0, digest="07:30")
    for _ in range(3):
        with teller(ledger, clock, box, notify) as tells:
            for _ in range(24):
                tells.hear(example())
                later(tells, clock, 3600)
    titles = [message.title for _, message in box.taken]
    assert titles == ["gen3sync lab: the last day"] * 3  # 08:00 of the three mornings that came


def test_a_digest_turned_on_before_its_hour_comes_at_its_hour(ledger: Ledger, clock: ManualClock, in_utc: None) -> None:
    box = Box()
    with teller(ledger, clock, box, settings(group=0, digest="10:30")) as tells:
        tells.hear(example())
        later(tells, clock, 1800)
        tells.hear(example())
    assert len(box.taken) == 1


def test_without_apprise_the_daemon_goes_on_and_says_so(ledger: Ledger, clock: ManualClock) -> None:
    def missing() -> Box:
        raise ConfigError("apprise is not installed.", "pip install it.")

    tells = Teller(settings(), ledger, clock, {}, "lab", missing)
    tells.hear(parked(1))
    assert tells.status().problem == "apprise is not installed. pip install it."
    tells.stop(1)


def test_without_targets_nothing_happens(ledger: Ledger, clock: ManualClock) -> None:
    tells = Teller(NotifySettings(), ledger, clock, {}, "lab")
    tells.hear(parked(1))
    assert tells.status().targets == 0
    assert ledger.notes.get("notify") is None
    tells.stop(1)


@pytest.mark.parametrize("note", [None, [], {"event": "x"}, {"event": 1}, "nonsense"])
def test_a_memory_that_cannot_be_read_is_begun_anew(ledger: Ledger, clock: ManualClock, note: object) -> None:
    ledger.notes.set("notify", note)
    box = Box()
    with teller(ledger, clock, box, settings(group=0)) as tells:
        tells.hear(parked(1))
    assert len(box.taken) == 1
