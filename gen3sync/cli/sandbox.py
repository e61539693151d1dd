"""`gen3sync sandbox`: a small commons on loopback, and `sandbox fault`: what goes wrong there while it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gen3sync.cli.invocation import Invocation, pass_invocation, shared_options
from gen3sync.errors import CommonsError, ExitCode, FolderError, UnreachableError, UsageError
from gen3sync.names import Project

if TYPE_CHECKING:
    from gen3sync.sandbox.sandbox import Sandbox

PORT = 8642
"""Where it listens unless told otherwise, so that `sandbox fault` finds it."""


@click.group("sandbox", invoke_without_command=True, short_help="A small commons on this machine, for trying.")
@shared_options
@click.option("--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0 takes a free one.")
@click.option(
    "--dictionary",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The answer of a commons' _dictionary/_all instead of the sandbox's own small dictionary.",
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    default=("DEV/test",),
    show_default=True,
    help="A project to make, as PROGRAM/PROJECT; may be given more than once.",
)
@click.option(
    "--credentials",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("sandbox-key.json"),
    show_default=True,
    help="Where to write the API key file.",
)
@click.option("--real-costs", is_flag=True, help="Be as slow as a real commons with two workers.")
@click.pass_context
def sandbox(
    ctx: click.Context,
    port: int,
    dictionary: Path | None,
    projects: Sequence[str],
    credentials: Path,
    real_costs: bool,
) -> int:
    """Serve a small Gen3 commons on 127.0.0.1 until Ctrl-C: tokens, submission, exports, dictionary, GraphQL.

    For trying and testing only. Everything is in memory and gone when it stops, and it is as wrong as a real commons
    can be: see docs/reference/sandbox.md.
    """
    if ctx.invoked_subcommand is not None:
        return ExitCode.OK
    from gen3sync.sandbox import run

    need_graphql()
    names = [Project.parse(each).id for each in projects]
    try:
        run(
            port=port,
            dictionary_path=dictionary,
            projects=names,
            credentials_path=credentials,
            real_costs=real_costs,
            announce=lambda ready: _announce(ctx.obj, ready, credentials),
        )
    except ValueError as error:
        raise UsageError(f"The sandbox cannot start: {error}.", "See `gen3sync sandbox --help`.") from None
    except OSError as error:
        raise FolderError(
            f"The sandbox cannot start on port {port} with the key file {credentials}: {error.strerror}.",
            "Is another one running? Choose another --port (0 takes a free one) or another --credentials.",
        ) from None
    return ExitCode.OK


def need_graphql() -> None:
    """Raises CommonsError without the extra that parses GraphQL: half a commons would look like a broken one."""
    from importlib.util import find_spec

    if find_spec("graphql") is None:
        raise CommonsError(
            "The sandbox needs graphql-core, which is not installed.",
            "Install gen3sync with its extra: pip install '.[sandbox]' in its source folder.",
        )


def _announce(invocation: Invocation, ready: Sandbox, credentials: Path) -> None:
    invocation.say(f"Sandbox commons at {ready.url}, until Ctrl-C. Its API key is in {credentials}")
    invocation.say("In another terminal:")
    invocation.say(f"  gen3sync init --credentials {credentials} --folder try --yes")
    invocation.say("  gen3sync run --config try/gen3sync.toml")


@sandbox.command("fault")
@shared_options
@click.argument("kind")
@click.argument("options", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--url", default=f"http://127.0.0.1:{PORT}", show_default=True, help="The running sandbox.")
@pass_invocation
def fault(invocation: Invocation, kind: str, options: Sequence[str], url: str) -> int:
    """Make something go wrong in a running sandbox.

    \b
    gen3sync sandbox fault answer status=503 times=3
    gen3sync sandbox fault lose when=after_log method=PUT
    gen3sync sandbox fault cut rows=10
    gen3sync sandbox fault deny project=DEV-test
    gen3sync sandbox fault clear

    docs/reference/sandbox.md lists the kinds and what they take.
    """
    from gen3sync.sandbox import send_fault

    change = {"kind": kind, **dict(_option(text) for text in options)}
    try:
        answer = send_fault(url, change)
    except ValueError as error:
        raise CommonsError(f"The sandbox does not do that: {error}.", "See docs/reference/sandbox.md.") from None
    except OSError as error:
        raise UnreachableError(
            f"No sandbox answers at {url}: {getattr(error, 'reason', error)}.",
            "Start one with `gen3sync sandbox`, or name it with --url.",
        ) from None
    invocation.emit(answer)
    return ExitCode.OK


def _option(text: str) -> tuple[str, object]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise UsageError(f"{text!r} is not NAME=VALUE.", "For example: status=503.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
