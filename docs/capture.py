"""Makes the picture of `gen3sync status` that the documentation shows: `make capture`.

    stage()     a daemon at work in a sandbox until something waits, something is sent, something is parked and a mirror
                is guarded, all at once; what its status.json says then
    still()     the same with fixed times, names and places, so that two captures of one gen3sync are the same
    pictures()  the very screen that `gen3sync status` draws of it, as text and as SVG

The status is kept beside the pictures; a test draws it again with today's screen and compares, so a screen that changes
needs `python -m docs.capture --draw`, and a status that changes `make capture`.
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console
from rich.text import Text

from gen3sync.cli.demo.files import _tsv
from gen3sync.cli.screen import COLUMNS, render
from gen3sync.health import judge
from gen3sync.sandbox import Sandbox
from gen3sync.status import Status, moment
from tests.scenario.lab import Lab, until

IMAGES = Path(__file__).parent / "reference/images"
STATUS, TEXT, SVG = IMAGES / "status.json", IMAGES / "status.txt", IMAGES / "status.svg"
NOW = datetime(2026, 3, 2, 9, 41, 30, tzinfo=UTC)
SECONDS = 120.0
"""For each step of the story; on a quick machine all of them take some ten."""

CONFIG = """\
[commons]
credentials = "key.json"
[outbox]
path = "outbox"
settle = "500ms"
chunk_rows = 250
parallel = 1
[inbox]
path = "inbox"
[[inbox.mirror]]
projects = ["DEV/test"]
nodes = ["study", "subject", "sample"]
every = "1s"
[state]
path = "state"
"""


def stage() -> Status:
    """Plays the story; returns the status at its height."""
    with tempfile.TemporaryDirectory() as folder, Sandbox(projects=["DEV-test"]) as sandbox:
        lab = Lab(Path(folder), sandbox)
        lab.config.write_text(CONFIG, encoding="utf-8")
        _stored(sandbox)
        with lab.daemon():
            until(lambda: all((lab.inbox / f"{node}.tsv").exists() for node in ("study", "subject", "sample")), SECONDS)
            lab.drop("study.tsv", _studies())
            until(lambda: lab.receipt("study.tsv"), SECONDS)
            lab.drop("subject.tsv", _subjects())
            until(lambda: lab.receipt("subject.tsv"), SECONDS)
            # Blank cells where the commons has values: a person must say whether they are meant.
            lab.drop("heights.tsv", _blanks())
            until(lambda: any(drop.state == "parked" for drop in lab.open), SECONDS)
            # A child whose parent nobody has seen yet.
            lab.drop("aliquot.tsv", _aliquots())
            until(lambda: any("aliquot" in drop.path and drop.reason for drop in lab.open), SECONDS)
            # Half of the samples are gone from the commons: the mirror keeps them until a person agrees.
            sandbox.delete("DEV-test", [str(record["id"]) for record in sandbox.records("DEV-test", "sample")[2:]])
            until(lambda: _outcome(lab, "sample") == "guarded", SECONDS)
            # The first requests of a large file are let through (they are proven together), the next takes its time.
            first = sandbox.faults.hold("started", method="PUT", path="/submission/DEV/test$")
            lab.drop("visit.tsv", _visits())
            first.wait_reached(1, SECONDS)
            second = sandbox.faults.hold("started", method="PUT", path="/submission/DEV/test$")
            first.release()
            second.wait_reached(1, SECONDS)
            with sandbox.faults.hold("started", times=None, method="PUT", path="/submission/DEV/test$") as third:
                second.release()
                third.wait_reached(1, SECONDS)
                until(lambda: any(drop.state == "sending" and drop.done for drop in lab.open), SECONDS)
                found = lab.status()
            assert found is not None
        return found


def _outcome(lab: Lab, node: str) -> str:
    known = lab.status()
    return next((mirror.outcome for mirror in known.inbox.mirrors if mirror.node == node), "") if known else ""


def _stored(sandbox: Sandbox) -> None:
    """What the commons holds before anybody drops a file."""
    sandbox.write(
        "DEV-test",
        [
            {"type": "study", "submitter_id": "HEART", "projects": {"code": "test"}, "title": "Hearts"},
            *(
                {"type": "subject", "submitter_id": f"S-{n:02}", "studies": {"submitter_id": "HEART"}, "height_cm": 170}
                for n in range(1, 21)
            ),
            *(
                {
                    "type": "sample",
                    "submitter_id": f"B-{n:02}",
                    "subjects": {"submitter_id": f"S-{n:02}"},
                    "sample_type": "DNA",
                }
                for n in range(1, 13)
            ),
        ],
    )


def _studies() -> str:
    return _tsv(("type", "submitter_id", "projects.code", "title"), [("study", "KIDNEY", "test", "Kidneys")])


def _subjects() -> str:
    rows = [("subject", f"S-{n}", "KIDNEY", "female" if n % 2 else "male", 1950 + n % 40) for n in range(21, 51)]
    rows[4] = ("subject", "S-25", "KIDNEY", "f", 1975)
    return _tsv(("type", "submitter_id", "studies.submitter_id", "sex", "year_of_birth"), rows)


def _blanks() -> str:
    rows = [("subject", f"S-{n:02}", "HEART", "", 1960 + n) for n in range(1, 13)]
    return _tsv(("type", "submitter_id", "studies.submitter_id", "height_cm", "year_of_birth"), rows)


def _aliquots() -> str:
    return _tsv(("type", "submitter_id", "samples.submitter_id", "amount_ng"), [("aliquot", "A-1", "B-99", 10)])


def _visits() -> str:
    rows = [("visit", f"V-{n}", f"S-{n % 20 + 1:02}", n // 20) for n in range(1, 2001)]
    return _tsv(("type", "submitter_id", "subjects.submitter_id", "visit_number"), rows)


# --- the same every time


def still(found: Status) -> Status:
    """`found` with times that say how the story went, not how fast this machine is, and as it would be in a lab."""
    text = found.to_json().decode()
    root = found.outbox.path.rpartition("/")[0]
    text = text.replace(root, "/srv/lab").replace(found.commons.url, "https://commons.example.org")
    clean = Status.from_json(text.encode())

    def ago(seconds: float) -> str:
        return (NOW - timedelta(seconds=seconds)).isoformat()

    daemon = replace(
        clean.daemon, pid=4711, host="lab", started_at=ago(11 * 86400), version="0.1.0", heartbeats={},
        config="/etc/gen3sync/lab.toml",
    )  # fmt: skip
    commons = replace(clean.commons, since=ago(11 * 86400))
    key = replace(clean.key, user="alice@example.org", key_expires_at=ago(-19.5 * 86400), token_expires_at=ago(-2500))
    since = {"study": 1500, "subject": 1440, "heights": 1260, "aliquot": 900, "visit": 65}

    def arrived(path: str) -> str:
        return ago(next((seconds for name, seconds in since.items() if f"/{name}.tsv" in path), 560))

    def ended(path: str) -> str:
        return (moment(arrived(path)) + timedelta(seconds=20)).isoformat()

    drops = tuple(
        replace(
            drop,
            since=arrived(drop.path),
            next_attempt_at=None if drop.next_attempt_at is None else ago(-110),
            # How far it has come depends on the machine, too.
            done=760 if drop.state == "sending" else drop.done,
            left=310.0 if drop.state == "sending" else None,
        )
        for drop in clean.outbox.open
    )
    oldest = {state: min(drop.since for drop in drops if drop.state == state) for state in clean.outbox.states}
    done = tuple(
        replace(one, arrived_at=arrived(one.path), ended_at=ended(one.path))
        for one in (*clean.outbox.ended, *clean.outbox.refused)
    )
    outbox = replace(
        clean.outbox,
        open=drops,
        oldest=oldest,
        ended=done[: len(clean.outbox.ended)],
        refused=done[len(clean.outbox.ended) :],
    )
    mirrors = tuple(
        replace(
            mirror,
            checked_at=ago(540 if mirror.outcome == "guarded" else 20),
            next_run_at=ago(-880),
            changed_at=None if mirror.changed_at is None else ago(1400),
            stale=False,
            reason=re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", f"{moment(ago(540)):%Y-%m-%d %H:%M} UTC", mirror.reason),
        )
        for mirror in clean.inbox.mirrors
    )
    told = tuple(
        sorted(
            (
                replace(event, at=arrived(event.text) if " arrived " in event.text else ended(event.text))
                for event in clean.events
            ),
            key=lambda event: event.at,
            reverse=True,
        )
    )
    inbox = replace(clean.inbox, mirrors=mirrors)
    return replace(
        clean, written_at=ago(1), daemon=daemon, commons=commons, key=key, outbox=outbox, inbox=inbox, events=told
    )


@contextmanager
def _universal_time() -> Iterator[None]:
    """Screens tell the machine's time; here it is that of nowhere."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


def pictures(status: Status) -> dict[Path, str]:
    """What `gen3sync status` shows of `status`, by the file it belongs to."""
    with _universal_time():
        screen = render(status, judge(status, NOW, alive=True), NOW, COLUMNS)
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(f"$ gen3sync status\n{screen}"), soft_wrap=True)
    svg = console.export_svg(title="gen3sync status", unique_id="gen3sync-status")
    # Fonts of the reader's own machine: a page that shows this asks nobody else.
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"\s*<!-- Generated .*? -->", "", svg)
    # Some renderers take spaces at the beginning of a line for nothing.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return {TEXT: click.unstyle(screen) + "\n", SVG: "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"}


def kept() -> Status:
    """The status the pictures show."""
    return Status.from_json(STATUS.read_bytes())


def main(*arguments: str) -> None:
    IMAGES.mkdir(exist_ok=True)
    if "--draw" not in arguments:
        STATUS.write_bytes(still(stage()).to_json())
    for path, text in pictures(kept()).items():
        path.write_text(text, encoding="utf-8")
    sys.stdout.write(TEXT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(*sys.argv[1:])
