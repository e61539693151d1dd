"""Progress on a terminal while a verb waits; nothing where nobody would see it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gen3sync.cli.invocation import Invocation
from gen3sync.names import printable


class Bar:
    """Says how far things are. This one says nothing."""

    def rows(self, what: str, done: int, total: int | None = None) -> None:
        """`done` rows of `what` are through, of `total` where that is known."""

    def say(self, text: str) -> None:
        """What is being waited for."""


class _RichBar(Bar):
    def __init__(self, shown: Any) -> None:
        self._shown = shown
        self._tasks: dict[str, Any] = {}

    def rows(self, what: str, done: int, total: int | None = None) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._shown.add_task(printable(what, 60), total=total)
        self._shown.update(self._tasks[what], completed=done, total=total)

    def say(self, text: str) -> None:
        self._shown.update(self._shown.task_ids[0], description=printable(text, 60))


@contextmanager
def progress(invocation: Invocation, text: str) -> Iterator[Bar]:
    """A bar on standard error while the block runs, if that is a terminal and the answer is for people."""
    if invocation.json or not sys.stderr.isatty() or invocation.env.get("TERM") == "dumb":
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
    )
    from rich.text import Text

    class Count(MofNCompleteColumn):
        """Nothing, rather than "0/?", where it is not known how much there is to do."""

        def render(self, task: Task) -> Text:
            return Text() if task.total is None else super().render(task)

    console = Console(stderr=True, no_color=invocation.colour is False)
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        Count(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True) as shown:
        shown.add_task(text, total=None)
        yield _RichBar(shown)
