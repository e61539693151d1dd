"""`gen3sync push`: submits files now and waits for their receipts, through the daemon or without one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gen3sync.cli.courier import daemon_alive, own_rooms, wait_for
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.placing import Placed, checked, place, project_for
from gen3sync.cli.progress import Bar, progress
from gen3sync.cli.rest import Rest
from gen3sync.cli.words import count
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode, Gen3SyncError, TemporaryError
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.config import Settings
    from gen3sync.ledger import Drop, Ledger

COLOUR = {
    "landed": "green",
    "partly": "yellow",
    "unverified": "yellow",
    "rejected": "red",
    "superseded": "blue",
    "withdrawn": "blue",
    "parked": "yellow",
    "waiting": "yellow",
}


@verb("push", short_help="Submit files now and wait for their receipts.")
@json_option
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--to", metavar="PROGRAM/PROJECT", help="Where to.  [default: the only project the key may write]")
@click.option("--dry-run", is_flag=True, help="Show what would change; send nothing.")
@click.option("--wait/--no-wait", default=True, help="Wait for the receipts.  [default: wait]")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Seconds to wait; the drop goes on by itself.  [default: no end]",
)
def push(
    invocation: Invocation, files: Sequence[Path], to: str | None, dry_run: bool, wait: bool, timeout: float | None
) -> int:
    """Copy FILEs into the outbox and wait until each is landed, refused or parked.

    The files themselves stay where they are. Exit code: 0 all landed, 1 something was refused or is parked, 75 not yet.
    """
    if dry_run:
        from gen3sync.cli.plan import show_plans

        return show_plans(invocation, [checked(file) for file in files], to, rows=20)
    settings, files = invocation.settings(), tuple(dict.fromkeys(files))  # one that is named twice is sent once
    for file in files:
        checked(file)
    alive = daemon_alive(settings)
    wanted = [(file, project_for(to, file, settings, _writable(invocation, settings, to))) for file in files]
    _check(invocation, [project for _, project in wanted])
    if alive:
        return _through_daemon(invocation, settings, wanted, wait=wait, timeout=timeout)
    with own_rooms(invocation, settings, "push") as rooms, progress(invocation, "submitting") as bar:
        rest = Rest(rooms.ledger, SystemClock(), timeout)

        def settled(drops: tuple[Drop, ...]) -> bool:
            progress_of = rooms.outbox.status().progress
            for drop in drops:
                done, rows = progress_of.get(drop.id, (0, 0))
                if rows:
                    bar.rows(drop.path, done, rows)
            _tell(bar, [rest.told(drop) for drop in drops])
            return rest(drops)

        drops = [rest.told(drop) for drop in rooms.push(dict(wanted), settled)]
        late = rest.over and any(drop.state not in ("ended", "parked") for drop in drops)
    placed = [Placed(file, drop.path) for (file, _), drop in zip(wanted, drops, strict=True)]
    code = report(invocation, placed, drops)
    return ExitCode.TEMPORARY if late else code


def _writable(invocation: Invocation, settings: Settings, to: str | None) -> tuple[Project, ...]:
    """The projects the key may write; asked only when it is not said where files go."""
    if to is not None or settings.outbox.route:
        return ()
    from gen3sync.catalog import Catalog
    from gen3sync.cli.ask import commons_of

    with commons_of(invocation) as client:
        return Catalog(client, SystemClock(), settings.state.path).writable()


def _check(invocation: Invocation, projects: Sequence[Project]) -> None:
    """Nothing is copied for a project that is not there or may not be written: it would only be parked."""
    from gen3sync.cli.ask import commons_of, writable

    with commons_of(invocation) as client:
        for project in dict.fromkeys(projects):
            writable(client, project)


def _through_daemon(
    invocation: Invocation,
    settings: Settings,
    wanted: Sequence[tuple[Path, Project]],
    *,
    wait: bool,
    timeout: float | None,
) -> int:
    from gen3sync.ledger import open_ledger

    clock = SystemClock()
    with open_ledger(settings.state.ledger, clock, read_only=True) as ledger:
        start = _newest(ledger)
        placed = [place(file, settings, project) for file, project in wanted]
        if not wait:
            for each in placed:
                invocation.say(f"{printable(each.file)} lies in the outbox as {printable(each.path)}")
            return ExitCode.OK
        with progress(invocation, "waiting for the daemon") as bar:
            rest = Rest(ledger, clock, timeout)

            def settled() -> list[Drop] | None:
                drops = _drops(ledger, placed, start)
                _show(bar, settings, drops)
                _tell(bar, [rest.told(drop) for drop in drops])
                return drops if len(drops) == len(placed) and rest(tuple(drops)) and not rest.over else None

            drops = wait_for(clock, settled, timeout)
        if drops is None:
            raise TemporaryError(
                f"{count(len(placed), 'file')} not through after {timeout:g} s.",
                "The daemon goes on with them; `gen3sync history FILE` tells how it went.",
            )
        drops = [rest.told(drop) for drop in drops]
    return report(invocation, placed, drops)


def _newest(ledger: Ledger) -> int:
    recent = ledger.drops.recent(1)
    return recent[0].id if recent else 0


def _drops(ledger: Ledger, placed: Sequence[Placed], start: int) -> list[Drop]:
    """The drops of the copies, in the order of the command line; those that have not been seen yet are missing.

    A copy may have got the name of an earlier one that had gone through by then: its drop is the later one."""
    times = Counter(each.path for each in placed)
    newest = {
        path: [drop for drop in ledger.drops.by_path(path) if drop.id > start][:number]
        for path, number in times.items()
    }
    return [newest[each.path].pop() for each in placed if newest[each.path]]


def _tell(bar: Bar, drops: Sequence[Drop]) -> None:
    """What is waited for, where that is known."""
    waits = next((drop for drop in drops if drop.reason and drop.state != "ended"), None)
    if waits is not None:
        bar.say(f"{waits.path}: {waits.reason}")


def _show(bar: Bar, settings: Settings, drops: Sequence[Drop]) -> None:
    from gen3sync.status import read_status

    try:
        known = {each.drop: each for each in read_status(settings.state.path).outbox.open}
    except Gen3SyncError:
        return
    for drop in drops:
        now = known.get(drop.id)
        if now is not None and now.rows:
            bar.rows(drop.path, now.done or 0, now.rows)


def report(invocation: Invocation, placed: Sequence[Placed], drops: Sequence[Drop]) -> int:
    """Says how each file ended, and gives the exit code of the worst. Files of several folders may have one name."""
    ended = list(zip(placed, drops, strict=True))
    if invocation.json:
        invocation.emit([_plain(each, drop) for each, drop in ended])
    else:
        for each, drop in ended:
            invocation.say(_line(each, drop))
    well = all(drop.verdict in ("landed", "superseded") for drop in drops)
    return ExitCode.OK if well else ExitCode.DEGRADED


def _plain(placed: Placed, drop: Drop) -> dict[str, Any]:
    return {
        "file": str(placed.file),
        "path": placed.path,
        "drop": drop.id,
        "state": str(drop.state),
        "verdict": str(drop.verdict) if drop.verdict else None,
        "reason": drop.reason,
        "counts": dict(drop.counts),
        "receipt": drop.receipt,
    }


def _line(placed: Placed, drop: Drop) -> str:
    label = str(drop.verdict or drop.state)
    counts = ", ".join(f"{number:,} {name}" for name, number in drop.counts.items() if number)
    words = printable(drop.reason, 2000) or counts
    if not words and drop.verdict is None:
        words = "not through yet; a daemon goes on with it, or the next pass of `gen3sync once`."
    where = f" for {printable(drop.program)}/{printable(drop.project)}" if drop.program else ""
    receipt = f"\n           receipt: {printable(drop.receipt)}" if drop.receipt else ""
    return f"{click.style(label.ljust(10), fg=COLOUR.get(label))} {printable(placed.file)}{where}: {words}{receipt}"
