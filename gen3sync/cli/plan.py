"""`gen3sync plan`: what submitting a file would do, like a diff. Sends nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.placing import checked, project_for
from gen3sync.cli.planrows import PlannedRows, emit_plans
from gen3sync.cli.progress import progress
from gen3sync.cli.words import count
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode, InputError
from gen3sync.names import printable

if TYPE_CHECKING:
    from gen3sync.config import Settings
    from gen3sync.outbox.dry import Plan
    from gen3sync.outbox.model import RowPlan
    from gen3sync.records.problems import TableError

_MARK = {
    "create": ("+", "green"),
    "update": ("~", "yellow"),
    "erase": ("-", "red"),
    "wait": ("…", "blue"),
    "reject": ("!", "red"),
    "unchanged": ("=", None),
}


@verb("plan", short_help="Show what submitting a file would change; sends nothing.")
@json_option
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--to", metavar="PROGRAM/PROJECT", help="Where to.  [default: the only project the key may write]")
@click.option("--rows", type=click.IntRange(0), default=20, show_default=True, help="How many rows to show.")
def plan(invocation: Invocation, file: Path, to: str | None, rows: int) -> int:
    """Compare FILE with the commons and show what would be created, changed, erased and refused.

    Exit code: 0 all rows could be sent, 1 some would be refused, held back or wait.
    """
    return show_plans(invocation, [checked(file)], to, rows=rows)


def show_plans(invocation: Invocation, files: Sequence[Path], to: str | None, *, rows: int) -> int:
    """Plans the files one after another. They do not know of each other's rows. Raises InputError, when all is shown,
    for those that cannot be used."""
    import tempfile

    from gen3sync.catalog import Catalog
    from gen3sync.cli.ask import commons_of, existing
    from gen3sync.ledger import open_ledger
    from gen3sync.outbox import Outbox
    from gen3sync.records.problems import TableError

    settings = invocation.settings()
    clock = SystemClock()
    plans: list[Plan] = []
    planned: list[PlannedRows] = []
    unusable: dict[Path, TableError] = {}
    # A ledger of its own: planning writes nothing, and works beside a daemon.
    with tempfile.TemporaryDirectory(prefix="gen3sync-plan-") as scratch, commons_of(invocation) as client:
        catalog = Catalog(client, clock, _cache(settings, Path(scratch)))
        with open_ledger(Path(scratch) / "ledger.sqlite", clock) as ledger:
            outbox = Outbox(settings, client, catalog, ledger, clock)
            with progress(invocation, "comparing with the commons"):
                for file in files:
                    project = existing(client, project_for(to, file, settings, () if to else catalog.writable()))
                    every = PlannedRows(Path(scratch) / f"rows-{len(planned)}")
                    told = every.add if invocation.json else None
                    try:
                        with closing(every):
                            plans.append(outbox.plan_file(file, project, limit=rows, each=told))
                        planned.append(every)
                    except TableError as error:  # one bad file keeps none of the others from being shown
                        unusable[file] = error
        if invocation.json:
            emit_plans(invocation, list(zip(plans, planned, strict=True)), unusable)
        for each in () if invocation.json else plans:
            for line in _lines(each, whole=settings.outbox.on_invalid == "reject"):
                invocation.say(line)
    if unusable:
        raise InputError("\n".join(error.what for error in unusable.values()))
    held = any(each.counts.get(action, 0) for each in plans for action in ("erase", "wait", "reject"))  # type: ignore[call-overload]
    return ExitCode.DEGRADED if held else ExitCode.OK


def _cache(settings: Settings, scratch: Path) -> Path:
    """Where the dictionary may already lie; a state folder that is not there is not made for a plan."""
    return settings.state.path if settings.state.path.is_dir() else scratch


def _lines(plan: Plan, *, whole: bool) -> Iterator[str]:
    counts = {str(action): number for action, number in plan.counts.items()}
    blind = str(plan.sight) == "blind"
    words = {"update": "to send"} if blind else {}
    said = ", ".join(f"{counts[name]:,} {words.get(name, name)}" for name in _MARK if counts.get(name))
    yield click.style(f"{printable(plan.path)} for {plan.project}: {said or 'no rows'}", bold=True)
    match str(plan.sight):
        case "exports":
            yield "  (no GraphQL: compared with whole exports; whether parents are there is left to the commons)"
        case "blind":
            yield "  (no right to read: nothing can be compared, so nobody can tell which records are new, and what is"
            yield "  sent stays unverified)"
    for mend in plan.mends:
        rows = f" in {count(mend.rows, 'row')}" if mend.rows else ""
        line = "" if mend.line is None else f" ({'first ' if mend.rows > 1 else ''}line {mend.line})"
        yield f"  mended{rows}{line}: {printable(mend.message)}"
    shown = [row for row in plan.rows if row.action != "unchanged"]
    for row in shown:
        yield from _row(row, words)
    hidden = sum(counts.values()) - counts.get("unchanged", 0) - len(shown)
    if hidden > 0:
        yield f"  … and {count(hidden, 'more row')}; --rows shows more, --json all"
    if plan.erases:
        columns = ", ".join(f"{printable(name)} ({number:,})" for name, number in plan.erases.items())
        yield f"  blank cells would erase stored values of: {columns}"
    if counts.get("erase"):
        yield "  such a drop is parked until `gen3sync retry --erase FILE`"
    if whole and counts.get("reject"):
        yield '  nothing of such a file is sent ([outbox] on_invalid = "reject"): not while rows of it are refused'
    if plan.links_not_removed:
        columns = ", ".join(f"{printable(name)} ({number:,})" for name, number in plan.links_not_removed.items())
        yield f"  parents that stay linked though rows no longer name them, for a PUT cannot unlink: {columns}"


def _row(row: RowPlan, words: Mapping[str, str]) -> Iterator[str]:
    mark, colour = _MARK[str(row.action)]
    action = words.get(str(row.action), str(row.action))
    named = (printable(row.node, 60), printable(row.submitter_id, 100))
    head = f"{mark} line {row.line}: {' '.join([action, *filter(None, named)])}"
    yield "  " + click.style(head, fg=colour)
    for change in row.changes:
        yield f"      {printable(change.column, 60)}: {_value(change.old)} → {_value(change.new)}"
    for change in row.erased:
        yield f"      {printable(change.column, 60)}: {_value(change.old)} → (erased)"
    if row.waiting_for:
        yield f"      waits for {', '.join(printable(parent, 100) for parent in row.waiting_for[:5])}"
    for problem in row.problems:
        yield f"      {printable(problem)}"


def _value(value: object) -> str:
    return "(nothing)" if value is None else printable(json.dumps(value, ensure_ascii=False), 80)
