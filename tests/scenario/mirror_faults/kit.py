"""What these scenarios look at: the folder as readers see it, and what `gen3sync status` says of it.

`Truth` is the folder when the commons last said something to be believed. `Truth.stands` is the promise of the whole
table: the files are still those, nothing of ours lies about, and every place that speaks of age says the same: the
reason of the refresh, status.json, the screen, the index beside the files.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from gen3sync.cli.screen import render
from gen3sync.cli.words import span
from gen3sync.clock import ManualClock
from gen3sync.daemon.gather import Live, gather
from gen3sync.files import TEMPORARY_MARK
from gen3sync.health import Health, judge
from gen3sync.inbox.index import INDEX
from gen3sync.ledger import Outcome
from gen3sync.status import DaemonState, MirrorStatus, Status
from tests.scenario.inbox_house import House, house, study

ONE = [{"projects": ["DEV-*"], "nodes": ["study"], "every": "1h"}]
BOTH = [
    {"projects": ["DEV-*"], "nodes": ["study"], "every": "1h"},
    {"projects": ["DEV-*"], "nodes": ["study"], "every": "1h", "format": "json"},
]
FILE = "DEV/test/study.tsv"
JSON = "DEV/test/study.json"
LATER = 7200.0


@dataclass(frozen=True, slots=True)
class Reading:
    """What a user reads: status.json as a program sees it, and the screen of `gen3sync status`."""

    status: Status
    health: Health
    reasons: tuple[str, ...]
    screen: str

    def mirror(self, name: str = FILE) -> MirrorStatus:
        return next(each for each in self.status.inbox.mirrors if each.mirror == name)


def read(h: House) -> Reading:
    """Status as the daemon would publish it now, read back and drawn."""
    now = h.clock.now()
    live = Live(DaemonState.RUNNING, now, str(h.settings.path), str(h.settings.outbox.path), h.inbox.status())
    status = Status.from_json(gather(h.ledger, live, now).to_json())
    judgement = judge(status, now, alive=True)
    screen = click.unstyle(render(status, judgement, now, 80))
    return Reading(status, judgement.health, judgement.reasons, screen)


def shown(h: House) -> dict[str, bytes]:
    """Every file a reader of the inbox finds, by name; not what begins with a dot."""
    return {name: (h.folder / "inbox" / name).read_bytes() for name in sorted(h.files())}


def leftovers(h: House) -> list[str]:
    """What a refresh that ended may not leave behind: temporary files, half tables, spools."""
    spools = {"new", "tsv", "json", "jsonl", "notes", "journal"}
    copies = (path for path in (h.folder / "state/mirrors").rglob("*") if path.suffix.lstrip(".") in spools)
    marked = (path for path in h.folder.rglob("*") if TEMPORARY_MARK in path.name)
    return sorted(path.name for path in {*copies, *marked})


def index(h: House, name: str) -> dict[str, Any]:
    """What the index says of a mirrored file."""
    path = h.folder / "inbox" / name
    found: dict[str, Any] = json.loads((path.parent / INDEX).read_bytes())["files"][path.name]
    return found


@dataclass(frozen=True, slots=True)
class Truth:
    """The folder at a moment when it was true."""

    files: dict[str, bytes]
    at: datetime

    def stands(self, h: House, outcome: Outcome, why: str, *names: str, tail: str = "") -> Reading:
        """See the module. `why` is a regular expression for the reason; `names` are the mirrors it is about.

        `tail` is how the reason ends, where not with the age of the file.
        """
        held = tail or f"The file shows what the commons held at {self.at:%Y-%m-%d %H:%M} UTC."
        assert shown(h) == self.files
        assert leftovers(h) == []
        reading = read(h)
        for name in names or (FILE,):
            mirror = reading.mirror(name)
            assert mirror.outcome == str(outcome), mirror
            assert re.search(why, mirror.reason), mirror.reason
            assert mirror.reason.endswith(held), mirror.reason
            assert mirror.checked_at == self.at.isoformat(timespec="seconds")
            assert index(h, name)["checked_at"] == self.at.isoformat()
        age = (h.clock.now() - self.at).total_seconds()
        assert f"true {span(age)} ago" in words(reading.screen)
        assert reading.health is Health.DEGRADED
        many = len(names or (FILE,))
        assert f"{many} mirror{'s' * (many > 1)} {outcome}" in reading.reasons
        return reading


def words(screen: str) -> str:
    """The screen's text with its line breaks undone."""
    return " ".join(screen.split())


def truth(h: House) -> Truth:
    """Takes down the folder, which was just refreshed."""
    return Truth(shown(h), h.clock.now())


def later(h: House, seconds: float = LATER) -> None:
    assert isinstance(h.clock, ManualClock)
    h.clock.advance(seconds)


def fresh(h: House, *names: str, outcome: Outcome = Outcome.UPDATED) -> None:
    """After the fault: one look, and the mirror is the commons again, and status is well."""
    done = h.look()
    for name in names or (FILE,):
        assert done[name].outcome is outcome, done[name]
        assert same_as_commons(h, name)
    reading = read(h)
    assert reading.health is Health.WELL, reading.reasons
    assert "true 0 s ago" in words(reading.screen)
    assert leftovers(h) == []


def same_as_commons(h: House, name: str = FILE) -> bool:
    """Whether a mirror of studies names exactly the records the commons holds."""
    stored = sorted(str(each["submitter_id"]) for each in h.sandbox.records(_project(name), "study"))
    if name.endswith(".json"):
        return sorted(each["submitter_id"] for each in json.loads(h.text(name))["data"]) == stored
    return sorted(h.rows(name)) == stored


def _project(name: str) -> str:
    program, project, _ = name.split("/")
    return f"{program}-{project}"


@contextmanager
def mirrored(folder: Path, *, commons: dict[str, Any] | None = None, **options: Any) -> Iterator[House]:
    """A house with a study mirrored. `commons`: further settings of the section."""
    with house(folder, **{"mirror": ONE, **options}) as h:
        if commons:
            h.close()
            changed = h.settings.commons.model_copy(update=commons)
            h.settings = h.settings.model_copy(update={"commons": changed})
            h.build()
        yield h


@contextmanager
def settled(folder: Path, **options: Any) -> Iterator[tuple[House, Truth]]:
    """A mirror of three studies that was true two hours ago; three more have come to the commons since."""
    with mirrored(folder, **options) as h:
        study(h.sandbox, "ST-1", "ST-2", "ST-3", title="old")
        h.look()
        before = truth(h)
        study(h.sandbox, "ST-4", "ST-5", "ST-6", title="new")
        later(h)
        yield h, before
