"""`gen3sync run`: the daemon in the foreground, as systemd starts it and as a person may."""

from __future__ import annotations

import click

from gen3sync.cli.invocation import Invocation, verb


@verb("run", short_help="The daemon, in the foreground: outbox, inbox and tokens until told to stop.")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), help="Instead of [log] level.")
@click.option("--log-format", type=click.Choice(["auto", "human", "keyvalue", "json"]), help="Instead of [log] format.")
def run(invocation: Invocation, log_level: str | None, log_format: str | None) -> int:
    """Serve outbox and inbox until stopped by Ctrl-C or SIGTERM.

    SIGHUP reads the configuration again; a bad one changes nothing. A second Ctrl-C stops at once; nothing is lost.
    """
    import contextlib
    import faulthandler

    from gen3sync import logs
    from gen3sync.clock import SystemClock
    from gen3sync.config import Settings, load_settings
    from gen3sync.daemon.loop import Daemon
    from gen3sync.daemon.memory import few_pools

    def load() -> Settings:
        settings = load_settings(invocation.config, invocation.env)
        logs.set_up(
            log_level or settings.log.level,
            log_format or settings.log.format,
            invocation.env,
            colour=invocation.colour,
        )
        return settings

    few_pools()
    # When systemd's watchdog ends a hung daemon (SIGABRT), the journal gets what every thread was doing.
    with contextlib.suppress(OSError):  # standard error is no file
        faulthandler.enable()
    return Daemon(load, SystemClock(), invocation.env).run()
