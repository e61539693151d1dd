"""`gen3sync config`: the JSON schema for editors, and the settings in effect with nothing secret in them."""

from __future__ import annotations

import click

from gen3sync.cli.invocation import Invocation, json_option, pass_invocation, shared_options
from gen3sync.errors import ExitCode


@click.group("config", short_help="The configuration's JSON schema, and the settings in effect.")
@shared_options
def config() -> None:
    """What can be configured, and what is."""


@config.command("schema", short_help="Print a JSON schema of the configuration, for editors.")
@shared_options
@pass_invocation
def schema(invocation: Invocation) -> int:
    """Print a JSON schema of the configuration, for editors that complete and check TOML."""
    from gen3sync.config import config_schema

    invocation.emit(config_schema())
    return ExitCode.OK


@config.command("show")
@shared_options
@json_option
@pass_invocation
def show(invocation: Invocation) -> int:
    """Print the settings in effect, defaults included. No secret is among them."""
    from gen3sync.config import as_toml, effective

    settings = invocation.settings()
    if invocation.json:
        invocation.emit(effective(settings))
    else:
        invocation.say(as_toml(settings))
    return ExitCode.OK
