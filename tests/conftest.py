"""What all tests share: the same examples in every run, a commons with a story on it, and figures that tests measured,
shown at the run's end (`record_property("figure", "name: value")` in a test)."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from gen3sync.sandbox import Sandbox
from tests.scenario.submission_faults.kit import Story

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


# Tests speak to this machine alone: a proxy of the environment is not for them, nor is the width of its terminal.
for _name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "columns", "lines"):
    os.environ.pop(_name, None)
    os.environ.pop(_name.upper(), None)


# A shell that runs `make test` in the background ignores Ctrl-C, and the processes that tests start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto`: more than there are cores, since the long tests wait for processes, disks and the service manager."""
    return (os.cpu_count() or 1) + 2


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A verb that a test runs in its own process sets up logging, which must not deafen the tests after it."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers
    logging.captureWarnings(False)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A file or a folder that needs another commons has its own."""
    with Sandbox() as made:
        yield made


@pytest.fixture
def story(tmp_path: Path, sandbox: Sandbox) -> Story:
    return Story(tmp_path, sandbox)


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
