"""`gen3sync notify test`: sends a message to every configured target and says of each whether it was taken."""

from __future__ import annotations

import click

from gen3sync.cli.invocation import Invocation, json_option, pass_invocation, shared_options
from gen3sync.errors import ConfigError, ExitCode
from gen3sync.names import printable


@click.group("notify", short_help="Try whether messages reach the people they are for.")
@shared_options
def notify() -> None:
    """Messages to people who are not looking, as [notify] in the configuration says."""


@notify.command("test", short_help="Send a test message to every target, now.")
@json_option
@shared_options
@pass_invocation
def test(invocation: Invocation) -> int:
    """Send a test message to every target, now and from this process, whether a daemon runs or not.

    Targets are named by their kind and number, never by their address. Exit code: 0 all took it, 1 some did not, 75
    none did, 78 nothing is configured or apprise is not installed.
    """
    from gen3sync.notify.post import open_post
    from gen3sync.notify.targets import ENVIRONMENT, find_targets
    from gen3sync.notify.teller import name_of
    from gen3sync.notify.words import trial

    settings = invocation.settings()
    targets = find_targets(settings.notify, invocation.env)
    if not targets:
        raise ConfigError(
            "No target for notifications is configured.",
            f"Name one with `urls` or `urls_file` under [notify] in {settings.path}, or in ${ENVIRONMENT}.",
        )
    post, message = open_post(), trial(name_of(settings.path))
    found = []
    for target in targets:
        why = post.send(target, message)
        found.append({"target": target.label, "taken": not why, "problem": why or None})
        if not invocation.json:
            said = click.style("taken", fg="green") if not why else click.style("not taken", fg="red")
            invocation.say(f"{target.label}: {said}{': ' + printable(why) if why else ''}")
    if invocation.json:
        invocation.emit(found)
    taken = sum(bool(each["taken"]) for each in found)
    if taken == len(found):
        return ExitCode.OK
    return ExitCode.DEGRADED if taken else ExitCode.TEMPORARY
