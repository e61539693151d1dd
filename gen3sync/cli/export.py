"""`gen3sync export`: records as the commons writes them, now, to standard output or a file."""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeVar, cast

import click

from gen3sync.cli.ask import commons_of, existing
from gen3sync.cli.invocation import Invocation, verb
from gen3sync.cli.progress import Bar, progress
from gen3sync.cli.words import size
from gen3sync.errors import ExitCode, UsageError
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.commons.client import CommonsClient
    from gen3sync.commons.replies import Failure, Refused

T = TypeVar("T")


@verb("export", short_help="Print records of a project as TSV or JSON.")
@click.argument("project")
@click.option("--node", help="All records of this node.")
@click.option("--ids", help="These records, by id, separated by commas.")
@click.option(
    "--format", type=click.Choice(["tsv", "json"]), default="tsv", show_default=True, help="JSON is the lossless one."
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
def export(
    invocation: Invocation, project: str, node: str | None, ids: str | None, format: str, output: Path | None
) -> int:
    """Print records of PROJECT (PROGRAM/PROJECT) as the commons exports them.

    A TSV of the commons quotes nothing and can end early without a sign. What must be whole and current is better
    mirrored: `gen3sync pull`.
    """
    where = Project.parse(project)
    if (node is None) == (ids is None):
        raise UsageError("Say what to export: either --node or --ids.", "For example: --node case.")
    wanted = [each for each in (ids or "").replace(",", " ").split() if each]
    asked = f"the export of {printable(node or 'those ids', 80)} from {where}"
    with commons_of(invocation) as client:
        existing(client, where)
        # A bar among the rows on one terminal would be in the way of both.
        seen = output is None and sys.stdout.isatty()
        with nullcontext(Bar()) if seen else progress(invocation, asked) as bar:
            found = client.export_text(where, node=node, ids=wanted, format=format)
            with _had(client, where, found, asked) as stream:
                source = cast("BinaryIO", _Counted(cast("BinaryIO", stream), bar, asked))
                if output is None:
                    shutil.copyfileobj(source, sys.stdout.buffer)
                else:
                    _to_file(source, output)
    return ExitCode.OK


def _had(client: CommonsClient, project: Project, found: T | Refused | Failure, asked: str) -> T:
    from gen3sync.commons.replies import Failure, Refused
    from gen3sync.commons.rights import error_of

    if isinstance(found, Refused | Failure):
        raise error_of(client, project, found, asked)
    return found


class _Counted:
    """Reads on, and tells how much has come: how much there will be, no export says."""

    def __init__(self, source: BinaryIO, bar: Bar, what: str) -> None:
        self._source, self._bar, self._what = source, bar, what
        self._read = 0

    def read(self, amount: int = -1) -> bytes:
        data = self._source.read(amount)
        self._read += len(data)
        self._bar.say(f"{self._what}: {size(self._read)}")
        return data


def _to_file(source: BinaryIO, output: Path) -> None:
    from gen3sync.files import folder_error, write_atomic

    try:
        write_atomic(output, lambda file: shutil.copyfileobj(source, file), mode=0o644)
    except OSError as error:
        raise folder_error(f"{output} cannot be written", error) from error
