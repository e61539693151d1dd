"""What all tests share: the same examples in every run, and figures that tests measured, shown at its end
(`record_property("figure", "name: value")` in a test)."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# Every run tries the same examples, however slow the machine is; GEN3SYNC_EXAMPLES (`make crash`) looks for new ones.
settings.register_profile(
    "gen3sync",
    derandomize="GEN3SYNC_EXAMPLES" not in os.environ,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
)
settings.load_profile("gen3sync")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    figures = sorted(
        str(value)
        for report in terminalreporter.stats.get("passed", ())
        for name, value in getattr(report, "user_properties", ())
        if name == "figure"
    )
    if figures:
        terminalreporter.section("figures")
        for figure in figures:
            terminalreporter.line(figure)
