"""The metrics port in a daemon's life: opened, followed at a reload, tried again when it was taken, closed.

prometheus-client is imported with the first port that is wanted. A port that cannot be had is told and stops no work.
"""

from __future__ import annotations

import errno
import logging
import os
from typing import TYPE_CHECKING

from gen3sync.clock import Clock
from gen3sync.config import MetricsSettings
from gen3sync.config.values import read_listen
from gen3sync.observe import NOBODY, Observer
from gen3sync.status import Status

if TYPE_CHECKING:
    from gen3sync.daemon.heartbeats import Heartbeats
    from gen3sync.metrics.server import Server
    from gen3sync.metrics.site import Site

log = logging.getLogger(__name__)

_AGAIN = 60.0
_REST = 300.0
"""Seconds that closing and opening the rooms may take before the daemon counts as hung."""


class MetricsPort:
    """Touched by the daemon's main thread alone."""

    def __init__(self, clock: Clock, beats: Heartbeats) -> None:
        self._clock = clock
        self._beats = beats
        self._settings = MetricsSettings()
        self._site: Site | None = None
        self._server: Server | None = None
        self._next_try = 0.0
        self.problem = ""
        """Why the port is not served though it should be."""

    @property
    def observer(self) -> Observer:
        """Who counts what the rooms do: nobody while nobody asks."""
        return self._site.counts if self._site is not None and self._settings.listen else NOBODY

    def follow(self, settings: MetricsSettings) -> None:
        """Serves as the settings say; whatever they said before ends."""
        if settings == self._settings:
            return
        self.close()
        self._settings = settings
        if settings.listen and self._site is None:
            from gen3sync.metrics.site import Site

            self._site = Site(self._clock, self._beats)
        self._open()

    def look(self) -> None:
        """Tries again now and then to have a port that was taken, or whose server died."""
        if self._server is not None and not self._server.alive:
            self.close()
            self._failed("metrics are not served: their thread died; the log has the details")
        if self.problem and self._clock.monotonic() >= self._next_try:
            self._open()

    def show(self, status: Status, obstacles: tuple[str, ...]) -> None:
        """How things are now, and what keeps drops from being taken."""
        if self._site is not None:
            self._site.picture.show(status, obstacles)

    def rest(self) -> None:
        """The daemon reloads or stops: nothing will be shown for a while."""
        if self._site is not None:
            self._site.picture.expect(_REST)

    def close(self) -> None:
        """Serves no more, and has nothing to complain of."""
        if self._server is not None:
            self._server.stop()
            self._server = None
        self.problem = ""

    def _open(self) -> None:
        listen = self._settings.listen
        if listen is None or self._site is None:
            return
        from gen3sync.metrics.server import Server

        host, port = read_listen(listen)
        try:
            self._server = Server(host, port, self._site.pages.answer, any_name=self._settings.expose)
            self._server.start()
        except (OSError, RuntimeError) as error:
            self._next_try = self._clock.monotonic() + _AGAIN
            self._failed(f"metrics are not served on {listen}: {_why(error)}")
        else:
            self.problem = ""
            log.info("metrics are served", extra={"listen": listen})

    def _failed(self, problem: str) -> None:
        if problem != self.problem:
            log.error("%s", problem)
        self.problem = problem


def _why(error: OSError | RuntimeError) -> str:
    match error:
        case OSError(errno=errno.EADDRINUSE):
            return (
                "another program has the port, such as a second gen3sync; each needs one of its own ([metrics] listen)"
            )
        case OSError(errno=errno.EADDRNOTAVAIL):
            return "this machine does not have the address ([metrics] listen)"
        case OSError(errno=errno.EACCES):
            return "ports below 1024 are not for everybody; take one above ([metrics] listen)"
        case OSError(errno=int() as number):
            return os.strerror(number)
    return str(error)
