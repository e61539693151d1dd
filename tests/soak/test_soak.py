"""A day of a daemon's life: thousands of drops and refreshes, something wrong every few seconds, all true at the end.

`make soak` takes ten minutes for it, `make test` one. A round is some hours of the day: files are dropped while one
fault after another strikes, then the commons is well and everything ends; a day has as many rounds as
GEN3SYNC_SOAK_ROUNDS says. The clock runs 144 times as fast (fast.py), so tokens expire, keys end and are replaced,
mirrors are refreshed and houses kept as on a long day. In the first rounds the daemon is killed; the lives after them
must stay flat in memory, descriptors and threads.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.soak.audit import Audit
from tests.soak.commons import FAULTS, Commons
from tests.soak.fast import FastClock
from tests.soak.people import People
from tests.soak.process import CONFIG, DaemonProcess, Figures
from tests.unit.cli.calling import call

ROUNDS = int(os.environ.get("GEN3SYNC_SOAK_ROUNDS", "8"))
KILLED = 2
"""Rounds in which the daemon is killed."""
AT_ONCE = 3
"""Faults in a round, one after another."""
SIZE = 8
"""Files of new records for each project in a round; there are about twice as many files in all."""
pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]


class Day:
    """Everything that happens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        epoch = time.time()
        self.clock = FastClock(epoch)
        self.commons = Commons(self.clock)
        self.daemon = DaemonProcess(folder, epoch)
        self.people = People(folder / "outbox", random.Random(20260101))
        self.faults = itertools.cycle(FAULTS.items())
        self.happened: Counter[str] = Counter()
        self.seen: list[Figures] = []
        self.reads: Counter[str] = Counter()
        self.torn: list[str] = []
        self.over = threading.Event()

    def new_key(self) -> None:
        """As a person does: the new file takes the old one's place."""
        self.commons.write_api_key(self.folder / "key.new", 24 * 3600)
        (self.folder / "key.new").rename(self.folder / "key.json")

    def round(self, number: int) -> None:
        files = self.people.hour(SIZE)
        self.happened["files dropped"] += len(files)
        share = -(-len(files) // AT_ONCE)
        for part in range(AT_ONCE):
            name, strike = next(self.faults)
            undo = strike(self.commons)
            self.happened[f"fault: {name}"] += 1
            for path, content in files[part * share : (part + 1) * share]:
                self.people.write(path, content)
            time.sleep(0.7)  # for so long, whatever it strikes
            if number < KILLED and part == 1:
                self.daemon.stop(signal.SIGKILL)
                self.daemon.start()
                self.happened["daemon killed"] += 1
            undo()
            self.happened["foreign transactions"] += bool(self.people.foreign(self.commons))
        self.daemon.until(self.daemon.quiet)
        if number >= KILLED:
            self.daemon.reload(CONFIG.replace("[outbox]", "[outbox]\nwatch = nonsense") if number % 2 else CONFIG)
            self.happened["reloads"] += 1
            self.seen.append(self.daemon.figures())

    def read_mirrors(self) -> None:
        """As people's scripts do, all the time: whole lines of one width, or nothing."""
        while not self.over.wait(0.05):
            for path in (self.folder / "inbox").rglob("*.tsv"):
                text = path.read_text(encoding="utf-8")
                lines = text.split("\n")
                if lines.pop() or len({line.count("\t") for line in lines}) != 1:
                    self.torn.append(f"{path.name}: {text[-200:]!r}")
                self.reads["mirrors read"] += 1


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    day = Day(tmp_path)
    day.new_key()
    with day.commons:
        day.daemon.start()
        reader = threading.Thread(target=day.read_mirrors)
        reader.start()
        try:
            yield day
        finally:
            day.over.set()
            reader.join()
            day.daemon.stop(signal.SIGKILL)


def test_a_day(day: Day, record_property: Callable[[str, object], None]) -> None:
    for number in range(ROUNDS):
        if number % 4 == 3:
            day.new_key()
            day.happened["new keys"] += 1
        day.round(number)
    day.daemon.reload(CONFIG)
    said = call("pull", "-c", day.daemon.config, env={"HOME": "/nonexistent"})
    assert said.code == 0, said
    day.daemon.until(day.daemon.quiet)
    before = day.clock.now().isoformat()
    day.daemon.until(
        lambda: (status := day.daemon.status()) and status.written_at > before and not status.daemon.problem
    )

    audit = Audit(day.daemon, day.commons, day.people)
    wrong = audit.wrong() + day.torn[:10] + list(mirrors_differ(day))
    for line in told(day, audit):
        record_property("figure", line)
    assert wrong == [], "\n".join(wrong)
    assert_flat(day.seen)
    assert day.daemon.stop() == 0


def mirrors_differ(day: Day) -> Iterator[str]:
    """Each mirror holds what a fresh export into an empty folder holds."""
    fresh = day.folder / "fresh"
    fresh.mkdir()
    config = fresh / "gen3sync.toml"
    config.write_text(CONFIG.replace('"key.json"', json.dumps(str(day.folder / "key.json"))), encoding="utf-8")
    said = call("pull", "-c", config, env={"HOME": "/nonexistent"})
    if said.code:
        yield f"the fresh export failed: {said}"
    mirrors = [
        path.relative_to(fresh / "inbox")
        for path in (fresh / "inbox").rglob("*")
        if path.suffix in (".tsv", ".jsonl") and path.name != "changes.jsonl"
    ]
    if not mirrors:
        yield "there is no fresh export"
    for name in mirrors:
        mine = day.folder / "inbox" / name
        if not mine.exists() or mine.read_bytes() != (fresh / "inbox" / name).read_bytes():
            yield f"the mirror {name} is not what the commons holds"


def assert_flat(seen: list[Figures]) -> None:
    """The last life's figures, each taken with nothing to do: what it took in its first half is all it takes."""
    half = len(seen) // 2
    warm, late = seen[: half + 1], seen[half + 1 :] or seen[-1:]
    # How many connections lie ready for the next question, and threads with their databases, differs with the faults of
    # the round, and pools come to their size sooner or later; what leaked by the drop, the refresh or (on a long day)
    # the reload would be far more.
    assert max(one.fds for one in late[-3:]) <= max(one.fds for one in warm) + 24, seen
    assert max(one.threads for one in late[-3:]) <= max(one.threads for one in warm) + 12, seen
    # Single figures sway by a few megabytes with what was done last, so the middles of two stretches are compared.
    before, after = (median(one.rss for one in part) for part in (warm[half // 2 :], late[-max(1, half // 2) :]))
    assert after <= before * 1.10, seen


def told(day: Day, audit: Audit) -> Iterator[str]:
    """The table of what happened."""
    with day.daemon.ledger() as ledger:
        refreshes = dict(ledger.execute("SELECT outcome, sum(times) FROM refreshes GROUP BY outcome").fetchall())
    day.happened |= {f"drops {verdict}": count for verdict, count in audit.verdicts().items()}
    day.happened |= {f"refreshes {outcome}": count for outcome, count in refreshes.items()}
    day.happened |= day.reads
    yield "a day of gen3sync: " + ", ".join(f"{count} {what}" for what, count in sorted(day.happened.items()))
    some = {"start": day.seen[0], "middle": day.seen[len(day.seen) // 2], "end": day.seen[-1]}
    yield "memory of a daemon at rest in it (MB): " + " ".join(f"{one.rss / 1024:.1f}" for one in day.seen)
    yield "a daemon at rest in it: " + "; ".join(f"{word} {one}" for word, one in some.items())
