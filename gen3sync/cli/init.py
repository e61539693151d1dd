"""`gen3sync init`: writes a configuration and makes the outbox folders. Asks only what it cannot find out.

The key says which commons; the commons says which projects the key may write and read. What is left to ask is where
the folders shall be, and where the key is when it lies in none of the usual places.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gen3sync.cli.ask import expect
from gen3sync.cli.invocation import Invocation, json_option, verb
from gen3sync.errors import CredentialsError, ExitCode, FolderError, Gen3SyncError, NotFoundError, UsageError
from gen3sync.names import Project, printable

if TYPE_CHECKING:
    from gen3sync.commons.client import CommonsClient


@dataclass(frozen=True, slots=True)
class Found:
    """What the key and the commons told."""

    url: str
    user: str
    writable: tuple[Project, ...]
    readable: tuple[Project, ...]
    problem: str = ""
    nodes: tuple[str, ...] = ()
    """Of the dictionary, where it was asked for."""


@dataclass(frozen=True, slots=True)
class _Connection:
    """The settings a client needs, before there is a configuration."""

    url: str | None
    credentials: Path | None
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    deadline: float = 60.0
    ca_file: Path | None = None


@verb("init", short_help="Write a configuration and make the outbox folders.")
@json_option
@click.option("--folder", type=click.Path(path_type=Path), help="Where outbox, inbox, state and configuration go.")
@click.option("--credentials", type=click.Path(path_type=Path), help="The API key file of the commons.")
@click.option("--url", help="The commons' address.  [default: the key's issuer]")
@click.option("--every", default="15m", show_default=True, help="How often mirrors are refreshed.")
@click.option("--node", "nodes", multiple=True, help="Nodes to mirror.  [default: all]")
@click.option("--yes", is_flag=True, help="Ask nothing; take the defaults for what is not given.")
@click.option("--force", is_flag=True, help="Write over an existing configuration.")
def init(
    invocation: Invocation,
    folder: Path | None,
    credentials: Path | None,
    url: str | None,
    every: str,
    nodes: tuple[str, ...],
    yes: bool,
    force: bool,
) -> int:
    """Set up a folder for one commons: configuration, outbox, inbox, state.

    Makes outbox/PROGRAM/PROJECT for each project the key may write to. Nothing is sent to the commons.
    """
    ask = not yes and sys.stdin.isatty() and not invocation.json
    credentials = _credentials(invocation, credentials, ask=ask)
    found = _look(invocation, url, credentials, nodes)
    _check_nodes(nodes, found.nodes)
    if folder is None:
        folder = (
            Path(click.prompt("Folder for outbox, inbox and state", default="gen3sync")) if ask else Path("gen3sync")
        )
    folder = folder.expanduser().absolute()
    config = invocation.config.absolute() if invocation.config else folder / "gen3sync.toml"
    if config.exists() and not force:
        raise FolderError(f"{config} exists already.", "Choose another --folder, or write over it with --force.")
    _check_duration(every)
    made = _make(folder, found.writable)
    _write(config, _text(folder, config, found, url, credentials, every, nodes))
    if invocation.json:
        invocation.emit(
            {
                "config": str(config),
                "commons": found.url,
                "user": found.user,
                "writable": [str(project) for project in found.writable],
                "readable": [str(project) for project in found.readable],
                "folders": [str(path) for path in made],
                "problem": found.problem or None,
            }
        )
        return ExitCode.OK
    _report(invocation, found, config, made)
    return ExitCode.OK


def _credentials(invocation: Invocation, given: Path | None, *, ask: bool) -> Path | None:
    """The key file to write into the configuration; None where the usual places hold one."""
    from gen3sync.commons.credentials import CredentialsSource

    if given is not None:
        given = given.expanduser().absolute()
    try:
        CredentialsSource(given, invocation.env).load()
    except CredentialsError as error:
        if given is not None or not ask or "There is no API key" not in error.what:
            raise
        invocation.say(f"{error.what}")
        answer = click.prompt("Where is the API key file (credentials.json from the commons' profile page)?")
        given = Path(answer).expanduser().absolute()
        CredentialsSource(given, invocation.env).load()
    return given


def _look(invocation: Invocation, url: str | None, credentials: Path | None, nodes: tuple[str, ...]) -> Found:
    """Asks the commons; what it does not answer is left for later and told."""
    from gen3sync.commons.connect import open_commons

    client = open_commons(_Connection(url, credentials), invocation.env)
    try:
        address = client.url
        try:
            return _ask(client, address, nodes)
        except CredentialsError:
            raise
        except Gen3SyncError as error:
            return Found(address, "", (), (), problem=str(error))
    finally:
        client.close()


def _ask(client: CommonsClient, address: str, nodes: tuple[str, ...]) -> Found:
    from gen3sync.records.dictionary import Dictionary

    client.tokens.token()
    user = expect(client.whoami(), "the user of the key")
    may = expect(client.permissions(), "what the key may do")
    projects: list[Project] = []
    for program in expect(client.programs(), "the list of programs"):
        projects += expect(client.projects(program), f"the list of projects in {printable(program, 80)}")
    return Found(
        address,
        user.username or user.email,
        tuple(project for project in sorted(projects) if may.may_submit(project)),
        tuple(project for project in sorted(projects) if may.may_read(project)),
        nodes=Dictionary.from_json(expect(client.dictionary(), "the dictionary")).order if nodes else (),
    )


def _check_nodes(wanted: tuple[str, ...], known: tuple[str, ...]) -> None:
    """Raises NotFoundError for a node that the dictionary does not have; where none was read, `check` tells later."""
    from gen3sync.cli.checks.nodes import hint_for

    for pattern in wanted if known else ():
        if (hint := hint_for(pattern, known)) is not None:
            raise NotFoundError(f"The dictionary has no node {printable(pattern)!r}.", hint)


def _check_duration(text: str) -> None:
    from gen3sync.config.values import read_duration

    try:
        read_duration(text)
    except ValueError as error:
        raise UsageError(f"--every {error}.", 'For example: --every "15m".') from None


def _make(folder: Path, writable: tuple[Project, ...]) -> list[Path]:
    from gen3sync.files import folder_error, safe_name

    wanted = [folder / "outbox", folder / "inbox", folder / "state"]
    wanted += [folder / "outbox" / safe_name(each.program) / safe_name(each.code) for each in writable]
    made = []
    for path in wanted:
        if not path.is_dir():
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise folder_error(f"The folder {path} cannot be made", error) from error
            made.append(path)
    return made


def _write(config: Path, text: str) -> None:
    from gen3sync.files import folder_error, write_atomic

    try:
        config.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(config, text.encode(), mode=0o644)
    except OSError as error:
        raise folder_error(f"The configuration {config} cannot be written", error) from error


def _text(
    folder: Path,
    config: Path,
    found: Found,
    url: str | None,
    credentials: Path | None,
    every: str,
    nodes: tuple[str, ...],
) -> str:
    beside = folder == config.parent

    def place(name: str) -> str:
        return _quoted(name if beside else str(folder / name))

    projects = ", ".join(_quoted(str(project)) for project in found.readable) or '"*"'
    wanted = ", ".join(_quoted(node) for node in nodes) or '"*"'
    address = f"url = {_quoted(url)}" if url else f"# url = {_quoted(found.url)}"
    key = f"credentials = {_quoted(os.fspath(credentials))}" if credentials else '# credentials = "credentials.json"'
    return f"""\
