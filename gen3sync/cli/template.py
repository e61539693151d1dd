"""`gen3sync template`: the commons' own header for a node, ready to be filled in."""

from __future__ import annotations

from pathlib import Path

import click

from gen3sync.cli.ask import commons_of, expect
from gen3sync.cli.invocation import Invocation, verb
from gen3sync.errors import ExitCode
from gen3sync.names import printable


@verb("template", short_help="The commons' own TSV header for a node.")
@click.argument("node")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write it to this file.")
def template(invocation: Invocation, node: str, output: Path | None) -> int:
    """Print the TSV header of NODE as the commons gives it.

    A * marks columns that must be filled. The project_id column may stay blank: gen3sync fills it from the folder.
    """
    with commons_of(invocation) as client:
        text = expect(client.template(node), f"the template of {printable(node, 80)}")
    write_text(output, text if text.endswith("\n") else text + "\n")
    return ExitCode.OK


def write_text(output: Path | None, text: str) -> None:
    """To the file, whole or not at all, or to standard output."""
    if output is None:
        click.echo(text, nl=False)
        return
    from gen3sync.files import folder_error, write_atomic

    try:
        write_atomic(output, text.encode(), mode=0o644)
    except OSError as error:
        raise folder_error(f"{output} cannot be written", error) from error
