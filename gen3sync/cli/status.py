"""`gen3sync status`: reads the daemon's status.json and says it. Imports no room: it must stay cheap.

Exit code: 0 well, 1 degraded, 2 down (or never started), so that any monitor can call it.
"""

from __future__ import annotations

import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.config.locate import state_folder
from gen3sync.errors import ExitCode, NotFoundError
from gen3sync.health import judge, process_alive
from gen3sync.status import Status, read_status


@verb("status", short_help="How things are: drops, mirrors, key, commons.")
@json_option
@click.option("--watch", is_flag=True, help="Draw it anew whenever it changes, until Ctrl-C.")
@click.option("--for", "bound", type=float, hidden=True, help="Stop watching after that many seconds.")
def status(invocation: Invocation, watch: bool, bound: float | None) -> int:
    """Say how things are, from the daemon's last word.

    Works when the daemon is down, and says that it is and how old the news is. Exit code: 0 all well, 1 something
    needs a look, 2 the daemon is down.
    """
    state = state_folder(invocation.config, invocation.env)
    if watch and not invocation.json:
        return _watch(invocation, state, bound)
    try:
        known = read_status(state)
    except NotFoundError as error:
        if invocation.json:
            invocation.emit({"health": "down", "reasons": [error.what], "age_seconds": None, "status": None})
        else:
            invocation.paragraph(f"gen3sync is DOWN. {error.what}", indent=0)
            invocation.paragraph(error.remedy, indent=0)
        return ExitCode.DOWN
    judgement = judge(known, datetime.now(UTC), alive=process_alive(known))
    if invocation.json:
        import json

        invocation.emit(
            {
                "health": str(judgement.health),
                "reasons": list(judgement.reasons),
                "age_seconds": round(judgement.age, 1),
                "status": json.loads(known.to_json()),
            }
        )
    else:
        invocation.say(_screen(known))
    return judgement.health.exit_code


def _screen(known: Status) -> str:
    from gen3sync.cli.screen import COLUMNS, render

    now = datetime.now(UTC)
    terminal = sys.stdout.isatty()
    columns = min(120, shutil.get_terminal_size((COLUMNS, 24)).columns) if terminal else COLUMNS
    return render(known, judge(known, now, alive=process_alive(known)), now, columns)


def _watch(invocation: Invocation, state: Path, bound: float | None) -> int:
    clear = "\x1b[H\x1b[2J" if sys.stdout.isatty() else ""
    end = None if bound is None else time.monotonic() + bound
    while True:
        try:
            known: Status | None = read_status(state)
            text = _screen(known) if known else ""
        except NotFoundError as error:
            known, text = None, f"gen3sync is DOWN. {error.what}\n{error.remedy}"
        invocation.say(f"{clear}{text}\n")
        if end is not None and time.monotonic() >= end:
            if known is None:
                return ExitCode.DOWN
            return judge(known, datetime.now(UTC), alive=process_alive(known)).health.exit_code
        time.sleep(1)