# gen3sync for {printable(found.url)}
# Every key with its default and its reason: sample-config.toml and docs/reference/configuration.md.
# Check it with `gen3sync check --config {config}`; paths are relative to this file.

[commons]
# The commons is the one that issued the API key, unless you name another.
{address}
# The API key file from the commons' profile page; nobody else may read it (chmod 600).
{key}

[outbox]
# Drop TSV, CSV or JSON files into outbox/PROGRAM/PROJECT/. What landed moves to sent/, what was refused to rejected/.
path = {place("outbox")}
# Blank cells that would erase stored values wait for you to say so.
# blanks = "guard"

[inbox]
# Mirrors of what the commons holds appear here. Change nothing in them: they are written anew.
path = {place("inbox")}

[[inbox.mirror]]
projects = [{projects}]
nodes = [{wanted}]
format = "tsv"
every = {_quoted(every)}

[state]
# gen3sync's own memory. Keep it on a local disk and back it up with the rest.
path = {place("state")}
"""


def _quoted(text: str) -> str:
    """A TOML basic string."""
    import json

    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _report(invocation: Invocation, found: Found, config: Path, made: list[Path]) -> None:
    invocation.say(f"Commons   {printable(found.url)}" + (f", as {printable(found.user)}" if found.user else ""))
    if found.problem:
        invocation.say(
            f"          {click.style('not asked what the key may do:', fg='yellow')} {printable(found.problem)}"
        )
    else:
        invocation.say(f"          may write {_listed(found.writable)}")
        invocation.say(f"          may read {_listed(found.readable)}")
    invocation.say(f"Written   {config}")
    for path in made:
        invocation.say(f"Made      {path}")
    invocation.say("\nNext:")
    invocation.say(f"  gen3sync check --config {config}")
    invocation.say(f"  gen3sync run --config {config}")
    if found.writable:
        invocation.say(f"  and drop a TSV into {config.parent / 'outbox' / str(found.writable[0])}")


def _listed(projects: tuple[Project, ...]) -> str:
    shown = ", ".join(printable(project) for project in projects[:8])
    return (shown + (f" and {len(projects) - 8} more" if len(projects) > 8 else "")) or "nothing"
