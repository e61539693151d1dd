"""Counters, gauges and pages put together: what there is to be served, on whatever port.

Made once by a daemon that serves metrics, and kept through reloads, so that counters go on.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, disable_created_metrics, generate_latest

from gen3sync.clock import Clock
from gen3sync.metrics.counts import Counts
from gen3sync.metrics.gauges import Gauges
from gen3sync.metrics.pages import Pages
from gen3sync.metrics.picture import Picture, Pulse
from gen3sync.metrics.process import Process


class Site:
    """`counts` is what the rooms tell, `picture` what the daemon shows, `pages` what can be asked."""

    def __init__(self, clock: Clock, pulse: Pulse) -> None:
        # A series beside each counter, to tell what process_start_time_seconds tells.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self.counts = Counts(self._registry)
        self.picture = Picture(clock, pulse)
        self._registry.register(Gauges(self.picture, clock))
        self._registry.register(Process(clock.now().timestamp()))
        self.pages = Pages(self.picture, self.text)

    def text(self) -> bytes:
        """All metrics, in the text form of Prometheus."""
        return generate_latest(self._registry)
