"""The command line: one module per verb; each reads its arguments, calls a room and prints.

This file owns the way in: which verbs there are, and how errors leave the process (one sentence, its remedy, an exit
code of sysexits.h, never a traceback unless `--debug` asks for it). A verb's module is imported only when the verb is
called, and rooms only inside verbs: `gen3sync status` must not pay for SQLAlchemy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

import click

from gen3sync import __version__
from gen3sync.cli.invocation import Invocation, shared_options
from gen3sync.errors import ExitCode, Gen3SyncError
from gen3sync.names import printable

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

VERBS = {
    "run": "The daemon, in the foreground: outbox, inbox and tokens until told to stop.",
    "once": "One pass out and in, for cron; the exit code says how it went.",
    "push": "Submit files now and wait for their receipts.",
    "plan": "Show what submitting a file would change; sends nothing.",
    "pull": "Refresh mirrors now.",
    "status": "How things are: drops, mirrors, key, commons.",
    "history": "What happened, lately or to one file or mirror.",
    "diff": "What changed in a mirrored node, record by record.",
    "retry": "Look again at parked work, now.",
    "withdraw": "Take back drops: what is not sent of them will not be.",
    "check": "Find what is wrong with this installation, and how to mend it.",
    "init": "Write a configuration and make the outbox folders.",
    "template": "The commons' own TSV header for a node.",
    "graphql": "Ask the commons a GraphQL query.",
    "export": "Print records of a project as TSV or JSON.",
    "notify": "Try whether messages reach the people they are for.",
    "service": "Install gen3sync as a systemd service: units, folders, what to do next.",
    "token": "Whom the key belongs to and when it and the token expire.",
    "config": "The configuration's JSON schema, and the settings in effect.",
    "completion": "What makes a shell complete verbs and options: bash, zsh, fish.",
    "sandbox": "A small commons on this machine, for trying and testing.",
    "demo": "Show it all at work in a sandbox, in under a minute.",
}


class _ReaderGoneError(Exception):
    """Whoever read the output went away. Not an OSError: for that, click would end the process with 1."""


class Verbs(click.Group):
    """Imports a verb's module when that verb is named; the module holds a command of the verb's name."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as error:
            raise _ReaderGoneError from error

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in VERBS:
            return None
        from importlib import import_module

        command = getattr(import_module(f"gen3sync.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 (a mistake in this package, not of the user)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs from the list above: click would import every module for its help."""
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(name, help=said) for name, said in VERBS.items() if name.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches

            close = get_close_matches(args[0], VERBS, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no verb {printable(args[0], 60)!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "-V", "--version", message="gen3sync %(version)s")
@shared_options
def gen3sync() -> None:
    """Keeps a folder and a Gen3 data commons in step.

    Files dropped into the outbox arrive in the commons; chosen nodes of the commons appear in the inbox and stay
    current. Start with `gen3sync init`, then `gen3sync run`. To see it at work first: `gen3sync demo`.
    """


def main(args: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> NoReturn:
    """The console script."""
    invocation = Invocation(env=dict(os.environ if env is None else env))
    try:
        code = _run(invocation, args)
    except (BrokenPipeError, _ReaderGoneError):
        # The reader went away (`| head`). Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    sys.exit(code)


def _run(invocation: Invocation, args: Sequence[str] | None) -> int:
    try:
        result = gen3sync.main(
            args=None if args is None else list(args), prog_name="gen3sync", standalone_mode=False, obj=invocation
        )
        sys.stdout.flush()
        return int(result or 0)
    except click.UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # of newer click: nothing was said, so this is all help
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        where = error.ctx.command_path if error.ctx else "gen3sync"
        return _tell(invocation, error.format_message(), f"See `{where} --help`.", ExitCode.USAGE)
    except click.ClickException as error:
        return _tell(invocation, error.format_message(), "", ExitCode.USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        return 130
    except (BrokenPipeError, _ReaderGoneError):
        raise
    except Gen3SyncError as error:
        if invocation.debug:
            raise
        return _tell(invocation, error.what, error.remedy, error.exit_code)
    except OSError as error:
        if invocation.debug:
            raise
        name = f"{error.filename}: " if error.filename else ""
        return _tell(invocation, f"{name}{error.strerror or error}.", "", ExitCode.IO)
    except Exception as error:  # the last line of defence: a user never sees a traceback unasked
        if invocation.debug:
            raise
        what = f"gen3sync met something it did not expect: {type(error).__name__}: {error}."
        return _tell(
            invocation, what, "Nothing dropped is lost. Run it again with --debug to see where it happened.", 70
        )


def _tell(invocation: Invocation, what: str, remedy: str, code: int) -> int:
    """One sentence and its remedy on standard error."""
    from gen3sync.redaction import redact

    what, remedy = (redact("\n".join(printable(line, 2000) for line in text.splitlines())) for text in (what, remedy))
    if invocation.json:
        import json

        click.echo(json.dumps({"error": what, "remedy": remedy, "exit_code": int(code)}, ensure_ascii=False), err=True)
    else:
        # What cannot be shown in colour stands without it: click asks the terminal, NO_COLOR asks us.
        first, *more = what.splitlines() or [""]
        invocation.paragraph(first, mark=click.style("error:", fg="red", bold=True), indent=7, err=True)
        for line in more:
            invocation.paragraph(line.strip(), indent=2, err=True)
        for number, line in enumerate(remedy.splitlines()):
            mark = click.style("  try:", fg="green") if not number else ""
            invocation.paragraph(line, mark=mark, indent=7, err=True)
    return int(code)
