"""`gen3sync demo`: the whole of it in a temporary folder, checked against the sandbox's own truth.

- `stage.py`  sandbox, folders and a real `gen3sync run`, and waiting for what should happen, each time with a bound
- `files.py`  the TSVs
- `story.py`  the steps: what is done, what must then be true
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from gen3sync.cli.invocation import Invocation, verb
from gen3sync.errors import ExitCode


@verb("demo", short_help="Show it all at work in a sandbox, in under a minute.")
@click.option("--keep", is_flag=True, help="Leave the folder for a look.")
def demo(invocation: Invocation, keep: bool) -> int:
    """Start a sandbox commons and a daemon, drop TSVs in the wrong order, and show what happens.

    Exit code: 0 only if every step was true.
    """
    from gen3sync.cli.demo.stage import Stage
    from gen3sync.cli.demo.story import tell
    from gen3sync.cli.sandbox import need_graphql

    need_graphql()
    folder = Path(tempfile.mkdtemp(prefix="gen3sync-demo-"))
    with Stage(invocation, folder, keep=keep) as stage:
        true = tell(stage)
    return ExitCode.OK if true else ExitCode.SOFTWARE
