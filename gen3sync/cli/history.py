"""`gen3sync history`: what happened, lately or to one file or mirror. Reads the ledger and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gen3sync.cli.changes import data
from gen3sync.cli.changes import line as said
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.rest import Rest
from gen3sync.cli.words import again, count, sentence, span
from gen3sync.clock import SystemClock
from gen3sync.errors import ExitCode, NotFoundError
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.inbox.change import Change
    from gen3sync.ledger import Drop, Event, Ledger, Refresh, Request

_ARRIVED_PARKED = "; parked: "
"""How the arrival of a file without a way ends, in the ledger."""
_RECORDS = 10
_REQUESTS = 50


@verb("history", short_help="What happened, lately or to one file or mirror.")
@json_option
@click.argument("what", required=False, metavar="[FILE|MIRROR]")
@click.option("-n", "--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="At most so many.")
def history(invocation: Invocation, what: str | None, limit: int) -> int:
    """Tell what happened: lately, or the whole story of one file or mirror.

    A file is named by its path in the outbox or by its name alone, a mirror by its path in the inbox.
    """
    from gen3sync.ledger import open_ledger

    settings = invocation.settings()

    def changed(refresh: Refresh) -> tuple[Change, ...]:
        """The records that a refresh of a mirror found changed."""
        from gen3sync.inbox.history import changes_at, history_of

        copies = settings.state.path / "mirrors"
        return changes_at(
            history_of(copies, Project(refresh.program, refresh.project), refresh.node), refresh.started_at
        )

    if not settings.state.ledger.exists():
        raise NotFoundError("Nothing has happened here yet: there is no ledger.", "Start with `gen3sync run`.")
    with open_ledger(settings.state.ledger, SystemClock(), read_only=True) as ledger:
        if what is None:
            return _lately(invocation, ledger, limit)
        rest = Rest(ledger, SystemClock())
        drops = tuple(rest.told(drop) for drop in ledger.drops.recent(limit, file=what))
        refreshes = () if drops else ledger.refreshes.recent(limit, mirror=what)
        if not drops and not refreshes:
            raise NotFoundError(
                f"Nothing is known of {printable(what)!r}.",
                "Name a file as it lay in the outbox, or a mirror as it lies in the inbox.",
            )
        if invocation.json:
            invocation.emit(
                {
                    "drops": [_whole(ledger, drop) for drop in drops],
                    "refreshes": [asdict(refresh) | {"changes": data(changed(refresh))} for refresh in refreshes],
                }
            )
            return ExitCode.OK
        for drop in reversed(drops):
            for line in _story(ledger, drop, settings.state.path):
                invocation.say(line)
        for refresh in reversed(refreshes):
            invocation.say(_refresh(refresh))
            found = changed(refresh)
            for change in found[:_RECORDS]:
                invocation.say("    " + said(change))
            if len(found) > _RECORDS:
                invocation.say(f"    … and {count(len(found) - _RECORDS, 'more record')}; --json lists them")
    return ExitCode.OK


def _lately(invocation: Invocation, ledger: Ledger, limit: int) -> int:
    events = ledger.events.recent(limit)
    if invocation.json:
        invocation.emit({"events": [asdict(event) for event in events]})
        return ExitCode.OK
    if not events:
        invocation.say("Nothing has happened yet.")
    for event in reversed(events):
        invocation.say(_event(event))
    return ExitCode.OK


def _whole(ledger: Ledger, drop: Drop) -> dict[str, object]:
    return {
        **asdict(drop),
        "requests": [asdict(request) for request in ledger.requests.of_drop(drop.id)],
        "events": [asdict(event) for event in reversed(ledger.events.recent(1000, drop_id=drop.id))],
    }


def _story(ledger: Ledger, drop: Drop, state: Path) -> Iterator[str]:
    where = f" for {drop.program}/{drop.project}" if drop.program else ""
    yield click.style(f"{printable(drop.path)}, drop {drop.id}{where}", bold=True)
    yield f"  {_when(drop.arrived_at)}  arrived, {drop.size:,} bytes, sha256 {drop.sha256[:12]}…"
    requests = ledger.requests.of_drop(drop.id)
    told = [(event.at, _event(event)) for event in _events(ledger, drop)]
    answers = _answers(drop, state)
    told += [
        (request.started_at, _request(request, *answers.get(request.chunk, ()))) for request in requests[:_REQUESTS]
    ]
    for _, line in sorted(told, key=lambda each: each[0]):
        yield "  " + line
    if len(requests) > _REQUESTS:
        yield f"  … and {count(len(requests) - _REQUESTS, 'more request')}; --json lists them"
    counts = ", ".join(f"{number:,} {name}" for name, number in drop.counts.items() if number)
    reason = f" {sentence(printable(drop.reason))}" if drop.reason else ""
    if drop.verdict is not None and drop.ended_at is not None:
        yield f"  {_when(drop.ended_at)}  {drop.verdict}:{reason or ' ' + counts + '.'}"
        if drop.receipt:
            gone = "" if Path(drop.receipt).is_file() else " (no longer there)"
            yield f"  receipt: {printable(drop.receipt)}{gone}"
            for kind, paper in _papers(drop.receipt):
                yield f"  {kind}: {printable(paper)}"
    else:
        yield f"  now: {drop.state}{': ' + counts if counts else ''}.{reason}{again(drop, day=True)}"


def _events(ledger: Ledger, drop: Drop) -> Iterator[Event]:
    """What happened to a drop, and to its project and the commons while it was open; how it came and how it ended is
    told by the drop itself, in other words."""
    for event in ledger.events.recent(1000, drop_id=drop.id):
        _, parked, why = event.text.partition(_ARRIVED_PARKED)
        if event.kind == "arrived" and parked:
            yield replace(event, text=f"parked: {why}")
        elif event.kind not in ("arrived", str(drop.verdict)):
            yield event
    project = f"{drop.program}/{drop.project}"
    said = {"parked": f"{project} is parked: ", "released": f"{project} takes files again", "pause": ""}
    last = ""
    for kind, start in said.items():
        for event in reversed(ledger.events.recent(1000, kind=kind, since=drop.arrived_at)):
            open_then = drop.program is not None and (drop.ended_at is None or event.at <= drop.ended_at)
            if open_then and event.drop_id is None and event.text.startswith(start) and event.text != last:
                last = event.text
                yield event


def _answers(drop: Drop, state: Path) -> dict[int, tuple[str, str]]:
    """By number of the request: what became of it and what the commons said, from the receipt or, while the drop is
    open, its journal. The ledger knows only what is settled."""
    from gen3sync.outbox.journal import Journal

    try:
        if drop.receipt is None:
            return {
                chunk.number: (chunk.state, chunk.message) for chunk in Journal((state / drop.snapshot).parent).chunks()
            }
        chunks = json.loads(Path(drop.receipt).read_bytes())["chunks"]
        return {chunk["number"]: (str(chunk["state"]), str(chunk["message"])) for chunk in chunks}
    except (OSError, ValueError, TypeError, KeyError):
        return {}  # the receipt was removed; what the ledger knows is told


def _papers(receipt: str) -> list[tuple[str, Path]]:
    """Rejects and undo files of a drop, as its receipt names them: a rejects file that was dropped again lies beside
    them under a name like theirs. Those that are gone are left out."""
    try:
        named = json.loads(Path(receipt).read_bytes())["papers"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    archived = receipt.removesuffix(".receipt.json")
    papers = [(name.partition(".")[0], Path(f"{archived}.{name}")) for name in map(str, named)]
    return [(kind.partition("-")[0], paper) for kind, paper in papers if paper.is_file()]


def _request(request: Request, state: str = "", message: str = "") -> str:
    took = f" in {span((request.ended_at - request.started_at).total_seconds())}" if request.ended_at else ""
    number = f", transaction {request.transaction_id}" if request.transaction_id is not None else ""
    said = f"{printable(request.node)} {count(request.rows, 'row')}: {printable(state or request.state)}{took}{number}"
    why = f": {printable(message, 300)}" if message else ""
    return f"{_when(request.started_at)}  sent chunk {request.chunk}, {said}{why}"


def _event(event: Event) -> str:
    colour = {"warning": "yellow", "error": "red"}.get(str(event.level))
    text = printable(event.text)
    return f"{_when(event.at)}  {click.style(text, fg=colour) if colour else text}"


def _refresh(refresh: Refresh) -> str:
    rows = f", {count(refresh.rows, 'row')}" if refresh.rows is not None else ""
    took = span((refresh.ended_at - refresh.started_at).total_seconds())
    why = f": {printable(refresh.reason)}" if refresh.reason else ""
    where = f"{refresh.program}/{refresh.project} {refresh.node}"
    return f"{_when(refresh.started_at)}  {printable(where)} {refresh.outcome}{rows}, took {took}{why}"


def _when(at: datetime) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
