"""What one call of `gen3sync` was asked for besides its verb: which configuration, how to print, how much to say.

Finding the configuration is `config.py`'s; this file only carries what the command line said.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gen3sync.names import printable

if TYPE_CHECKING:
    from gen3sync.config import Settings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Invocation:
    """Filled while click parses; verbs receive it as their first argument."""

    env: dict[str, str] = field(default_factory=dict)
    config: Path | None = None
    debug: bool = False
    json: bool = False

    @property
    def colour(self) -> bool | None:
        """False where the user asked for none; None leaves it to whether the stream is a terminal."""
        return False if self.env.get("NO_COLOR") or self.env.get("TERM") == "dumb" else None

    def settings(self) -> Settings:
        """Raises ConfigError, with every problem at once."""
        from gen3sync.config import load_settings

        return load_settings(self.config, self.env)

    def say(self, text: str = "", *, err: bool = False) -> None:
        """One line for people."""
        click.echo(text, err=err, color=self.colour)

    def paragraph(self, text: str, *, indent: int, mark: str = "", err: bool = False) -> None:
        """`text` after its mark, broken between words at the terminal's width; one line where nobody looks.

        Lines after the first, and the first without a mark, stand `indent` columns in.
        """
        said = printable(text, 2000)
        lines = [said]
        if (sys.stderr if err else sys.stdout).isatty():
            columns = max(40, shutil.get_terminal_size().columns) - indent
            lines = textwrap.wrap(said, columns, break_long_words=False, break_on_hyphens=False) or [said]
        self.say(f"{mark} {lines[0]}" if mark else " " * indent + lines[0], err=err)
        for line in lines[1:]:
            self.say(" " * indent + line, err=err)

    def emit(self, data: object) -> None:
        """The whole answer for programs, as JSON on standard output."""
        click.echo(self.as_json(data, indent=2))

    def as_json(self, data: object, *, indent: int | None = None) -> str:
        """An answer for programs, or a part of one; where a terminal shows it, in characters that do it no harm."""
        text = json.dumps(data, ensure_ascii=False, indent=indent, default=_plain)
        if sys.stdout.isatty() and not all(line.isprintable() for line in text.split("\n")):
            # JSON itself keeps only the oldest control characters from a terminal.
            text = json.dumps(data, indent=indent, default=_plain)
        return text


def _plain(value: object) -> str:
    """What JSON has no form for: times as ISO 8601, as everywhere else, paths and the rest as text."""
    return value.isoformat() if isinstance(value, date) else str(value)


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def _remember(ctx: click.Context, param: click.Parameter, value: object) -> None:
    if value not in (None, False):
        setattr(ctx.ensure_object(Invocation), str(param.name), value)


def shared_options(function: F) -> F:
    """`--config` and `--debug`, before the verb or after it."""
    for option in (
        click.option("--debug", is_flag=True, expose_value=False, callback=_remember, help="Show tracebacks."),
        click.option(
            "-c",
            "--config",
            # Whether it can be read is looked at where it is read: that is a fault of the configuration, not of usage.
            type=click.Path(path_type=Path, readable=False),
            expose_value=False,
            callback=_remember,
            help="The configuration file.  [default: $GEN3SYNC_CONFIG, then the usual places]",
        ),
    ):
        function = option(function)
    return function


def json_option(function: F) -> F:
    """`--json`: the same answer for programs."""
    return click.option(
        "--json", is_flag=True, expose_value=False, callback=_remember, help="Print JSON instead of text."
    )(function)


def verb(name: str, **settings: Any) -> Callable[[Callable[..., Any]], click.Command]:
    """A click command that takes the shared options and hands its function the Invocation first."""

    def decorate(function: Callable[..., Any]) -> click.Command:
        make: Callable[[Callable[..., Any]], click.Command] = click.command(name, **settings)
        return make(shared_options(pass_invocation(function)))

    return decorate
