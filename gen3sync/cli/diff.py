"""`gen3sync diff`: what changed in a mirrored node, record by record. Reads the state folder and changes nothing."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from gen3sync.cli.changes import data, line
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.words import count
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode, NotFoundError, UsageError
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.config import Settings


@verb("diff", short_help="What changed in a mirrored node, record by record.")
@json_option
@click.argument("what", metavar="PROJECT/NODE")
@click.option(
    "--since", metavar="AGE|TIME", help='As far back as this: "2d", "6h", "2026-01-31".  [default: last change]'
)
@click.option("-n", "--limit", type=click.IntRange(1), default=200, show_default=True, help="Show at most so many.")
def diff(invocation: Invocation, what: str, since: str | None, limit: int) -> int:
    """Tell which records of a mirrored node were added, changed and removed, and which columns changed.

    The node is named as PROGRAM/PROJECT/NODE, as PROJECT/NODE, or by its mirror's file. What was changed and changed
    back since is no change.
    """
    from gen3sync.inbox.history import history_of, net, runs

    settings = invocation.settings()
    project, node = _meant(settings, what)
    path = history_of(settings.state.path / "mirrors", project, node)
    every = runs(path)
    if not every:
        raise NotFoundError(
            f"Of {project}/{node} no change is known yet.", "The first refresh after the first export tells of some."
        )
    start = _start(since) if since is not None else every[-1].at
    found = [run for run in every if run.at >= start]
    changes = list(net(path, start))
    first = next((run for run in found if run.whole), None)
    if invocation.json:
        head = {
            "program": project.program,
            "project": project.code,
            "node": node,
            "since": start,
            "rows": every[-1].rows,
        }
        invocation.emit(head | {"mirrored_first": first.at if first else None} | data(changes))
        return ExitCode.OK
    counts = Counter(change.kind.value for change in changes)
    told = ", ".join(f"{counts[kind]:,} {kind}" for kind in ("added", "changed", "removed") if counts[kind])
    when = f"{start.astimezone():%Y-%m-%d %H:%M:%S}"
    title = f"{printable(project)} {printable(node)} since {when}: {told or 'no change'}"
    invocation.say(click.style(title, bold=True) + f", {count(every[-1].rows, 'record')} now")
    if first is not None:
        invocation.say(f"All {first.rows:,} of {first.at.astimezone():%Y-%m-%d %H:%M:%S} came with a first export.")
    for change in changes[:limit]:
        invocation.say("  " + line(change))
    if len(changes) > limit:
        invocation.say(f"  … and {count(len(changes) - limit, 'more record')}; --limit shows them, --json all")
    return ExitCode.OK


def _start(since: str) -> datetime:
    from gen3sync.config.values import read_duration

    try:
        return SystemClock().now() - timedelta(seconds=read_duration(since))
    except ValueError:
        pass
    try:
        found = datetime.fromisoformat(since)
    except ValueError:
        raise UsageError(
            f"{printable(since, 60)!r} is neither an age nor a time.", 'Write --since "2d", "6h" or "2026-01-31T12:00".'
        ) from None
    return (found if found.tzinfo else found.astimezone()).astimezone(UTC)


def _meant(settings: Settings, what: str) -> tuple[Project, str]:
    """The project and node that `what` means, among those that were ever mirrored."""
    from gen3sync.ledger import open_ledger

    if not settings.state.ledger.exists():
        raise NotFoundError("Nothing has happened here yet: there is no ledger.", "Start with `gen3sync run`.")
    with open_ledger(settings.state.ledger, SystemClock(), read_only=True) as ledger:
        mirrors = ledger.refreshes.latest_all()
    found = set()
    for one in mirrors:
        project = Project(one.program, one.project)
        names = {f"{project}/{one.node}", f"{project.id}/{one.node}", f"{project.code}/{one.node}", one.mirror}
        if what in names:
            found.add((project, one.node))
    if len(found) == 1:
        return found.pop()
    if found:
        some = ", ".join(sorted(f"{project}/{node}" for project, node in found))
        raise UsageError(f"{printable(what, 80)!r} can mean {printable(some)}.", "Name the program as well.")
    known = ", ".join(sorted({f"{one.program}/{one.project}/{one.node}" for one in mirrors})[:8]) or "none"
    raise NotFoundError(f"{printable(what, 80)!r} is no node that is mirrored.", f"There are {printable(known)}.")
