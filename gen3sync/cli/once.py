"""`gen3sync once`: one pass out and in, for cron."""

from __future__ import annotations

from dataclasses import asdict

import click

from gen3sync.cli.courier import own_rooms, refuse_beside_daemon
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.progress import progress
from gen3sync.cli.rest import Rest
from gen3sync.cli.words import again, count
from gen3sync.names import printable

_POOR = 10
"""Mirrors that could not be refreshed of which the reasons are told."""


@verb("once", short_help="One pass out and in, for cron; the exit code says how it went.")
@json_option
def once(invocation: Invocation) -> int:
    """Take everything in the outbox, send and prove it, then refresh every mirror.

    Exit code: 0 all well, 1 something was refused, is parked or waits, or no mirror can be followed, 75 the commons
    does not answer.
    """
    from gen3sync.daemon.housekeeping import keep_house_daily
    from gen3sync.daemon.passes import note_pass

    settings = invocation.settings()
    refuse_beside_daemon(settings, "once")
    with own_rooms(invocation, settings, "once") as rooms, progress(invocation, "one pass") as bar:
        started = rooms.clock.now()
        result = rooms.once(bar.rows)
        rest = Rest(rooms.ledger, rooms.clock)
        waiting = tuple(rest.told(drop) for drop in result.waiting)
        note_pass(rooms, started, invocation.env)
        keep_house_daily(settings, rooms.ledger, rooms.clock)
    if invocation.json:
        invocation.emit(
            {
                "drops": [asdict(drop) for drop in result.drops],
                "waiting": [asdict(drop) for drop in waiting],
                "refreshes": list(result.refreshes),
                "problem": result.problem or None,
                "notes": list(result.notes),
            }
        )
    else:
        for drop in result.drops:
            counts = ", ".join(f"{number:,} {name}" for name, number in drop.counts.items() if number)
            invocation.say(f"{str(drop.verdict).ljust(10)} {printable(drop.path)}: {counts or printable(drop.reason)}")
        for drop in waiting:
            why = f": {printable(drop.reason, 2000)}" if drop.reason else ""
            invocation.say(f"{str(drop.state).ljust(10)} {printable(drop.path)}{why}{again(drop)}")
        kinds = [str(refresh["outcome"]) for refresh in result.refreshes]
        said = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
        none = f": {printable('; '.join(result.notes), 1000)}" if result.notes and not kinds else ""
        invocation.say(f"{count(len(kinds), 'mirror')}{': ' + said if said else ''}{none}")
        poor = [refresh for refresh in result.refreshes if str(refresh["outcome"]) in ("guarded", "failed")]
        for refresh in poor[:_POOR]:
            where = f"{refresh['program']}/{refresh['project']} {refresh['node']}"
            invocation.say(
                f"{str(refresh['outcome']).ljust(10)} {printable(where)}: {printable(refresh['reason'], 1000)}"
            )
        if len(poor) > _POOR:
            invocation.say(f"… and {count(len(poor) - _POOR, 'more such mirror')}; --json lists them")
        if result.problem:
            invocation.say(click.style(printable(result.problem), fg="yellow"), err=True)
    return result.exit_code
