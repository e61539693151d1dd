"""`gen3sync status`: reads status.json and says it. Imports no room: it must stay cheap.

Exit code: 0 well, 1 degraded, 2 down (or never started), so that any monitor can call it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import click

from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.cli.words import width
from gen3sync.config.locate import state_folder
from gen3sync.errors import ExitCode, NotFoundError
from gen3sync.health import LATE_AFTER, Health, Judgement, judge, process_alive
from gen3sync.names import printable
from gen3sync.status import FILE, Status, read_status

_TURN = 1.0


@verb("status", short_help="How things are: drops, mirrors, key, commons.")
@json_option
@click.option("--watch", is_flag=True, help="Draw it anew whenever it changes, until Ctrl-C.")
@click.option("--for", "bound", type=float, hidden=True, help="Stop watching after that many seconds.")
def status(invocation: Invocation, watch: bool, bound: float | None) -> int:
    """Say how things are, from the last word of the daemon, or of `gen3sync once` where no daemon runs.

    Works when the daemon is down, and says that it is and how old the news is. Exit code: 0 all well, 1 something
    needs a look, 2 the daemon is down (or `once` has not been called for too long). Also after --watch.
    """
    state, broken = state_folder(invocation.config, invocation.env)
    worry = f"the configuration on disk cannot be used: {broken.what}".rstrip(".") if broken else ""
    if not watch:
        look = _look(state, worry)
        if invocation.json:
            invocation.emit(look.data())
        else:
            _say(invocation, look)
        return look.exit_code
    return _watch(invocation, state, worry, None if bound is None else time.monotonic() + bound)


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found in the state folder: a status and how well it is, or why there is none."""

    status: Status | None
    judgement: Judgement | None
    error: NotFoundError | None = None

    @property
    def exit_code(self) -> int:
        return ExitCode.DOWN if self.judgement is None else self.judgement.health.exit_code

    @property
    def news(self) -> object:
        """Changes when there is something new to say; the passing of time alone is nothing new."""
        if self.status is None or self.judgement is None:
            return str(self.error)
        return self.status.written_at, self.judgement.health, self.judgement.reasons

    def data(self) -> dict[str, object]:
        if self.status is None or self.judgement is None:
            why = [self.error.what] if self.error else []
            return {"health": "down", "reasons": why, "age_seconds": None, "status": None}
        return {
            "health": str(self.judgement.health),
            "reasons": list(self.judgement.reasons),
            "age_seconds": round(self.judgement.age, 1),
            "status": json.loads(self.status.to_json()),
        }


def _look(state: Path, worry: str = "") -> _Look:
    """`worry` is one more thing that is not well, as far as the daemon has not said so itself."""
    try:
        known = read_status(state)
    except NotFoundError as error:
        return _Look(None, None, error)
    judgement = judge(known, datetime.now(UTC), alive=process_alive(known))
    worries = [worry] if worry and not any(worry.partition(": ")[2] in why for why in judgement.reasons) else []
    if judgement.age > LATE_AFTER and _full(state):
        worries.append(f"the disk of {state} is full: nothing can be written there, this status neither")
    if worries:
        health = Health.DEGRADED if judgement.health is Health.WELL else judgement.health
        judgement = replace(judgement, health=health, reasons=(*judgement.reasons, *worries))
    return _Look(known, judgement)


def _full(state: Path) -> bool:
    """Whether there is no room for another status."""
    try:
        return shutil.disk_usage(state).free < (state / FILE).stat().st_size
    except OSError:
        return False


def _say(invocation: Invocation, look: _Look) -> None:
    if look.status is not None and look.judgement is not None:
        invocation.say(_screen(look.status, look.judgement))
    elif look.error is not None:
        invocation.paragraph(f"gen3sync is DOWN. {look.error.what}", indent=0)
        invocation.paragraph(look.error.remedy, indent=0)


def _screen(known: Status, judgement: Judgement) -> str:
    from gen3sync.cli.screen import COLUMNS, render

    terminal = sys.stdout.isatty()
    columns = min(120, shutil.get_terminal_size((COLUMNS, 24)).columns) if terminal else COLUMNS
    return render(known, judgement, datetime.now(UTC), columns)


def _watch(invocation: Invocation, state: Path, worry: str, end: float | None) -> int:
    """Looks each second. On a terminal the screen is drawn over the last one; elsewhere only what is new is said.

    Ctrl-C is how watching ends: the exit code is that of the last look, as without --watch.
    """
    look = _look(state, worry)
    show: Callable[[_Look], None] = _Over(invocation) if _draws(invocation) else _Lines(invocation)
    try:
        while True:
            show(look)
            if end is not None and time.monotonic() >= end:
                break
            time.sleep(_TURN)
            look = _look(state, worry)
    except KeyboardInterrupt:
        if _draws(invocation):
            invocation.say()
    return look.exit_code


def _fitting(lines: list[str], room: int, columns: int) -> list[str]:
    """As many lines as fit below each other; a command or path that is longer than the terminal takes several."""
    used = 0
    for number, line in enumerate(lines):
        used += max(1, -(-width(click.unstyle(line)) // columns))
        if used > room - (number < len(lines) - 1):
            return [*lines[:number], f"… {len(lines) - number} more lines: enlarge the window"]
    return lines


def _draws(invocation: Invocation) -> bool:
    return sys.stdout.isatty() and not invocation.json and invocation.env.get("TERM") != "dumb"


class _Lines:
    """Whole screens one below the other, or a line of JSON each, whenever there is news."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._said: object = None

    def __call__(self, look: _Look) -> None:
        if look.news == self._said:
            return
        first, self._said = self._said is None, look.news
        if self._invocation.json:
            self._invocation.say(json.dumps(look.data(), ensure_ascii=False))
        else:
            if not first:
                self._invocation.say()
            _say(self._invocation, look)
        sys.stdout.flush()


class _Over:
    """A screen drawn over the one before, line by line so that nothing flickers, and no longer than the terminal."""

    def __init__(self, invocation: Invocation) -> None:
        self._invocation = invocation
        self._size: object = None

    def __call__(self, look: _Look) -> None:
        size = shutil.get_terminal_size()
        if look.status is not None and look.judgement is not None:
            lines = _screen(look.status, look.judgement).splitlines()
        else:
            why = (look.error.what, look.error.remedy) if look.error is not None else ()
            lines = ["gen3sync is DOWN.", *map(printable, why)]
        lines = _fitting(lines, max(5, size.lines - 1), max(1, size.columns))
        # Home, each line cleared behind its end, and what is left of the last screen below.
        fresh = "\x1b[2J" if size != self._size else ""
        self._size = size
        drawn = "".join(f"{line}\x1b[K\n" for line in lines)
        click.echo(f"{fresh}\x1b[H{drawn}\x1b[J", nl=False, color=self._invocation.colour)
        sys.stdout.flush()
