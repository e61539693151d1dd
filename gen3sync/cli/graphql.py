"""`gen3sync graphql`: a query from the shell."""

from __future__ import annotations

import json
import sys

import click

from gen3sync.cli.ask import commons_of, expect
from gen3sync.cli.invocation import Invocation, verb
from gen3sync.errors import ExitCode, UsageError


@verb("graphql", short_help="Ask the commons a GraphQL query.")
@click.argument("query")
@click.option("--variables", metavar="JSON", help='Variables, as in \'{"P": ["DEV-test"]}\'.')
def graphql(invocation: Invocation, query: str, variables: str | None) -> int:
    """Send QUERY (or - to read it from standard input) and print the data as JSON.

    Zero and [] may also mean that the key cannot read the project: the commons does not tell the two apart.
    """
    text = sys.stdin.read() if query == "-" else query
    try:
        values = json.loads(variables) if variables else None
    except ValueError as error:
        raise UsageError(f"--variables is not JSON: {error}.", 'For example: \'{"P": ["DEV-test"]}\'.') from None
    if values is not None and not isinstance(values, dict):
        raise UsageError("--variables is not a JSON object.", 'For example: \'{"P": ["DEV-test"]}\'.')
    with commons_of(invocation) as client:
        answer = expect(client.graphql(text, values), "the query")
    invocation.emit(answer.data)
    return ExitCode.OK
