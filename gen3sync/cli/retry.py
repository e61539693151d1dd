"""`gen3sync retry`: looks again now at parked work, or at the files named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gen3sync.cli.courier import daemon_alive, order, own_rooms, wait_for
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.progress import Bar, progress
from gen3sync.cli.rest import Rest
from gen3sync.cli.words import again
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode, UsageError
from gen3sync.names import printable

if TYPE_CHECKING:
    from datetime import datetime

    from gen3sync.config import Settings
    from gen3sync.ledger import Drop


@verb("retry", short_help="Look again at parked work, now.")
@json_option
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--erase", is_flag=True, help="Let blank cells of the files named erase stored values.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Seconds to wait for the daemon.  [default: no end]",
)
def retry(invocation: Invocation, files: Sequence[str], erase: bool, timeout: float | None) -> int:
    """Look again at everything parked, or at the files named (path in the outbox, name, or number of the drop).

    It returns when each was looked at: a drop that waits on (for a parent, for what became of a lost answer) goes on by
    itself. Exit code: 0 all landed, 1 something is refused, parked or not through yet.
    """
    if erase and not files:
        raise UsageError("--erase needs the name of a file.", "For example: gen3sync retry --erase DEV/test/case.tsv")
    settings = invocation.settings()
    clock = SystemClock()
    drops: tuple[Drop, ...] = ()
    asked_at = clock.now()
    if daemon_alive(settings):
        with progress(invocation, "the daemon looks again") as bar:
            ids = order(settings, "retry", {"names": list(files), "erase": erase}, timeout)
            drops = _after(settings, ids, asked_at, timeout, bar)
    else:
        with own_rooms(invocation, settings, "retry") as rooms, progress(invocation, "looking again") as bar:
            rest = Rest(rooms.ledger, clock, timeout, asked_at=asked_at)

            def settled(drops: tuple[Drop, ...]) -> bool:
                _tell(bar, [rest.told(drop) for drop in drops])
                return rest(drops)

            found = rooms.work(lambda: rooms.retry(tuple(files), erase=erase), settled)
            drops = tuple(rest.told(drop) for drop in found)
    if invocation.json:
        invocation.emit([asdict(drop) for drop in drops])
    elif not drops:
        invocation.say("Nothing was waiting.")
    else:
        for drop in drops:
            label = str(drop.verdict or drop.state)
            why = f": {printable(drop.reason, 2000)}" if drop.reason else ""
            invocation.say(f"{label.ljust(10)} {printable(drop.path)}{why}{again(drop)}")
    well = ("landed", "superseded", "withdrawn")
    return ExitCode.DEGRADED if any(drop.verdict not in well for drop in drops) else ExitCode.OK


def _tell(bar: Bar, drops: Sequence[Drop]) -> None:
    """What the first drop that has not come to rest is doing."""
    busy = [drop for drop in drops if drop.state != "ended"]
    if busy:
        bar.say(f"{busy[0].path}: {busy[0].reason or busy[0].state}")


def _after(
    settings: Settings, ids: Sequence[int], asked_at: datetime, timeout: float | None, bar: Bar
) -> tuple[Drop, ...]:
    """The drops as they are after the daemon has looked again."""
    from gen3sync.ledger import open_ledger

    clock = SystemClock()
    with open_ledger(settings.state.ledger, clock, read_only=True) as ledger:
        rest = Rest(ledger, clock, timeout, asked_at=asked_at)

        def seen() -> tuple[Drop, ...] | None:
            drops = tuple(ledger.drops.get(id) for id in ids)
            _tell(bar, [rest.told(drop) for drop in drops])
            return drops if rest(drops) else None

        drops = wait_for(clock, seen, None)
        return tuple(rest.told(drop) for drop in drops)
