"""`gen3sync pull`: refreshes mirrors now; `--accept` takes what a guard held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from gen3sync.cli.courier import daemon_alive, order, own_rooms
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.progress import progress
from gen3sync.cli.words import count
from gen3sync.errors import ExitCode, UsageError
from gen3sync.names import printable

_COLOUR = {"updated": "green", "unchanged": "green", "guarded": "yellow", "failed": "red"}


@verb("pull", short_help="Refresh mirrors now.")
@json_option
@click.argument("mirrors", nargs=-1, metavar="[MIRROR]...")
@click.option("--accept", is_flag=True, help="Take what a guard held back, after you looked at it.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Seconds to wait for the daemon.  [default: no end]",
)
def pull(invocation: Invocation, mirrors: Sequence[str], accept: bool, timeout: float | None) -> int:
    """Refresh all mirrors, or those named by file, node, project or glob.

    Exit code: 0 all are current, 1 some are guarded or failed and keep their old content.
    """
    if accept and not mirrors:
        raise UsageError(
            "--accept needs the name of a mirror.", "For example: gen3sync pull --accept DEV/test/case.tsv"
        )
    settings = invocation.settings()
    refreshes: list[dict[str, Any]]
    if daemon_alive(settings):
        with progress(invocation, "the daemon refreshes mirrors"):
            refreshes = order(settings, "pull", {"mirrors": list(mirrors), "accept": accept}, timeout)
    else:
        with own_rooms(invocation, settings, "pull") as rooms, progress(invocation, "refreshing mirrors") as bar:
            refreshes = rooms.pull(tuple(mirrors), accept=accept, told=bar.rows)
    return report(invocation, refreshes)


def report(invocation: Invocation, refreshes: Sequence[Mapping[str, Any]]) -> int:
    """Says what became of each mirror."""
    if invocation.json:
        invocation.emit(list(refreshes))
    elif not refreshes:
        invocation.say("Nothing to refresh: no mirror is configured, or its projects and nodes match nothing.")
    else:
        for refresh in refreshes:
            outcome = str(refresh["outcome"])
            rows = f", {count(refresh['rows'], 'row')}" if refresh["rows"] is not None else ""
            why = f": {printable(refresh['reason'])}" if refresh["reason"] else ""
            name = printable(f"{refresh['program']}/{refresh['project']} {refresh['node']}")
            invocation.say(f"{click.style(outcome.ljust(10), fg=_COLOUR.get(outcome))} {name}{rows}{why}")
    bad = any(refresh["outcome"] in ("guarded", "failed") for refresh in refreshes)
    return ExitCode.DEGRADED if bad else ExitCode.OK
