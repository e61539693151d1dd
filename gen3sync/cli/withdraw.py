"""`gen3sync withdraw`: takes back drops that have not ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gen3sync.cli.courier import daemon_alive, order, own_rooms, wait_for
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.progress import progress
from gen3sync.cli.rest import Rest
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode
from gen3sync.names import printable

if TYPE_CHECKING:
    from gen3sync.config import Settings
    from gen3sync.ledger import Drop


@verb("withdraw", short_help="Take back drops: what is not sent of them will not be.")
@json_option
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=60.0,
    show_default=True,
    help="Seconds to wait until they have ended.",
)
def withdraw(invocation: Invocation, files: Sequence[str], timeout: float) -> int:
    """Take back FILEs that have not ended (path in the outbox, name, or number of the drop).

    Nothing more of them is sent. Their content goes to the folder of rejected files, with a receipt that says what was
    sent before. Exit code: 0 withdrawn, 1 not yet (a request is still under way) or all of it had landed.
    """
    settings = invocation.settings()
    if daemon_alive(settings):
        with progress(invocation, "the daemon lets go of them"):
            ids = order(settings, "withdraw", {"names": list(files)}, timeout)
            drops = _after(settings, ids, timeout)
    else:
        with own_rooms(invocation, settings, "withdraw") as rooms, progress(invocation, "letting go"):
            rest = Rest(rooms.ledger, SystemClock(), timeout, only_ends=True)
            drops = rooms.work(lambda: rooms.withdraw(tuple(files)), rest)
    if invocation.json:
        invocation.emit([asdict(drop) for drop in drops])
    else:
        for drop in drops:
            label = str(drop.verdict or drop.state)
            why = (
                drop.reason
                if drop.verdict
                else f"nothing more of it is sent; {drop.reason or 'a request is under way'}"
            )
            invocation.say(f"{label.ljust(10)} {printable(drop.path)}: {printable(why, 2000)}")
            if drop.receipt:
                invocation.say(f"{' ' * 11}receipt: {printable(drop.receipt)}")
    return ExitCode.OK if all(drop.verdict == "withdrawn" for drop in drops) else ExitCode.DEGRADED


def _after(settings: Settings, ids: Sequence[int], timeout: float) -> tuple[Drop, ...]:
    """The drops when the daemon has ended them, or as they are when time is over."""
    from gen3sync.ledger import open_ledger

    clock = SystemClock()
    with open_ledger(settings.state.ledger, clock, read_only=True) as ledger:
        rest = Rest(ledger, clock, timeout, only_ends=True)

        def seen() -> tuple[Drop, ...] | None:
            drops = tuple(ledger.drops.get(id) for id in ids)
            return drops if rest(drops) else None

        drops: tuple[Drop, ...] = wait_for(clock, seen, None)
        return drops
