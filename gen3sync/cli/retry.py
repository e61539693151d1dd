"""`gen3sync retry`: looks again now at parked work, or at the files named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from gen3sync.cli.courier import daemon_alive, order, own_rooms, wait_for
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.progress import progress
from gen3sync.cli.rest import Rest
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode, UsageError
from gen3sync.names import printable

if TYPE_CHECKING:
    from gen3sync.config import Settings
    from gen3sync.ledger import Drop


@verb("retry", short_help="Look again at parked work, now.")
@json_option
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--erase", is_flag=True, help="Let blank cells of the files named erase stored values.")
@click.option("--timeout", type=float, help="Seconds to wait for the daemon.  [default: no end]")
def retry(invocation: Invocation, files: Sequence[str], erase: bool, timeout: float | None) -> int:
    """Look again at everything parked, or at the files named (path in the outbox, name, or number of the drop).

    Exit code: 0 all landed, 1 something is refused, parked or not through yet.
    """
    if erase and not files:
        raise UsageError("--erase needs the name of a file.", "For example: gen3sync retry --erase DEV/test/case.tsv")
    settings = invocation.settings()
    drops: tuple[Drop, ...] = ()
    if daemon_alive(settings):
        with progress(invocation, "the daemon looks again"):
            ids = order(settings, "retry", {"names": list(files), "erase": erase}, timeout)
            drops = _after(settings, ids, timeout)
    else:
        with own_rooms(invocation, settings) as rooms, progress(invocation, "looking again"):
            rest = Rest(rooms.ledger, SystemClock(), timeout, only_look=True)
            drops = tuple(
                replace(drop, reason=rest.reason(drop)) for drop in rooms.work(tuple(files), rest, erase=erase)
            )
    if invocation.json:
        invocation.emit([asdict(drop) for drop in drops])
    elif not drops:
        invocation.say("Nothing was waiting.")
    else:
        for drop in drops:
            label = str(drop.verdict or drop.state)
            why = f": {printable(drop.reason)}" if drop.reason else ""
            invocation.say(f"{label.ljust(10)} {printable(drop.path)}{why}")
    return ExitCode.DEGRADED if any(drop.verdict not in ("landed", "superseded") for drop in drops) else ExitCode.OK


def _after(settings: Settings, ids: Sequence[int], timeout: float | None) -> tuple[Drop, ...]:
    """The drops as they are after the daemon has looked again."""
    from gen3sync.ledger import open_ledger

    clock = SystemClock()
    with open_ledger(settings.state.ledger, clock, read_only=True) as ledger:
        rest = Rest(ledger, clock, timeout, only_look=True)

        def seen() -> tuple[Drop, ...] | None:
            drops = tuple(ledger.drops.get(id) for id in ids)
            return drops if rest(drops) else None

        drops = wait_for(clock, seen, None)
        return tuple(replace(drop, reason=rest.reason(drop)) for drop in drops)
