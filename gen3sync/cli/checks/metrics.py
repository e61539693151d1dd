"""Can metrics be served where the configuration says, and does the daemon that runs serve them?"""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPException

from gen3sync.cli.checks import Finding, Site, ok, warn

TITLE = "Metrics"
NEEDS = ("configuration",)
_SECONDS = 5.0
_OWN = "Give each gen3sync a port of its own in [metrics] listen; `ss -ltnp` shows who has this one."


def look(site: Site) -> Iterator[Finding]:
    from gen3sync.config.values import read_listen
    from gen3sync.files import holder_of

    settings = site.settings.metrics
    if settings.listen is None:
        yield ok("No port is opened ([metrics] listen is not set)")
        return
    host, port = read_listen(settings.listen)
    holder = holder_of(site.settings.state.path)
    if holder is None:
        yield _bindable(host, port, settings.listen)
    else:
        yield _served(_near(host), port, settings.listen, holder.pid)
    if settings.expose:
        yield warn(
            f"{settings.listen} is readable by whoever reaches it, without a password.",
            "Let a firewall or a proxy choose who does, or listen on 127.0.0.1 and leave `expose` out.",
        )


def _bindable(host: str, port: int, listen: str) -> Finding:
    import os
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        return warn(f"{listen} cannot be had: {os.strerror(error.errno or 0)}.", _OWN)
    return ok(f"{listen} is free for the daemon")


def _served(host: str, port: int, listen: str, pid: int) -> Finding:
    """Whether it is our daemon that answers there: another gen3sync may have been quicker."""
    connection = HTTPConnection(host, port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz", headers={"Accept": "application/json"})
        told = json.loads(connection.getresponse().read(65_536))
        answered, alive = told["pid"], told["alive"]
    except OSError:
        return warn(f"{listen} does not answer, though a daemon runs.", "If listen was changed: reload the daemon.")
    except (HTTPException, ValueError, KeyError, TypeError):
        return warn(f"What answers at {listen} is no gen3sync.", _OWN)
    finally:
        connection.close()
    if answered != pid:
        return warn(f"Another gen3sync (process {answered}) answers at {listen}.", _OWN)
    return ok(f"Served at {listen}" + ("" if alive else ", and a loop of the daemon shows no life"))


def _near(host: str) -> str:
    """An address for asking: a listener on all addresses is asked on loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - asked, not bound
