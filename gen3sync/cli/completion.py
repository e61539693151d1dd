"""`gen3sync completion`: what makes a shell complete verbs, options and choices. The scripts are click's own."""

from __future__ import annotations

import click

from gen3sync.cli.invocation import Invocation, verb

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_GEN3SYNC_COMPLETE"


def script(shell: str) -> str:
    """The completion script of a shell."""
    from click.shell_completion import BashComplete, FishComplete, ZshComplete

    from gen3sync.cli import gen3sync

    class Bash(BashComplete):
        @staticmethod
        def _check_version() -> None:
            """click asks the bash of this machine; the script may be meant for another."""

    kinds = {"bash": Bash, "zsh": ZshComplete, "fish": FishComplete}
    return kinds[shell](gen3sync, {}, "gen3sync", VARIABLE).source().strip() + "\n"


@verb("completion", short_help="What makes a shell complete verbs and options.")
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
def completion(invocation: Invocation, shell: str) -> None:
    """Print the completion script of SHELL.

    For bash: `eval "$(gen3sync completion bash)"` in ~/.bashrc; zsh: the same in ~/.zshrc; fish: `gen3sync completion
    fish | source` in ~/.config/fish/config.fish. An installed gen3sync has the scripts in its share folder, too.
    """
    invocation.say(script(shell).rstrip("\n"))
